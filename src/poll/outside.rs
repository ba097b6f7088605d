//! Refs that strangers write: seen, queued, and not fetched. What they push is looked at when somebody wants it built.

use crate::config::Project;
use crate::config::project::BuildOutside;
use crate::model::{NewRequest, Origin, RefName, Target, Trust};
use crate::plan::due::not_before;
use crate::plan::tips::{TipChange, room_for_outside};
use crate::store::{Queued, Result, Tx};
use jiff::Timestamp;

/// The requests and the seen tips, in the transaction of the poll. Those that are there at the first look are only
/// recorded, however many they are. Says also how many changed refs are left for a later poll.
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
    let (mut queued, mut left, room) = (Vec::new(), 0, room_for_outside(strangers));
    for change in changes {
        match change {
            TipChange::Gone(_) => {}
            TipChange::Moved { .. } if known && queued.len() >= room => left += 1,
            TipChange::Moved { reference, from: _, to } => {
                tx.set_tip(name, reference, to, now)?;
                if known {
                    queued.push(queue(tx, project, reference, Target::Commit { commit: to.clone() }, now)?);
                }
            }
        }
    }
    Ok((queued, left))
}

fn queue(tx: &Tx<'_>, project: &Project, reference: &RefName, target: Target, now: Timestamp) -> Result<Queued> {
    let name = &project.name;
    let same = tx
        .read()
        .waiting()?
        .into_iter()
        .find(|waiting| waiting.ask.project == *name && waiting.ask.reference.as_ref() == Some(reference));
    let first = same.map_or(now, |waiting| waiting.first);
    let new = NewRequest {
        project: name.clone(),
        reference: Some(reference.clone()),
        target,
        origin: Origin::Poll,
        trust: Trust::Outside,
        reason: None,
        changes: Vec::new(),
        not_before: not_before(project.source.stable, project.source.stable_max, first, now),
        token: None,
    };
    let queued = tx.queue(new, now)?;
    match project.source.build_outside {
        BuildOutside::Ask => tx.ask_approval(queued.id())?,
        // Never is not looked at; it changed a moment ago, and the next poll drops this.
        BuildOutside::Always | BuildOutside::Never => {}
    }
    Ok(queued)
}
