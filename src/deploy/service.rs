//! The services that run the release: restarted, reloaded, and watched for a moment.

use super::command::how;
use super::halt::Halt;
use super::run::Run;
use crate::order::{Order, ServiceAction};
use crate::plan::deploy::{Pulse, Running, steady};
use crate::systemd::{ActiveState, Seen, UnitState, Watch};
use std::time::{Duration, Instant};

/// How long one wait on the bus lasts, so that SIGTERM is heard in between.
const ROUND: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Restarts, then reloads, in the order of the file; each job's own result decides, and then whether they stay up.
    pub(super) fn services(&mut self) -> Result<(), Halt> {
        let restart = self.target.restart.iter().map(|unit| (ServiceAction::Restart, unit.clone()));
        let reload = self.target.reload.iter().map(|unit| (ServiceAction::Reload, unit.clone()));
        let mut watched = Vec::new();
        for (action, unit) in restart.chain(reload).collect::<Vec<_>>() {
            if self.bell.is_terminated() {
                return Err(Halt::Leave);
            }
            self.order(&Order::Service { target: self.deploy.target_id(), action, unit: unit.clone() })?;
            let watch = self.bus.watch(&unit)?;
            let pulse = pulse(&self.bus.state(&unit)?);
            self.compare(&unit, &pulse, &pulse)?;
            let done = match action {
                ServiceAction::Restart => "restarted",
                ServiceAction::Reload => "reloaded",
            };
            let process = pulse.main_pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
            self.say(&format!("{unit} is {done}{process}"))?;
            watched.push((unit, pulse, watch));
        }
        self.settle(watched)
    }

    /// All must stay up for `settle`. One after the other is watched until then: what another did meanwhile shows in
    /// its main process and its count of restarts.
    fn settle(&mut self, watched: Vec<(String, Pulse, Watch)>) -> Result<(), Halt> {
        let deadline = Instant::now() + self.target.settle;
        for (unit, before, mut watch) in watched {
            loop {
                if self.bell.is_terminated() {
                    return Err(Halt::Leave);
                }
                let left = deadline.saturating_duration_since(Instant::now());
                match watch.next(left.min(ROUND))? {
                    Seen::State(now) => self.compare(&unit, &before, &pulse(&now))?,
                    Seen::Woken | Seen::TimedOut if left.is_zero() => break,
                    Seen::Woken | Seen::TimedOut => {}
                }
            }
        }
        Ok(())
    }

    fn compare(&self, unit: &str, before: &Pulse, now: &Pulse) -> Result<(), Halt> {
        steady(before, now).map_err(|how| self.failure(format!("{unit} {how}; journalctl -u '{unit}' tells why")))
    }
}

fn pulse(state: &UnitState) -> Pulse {
    let running = match &state.active {
        ActiveState::Active | ActiveState::Reloading => Running::Up,
        ActiveState::Inactive
        | ActiveState::Failed
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Other(_) => {
            let end = state.exit.as_ref().and_then(|exit| how(exit).err());
            let end = end.map(|how| format!(", {how}")).unwrap_or_default();
            Running::Down(format!("{} ({}){end}", state.active, state.sub))
        }
    };
    Pulse { running, main_pid: state.main_pid, restarts: state.restarts }
}
