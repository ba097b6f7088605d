//! A person waits for a deploy, reading the store like anybody.

use super::WishError;
use super::freeze::held;
use crate::model::{Deploy, DeployId, DeployState, Outcome, Phase, Place};
use crate::output::terminal::{Look, clean};
use crate::output::{LogError, LogReader};
use crate::store::Store;
use jiff::Timestamp;
use std::io::Write;
use std::time::Duration;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(75);
/// How often only its version is looked at before its rows are.
const LOOKS: u32 = 10;
/// How many lines of the log of a deploy that failed are shown, and at most how many bytes.
const TAIL: (u64, usize) = (15, 8 * 1024);

/// Tells what it waits for and each phase as it comes, until the deploy is over; of one that failed also the end of its log.
pub fn follow(place: &Place, id: DeployId, out: &mut dyn Write) -> Result<Outcome, WishError> {
    let store = Store::open_read_only(place)?;
    let (mut told, mut held_by, mut version) = (None, None, store.data_version()?);
    loop {
        let deploy = store.read().deploy(id)?.ok_or(WishError::NoSuchDeploy(id))?;
        match &deploy.state {
            DeployState::Waiting => {
                let holds = held(store.read(), &deploy, Timestamp::now())?;
                if let Some(text) = holds.as_ref().filter(|_| holds != held_by) {
                    writeln!(out, "{text}")?;
                }
                held_by = holds;
            }
            DeployState::Running { phase, .. } if told == Some(*phase) => {}
            DeployState::Running { phase, .. } => {
                told = Some(*phase);
                writeln!(out, "{}", doing(*phase))?;
            }
            DeployState::Finished { outcome, summary, .. } => {
                tell_end(place, &deploy, *outcome, summary, out)?;
                return Ok(*outcome);
            }
        }
        // The version changes with each commit of another connection, and asking for it is cheaper than reading rows.
        for _ in 0..LOOKS {
            std::thread::sleep(LOOK);
            let now = store.data_version()?;
            if std::mem::replace(&mut version, now) != now {
                break;
            }
        }
    }
}

fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "prepare: making the release",
        Phase::Migrate => "migrate",
        Phase::Switch => "switch: current becomes the new release",
        Phase::Services => "services: restarting and reloading",
        Phase::Checks => "checks: asking the site how it is",
        Phase::Finish => "finish",
        Phase::Undo => "undo: going back to the release before",
    }
}

fn tell_end(
    place: &Place,
    deploy: &Deploy,
    outcome: Outcome,
    summary: &str,
    out: &mut dyn Write,
) -> Result<(), WishError> {
    match outcome {
        Outcome::Deployed | Outcome::Superseded => {}
        Outcome::Failed | Outcome::RolledBack | Outcome::Down => {
            match LogReader::open(&place.deploy_log(&deploy.build(), deploy.id)) {
                Ok(mut log) => match log.lines_tail(TAIL.0, TAIL.1) {
                    Ok(excerpt) => out.write_all(clean(&excerpt.bytes, Look::Plain).as_bytes())?,
                    Err(error) => writeln!(out, "{error}")?,
                },
                Err(LogError::Missing) => {}
                Err(error @ (LogError::Damaged(_) | LogError::Io(_))) => writeln!(out, "{error}")?,
            }
        }
    }
    let tail = if summary.is_empty() { String::new() } else { format!(": {summary}") };
    writeln!(out, "{}: {}{}", deploy.describe(), outcome.describe(), clean(tail.as_bytes(), Look::Plain).trim_end())?;
    Ok(())
}
