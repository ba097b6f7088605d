//! Keeping HOME and cache of a project within `cache-max`: measured after its builds, and what was used longest ago goes.
//!
//! | step | lock | a kill after it leaves |
//! | --- | --- | --- |
//! | a worker adds up what each entry takes | none; builds may run | nothing |
//! | the excess is put out of the way, by renames | the store's write lock, and no build of the room runs | it in the room's `.aside`, which the next sweep or checkout removes |
//! | it is removed | none | the same |
//! | the size is written down | – | nothing: it is measured again |

use crate::config::Project;
use crate::journal::{self, Event, Priority, Subject};
use crate::model::cache::Entry;
use crate::model::{BuildId, Place, ProjectName, Room, Trust};
use crate::order::Work;
use crate::plan::cache::excess;
use crate::store::{Read, Store, StoreError};
use crate::view::text::{bytes, harmless};
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::{SetAside, SetAsideTask, SurveyTask, SweepTask};
use jiff::Timestamp;
use std::io::stderr;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long adding up may take.
const SURVEY: Duration = Duration::from_secs(120);
/// How long removing may take; the next sweep goes on, or the next checkout.
const REMOVING: Duration = Duration::from_secs(60);
/// How many entries one worker is given: with the longest names there are, well below what a task may have.
const AT_ONCE: usize = 500;
/// Most entries that the message names.
const NAMED: usize = 20;

/// Why they were not looked at.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The worker.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Whether what was too much is gone.
enum Aside {
    /// It is out of the way.
    Out,
    /// A build of the room runs, and may use it.
    InUse,
}

/// Measures HOME and cache of a project and removes what is too much, unless a build runs other than `own`, which is at
/// its end. Refs from outside have a room that is emptied before each build, and none to keep within anything.
pub fn keep_within(
    place: &Place,
    store: &mut Store,
    project: &Project,
    own: Option<&BuildId>,
) -> Result<(), CacheError> {
    let name = &project.name;
    let room = Room::of(name, Trust::Inside);
    // What cannot be removed is no news to a build that knew it to be too large. The net measures it all the same.
    if own.is_some() && in_use(store.read(), &room, own)? {
        return Ok(());
    }
    let after = store.read().unmeasured(name)?;
    let (mut size, mut swept) = (0, None);
    // A project whose builds never got as far as a checkout has none.
    if room.folder(place).exists() {
        let look =
            Call { place, project: name, work: Work::Results { trust: room.trust, slot: room.slot }, job: "cache" };
        let task = SurveyTask { folder: room.folder(place), timeout: SURVEY };
        let found = look.make(task, stderr().as_fd())?;
        size = found.bytes;
        if let Some(most) = project.build.cache_max {
            let gone = excess(found.bytes, most, &found.entries);
            if !gone.is_empty() {
                let mut out = 0;
                for some in gone.chunks(AT_ONCE) {
                    match set_aside(place, store, &room, some, own)? {
                        Aside::Out => out += some.len(),
                        Aside::InUse => break,
                    }
                }
                let (gone, _) = gone.split_at(out);
                if !gone.is_empty() {
                    let freed = gone.iter().map(|entry| entry.bytes).sum();
                    size = size.saturating_sub(freed);
                    tell(name, found.bytes, most, gone);
                    let sweep = SweepTask { folder: room.folder(place), timeout: REMOVING };
                    swept = Some(cleaner(place, &room).make(sweep, stderr().as_fd()));
                }
            }
        }
    }
    store.write(|tx| tx.cache_measured(name, size, after, Timestamp::now()))?;
    // What is out of the way is not kept, removed or not: its size is written down before this is told.
    swept.transpose()?;
    Ok(())
}

fn cleaner<'a>(place: &'a Place, room: &'a Room) -> Call<'a> {
    Call { place, project: &room.project, work: Work::Cache { trust: room.trust }, job: "inside" }
}

fn set_aside(
    place: &Place,
    store: &mut Store,
    room: &Room,
    gone: &[&Entry],
    own: Option<&BuildId>,
) -> Result<Aside, CacheError> {
    let entries = gone.iter().map(|entry| entry.at.clone()).collect();
    let task = SetAsideTask { folder: room.folder(place), what: SetAside::Entries(entries) };
    // Whoever holds this keeps a build from being made.
    store.write(|tx| {
        if in_use(tx.read(), room, own)? {
            return Ok(Aside::InUse);
        }
        cleaner(place, room).make(task, stderr().as_fd())?;
        Ok(Aside::Out)
    })
}

/// Whether a build other than `own` runs in the room, or is about to.
fn in_use(store: Read<'_>, room: &Room, own: Option<&BuildId>) -> Result<bool, StoreError> {
    let unfinished = store.unfinished_builds()?;
    let mut others = unfinished.iter().filter(|build| Some(&build.id) != own);
    Ok(others.any(|build| build.id.project == room.project && build.trust == room.trust))
}

fn tell(name: &ProjectName, size: u64, most: u64, gone: &[&Entry]) {
    let mut named: Vec<String> = gone.iter().take(NAMED).map(|entry| describe(entry)).collect();
    if let Some(more) = gone.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    let (size, most) = (bytes(size), bytes(most));
    let text = format!("HOME and cache of {name} have {size}, `cache-max` is {most}; removed {}", named.join(", "));
    journal::emit(Event::CacheTrimmed, &Subject::project(name), Priority::Notice, &text);
}

/// `$CI_CACHE/pip (1.5 GiB, last used 2026-11-03)`
fn describe(entry: &Entry) -> String {
    let what = harmless(&entry.at.describe());
    if entry.shut {
        return format!("{what} (with something in it that cannot be looked at)");
    }
    let used = Timestamp::from_second(entry.used).map(|used| format!(", last used {}", used.strftime("%Y-%m-%d")));
    format!("{what} ({}{})", bytes(entry.bytes), used.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cache::{EntryName, Shelf};
    use crate::worker::protocol::{TASK_MAX, Task};

    #[test]
    fn as_many_entries_as_are_sent_at_once_fit_into_a_task() {
        let name = EntryName { shelf: Shelf::HomeCache, name: "\u{ff}".repeat(127).into() };
        let what = SetAside::Entries(vec![name; AT_ONCE]);
        let task = Task::SetAside(SetAsideTask { folder: "/x".repeat(2048).into(), what });
        assert!(serde_json::to_vec(&task).unwrap().len() < TASK_MAX);
    }
}
