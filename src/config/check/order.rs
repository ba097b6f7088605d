//! `priority`, `max-builds`, `[[lock]]`, and what `ci.toml` says of the queue.

use super::Locks;
use crate::config::fault::{Fault, Hint};
use crate::config::order::{Bounds, MemoryBounds, Rules};
use crate::config::reader::Reader;
use crate::config::value::{count, flag, size, text, word};
use crate::model::{Lock, LockMode, LockName};

const TWICE: Fault = Fault::Rule("another [[lock]] has this name already");

/// A project's place in the queue. `known` are the locks of `ci.toml`, if that could be read.
pub(super) fn rules(reader: &mut Reader<'_, '_>, known: Option<&Locks>) -> Option<Rules> {
    let priority = reader.required("priority", count(-100..=100));
    let max_builds = reader.required("max-builds", count(1..=64));
    let cancel_superseded = reader.required("cancel-superseded", flag);
    let locks = reader.sections("lock", lock)?;
    for (index, lock) in locks.iter().enumerate() {
        let fault = if locks[..index].iter().any(|earlier| earlier.name == lock.name) {
            TWICE
        } else if let Some(known) = known.filter(|known| !known.contains_key(&lock.name)) {
            let hint = Hint::among(lock.name.as_str(), known.keys().map(LockName::as_str));
            Fault::UnknownLock { name: lock.name.to_string(), hint }
        } else {
            continue;
        };
        reader.complain_of("lock", index, "name", fault);
        return None;
    }
    Some(Rules { priority: priority?, max_builds: max_builds?, locks, cancel_superseded: cancel_superseded? })
}

fn lock(reader: &mut Reader<'_, '_>) -> Option<Lock> {
    const MODES: &[(&str, LockMode)] = &[("counting", LockMode::Counting), ("exclusive", LockMode::Exclusive)];
    let name = reader.required("name", text(str::parse::<LockName>));
    let mode = reader.required("mode", word(MODES));
    Some(Lock { name: name?, mode: mode? })
}

/// The queue as a whole.
pub(super) fn bounds(reader: &mut Reader<'_, '_>) -> Option<Bounds> {
    let max_builds = reader.required("max-builds", count(1..=1000));
    let pressure = reader.required("memory-pressure", count(0..=100));
    let available = reader.required("memory-available", size(0));
    let listed = reader.sections("lock", |reader| {
        let name = reader.required("name", text(str::parse::<LockName>));
        let most = reader.required("count", count(1..=1000));
        Some((name?, most?))
    })?;
    let mut locks = Locks::new();
    for (index, (name, most)) in listed.into_iter().enumerate() {
        if locks.insert(name, most).is_some() {
            reader.complain_of("lock", index, "name", TWICE);
            return None;
        }
    }
    let memory = MemoryBounds { pressure: pressure?, available: available? };
    Some(Bounds { max_builds: max_builds?, locks, memory })
}
