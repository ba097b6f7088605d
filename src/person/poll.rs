//! A person's `ci-poll`: have it looked at now, and wait for what came of it.

use super::WishError;
use crate::intake::{Answer, Ask, ask};
use crate::model::{Place, ProjectName};
use crate::store::{SourceRow, Store, StoreError};
use std::io::Write;
use std::time::Duration;

/// How often the store is looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(20);

/// Has repositories looked at, and returns when that has been done, well or not.
pub fn look(place: &Place, projects: &[ProjectName]) -> Result<Vec<SourceRow>, WishError> {
    match ask(place, &Ask::Poll { projects: projects.to_vec() })? {
        Answer::Looking => {}
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }
        | Answer::Queued { .. }
        | Answer::Held { .. }
        | Answer::Approved { .. }
        | Answer::Stopping { .. }
        | Answer::Deploying { .. }) => {
            return Err(WishError::of(answer));
        }
    }
    let store = Store::open_read_only(place)?;
    loop {
        let sources = projects.iter().map(|p| store.read().source(p)).collect::<Result<Vec<_>, StoreError>>()?;
        // The poll clears the wish when it is done with a project.
        if sources.iter().all(|source| source.as_ref().is_some_and(|s| s.asked.is_none())) {
            return Ok(sources.into_iter().flatten().collect());
        }
        std::thread::sleep(LOOK);
    }
}

/// The same, and says what was found; false if a repository could not be looked at.
pub fn look_and_tell(place: &Place, projects: &[ProjectName], out: &mut dyn Write) -> Result<bool, WishError> {
    let before = Store::open_read_only(place).and_then(|store| store.read().waiting()).unwrap_or_default();
    let sources = look(place, projects)?;
    let store = Store::open_read_only(place)?;
    let mut well = true;
    for source in sources {
        let name = &source.project;
        if let Some((trouble, _)) = &source.trouble {
            writeln!(out, "{name}: {trouble}")?;
            well = false;
            continue;
        }
        let new = store.read().newest_request(name)?.filter(|request| !before.iter().any(|old| old.id == request.id));
        match new.filter(|request| Some(request.created) >= source.good) {
            Some(request) => {
                let what = request
                    .ask
                    .changes
                    .first()
                    .map_or_else(String::new, |c| format!(": {} {}", c.commit.short(), c.subject));
                writeln!(out, "{name}: a build is queued{what}")?;
            }
            None if store.read().tips(name)?.is_empty() => {
                writeln!(out, "{name}: the repository is empty, or has none of the branches; the first push is built")?;
            }
            None => writeln!(out, "{name}: nothing new")?,
        }
    }
    Ok(well)
}
