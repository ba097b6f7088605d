//! A deploy's log: what its commands and workers say, and our own words between.

use super::halt::CarryError;
use crate::config::project::Build;
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{Deploy, Place};
use crate::output::{JournalBatch, Limits, LogError, LogReader, Masker, Opened, Recorder, step_pipe};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One log over all phases. All who speak hold the same pipe's other end, we too: it never closes.
pub(super) struct Log {
    pub(super) recorder: Recorder,
    pub(super) pipe: OwnedFd,
    writer: File,
    path: PathBuf,
}

/// Hands batches of output to the journal.
pub(super) fn to_journal(deploy: &Deploy) -> impl FnMut(&JournalBatch<'_>) + '_ {
    move |batch| {
        let subject = Subject::deploy(deploy);
        match batch {
            JournalBatch::Lines { text, .. } => journal::emit(Event::StepOutput, &subject, Priority::Info, text),
            JournalBatch::LeftOut { lines } => {
                let text = format!(
                    "… {lines} lines left out of the journal; the whole log is that of build {}",
                    deploy.build()
                );
                journal::emit(Event::StepOutput, &subject, Priority::Info, &text);
            }
        }
    }
}

fn limits(build: &Build) -> Limits {
    let (journal_head, journal_tail) = build.journal_lines;
    Limits { log_max: build.log_max, journal_head, journal_tail }
}

fn broken(path: &Path) -> impl Fn(std::io::Error) -> CarryError + '_ {
    move |source| CarryError::Io { path: path.to_owned(), source }
}

impl Log {
    /// Begins it, or goes on with what a killed run left.
    pub(super) fn open(place: &Place, deploy: &Deploy, config: &Build, masker: Masker) -> Result<Log, CarryError> {
        let folder = place.build(&deploy.build());
        std::fs::create_dir_all(&folder).map_err(broken(&folder))?;
        let mut path = place.deploy_log(&deploy.build(), deploy.id);
        let mut opened = Recorder::open(&path, masker.clone(), limits(config)).map_err(broken(&path))?;
        if let Opened::Ended(_) = opened {
            // A log is packed after its deploy has ended: this one's namesake ended in a store that was put back since.
            path.set_file_name(format!("deploy-{}-again", deploy.id));
            opened = Recorder::open(&path, masker, limits(config)).map_err(broken(&path))?;
        }
        let recorder = match opened {
            Opened::Recording(recorder) => *recorder,
            Opened::Ended(_) => return Err(broken(&path)(std::io::ErrorKind::AlreadyExists.into())),
        };
        let (pipe, writer) = step_pipe().map_err(broken(&path))?;
        Ok(Log { recorder, pipe, writer: File::from(writer), path })
    }

    /// For whoever is to speak into it.
    pub(super) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    pub(super) fn error(&self, source: std::io::Error) -> CarryError {
        broken(&self.path)(source)
    }

    /// Takes in what has been said so far.
    pub(super) fn drain(&mut self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> Result<(), CarryError> {
        let drained = self.recorder.drain(self.pipe.as_fd(), journal);
        drained.map_err(broken(&self.path))
    }

    /// Adds a line of ours, in its place between those of others.
    pub(super) fn say(&mut self, text: &str, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> Result<(), CarryError> {
        // First there must be room: we read this pipe ourselves.
        self.drain(journal)?;
        writeln!(self.writer, "── {text}").map_err(broken(&self.path))?;
        self.drain(journal)
    }

    /// Packs it; the deploy is over.
    pub(super) fn close(mut self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> Result<(), CarryError> {
        self.drain(journal)?;
        let path = self.path;
        self.recorder.finish(journal).map(drop).map_err(broken(&path))
    }
}

/// Packs the log of a deploy that is over, whose run was killed before it could.
pub(super) fn close_left_open(place: &Place, deploy: &Deploy, masker: Masker) -> Result<(), CarryError> {
    let path = place.deploy_log(&deploy.build(), deploy.id);
    match LogReader::open(&path) {
        Ok(_) => {}
        Err(LogError::Missing) => return Ok(()),
        Err(error @ (LogError::Damaged(_) | LogError::Io(_))) => {
            tracing::warn!("{}: {error}; it stays as it is", path.display());
            return Ok(());
        }
    }
    let mut journal = to_journal(deploy);
    // The journal has had its share from the run that was killed, or lacks the end of it: the log has all.
    let limits = Limits { log_max: u64::MAX, journal_head: 0, journal_tail: 0 };
    let finished = match Recorder::open(&path, masker, limits).map_err(broken(&path))? {
        Opened::Recording(recorder) => recorder.finish(&mut journal),
        Opened::Ended(ended) => ended.finish(&mut journal),
    };
    finished.map(drop).map_err(broken(&path))
}
