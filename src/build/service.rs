//! The services of a build: up before the first step after the checkout, one after the other, each ready before the
//! next; recorded beside the steps; down, the last first, after the last step.
//!
//! Each is a row of `step` behind the steps' rows, with a unit, a pipe and a log as a step has them. That a service is
//! ready is its unit's to know: it is `activating` until its `ready` has said so.

use super::log::to_journal;
use super::spec::{ServiceSpec, StepSpec};
use super::steps::pipe_name;
use super::supervise::{SuperviseError, Supervisor, Terminated};
use crate::attend::{Attendant, Attended, Bell, Patience};
use crate::config::project::OnFailure;
use crate::journal::{self, Event, Priority};
use crate::model::build::{Role, Usage};
use crate::model::{StepIndex, StepRow, StepState, Verdict, unit};
use crate::output::{Masker, Opened, Recorder};
use crate::plan::result::{Decode, Ended, Progress, judge};
use crate::systemd::{ActiveState, Seen};
use jiff::Timestamp;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often one looks up while waiting for a service to be ready.
const LOOK: Duration = Duration::from_millis(200);

/// Those that are up.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// Whether this supervisor has brought them up, or seen that there is nothing to bring up.
    open: bool,
    /// The first of all: the others and the steps share its network.
    first: Option<StepIndex>,
    up: Vec<Up>,
}

/// One that is up, with the thread that takes its output in.
#[derive(Debug)]
struct Up {
    row: StepRow,
    bell: Bell,
    thread: JoinHandle<std::io::Result<Recorded>>,
}

/// What such a thread leaves when it ends.
#[derive(Debug)]
struct Recorded {
    recorder: Box<Recorder>,
    pipe: OwnedFd,
    attended: Attended,
}

/// Whether the build goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// So.
    On(Progress),
    /// The supervisor leaves, the build stays.
    Leave,
}

/// What came of waiting for one.
enum Waited {
    Ready,
    /// It is over, and its thread knows how.
    Ended,
    Cancelled,
    Leave,
}

/// How a service that was not asked to end has ended, in words: `ended: exit code 1`.
fn outcome(ended: &Ended, spec: &ServiceSpec) -> String {
    match ended {
        Ended::Exited(code) => format!("ended: exit code {code}"),
        Ended::TimedOut(_) => {
            let limit = jiff::SignedDuration::try_from(spec.ready_timeout).unwrap_or(jiff::SignedDuration::MAX);
            format!("was not ready within {limit:#}; `ready-timeout` of the service allows more")
        }
        Ended::Broken(why) => why.clone(),
        Ended::Signalled(_)
        | Ended::OutOfMemory(_)
        | Ended::TooMuchOutput(_)
        | Ended::Silent(_)
        | Ended::TooManyTasks { .. }
        | Ended::TooMuchWritten(_)
        | Ended::BuildTimedOut(_)
        | Ended::Stopped => format!("ended: {}", judge(ended, &Decode::default()).1),
    }
}

impl Supervisor<'_> {
    fn service_rows(&self) -> Result<Vec<StepRow>, SuperviseError> {
        let mut rows = self.store.read().steps(&self.id)?;
        rows.retain(|row| row.role == Role::Service);
        Ok(rows)
    }

    /// The service whose network a unit of this build shares; the first one has its own.
    pub(super) fn beside(&self, index: StepIndex) -> Option<StepIndex> {
        self.services.first.filter(|first| *first != index)
    }

    /// Brings the services up, if this is not done: before the first step that is to run. A build that is over already,
    /// but for what runs always, gets none.
    pub(super) fn open_services(&mut self, mut progress: Progress) -> Result<Next, SuperviseError> {
        if std::mem::replace(&mut self.services.open, true) {
            return Ok(Next::On(progress));
        }
        let rows = self.service_rows()?;
        self.services.first = rows.first().map(|row| row.index);
        for row in rows {
            match row.state {
                StepState::Pending if progress.halted => continue,
                StepState::Finished { .. } => continue,
                StepState::Pending | StepState::Running { .. } => {}
            }
            let Some(spec) = self.spec(row.index)? else { continue };
            match self.bring_up(&row, &spec)? {
                Waited::Ready => {}
                Waited::Ended => progress = self.look_after_services(progress)?,
                Waited::Cancelled => progress = progress.after(Verdict::Cancelled, OnFailure::Halt),
                Waited::Leave => return Ok(Next::Leave),
            }
        }
        Ok(Next::On(progress))
    }

    /// Starts a service or takes it over, has its output recorded, and waits until it is ready.
    fn bring_up(&mut self, row: &StepRow, spec: &StepSpec) -> Result<Waited, SuperviseError> {
        let (id, index) = (self.id.clone(), row.index);
        let name = unit::step_unit(&id, index);
        self.notifier.status(&format!("service {}", row.name))?;
        let fresh = row.state == StepState::Pending;
        if fresh {
            self.store.write_patiently(|tx| tx.step_started(&id, index, Timestamp::now()))?;
            let text = format!("service {} begins", row.name);
            journal::emit(Event::StepStarted, &self.subject().step(&row.name), Priority::Notice, &text);
        }
        let log = self.open_log(index)?;
        let pipe = match self.running(index, &name)? {
            Some(pipe) => pipe,
            // One that steps have seen, and that is gone, cannot be had again as it was.
            None if !fresh && self.have_steps_begun()? => {
                let why = Ended::Broken("is gone: its unit was stopped by somebody".to_owned());
                return self.end_service(row, spec, &why, log).map(|()| Waited::Ended);
            }
            None => match self.ask(row, spec)? {
                Ok(pipe) => pipe,
                Err((error, _)) => {
                    let why = Ended::Broken(format!("could not be started: {error}"));
                    return self.end_service(row, spec, &why, log).map(|()| Waited::Ended);
                }
            },
        };
        let mut recorder = match log {
            Opened::Recording(recorder) => recorder,
            Opened::Ended(_) => {
                let why = Ended::Broken("has ended; a supervisor was killed before it could tell how".to_owned());
                return self.end_service(row, spec, &why, log).map(|()| Waited::Ended);
            }
        };
        match self.learn_of(spec)? {
            Ok(masker) => recorder.mask_with(masker),
            Err(error) => {
                // It may print by now what nobody knows how to mask.
                recorder.mask_with(Masker::everything());
                let why = Ended::Broken(format!("could not be had: {error}"));
                return self.end_service(row, spec, &why, Opened::Recording(recorder)).map(|()| Waited::Ended);
            }
        }
        self.record(row, recorder, pipe)?;
        self.wait_ready(&name)
    }

    fn have_steps_begun(&self) -> Result<bool, SuperviseError> {
        let steps = self.store.read().steps(&self.id)?;
        Ok(steps.iter().any(|step| {
            step.role == Role::Step && step.index != StepIndex::CHECKOUT && step.state != StepState::Pending
        }))
    }

    /// Has a thread take the output in until the service is over or is told to leave off.
    fn record(&mut self, row: &StepRow, mut recorder: Box<Recorder>, pipe: OwnedFd) -> Result<(), SuperviseError> {
        let bell = Bell::apart()?;
        let (id, name, own) = (self.id.clone(), row.name.clone(), bell.clone());
        let (bus, address) = (self.bus.clone(), self.place.bus.clone());
        let unit = unit::step_unit(&id, row.index);
        let thread = std::thread::spawn(move || {
            let patience = Patience { silence: None, until: None };
            let attendant = Attendant { bus: &bus, address: &address, bell: &own, written: None };
            let mut journal = to_journal(&id, &name);
            let attended =
                attendant.attend_patiently(&unit, None, &mut recorder, pipe.as_fd(), patience, &mut journal)?;
            drop(journal);
            Ok(Recorded { recorder, pipe, attended })
        });
        self.services.up.push(Up { row: row.clone(), bell, thread });
        Ok(())
    }

    fn wait_ready(&mut self, name: &str) -> Result<Waited, SuperviseError> {
        let mut watch = self.bus.watch(name)?;
        loop {
            if self.bell.is_terminated() {
                return Ok(match self.terminated()? {
                    Terminated::Cancel(_) => Waited::Cancelled,
                    Terminated::Leave => Waited::Leave,
                });
            }
            let state = match watch.next(LOOK)? {
                Seen::State(state) => state,
                Seen::Woken | Seen::TimedOut => continue,
            };
            if state.is_over() {
                // Its thread sees the same.
                return Ok(if self.is_going_down()? { Waited::Leave } else { Waited::Ended });
            }
            if state.active == ActiveState::Active {
                return Ok(Waited::Ready);
            }
        }
    }

    /// Writes down which services have ended although nobody asked them to: that ends the build.
    pub(super) fn look_after_services(&mut self, mut progress: Progress) -> Result<Progress, SuperviseError> {
        for row in self.service_rows()? {
            let Some(at) = self.services.up.iter().position(|up| up.row.index == row.index) else { continue };
            // One that was seen to be over is awaited, one that runs is not.
            let over = self.bus.state(&unit::step_unit(&self.id, row.index))?.is_over();
            if over && self.is_going_down()? {
                return Ok(progress);
            }
            if over || self.services.up[at].thread.is_finished() {
                let up = self.services.up.remove(at);
                self.let_go(up)?;
            }
        }
        for row in self.service_rows()? {
            match row.state {
                StepState::Finished { verdict, .. } if verdict > Verdict::Warnings => {
                    progress = progress.after(verdict, OnFailure::Halt);
                }
                StepState::Finished { .. } | StepState::Pending | StepState::Running { .. } => {}
            }
        }
        Ok(progress)
    }

    /// What a failing step's outcome says of services that were not there any more.
    pub(super) fn without_services(&self, verdict: Verdict, outcome: String) -> String {
        let ended: Vec<String> = self.services.up.iter().filter(|up| up.thread.is_finished()).map(named).collect();
        match verdict {
            Verdict::Failure if !ended.is_empty() => format!("{outcome}; {} had ended", ended.join(", ")),
            Verdict::Failure
            | Verdict::Skipped
            | Verdict::Success
            | Verdict::Warnings
            | Verdict::Exception
            | Verdict::Retry
            | Verdict::Cancelled => outcome,
        }
    }

    /// Ends all services, the last first, those of a supervisor before us too.
    pub(super) fn close_services(&mut self, progress: Progress) -> Result<Next, SuperviseError> {
        if !self.services.up.is_empty() && self.is_going_down()? {
            return Ok(Next::Leave);
        }
        let progress = self.look_after_services(progress)?;
        for row in self.service_rows()?.into_iter().rev() {
            match row.state {
                StepState::Pending => self.write_down(&row, Verdict::Skipped, "", Usage::default())?,
                StepState::Finished { .. } => self.tidy(&row, None)?,
                StepState::Running { .. } => match self.services.up.iter().position(|up| up.row.index == row.index) {
                    Some(at) => {
                        let up = self.services.up.remove(at);
                        self.let_go(up)?;
                    }
                    None => self.let_go_unseen(&row)?,
                },
            }
        }
        Ok(Next::On(progress))
    }

    /// Ends one whose output a thread of ours takes in: told to leave off if it is not over by itself.
    fn let_go(&mut self, up: Up) -> Result<(), SuperviseError> {
        let Up { row, bell, thread } = up;
        let name = unit::step_unit(&self.id, row.index);
        let Some(spec) = self.spec(row.index)? else { return Ok(()) };
        if !self.bus.state(&name)?.is_over() {
            bell.dismiss();
        }
        let Ok(recorded) = thread.join() else {
            return Err(self.log_error(row.index, std::io::Error::other("the thread that records it broke")));
        };
        let Recorded { recorder, pipe, attended } = recorded.map_err(|source| self.log_error(row.index, source))?;
        let mut log = Opened::Recording(recorder);
        let (verdict, text, usage) = match attended {
            Attended::Over(state) => {
                let (ended, usage) = self.account(&state, &row.name, &spec, 0);
                let words = spec.service.as_ref().map_or_else(String::new, |service| outcome(&ended, service));
                (Verdict::Failure, words, usage)
            }
            Attended::Full => {
                let words = judge(&Ended::TooMuchOutput(self.project.build.log_max), &Decode::default()).1;
                (Verdict::Failure, words, self.used_so_far(&name))
            }
            Attended::Lost(error) => return Err(error.into()),
            Attended::Terminated | Attended::Silent | Attended::Late | Attended::Wrote => {
                (Verdict::Success, String::new(), self.used_so_far(&name))
            }
        };
        self.write_down(&row, verdict, &text, usage)?;
        self.stop_unit(row.index)?;
        let id = self.id.clone();
        if let Opened::Recording(recorder) = &mut log {
            let drained = recorder.drain(pipe.as_fd(), &mut to_journal(&id, &row.name));
            drained.map_err(|source| self.log_error(row.index, source))?;
        }
        self.close_log(row.index, &row.name, log)?;
        self.notifier.forget(&pipe_name(row.index))?;
        Ok(())
    }

    /// Ends one that a supervisor before us had brought up, when no step is left to run.
    fn let_go_unseen(&mut self, row: &StepRow) -> Result<(), SuperviseError> {
        let usage = self.used_so_far(&unit::step_unit(&self.id, row.index));
        self.write_down(row, Verdict::Success, "", usage)?;
        self.tidy(row, None)
    }

    fn end_service(
        &mut self,
        row: &StepRow,
        spec: &StepSpec,
        ended: &Ended,
        log: Opened,
    ) -> Result<(), SuperviseError> {
        let words = spec.service.as_ref().map_or_else(String::new, |service| outcome(ended, service));
        self.write_down(row, Verdict::Exception, &words, Usage::default())?;
        self.stop_unit(row.index)?;
        self.close_log(row.index, &row.name, log)?;
        self.notifier.forget(&pipe_name(row.index))?;
        Ok(())
    }
}

fn named(up: &Up) -> String {
    format!("service {}", up.row.name)
}
