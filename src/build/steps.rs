//! One step after the other: asked for, attended to, judged, written down, let go.

use super::again::Waited;
use super::attempt::{Attempt, Outcome};
use super::log::to_journal;
use super::prepare::Trouble;
use super::spec::StepSpec;
use super::supervise::{SuperviseError, Supervisor};
use crate::config::project::{OnFailure, When};
use crate::journal::{self, Event, Priority};
use crate::model::build::Usage;
use crate::model::{Build, StepIndex, StepRow, StepState, Verdict, unit};
use crate::order::{Given, Order, OrderError, ServiceOrder, Shutdown, StepOrder};
use crate::output::{Opened, step_pipe};
use crate::plan::result::{Ended, Progress, judge};
use crate::plan::{hint, retry};
use crate::store::StepEnd;
use crate::systemd::LoadState;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The read end of a step's pipe, and why its unit was not started if it was not.
pub(super) type Asked = Result<Result<OwnedFd, (OrderError, OwnedFd)>, SuperviseError>;

/// How long the manager may take to put a pipe into the fd store.
const STORE: Duration = Duration::from_secs(30);

impl Supervisor<'_> {
    /// Brings one step from wherever it is to its end; nothing when the supervisor is to leave.
    pub(super) fn step(&mut self, step: &StepRow, progress: Progress) -> Result<Option<Progress>, SuperviseError> {
        let spec = self.spec(step.index)?;
        let on_failure = spec.as_ref().map_or(OnFailure::Halt, |s| s.on_failure);
        let skipped = match &step.state {
            StepState::Pending => self.skipped(step, progress)?,
            StepState::Running { .. } | StepState::Finished { .. } => None,
        };
        let verdict = match (&step.state, skipped) {
            (StepState::Finished { verdict, .. }, _) => {
                self.tidy(step, spec.as_ref())?;
                *verdict
            }
            (StepState::Pending | StepState::Running { .. }, Some(why)) => {
                self.write_down(step, Verdict::Skipped, &why, Usage::default())?;
                Verdict::Skipped
            }
            (StepState::Pending | StepState::Running { .. }, None) => {
                let outcome = match &spec {
                    None if progress.worst == Verdict::Cancelled => Some(self.drop_checkout(step)?),
                    None => self.checkout(step)?,
                    Some(spec) => self.run_step(step, spec, progress)?,
                };
                match outcome {
                    Some(verdict) => verdict,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(progress.after(verdict, on_failure)))
    }

    pub(super) fn spec(&self, index: StepIndex) -> Result<Option<StepSpec>, SuperviseError> {
        let text = self.store.read().step_spec(&self.id, index)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|e| SuperviseError::Spec(index, e))
    }

    /// Writes down how a step ended, and tells.
    pub(super) fn write_down(
        &mut self,
        step: &StepRow,
        verdict: Verdict,
        outcome: &str,
        usage: Usage,
    ) -> Result<(), SuperviseError> {
        let (id, index) = (self.id.clone(), step.index);
        let end = StepEnd { verdict, outcome: outcome.to_owned(), usage };
        self.store.write_patiently(|tx| tx.step_finished(&id, index, &end, Timestamp::now()))?;
        // One that did not run has nothing to tell.
        if verdict != Verdict::Skipped || !outcome.is_empty() {
            let subject = self.subject().step(&step.name).verdict(verdict);
            let tail = if outcome.is_empty() { String::new() } else { format!(": {outcome}") };
            let priority = if verdict <= Verdict::Warnings { Priority::Notice } else { Priority::Warning };
            journal::emit(Event::StepFinished, &subject, priority, &format!("{}: {verdict}{tail}", step.name));
        }
        Ok(())
    }

    /// A step that was over when a supervisor before us died may have left its unit and an open log.
    pub(super) fn tidy(&mut self, step: &StepRow, spec: Option<&StepSpec>) -> Result<(), SuperviseError> {
        if step.log.is_some() || matches!(step.state, StepState::Finished { started: None, .. }) {
            return Ok(());
        }
        if step.index != StepIndex::CHECKOUT {
            self.stop_unit(step.index)?;
        }
        let mut log = self.open_log(step.index)?;
        let name = pipe_name(step.index);
        if let (Opened::Recording(recorder), Some(pipe)) = (&mut log, self.passed.take(&name)) {
            let id = self.id.clone();
            recorder
                .drain(pipe.as_fd(), &mut to_journal(&id, &step.name))
                .map_err(|source| self.log_error(step.index, source))?;
        }
        if let Some(spec) = spec {
            self.report_afterwards(step, spec, &mut log)?;
        }
        self.close_log(step.index, &step.name, log)?;
        self.notifier.forget(&name)?;
        Ok(())
    }

    pub(super) fn log_error(&self, index: StepIndex, source: std::io::Error) -> SuperviseError {
        SuperviseError::Io { path: self.place.step_log(&self.id, index), source }
    }

    /// SIGTERM, grace, SIGKILL to all of a step; then its unit's name is free. A `ci-launch` that cannot is tried again
    /// by the next supervisor.
    pub(super) fn stop_unit(&mut self, index: StepIndex) -> Result<(), SuperviseError> {
        self.give(&Order::StopStep { build: self.id.clone(), step: index })
    }

    /// Gives an order without which the build cannot go on.
    pub(super) fn give(&mut self, order: &Order) -> Result<(), SuperviseError> {
        self.orders.give(order, &[]).map(drop).map_err(|e| self.order_error(&e))
    }

    pub(super) fn order_error(&self, error: &OrderError) -> SuperviseError {
        SuperviseError::Io { path: self.place.launch_socket(), source: std::io::Error::other(error.to_string()) }
    }

    fn run_step(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        progress: Progress,
    ) -> Result<Option<Verdict>, SuperviseError> {
        let (id, index) = (self.id.clone(), step.index);
        // One that runs already is attended to, and stopped.
        if let (StepState::Pending, Some(ended)) = (&step.state, self.ended_before_start(spec)) {
            let (verdict, outcome) = judge(&ended, &spec.decode);
            self.write_down(step, verdict, &outcome, Usage::default())?;
            return Ok(Some(verdict));
        }
        let mut attempt = Attempt::Unknown;
        if step.state == StepState::Pending {
            attempt = Attempt::Ours;
            self.store.write_patiently(|tx| tx.step_started(&id, index, Timestamp::now()))?;
            journal::emit(
                Event::StepStarted,
                &self.subject().step(&step.name),
                Priority::Notice,
                &format!("{} begins", step.name),
            );
        }
        self.notifier.status(&format!("step {index}, {}", step.name))?;
        let mut log = self.open_log(index)?;
        let mut step = self.store.read().step(&id, index)?.unwrap_or_else(|| step.clone());
        let stopped = progress.worst == Verdict::Cancelled && spec.when != When::Always;
        let mut held = None;
        let (ended, usage, pipe) = loop {
            let recorder = match &mut log {
                // The log is whole and the step is not written down: a supervisor died in between.
                Opened::Ended(_) => {
                    let state = self.bus.state(&unit::step_unit(&id, index))?;
                    let (ended, usage) = self.account(&state, &step.name, spec, 0);
                    break (ended, usage, None);
                }
                Opened::Recording(recorder) => recorder,
            };
            if let Some(over) = step.again.clone().filter(|_| !stopped) {
                match self.wait_for_next(&step, spec, (recorder, held.take()), &over)? {
                    Waited::Begun(begun) => step = *begun,
                    Waited::Ended(ended) => break (ended, Usage::default(), None),
                    Waited::Left => return Ok(None),
                }
            }
            let by = std::mem::replace(&mut attempt, Attempt::Unknown);
            let (outcome, pipe) = self.attend(&step, spec, recorder, progress, by)?;
            let (ended, usage) = match outcome {
                Outcome::Ended(ended, usage) => (ended, usage),
                Outcome::Left => return Ok(None),
            };
            let (verdict, outcome) = judge(&ended, &spec.decode);
            match &spec.retry {
                Some(again) if !stopped && retry::follows(Some(again), step.attempts, &ended, verdict) => {
                    self.drain(&step, &mut log, pipe.as_ref())?;
                    match self.results_of_attempt(&step, spec, &mut log)? {
                        Ok(()) | Err(Trouble::Call(_)) => {}
                        Err(Trouble::Leave) => return Ok(None),
                        Err(Trouble::Stopped) => break (Ended::Stopped, usage, pipe),
                    }
                    step = self.try_again(&step, again.delay, outcome, step.usage.and(usage))?;
                    held = pipe;
                }
                Some(_) | None => break (ended, usage, pipe),
            }
        };
        let (mut verdict, mut outcome) = judge(&ended, &spec.decode);
        self.drain(&step, &mut log, pipe.as_ref())?;
        if is_its_own(&ended) {
            (verdict, outcome) = match self.results(&step, spec, &mut log, (verdict, outcome))? {
                Some(judged) => judged,
                None => return Ok(None),
            };
            (verdict, outcome) = match self.collect(&step, spec, &mut log, (verdict, outcome))? {
                Some(judged) => judged,
                None => return Ok(None),
            };
        }
        let mut outcome = retry::outcome(spec.retry.as_ref(), step.attempts, verdict, &outcome);
        if let (true, Opened::Recording(recorder)) = (is_its_own(&ended), &log) {
            let tail = recorder.tail(hint::TAIL).map_err(|source| self.log_error(index, source))?;
            outcome += hint::no_network(verdict, spec.network.unwrap_or(self.project.build.network), &tail);
        }
        let outcome = self.without_services(verdict, outcome);
        // First the verdict, then the end of the unit that carries it.
        self.write_down(&step, verdict, &outcome, step.usage.and(usage))?;
        self.stop_unit(index)?;
        self.drain(&step, &mut log, pipe.as_ref())?;
        if !is_its_own(&ended) {
            self.report_afterwards(&step, spec, &mut log)?;
        }
        self.close_log(index, &step.name, log)?;
        self.notifier.forget(&pipe_name(index))?;
        Ok(Some(verdict))
    }

    /// Takes in what is in the pipe: what the step said stands above what is said of its results.
    fn drain(&self, step: &StepRow, log: &mut Opened, pipe: Option<&OwnedFd>) -> Result<(), SuperviseError> {
        if let (Some(pipe), Opened::Recording(recorder)) = (pipe, log) {
            recorder
                .drain(pipe.as_fd(), &mut to_journal(&self.id, &step.name))
                .map_err(|source| self.log_error(step.index, source))?;
        }
        Ok(())
    }

    /// What is over before it begins: the build has had its time.
    fn ended_before_start(&self, spec: &StepSpec) -> Option<Ended> {
        let late = self.deadline <= Instant::now();
        let afterwards = matches!(spec.when, When::Always);
        (late && !afterwards).then_some(Ended::BuildTimedOut(self.project.build.timeout))
    }

    pub(super) fn is_going_down(&self) -> Result<bool, SuperviseError> {
        Ok(self.bus.system_state()? == crate::systemd::SystemState::Stopping)
    }

    /// A step that a supervisor before us had started: its pipe from the fd store.
    pub(super) fn running(&mut self, index: StepIndex, name: &str) -> Result<Option<OwnedFd>, SuperviseError> {
        let stored = self.passed.take(&pipe_name(index));
        let state = self.bus.state(name)?;
        if state.load == LoadState::NotFound || (state.is_over() && state.exit.is_none()) {
            return Ok(None);
        }
        match stored {
            Some(pipe) => Ok(Some(pipe)),
            // The fd store went with a supervisor that was stopped for good: what the step says now is lost, how it
            // ends is not.
            None => {
                let (reader, writer) = step_pipe().map_err(|source| self.log_error(index, source))?;
                drop(writer);
                Ok(Some(reader))
            }
        }
    }

    /// Asks for the step's unit. The pipe is in the fd store before, so that no moment is left in which we alone hold it.
    pub(super) fn ask(&mut self, step: &StepRow, spec: &StepSpec) -> Asked {
        let (reader, writer) = step_pipe().map_err(|source| self.log_error(step.index, source))?;
        let name = pipe_name(step.index);
        self.notifier.store(&name, reader.as_fd(), STORE)?;
        let build = self.build()?;
        let order = Order::Step(StepOrder {
            build: self.id.clone(),
            step: step.index,
            name: step.name.clone(),
            trust: self.room.trust,
            run: spec.run.clone(),
            pty: spec.pty,
            secrets: self.given(spec),
            workdir: spec.workdir.clone(),
            env: self.environment(&build, spec),
            timeout: spec.timeout,
            network: spec.network,
            memory: spec.memory,
            slot: self.room.slot,
            // One that is ordered before its supervisor would keep the next one waiting until it is ready.
            shutdown: if self.stopping || spec.service.is_some() { Shutdown::Any } else { Shutdown::SupervisorFirst },
            service: spec
                .service
                .as_ref()
                .map(|service| ServiceOrder { ready: service.ready.clone(), ready_timeout: service.ready_timeout }),
            beside: self.beside(step.index),
        });
        match self.orders.give(&order, &[writer.as_fd()]) {
            Ok(Given::Done | Given::Exists) => Ok(Ok(reader)),
            Err(error) => Ok(Err((error, reader))),
        }
    }

    /// What a step finds in its environment; documented in ci-build(1).
    fn environment(&self, build: &Build, spec: &StepSpec) -> BTreeMap<String, String> {
        let mut env = self.project.build.env.clone();
        env.extend(spec.env.clone());
        let mut set = |key: &str, value: String| env.insert(key.to_owned(), value);
        set("CI", "true".to_owned());
        set("CI_PROJECT", self.id.project.to_string());
        set("CI_BUILD", self.id.number.to_string());
        set("CI_REASON", build.reason.clone().unwrap_or_else(|| build.origin.describe()));
        set("CI_URL", format!("{}/p/{}/{}/", self.site.base_url, self.id.project, self.id.number));
        set("CI_WORKSPACE", self.room.workspace(self.place).to_string_lossy().into_owned());
        set("CI_ARTIFACTS", self.room.artifacts(self.place).to_string_lossy().into_owned());
        set("CI_CACHE", self.room.cache(self.place).to_string_lossy().into_owned());
        if let Some(commit) = &build.commit {
            set("CI_COMMIT", commit.to_string());
        }
        if let Some(reference) = &build.reference {
            set("CI_REF", reference.to_string());
            if let Some(branch) = reference.branch() {
                set("CI_BRANCH", branch.to_owned());
            }
            if let Some(tag) = reference.tag() {
                set("CI_TAG", tag.to_owned());
            }
        }
        env
    }
}

/// The name of a step's pipe in the fd store.
pub(super) fn pipe_name(index: StepIndex) -> String {
    format!("step-{index}")
}

/// Whether a step came to its end by itself, so that its unit still says how, whatever is done meanwhile.
fn is_its_own(ended: &Ended) -> bool {
    matches!(ended, Ended::Exited(_) | Ended::Signalled(_) | Ended::OutOfMemory(_) | Ended::TooManyTasks { .. })
}
