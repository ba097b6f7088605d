//! What may start is started: at once by whoever has queued something, and by the dispatcher for all that waits.
//!
//! The decision is made and written in one transaction, so it does not matter who makes it, or that two do at once. Who
//! cannot finish it wakes the dispatcher instead.

use crate::config::order::{Bounds, Rules};
use crate::config::{Site, load_project, load_site};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{Place, ProjectName, TargetId};
use crate::order::{Order, OrderError, Orders};
use crate::plan::queue::{Memory, Queue, Turn, Why, decide};
use crate::plan::supersede::superseded;
use crate::store::{Store, StoreError};
use crate::wake::Wake;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
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
/// It saves the path unit and the dispatcher's own start on the way from a push to its build, 55 ms. Who keeps `orders`
/// keeps `ci-launch` from leaving, which then need not be started for what is queued next: 70 ms.
pub fn start_or_wake(place: &Place, orders: &mut Orders) {
    let started =
        Store::open(place).map_err(StartError::from).and_then(|mut store| start_what_may(place, &mut store, orders));
    if let Err(error) = started {
        tracing::warn!("{error}; the dispatcher tries again");
        Wake::Build.up_or_warn(place);
    }
}

/// Starts a target's deploys, after one was queued; their dispatcher is woken if that fails.
///
/// It saves the path unit and the dispatcher's own start on the way from green to live.
pub fn deploy_or_wake(place: &Place, target: &TargetId) {
    let order = Order::Deploy { target: target.clone() };
    if let Err(error) = Orders::to(place).give(&order, &[]) {
        tracing::warn!("{error}; the dispatcher of deploys tries again");
        Wake::Deploy.up_or_warn(place);
    }
}

/// Makes builds of the requests that may start, and has their supervisors started. What waits on is started when a
/// build ends, or by the net.
pub fn start_what_may(place: &Place, store: &mut Store, orders: &mut Orders) -> Result<(), StartError> {
    let waiting = store.read().waiting()?;
    if waiting.is_empty() {
        if store.read().hold()?.is_some() {
            store.write(|tx| tx.let_go())?;
        }
        return Ok(());
    }
    let projects: BTreeSet<ProjectName> = waiting.into_iter().map(|request| request.ask.project).collect();
    let (bounds, rules, floors) = (bounds(place), rules(place, &projects), floors(place, &projects)?);
    let short = memory(place).short(&bounds.memory);
    let now = Timestamp::now();
    let (mut started, mut stopped) = (Vec::new(), Vec::new());
    let held = store.write(|tx| {
        let (waiting, unfinished) = (tx.read().waiting()?, tx.read().unfinished_builds()?);
        let (waiting, unfinished) = (waiting.as_slice(), unfinished.as_slice());
        let queue = Queue { waiting, unfinished, rules: &rules, bounds: &bounds, short: short.as_deref(), now };
        for (build, stop) in superseded(&queue) {
            if tx.ask_stop(&build, &stop)? {
                stopped.push(build);
            }
        }
        let mut held = false;
        for (id, turn) in decide(&queue) {
            let holds = match turn {
                Turn::Starts(holds) => holds,
                Turn::Waits(why) => {
                    held |= matches!(why, Why::Memory(_));
                    continue;
                }
            };
            let Some(request) = waiting.iter().find(|request| request.id == id) else { continue };
            let floor = floors.get(&request.ask.project).copied().unwrap_or(0);
            let build = tx.start_build(request, floor, now)?;
            tx.give(&build, &holds)?;
            started.push(build);
        }
        Ok::<_, StoreError>(match (&short, held) {
            (Some(what), true) => Held::Yes { new: tx.hold_back(what, now)?, what: what.clone() },
            (Some(_) | None, _) => Held::No { new: tx.let_go()? },
        })
    })?;
    for build in started {
        orders.give(&Order::Supervise { build }, &[])?;
    }
    for build in stopped {
        orders.give(&Order::StopSupervisor { build }, &[])?;
    }
    match held {
        Held::Yes { new, what } => {
            if new {
                told(Priority::Warning, &format!("no build starts, for want of memory: {what}"));
            }
            // Nothing tells when there is memory again.
            orders.give(&Order::LookAgain, &[])?;
        }
        Held::No { new: true } => told(Priority::Notice, "there is memory again; builds start"),
        Held::No { new: false } => {}
    }
    Ok(())
}

/// Whether builds wait for memory, and whether they did not before.
enum Held {
    Yes { new: bool, what: String },
    No { new: bool },
}

fn told(priority: Priority, text: &str) {
    journal::emit(Event::MemoryShort, &Subject::site(), priority, text);
}

/// A broken `ci.toml` lets builds go one after the other, each to its verdict that says so.
fn bounds(place: &Place) -> Bounds {
    let usual = Site::default().queue;
    load_site(place).map_or(Bounds { max_builds: 1, ..usual }, |site| site.queue)
}

/// What the files of these projects say; one that cannot be read says nothing, and its build will tell why.
fn rules(place: &Place, projects: &BTreeSet<ProjectName>) -> BTreeMap<ProjectName, Rules> {
    let rules = |project: &ProjectName| Some((project.clone(), load_project(place, project).ok()?.1.rules));
    projects.iter().filter_map(rules).collect()
}

/// What the kernel tells; one without PSI tells less.
fn memory(place: &Place) -> Memory {
    let read = |path| std::fs::read_to_string(path).ok();
    Memory::read(read(place.memory_pressure()).as_deref(), read(place.memory_info()).as_deref())
}

/// The highest build number that a project's folder knows: above what a restored store may have forgotten.
fn floors(place: &Place, projects: &BTreeSet<ProjectName>) -> Result<BTreeMap<ProjectName, u32>, StartError> {
    let mut floors = BTreeMap::new();
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
        floors.insert(project.clone(), highest);
    }
    Ok(floors)
}
