//! Logs that a cut left open. A log is packed by the supervisor that recorded it; of a build that has none any more, be it
//! that the machine went down or that its configuration broke, whoever ends it packs what there is.

use super::log::to_journal;
use super::spec::StepSpec;
use crate::config::Project;
use crate::model::build::LogSize;
use crate::model::{BuildId, Place, StepRow, StepState};
use crate::output::{Limits, Masker, Opened, Recorder};
use crate::store::{Store, StoreError};
use std::io;

/// Packs what is left of a build's logs. What cannot be packed stays readable as it is, and is told of.
pub(super) fn pack_logs(
    place: &Place,
    store: &mut Store,
    id: &BuildId,
    project: Option<&Project>,
) -> Result<(), StoreError> {
    for step in store.read().steps(id)? {
        if step.log.is_some() || step.state == StepState::Pending {
            continue;
        }
        match pack(place, store, id, &step, project)? {
            Ok(size) => store.write_patiently(|tx| tx.step_logged(id, step.index, size))?,
            Err(error) => tracing::warn!("the log of {} in {id} stays unpacked: {error}", step.name),
        }
    }
    Ok(())
}

fn pack(
    place: &Place,
    store: &Store,
    id: &BuildId,
    step: &StepRow,
    project: Option<&Project>,
) -> Result<io::Result<LogSize>, StoreError> {
    let spec = store.read().step_spec(id, step.index)?;
    let mut journal = to_journal(id, &step.name);
    let packed = open(place, id, step, spec.as_deref(), project).and_then(|log| match log {
        Opened::Recording(recorder) => recorder.finish(&mut journal),
        Opened::Ended(ended) => ended.finish(&mut journal),
    });
    Ok(packed.map(|finished| LogSize { bytes: finished.bytes, lines: finished.lines }))
}

fn open(
    place: &Place,
    id: &BuildId,
    step: &StepRow,
    spec: Option<&str>,
    project: Option<&Project>,
) -> io::Result<Opened> {
    // Nobody knows the secrets of then any more, and the last bytes may have them. What is published stays.
    let had_secrets =
        spec.is_some_and(|text| serde_json::from_str::<StepSpec>(text).map_or(true, |spec| !spec.secrets.is_empty()));
    let masker = if had_secrets { Masker::everything() } else { Masker::none() };
    let (log_max, (journal_head, journal_tail)) =
        project.map_or((u64::MAX, (0, 0)), |project| (project.build.log_max, project.build.journal_lines));
    let limits = Limits { log_max, journal_head, journal_tail };
    Recorder::open(&place.step_log(id, step.index), masker, limits)
}
