//! The logs of a build that no supervisor takes any more: packed, so that nothing of what a step printed is left as it
//! was printed.

use super::log::to_journal;
use super::spec::StepSpec;
use crate::config::Project;
use crate::model::build::LogSize;
use crate::model::{BuildId, Place, StepRow, StepState};
use crate::output::{Limits, Masker, Opened, Recorder};
use crate::store::{Store, StoreError};

/// Packs what is open. What cannot be packed is told and left: the build ends all the same.
pub(super) fn pack_logs(
    place: &Place,
    store: &mut Store,
    id: &BuildId,
    project: Option<&Project>,
) -> Result<(), StoreError> {
    let steps = store.read().steps(id)?;
    let mut secret = false;
    for step in &steps {
        let spec = store.read().step_spec(id, step.index)?;
        // One that cannot be read may well have had some.
        secret |=
            spec.is_some_and(|text| serde_json::from_str::<StepSpec>(&text).map_or(true, |s| !s.secrets.is_empty()));
    }
    // Whoever knew what was to be masked is gone, and so is the little that was printed and not published yet.
    let masker = if secret { Masker::everything() } else { Masker::none() };
    for step in steps.iter().filter(|step| is_open(step)) {
        match pack(place, id, step, masker.clone(), project) {
            Ok(size) => store.write(|tx| tx.step_logged(id, step.index, size))?,
            Err(error) => tracing::warn!("{id}: the log of {}: {error}; it stays unpacked", step.name),
        }
    }
    Ok(())
}

fn is_open(step: &StepRow) -> bool {
    match &step.state {
        StepState::Pending | StepState::Finished { started: None, .. } => false,
        StepState::Running { .. } | StepState::Finished { started: Some(_), .. } => step.log.is_none(),
    }
}

fn pack(
    place: &Place,
    id: &BuildId,
    step: &StepRow,
    masker: Masker,
    project: Option<&Project>,
) -> std::io::Result<LogSize> {
    let (journal_head, journal_tail) = project.map_or((0, 0), |project| project.build.journal_lines);
    let log_max = project.map_or(u64::MAX, |project| project.build.log_max);
    let limits = Limits { log_max, journal_head, journal_tail };
    let mut journal = to_journal(id, &step.name);
    let finished = match Recorder::open(&place.step_log(id, step.index), masker, limits)? {
        Opened::Recording(recorder) => recorder.finish(&mut journal),
        Opened::Ended(ended) => ended.finish(&mut journal),
    }?;
    Ok(LogSize { bytes: finished.bytes, lines: finished.lines })
}
