//! Attending to one attempt of a step: what it prints, its limits, and what a stop means to it.

use super::log::to_journal;
use super::spec::StepSpec;
use super::steps::Asked;
use super::supervise::{SuperviseError, Supervisor, Terminated};
use crate::attend::{Attendant, Attended, Patience};
use crate::config::project::When;
use crate::journal::{self, Event, Priority};
use crate::model::build::Usage;
use crate::model::{StepRow, Verdict, unit};
use crate::output::{Masker, Recorder};
use crate::plan::result::{Ended, Progress};
use crate::plan::retry;
use crate::systemd::{UnitState, Watch};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long steps have that run although the build has had its time or was stopped.
const AFTERWARDS: Duration = Duration::from_secs(600);

/// Who has asked for a step's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nobody yet: this supervisor has just written down that it begins.
    Ours,
    /// Perhaps a supervisor before this one.
    Unknown,
}

/// How a step is over for its supervisor.
pub(super) enum Outcome {
    /// So.
    Ended(Ended, Usage),
    /// The supervisor goes and the step stays.
    Left,
}

impl Supervisor<'_> {
    /// Has the step's unit started, if it is not there already, and attends to it until it is over.
    pub(super) fn attend(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        recorder: &mut Recorder,
        progress: Progress,
        attempt: Attempt,
    ) -> Result<(Outcome, Option<OwnedFd>), SuperviseError> {
        let (id, index) = (self.id.clone(), step.index);
        let name = unit::step_unit(&id, index);
        let stopped = progress.worst == Verdict::Cancelled && spec.when != When::Always;
        let mut begun = None;
        let running = match attempt {
            Attempt::Ours => None,
            Attempt::Unknown => self.running(index, &name)?,
        };
        let pipe = match running {
            Some(pipe) => pipe,
            None if stopped => return Ok((Outcome::Ended(Ended::Stopped, Usage::default()), None)),
            None => {
                if let (Some(again), 2..) = (&spec.retry, step.attempts) {
                    recorder
                        .note(&retry::begins(again, step.attempts), &mut to_journal(&id, &step.name))
                        .map_err(|source| self.log_error(index, source))?;
                }
                let (asked, watch) = self.ask_and_watch(step, spec, &name);
                begun = watch;
                match asked? {
                    Ok(pipe) => pipe,
                    Err((error, pipe)) => {
                        return Ok((Outcome::Ended(Ended::Broken(error.to_string()), Usage::default()), Some(pipe)));
                    }
                }
            }
        };
        match self.learn_of(spec)? {
            Ok(masker) => recorder.mask_with(masker),
            Err(why) => {
                // It may print by now what nobody knows how to mask.
                recorder.mask_with(Masker::everything());
                return Ok((Outcome::Ended(Ended::Broken(why.to_string()), Usage::default()), Some(pipe)));
            }
        }
        if stopped {
            return Ok((self.over_or_stopped(step, spec, 0)?, Some(pipe)));
        }
        let written = self.project.limits(&step.name).disk;
        let disk = written.map(|limit| self.watch_disk(step, limit.most));
        let wrote_too_much = disk.as_ref().map(|disk| |state: &UnitState| disk.is_passed(state));
        let outcome = loop {
            let afterwards = (self.stopping || progress.halted).then(|| spec.own_timeout.unwrap_or(AFTERWARDS));
            let until = match afterwards {
                Some(limit) => self.deadline.max(Instant::now() + limit),
                None => self.deadline,
            };
            if let (true, Some(limit)) = (self.stopping, afterwards) {
                // `always` steps may take their time; systemd waits for us as long as we say that we are at it.
                self.stays_for(limit)?;
            }
            let patience = Patience { silence: spec.silence, until: Some(until) };
            let tasks = self.watch_tasks(&name);
            let attended = Attendant {
                bus: &self.bus,
                address: &self.place.bus,
                bell: &self.bell,
                written: wrote_too_much.as_ref().map(|asked| asked as _),
            }
            .attend_patiently(&name, begun.take(), recorder, pipe.as_fd(), patience, &mut to_journal(&id, &step.name))
            .map_err(|source| self.log_error(index, source));
            let denied = tasks.end();
            let attended = attended?;
            let stopped_by_us = |ended| Outcome::Ended(ended, self.used_so_far(&name));
            break match attended {
                // The end of the machine looks like any other; the order of stopping makes it rare, and this closes the
                // gap.
                Attended::Over(_) if self.is_going_down()? => Outcome::Left,
                Attended::Over(state) => {
                    let (ended, usage) = self.account(&state, &step.name, spec, denied);
                    Outcome::Ended(ended, usage)
                }
                Attended::Lost(error) => return Err(error.into()),
                Attended::Silent => stopped_by_us(Ended::Silent(spec.silence.unwrap_or_default())),
                Attended::Late => stopped_by_us(match afterwards {
                    Some(limit) => Ended::TimedOut(limit),
                    None => Ended::BuildTimedOut(self.project.build.timeout),
                }),
                Attended::Wrote => stopped_by_us(match written {
                    Some(limit) => Ended::TooMuchWritten(limit),
                    None => Ended::Stopped,
                }),
                Attended::Full => stopped_by_us(Ended::TooMuchOutput(self.project.build.log_max)),
                Attended::Terminated => match self.terminated()? {
                    Terminated::Leave => Outcome::Left,
                    Terminated::Cancel(stop) => {
                        let text = format!("stopped by {}", stop.by);
                        journal::emit(Event::StepFinished, &self.subject(), Priority::Notice, &text);
                        match spec.when {
                            // It cleans up, and has its own time for that.
                            When::Always => continue,
                            When::Success | When::Failure | When::Changed => {
                                self.over_or_stopped(step, spec, denied)?
                            }
                        }
                    }
                },
            };
        };
        Ok((outcome, Some(pipe)))
    }

    /// Asks for the unit, and begins to watch it meanwhile.
    fn ask_and_watch(&mut self, step: &StepRow, spec: &StepSpec, name: &str) -> (Asked, Option<Watch>) {
        let bus = self.bus.clone();
        std::thread::scope(|threads| {
            let watch = threads.spawn(move || bus.watch(name));
            let asked = self.ask(step, spec);
            // Without one the attendant makes its own, and is patient with a bus that is away.
            (asked, watch.join().ok().and_then(Result::ok))
        })
    }

    /// A step that is stopped, unless it had ended by itself before that.
    fn over_or_stopped(&self, step: &StepRow, spec: &StepSpec, denied: u64) -> Result<Outcome, SuperviseError> {
        let name = unit::step_unit(&self.id, step.index);
        let state = self.bus.state(&name)?;
        if state.is_over() && state.exit.is_some() {
            let (ended, usage) = self.account(&state, &step.name, spec, denied);
            return Ok(Outcome::Ended(ended, usage));
        }
        Ok(Outcome::Ended(Ended::Stopped, self.used_so_far(&name)))
    }
}
