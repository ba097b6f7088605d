//! Between two attempts of a step. The row says that one is over (`again`) before its unit goes, and that the next has
//! begun before that is asked for: whoever is killed here leaves either the one or the other.

use super::log::to_journal;
use super::spec::StepSpec;
use super::steps::pipe_name;
use super::supervise::{SuperviseError, Supervisor, Terminated};
use crate::journal::{self, Event, Priority};
use crate::model::StepRow;
use crate::model::build::{Again, Usage};
use crate::output::Recorder;
use crate::plan::result::Ended;
use crate::plan::retry;
use jiff::Timestamp;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How waiting for the next attempt ended.
pub(super) enum Waited {
    /// It begins: the step as it is now.
    Begun(Box<StepRow>),
    /// There will be none.
    Ended(Ended),
    /// The supervisor goes, and the next one waits on.
    Left,
}

impl Supervisor<'_> {
    /// Writes down that an attempt is over and when the next is due; says how the step stands then.
    pub(super) fn try_again(
        &mut self,
        step: &StepRow,
        delay: Duration,
        outcome: String,
        usage: Usage,
    ) -> Result<StepRow, SuperviseError> {
        let (id, index) = (self.id.clone(), step.index);
        let again = Again { due: Timestamp::now().checked_add(delay).unwrap_or(Timestamp::MAX), outcome };
        self.store.write_patiently(|tx| tx.step_again(&id, index, &again, usage))?;
        Ok(StepRow { again: Some(again), usage, ..step.clone() })
    }

    /// Lets go of an attempt that is over, waits until the next is due, and writes down that it begins.
    pub(super) fn wait_for_next(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        (recorder, pipe): (&mut Recorder, Option<OwnedFd>),
        over: &Again,
    ) -> Result<Waited, SuperviseError> {
        let Some(again) = &spec.retry else {
            return Ok(Waited::Ended(Ended::Broken("it was to be tried again, and nothing says how often".to_owned())));
        };
        let (id, index) = (self.id.clone(), step.index);
        self.stop_unit(index)?;
        let name = pipe_name(index);
        let pipe = pipe.or_else(|| self.passed.take(&name));
        let failed = |source| self.log_error(index, source);
        let mut journal = to_journal(&id, &step.name);
        if let Some(pipe) = &pipe {
            recorder.drain(pipe.as_fd(), &mut journal).map_err(failed)?;
        }
        recorder.note(&retry::failed(again, step.attempts, &over.outcome), &mut journal).map_err(failed)?;
        self.notifier.forget(&name)?;
        self.notifier.status(&format!("step {index}, {}, waits for attempt {}", step.name, step.attempts + 1))?;

        // A clock that was set back makes nobody wait longer than the file says.
        let left = Duration::try_from(over.due.duration_since(Timestamp::now())).unwrap_or_default().min(again.delay);
        let due = Instant::now() + left;
        let until = if self.stopping { due } else { due.min(self.deadline) };
        while Instant::now() < until {
            self.bell.wait_until(until).map_err(|source| self.log_error(index, source))?;
            if self.bell.is_terminated() {
                match self.terminated()? {
                    Terminated::Leave => return Ok(Waited::Left),
                    Terminated::Cancel(stop) => {
                        let text = format!("stopped by {}", stop.by);
                        journal::emit(Event::StepFinished, &self.subject(), Priority::Notice, &text);
                        return Ok(Waited::Ended(Ended::Stopped));
                    }
                }
            }
        }
        if until < due {
            return Ok(Waited::Ended(Ended::BuildTimedOut(self.project.build.timeout)));
        }
        self.store.write_patiently(|tx| tx.step_attempt(&id, index, Timestamp::now()))?;
        let step = StepRow { attempts: step.attempts + 1, again: None, ..step.clone() };
        recorder.begin_again();
        Ok(Waited::Begun(Box::new(step)))
    }
}
