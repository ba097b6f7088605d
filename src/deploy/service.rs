//! The services that run the release: restarted, started, reloaded, and watched for a moment.

use super::command::how;
use super::halt::Halt;
use super::run::Run;
use crate::model::{ReleaseName, ServiceAction};
use crate::order::Order;
use crate::plan::service::{Pulse, Running, Then, after, steady};
use crate::systemd::{ActiveState, Seen, ServiceResult, UnitState, Watch};
use std::time::{Duration, Instant};

/// How long one wait on the bus lasts, so that SIGTERM is heard in between.
const ROUND: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Does with each unit what the file says, one after the other; each job's own result decides, and then whether
    /// they stay up and run the release `live`.
    pub(super) fn services(&mut self, live: &ReleaseName) -> Result<(), Halt> {
        let services: Vec<(ServiceAction, String)> =
            self.target.services().map(|(action, unit)| (action, unit.to_owned())).collect();
        let mut watched = Vec::new();
        for (action, unit) in services {
            if self.bell.is_terminated() {
                return Err(Halt::Leave);
            }
            let before = pulse(&self.bus.state(&unit)?);
            self.order(&Order::Service { target: self.deploy.target_id(), action, unit: unit.clone() })?;
            let watch = self.bus.watch(&unit)?;
            let now = pulse(&self.bus.state(&unit)?);
            match after(action, &before, &now).map_err(|how| self.not_well(&unit, &how))? {
                Then::Up => {
                    let process = now.main_pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
                    self.say(&format!("{unit} is {}{process}", action.done()))?;
                    watched.push((unit, now, watch));
                }
                Then::Ran => self.say(&format!("{unit} has run"))?,
                Then::LeftAlone => self.say(&format!("{unit} does not run, and is left so"))?,
            }
        }
        self.settle(watched)?;
        self.leave_other_releases(live)
    }

    /// All must stay up for `settle`. One after the other is watched until then: what another did meanwhile shows in
    /// its run and its count of restarts.
    fn settle(&mut self, watched: Vec<(String, Pulse, Watch)>) -> Result<(), Halt> {
        let deadline = Instant::now() + self.target.settle;
        for (unit, before, mut watch) in watched {
            loop {
                if self.bell.is_terminated() {
                    return Err(Halt::Leave);
                }
                let left = deadline.saturating_duration_since(Instant::now());
                match watch.next(left.min(ROUND))? {
                    Seen::State(now) => steady(&before, &pulse(&now)).map_err(|how| self.not_well(&unit, &how))?,
                    Seen::Woken | Seen::TimedOut if left.is_zero() => break,
                    Seen::Woken | Seen::TimedOut => {}
                }
            }
        }
        Ok(())
    }

    fn not_well(&self, unit: &str, how: &str) -> Halt {
        self.failure(format!("{unit} {how}; journalctl -u '{unit}' tells why"))
    }
}

pub(super) fn pulse(state: &UnitState) -> Pulse {
    let shown = || {
        let end = state.exit.as_ref().and_then(|exit| how(exit).err());
        let end = end.map(|how| format!(", {how}")).unwrap_or_default();
        format!("{} ({}){end}", state.active, state.sub)
    };
    let running = match &state.active {
        ActiveState::Active | ActiveState::Reloading => Running::Up,
        ActiveState::Inactive if state.oneshot && state.result == ServiceResult::Success => Running::Ran,
        ActiveState::Inactive => Running::Stopped(shown()),
        ActiveState::Failed | ActiveState::Activating | ActiveState::Deactivating | ActiveState::Other(_) => {
            Running::Down(shown())
        }
    };
    Pulse { running, invocation: state.invocation.clone(), main_pid: state.main_pid, restarts: state.restarts }
}
