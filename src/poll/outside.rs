//! Refs that strangers write: seen, queued, and not fetched. What they push is looked at when somebody wants it built.

use crate::config::Project;
use crate::config::project::BuildOutside;
use crate::model::{CommitId, NewRequest, Origin, RefName, Request, Target, Trust};
use crate::plan::due::not_before;
use crate::plan::tips::{TipChange, room_for_outside};
use crate::store::{Queued, Result, Tx, collapses};
use jiff::Timestamp;

/// The requests and the seen tips, in the transaction of the poll. Those that are there at the first look are only
/// recorded, however many they are. A ref whose request waits takes no more room, and whoever agrees to that must get its
/// newest commit. Says also how many changed refs are left for a later poll.
pub(super) fn record(
    tx: &Tx<'_>,
    project: &Project,
    changes: &[TipChange],
    now: Timestamp,
) -> Result<(Vec<Queued>, usize)> {
    let name = &project.name;
    for change in changes {
        match change {
            TipChange::Gone(reference) => {
                tx.forget_tip(name, reference)?;
                tx.drop_requests_of(name, reference, "its ref is gone, or is not looked at any more")?;
            }
            TipChange::Moved { .. } => {}
        }
    }
    let known = tx.read().source(name)?.is_some_and(|source| source.outside.is_some());
    let waiting = tx.read().waiting()?;
    let strangers = waiting.iter().filter(|r| r.ask.project == *name && r.ask.trust == Trust::Outside).count();
    let (mut queued, mut left, mut room) = (Vec::new(), 0, room_for_outside(strangers));
    for change in changes {
        match change {
            TipChange::Gone(_) => {}
            TipChange::Moved { reference, from: _, to } if known => {
                let new = request(project, reference, to, &waiting, now);
                if !waiting.iter().any(|old| collapses(&new, old)) {
                    if room == 0 {
                        left += 1;
                        continue;
                    }
                    room -= 1;
                }
                tx.set_tip(name, reference, to, now)?;
                queued.push(queue(tx, project, new, now)?);
            }
            TipChange::Moved { reference, from: _, to } => tx.set_tip(name, reference, to, now)?,
        }
    }
    Ok((queued, left))
}

fn request(
    project: &Project,
    reference: &RefName,
    commit: &CommitId,
    waiting: &[Request],
    now: Timestamp,
) -> NewRequest {
    let name = &project.name;
    let same = waiting
        .iter()
        .find(|waiting| waiting.ask.project == *name && waiting.ask.reference.as_ref() == Some(reference));
    let first = same.map_or(now, |waiting| waiting.first);
    NewRequest {
        project: name.clone(),
        reference: Some(reference.clone()),
        target: Target::Commit { commit: commit.clone() },
        origin: Origin::Poll,
        trust: Trust::Outside,
        reason: None,
        changes: Vec::new(),
        not_before: not_before(project.source.stable, project.source.stable_max, first, now),
        token: None,
    }
}

fn queue(tx: &Tx<'_>, project: &Project, new: NewRequest, now: Timestamp) -> Result<Queued> {
    let queued = tx.queue(new, now)?;
    match project.source.build_outside {
        BuildOutside::Ask => tx.ask_approval(queued.id())?,
        // Never is not looked at; it changed a moment ago, and the next poll drops this.
        BuildOutside::Always | BuildOutside::Never => {}
    }
    Ok(queued)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::Place;
    use crate::plan::tips::{OUTSIDE_AT_ONCE, OUTSIDE_WAITING};
    use crate::store::Store;

    #[test]
    fn a_ref_that_waits_is_renewed_in_a_full_queue() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::under(folder.path());
        std::fs::create_dir_all(place.store()).unwrap();
        let file = folder.path().join("gkp.toml");
        let text = "[source]\nurl = '/srv/git'\noutside = ['refs/pull/*/head']\nbuild-outside = 'ask'\n";
        std::fs::write(&file, text).unwrap();
        let project = Config::check_file(&place, &file).map_err(|errors| errors.to_string()).unwrap();
        let mut store = Store::open(&place).unwrap();
        let now = Timestamp::now();
        store.write(|tx| tx.poll_succeeded(&project.name, None, now)).unwrap();
        let mut poll = |numbers: std::ops::Range<usize>, digit: char| {
            let to: CommitId = digit.to_string().repeat(40).parse().unwrap();
            let moved = |number| TipChange::Moved {
                reference: format!("refs/pull/{number}/head").parse().unwrap(),
                from: None,
                to: to.clone(),
            };
            let changes: Vec<_> = numbers.map(moved).collect();
            let (queued, left) = store.write(|tx| record(tx, &project, &changes, now)).unwrap();
            store.write(|tx| tx.looks_outside(&project.name, true, left, now)).unwrap();
            let commit = Target::Commit { commit: to };
            let waiting = store.read().waiting().unwrap();
            let new = waiting.iter().filter(|request| request.ask.target == commit).count();
            (queued.len(), left, waiting.len(), new)
        };
        // (queued, left, waiting, of them for the new commit)
        assert_eq!(poll(0..1, 'f'), (0, 0, 0, 0), "the first look");
        for start in (0..OUTSIDE_WAITING).step_by(OUTSIDE_AT_ONCE) {
            let end = start + OUTSIDE_AT_ONCE;
            assert_eq!(poll(start..end, 'a'), (OUTSIDE_AT_ONCE, 0, end, end));
        }
        assert_eq!(poll(60..103, 'b'), (40, 3, 100, 40));
    }
}
