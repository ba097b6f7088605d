//! The checks of a release that is live: one after the other, each as often as it may be tried.

use super::halt::Halt;
use super::run::Run;
use super::service::pulse;
use crate::config::probe::{Check, Probe};
use crate::model::{CommitId, ReleaseName};
use crate::order::{Stage, Work};
use crate::plan::check::of_release;
use crate::plan::service::Running;
use crate::worker::protocol::{HealthAnswer, HealthTask, Question};
use std::time::Instant;

impl Run<'_> {
    /// All checks, in their order, of this release.
    pub(super) fn checks(&mut self, release: &ReleaseName, commit: Option<&CommitId>) -> Result<(), Halt> {
        for (line, check) in self.target.checks.clone().into_iter().enumerate() {
            let probe = of_release(&check.probe, release.number(), commit.filter(|commit| commit.is_known()));
            self.check(line, &Check { probe, ..check }, release, commit)?;
        }
        Ok(())
    }

    fn check(
        &mut self,
        line: usize,
        check: &Check,
        release: &ReleaseName,
        commit: Option<&CommitId>,
    ) -> Result<(), Halt> {
        let (probe, attempts) = (&check.probe, check.tries.attempts);
        let mut attempt = 1;
        loop {
            match self.ask(line, check, release, commit) {
                Ok(()) => return self.say(&format!("{probe} is well, at attempt {attempt} of {attempts}")),
                Err(Halt::Failed(seen)) if attempt == attempts => {
                    return Err(Halt::Failed(format!("{probe}: {seen}, at the last of {attempts} attempts")));
                }
                Err(Halt::Failed(seen)) => self.say(&format!("{probe}: {seen}; attempt {attempt} of {attempts}"))?,
                Err(halt) => return Err(halt),
            }
            attempt += 1;
            self.pause(Instant::now() + check.tries.interval)?;
        }
    }

    /// One attempt; the failure is what was seen instead of what was expected.
    fn ask(
        &mut self,
        line: usize,
        check: &Check,
        release: &ReleaseName,
        commit: Option<&CommitId>,
    ) -> Result<(), Halt> {
        let timeout = check.tries.timeout;
        match &check.probe {
            Probe::Http(http) => self.put(HealthTask { question: Question::Http(http.clone()), timeout }),
            Probe::Tcp(tcp) => self.put(HealthTask { question: Question::Tcp(tcp.clone()), timeout }),
            Probe::Command(_) => self.command(Stage::Check, line, timeout, release, commit),
            Probe::Unit(unit) => match pulse(&self.bus.state(unit)?).running {
                Running::Up => Ok(()),
                Running::Ran => Err(self.failure("inactive".to_owned())),
                Running::Stopped(how) | Running::Down(how) => Err(self.failure(how)),
            },
        }
    }

    fn put(&mut self, task: HealthTask) -> Result<(), Halt> {
        match self.call(Work::Health, task)? {
            HealthAnswer::Healthy => Ok(()),
            HealthAnswer::Sick { seen } => Err(self.failure(seen.to_string())),
        }
    }

    /// Waits; SIGTERM ends it.
    pub(super) fn pause(&self, until: Instant) -> Result<(), Halt> {
        while !self.bell.is_terminated() {
            if until <= Instant::now() {
                return Ok(());
            }
            self.bell.wait_until(until).map_err(|source| self.log.error(source))?;
        }
        Err(Halt::Leave)
    }
}
