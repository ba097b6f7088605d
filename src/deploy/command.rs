//! The project's own commands: `prepare`, `migrate`, `finish`, and those of checks.

use super::halt::{CarryError, Halt};
use super::log::to_journal;
use super::run::Run;
use crate::attend::{Attendant, Attended, Patience};
use crate::model::{CommitId, ReleaseName, unit};
use crate::order::{Order, Stage};
use crate::systemd::{Exit, UnitState};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::Duration;

impl Run<'_> {
    /// Runs one list of commands to its end or first failure.
    pub(super) fn commands(&mut self, stage: Stage) -> Result<(), Halt> {
        let (name, list) = match stage {
            Stage::Prepare => ("prepare", self.target.prepare.clone()),
            Stage::Migrate => ("migrate", self.target.migrate.clone()),
            Stage::Finish => ("finish", self.target.finish.clone()),
            // Those are asked for one by one.
            Stage::Check => return Ok(()),
        };
        let (release, commit) = (self.deploy.release(), self.deploy.commit.clone());
        for (line, command) in list.iter().enumerate() {
            if self.bell.is_terminated() {
                return Err(Halt::Leave);
            }
            match self.command(stage, line, self.target.timeout, &release, Some(&commit)) {
                Err(Halt::Failed(why)) => return Err(Halt::Failed(format!("{name}: `{command}`: {why}"))),
                other => other?,
            }
        }
        Ok(())
    }

    /// Runs one command in a release, which may be another than the one that this deploy makes: the one that it goes
    /// back to is checked, too.
    pub(super) fn command(
        &mut self,
        stage: Stage,
        line: usize,
        limit: Duration,
        release: &ReleaseName,
        commit: Option<&CommitId>,
    ) -> Result<(), Halt> {
        let secret = stage != Stage::Check;
        if secret {
            self.secrets_are_known()?;
        }
        let order = Order::Command {
            target: self.deploy.target_id(),
            deploy: self.deploy.id,
            stage,
            line,
            release: release.clone(),
            env: self.environment(release, commit),
        };
        match self.orders.give(&order, &[self.log.writer()]) {
            // What a killed run left was stopped before the first phase: one that exists is ours, of a ci-launch that
            // was killed before it could say so.
            Ok(_) if secret => self.learn_secrets(),
            Ok(_) => {}
            Err(error) => return Err(self.order_failure(error)),
        }
        let ended = self.attend();
        // Its name is free for the next one, and after SIGTERM nothing goes on without us.
        self.order(&Order::StopCommand { project: self.project.name.clone(), deploy: self.deploy.id })?;
        self.log.drain(&mut to_journal(&self.deploy))?;
        match how_it_ended(&ended?, limit) {
            Ok(()) => Ok(()),
            Err(why) => Err(self.failure(why)),
        }
    }

    /// Takes the command's output in until it is over.
    fn attend(&mut self) -> Result<UnitState, Halt> {
        let name = unit::command_unit(&self.project.name, self.deploy.id);
        // systemd enforces the time limit.
        let patience = Patience { silence: None, until: None };
        let attendant = Attendant { bus: &self.bus, address: &self.place.bus, bell: self.bell, written: None };
        loop {
            let log = &mut self.log;
            let mut journal = to_journal(&self.deploy);
            let attended = attendant.attend(&name, None, &mut log.recorder, log.pipe.as_fd(), patience, &mut journal);
            match attended.map_err(|source| self.log.error(source))? {
                Attended::Over(state) => return Ok(*state),
                Attended::Lost(error) => return Err(CarryError::from(error).into()),
                Attended::Terminated => return Err(Halt::Leave),
                // What is too much is thrown away, and the log says so at its end.
                Attended::Silent | Attended::Late | Attended::Full | Attended::Wrote => {}
            }
        }
    }

    /// What a command finds in its environment above `[deploy] env`; documented in ci-deploy(1).
    fn environment(&self, release: &ReleaseName, commit: Option<&CommitId>) -> BTreeMap<String, String> {
        let deploy = &self.deploy;
        let number = release.number();
        // What was there before unitci says of itself what it may.
        let commit = commit.filter(|commit| commit.is_known());
        let root = self.target.root.to_string_lossy();
        let pairs = [
            ("CI", "true".to_owned()),
            ("CI_PROJECT", deploy.project.to_string()),
            ("CI_BUILD", number.to_string()),
            ("CI_DEPLOY", deploy.id.to_string()),
            ("CI_TARGET", deploy.target.to_string()),
            ("CI_RELEASE", release.to_string()),
            ("CI_ROOT", root.clone().into_owned()),
            ("CI_REASON", deploy.reason.clone().unwrap_or_else(|| deploy.origin.describe())),
            ("CI_URL", format!("{}/p/{}/{}/", self.site.base_url, deploy.project, number)),
        ];
        let commit = commit.map(|commit| ("CI_COMMIT", commit.to_string()));
        pairs.into_iter().chain(commit).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

fn how_it_ended(state: &UnitState, limit: Duration) -> Result<(), String> {
    match &state.exit {
        Some(Exit::TimedOut) => {
            let limit = jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX);
            Err(format!("timeout: stopped after {limit:#}; `timeout` allows more"))
        }
        Some(exit) => how(exit),
        None => Err("nobody knows how it ended: its unit is gone".to_owned()),
    }
}

/// The end of a main process in words, if it is not a good one.
pub(super) fn how(exit: &Exit) -> Result<(), String> {
    match exit {
        Exit::Exited(0) => Ok(()),
        Exit::Exited(status) => Err(format!("exit code {status}")),
        Exit::Signalled { signal, core: _ } => Err(match Signal::try_from(*signal) {
            Ok(known) => format!("killed by {}", known.as_str()),
            Err(_) => format!("killed by signal {signal}"),
        }),
        Exit::TimedOut => Err("timeout".to_owned()),
        Exit::OutOfMemory => Err("killed: out of memory".to_owned()),
        Exit::NeverRan(result) => Err(format!("it could not be started: {result}")),
    }
}
