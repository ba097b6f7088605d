//! A step's log: opened for the first time or again, and what of it goes to the journal.

use super::supervise::{SuperviseError, Supervisor};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::build::LogSize;
use crate::model::{BuildId, StepIndex, StepName};
use crate::output::{Finished, JournalBatch, Limits, Opened, Recorder};
use std::time::Duration;

/// How long to wait for room on a full disk before it is tried again.
const NO_ROOM: Duration = Duration::from_secs(5);

/// Hands batches of output to the journal.
pub(super) fn to_journal<'a>(id: &'a BuildId, name: &'a StepName) -> impl FnMut(&JournalBatch<'_>) + 'a {
    move |batch| {
        let subject = Subject::build(id).step(name);
        match batch {
            JournalBatch::Lines { text, .. } => journal::emit(Event::StepOutput, &subject, Priority::Info, text),
            JournalBatch::LeftOut { lines } => {
                let text = format!("… {lines} lines left out; the whole log: ci-status --log {id}");
                journal::emit(Event::StepOutput, &subject, Priority::Info, &text);
            }
        }
    }
}

impl Supervisor<'_> {
    pub(super) fn limits(&self) -> Limits {
        let (journal_head, journal_tail) = self.project.build.journal_lines;
        Limits { log_max: self.project.build.log_max, journal_head, journal_tail }
    }

    pub(super) fn open_log(&self, index: StepIndex) -> Result<Opened, SuperviseError> {
        let stem = self.place.step_log(&self.id, index);
        Recorder::open(&stem, self.secrets.masker(), self.limits())
            .map_err(|source| SuperviseError::Io { path: stem, source })
    }

    /// Packs a log and writes its size down. On a full disk it waits for room: nothing is lost by that.
    pub(super) fn close_log(
        &mut self,
        index: StepIndex,
        name: &StepName,
        mut log: Opened,
    ) -> Result<(), SuperviseError> {
        let id = self.id.clone();
        let finished = loop {
            let mut journal = to_journal(&id, name);
            let finished = match log {
                Opened::Recording(recorder) => recorder.finish(&mut journal),
                Opened::Ended(ended) => ended.finish(&mut journal),
            };
            match finished {
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull && !self.bell.is_terminated() => {
                    tracing::warn!("no room for the log of {name} ({error}); trying again until there is some");
                    std::thread::sleep(NO_ROOM);
                    log = self.open_log(index)?;
                }
                other => break other,
            }
        };
        let Finished { bytes, lines } =
            finished.map_err(|source| SuperviseError::Io { path: self.place.step_log(&id, index), source })?;
        self.store.write_patiently(|tx| tx.step_logged(&id, index, LogSize { bytes, lines }))?;
        Ok(())
    }
}
