//! What may start is started: at once by whoever has queued something, and by the dispatcher for all that waits.
//!
//! The decision is made and written in one transaction, so it does not matter who makes it, or that two do at once. Who
//! cannot finish it wakes the dispatcher instead.

use crate::config::load_site;
use crate::model::{Place, ProjectName};
use crate::order::{Order, OrderError, Orders};
use crate::plan::dispatch::may_start;
use crate::store::{Store, StoreError};
use crate::wake::Wake;
use jiff::Timestamp;
use std::path::PathBuf;

/// Why what waits could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `ci-launch` cannot be reached.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A folder of ours.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Starts what may, after something was queued; the dispatcher is woken if that fails.
///
/// It saves the path unit and the dispatcher's own start on the way from a push to its build, 55 ms.
pub fn start_or_wake(place: &Place) {
    let started = Store::open(place)
        .map_err(StartError::from)
        .and_then(|mut s| start_what_may(place, &mut s, &mut Orders::to(place)));
    if let Err(error) = started {
        tracing::warn!("{error}; the dispatcher tries again");
        Wake::Build.up_or_warn(place);
    }
}

/// Makes builds of the requests that may start, and has their supervisors started. What waits on is started when a
/// build ends, or by the net.
pub fn start_what_may(place: &Place, store: &mut Store, orders: &mut Orders) -> Result<(), StartError> {
    let waiting = store.read().waiting()?;
    if waiting.is_empty() {
        return Ok(());
    }
    let max_builds = load_site(place).map_or(1, |site| site.max_builds);
    let now = Timestamp::now();
    let mut started = Vec::new();
    let floors = floors(place, &waiting.iter().map(|r| r.ask.project.clone()).collect::<Vec<_>>())?;
    store.write(|tx| {
        let waiting = tx.read().waiting()?;
        for id in may_start(&waiting, &tx.read().unfinished_builds()?, max_builds, now) {
            let Some(request) = waiting.iter().find(|request| request.id == id) else { continue };
            let floor = floors.iter().find(|(p, _)| *p == request.ask.project).map_or(0, |(_, floor)| *floor);
            started.push(tx.start_build(request, floor, now)?);
        }
        Ok::<_, StoreError>(())
    })?;
    for build in started {
        orders.give(&Order::Supervise { build }, &[])?;
    }
    Ok(())
}

/// The highest build number that a project's folder knows: above what a restored store may have forgotten.
fn floors(place: &Place, projects: &[ProjectName]) -> Result<Vec<(ProjectName, u32)>, StartError> {
    let mut floors = Vec::new();
    for project in projects {
        let folder = place.builds().join(project.as_str());
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(StartError::Io { path: folder, source }),
        };
        let mut highest = 0;
        for entry in entries {
            let entry = entry.map_err(|source| StartError::Io { path: folder.clone(), source })?;
            highest = entry.file_name().to_str().and_then(|n| n.parse().ok()).unwrap_or(0).max(highest);
        }
        floors.push((project.clone(), highest));
    }
    Ok(floors)
}
