//! Holding deploys back, and what is said of those that wait for the end of it.

use super::WishError;
use crate::intake::{Answer, Ask, ask};
use crate::model::{Deploy, DeployId, DeployState, Place, ProjectName, TargetName};
use crate::output::terminal::{Look, clean};
use crate::plan::turn::next_of;
use crate::store::{Read, Store, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write;

/// A moment as a person at this machine's clock reads it.
fn moment(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Freezes a project's targets, or the one of this name.
pub fn freeze_and_tell(
    place: &Place,
    project: &ProjectName,
    target: Option<TargetName>,
    until: Timestamp,
    reason: Option<String>,
    out: &mut dyn Write,
) -> Result<(), WishError> {
    let targets = held_by(ask(place, &Ask::Freeze { project: project.clone(), target, until, reason })?)?;
    let (what, until) = (named(project, &targets), moment(until));
    writeln!(out, "{what}: frozen until {until}; what comes meanwhile waits, a rollback does not")?;
    Ok(())
}

/// Lets deploys go on.
pub fn thaw_and_tell(
    place: &Place,
    project: &ProjectName,
    target: Option<TargetName>,
    out: &mut dyn Write,
) -> Result<(), WishError> {
    let targets = held_by(ask(place, &Ask::Thaw { project: project.clone(), target })?)?;
    writeln!(out, "{}: not frozen any more; what waits is deployed now", named(project, &targets))?;
    Ok(())
}

fn named(project: &ProjectName, targets: &[TargetName]) -> String {
    let names: Vec<&str> = targets.iter().filter(|name| !name.is_default()).map(TargetName::as_str).collect();
    if names.is_empty() { project.to_string() } else { format!("{project} ({})", names.join(", ")) }
}

fn held_by(answer: Answer) -> Result<Vec<TargetName>, WishError> {
    match answer {
        Answer::Held { targets } => Ok(targets),
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }
        | Answer::Queued { .. }
        | Answer::Stopping { .. }
        | Answer::Approved { .. }
        | Answer::Deploying { .. }
        | Answer::Looking) => Err(WishError::of(answer)),
    }
}

/// Says what holds a deploy back, if a freeze does.
pub fn tell_if_held(place: &Place, id: DeployId, out: &mut dyn Write) -> Result<(), WishError> {
    let store = Store::open_read_only(place)?;
    let deploy = store.read().deploy(id)?.ok_or(WishError::NoSuchDeploy(id))?;
    if let Some(text) = held(store.read(), &deploy, Timestamp::now())? {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

/// What holds a deploy back, and what to do, if a freeze does.
pub(super) fn held(read: Read<'_>, deploy: &Deploy, now: Timestamp) -> Result<Option<String>, StoreError> {
    let freeze = read.freeze(&deploy.target_id())?.filter(|freeze| freeze.holds(now));
    let waits = deploy.state == DeployState::Waiting && next_of(vec![deploy.clone()], freeze.is_some()).is_none();
    Ok(freeze.filter(|_| waits).map(|freeze| {
        let target = if deploy.target.is_default() { String::new() } else { format!(" -t {}", deploy.target) };
        let frozen = freeze.describe(moment);
        let frozen = clean(frozen.as_bytes(), Look::Plain);
        let frozen = frozen.trim_end();
        format!("{}: waits, {frozen}; ci-deploy --thaw {}{target} does not wait", deploy.describe(), deploy.project)
    }))
}
