//! What is done with the units that run a site: those that the project's file names for a target, and no others.

use super::carry::{Launcher, Refusal, SERVICE, failed, refused};
use super::work::{self, MainProcess};
use crate::config::is_beyond_projects;
use crate::config::project::Deploy;
use crate::model::{ServiceAction, TargetId};
use crate::order::Reply;
use crate::systemd::{ActiveState, JobResult, Verb};

impl Launcher {
    /// Does with a unit what the project's file says for this target, if it says that.
    pub(super) fn service(&self, target: &TargetId, action: ServiceAction, unit: &str) -> Result<Reply, Refusal> {
        let project = self.project(&target.project)?;
        let deploy = work::named_target(&project, &target.target)?;
        let key = action.key();
        if !deploy.services().any(|named| named == (action, unit)) {
            let file = self.place.project_file(&project.name);
            let whose = if deploy.name.is_default() { String::new() } else { format!(", target {}", deploy.name) };
            return Err(refused(format!("{unit} is not in `{key}` of [deploy] in {}{whose}", file.display())));
        }
        // The file's checks know names; systemd knows what stands behind one.
        let id = self.bus.id_of(unit).map_err(failed)?;
        if is_beyond_projects(&id) {
            return Err(refused(format!("{unit} is {id}, which no project restarts or reloads")));
        }
        let verb = match action {
            ServiceAction::TryRestart if self.is_stopped(unit)? => return Ok(Reply::Done),
            ServiceAction::Restart | ServiceAction::TryRestart => Verb::Restart,
            ServiceAction::Start => Verb::Start,
            ServiceAction::Reload => Verb::Reload,
        };
        match action {
            // The release before may have used up the unit's start limit; this one has not.
            ServiceAction::Restart | ServiceAction::TryRestart | ServiceAction::Start => {
                self.bus.reset_failed(unit).map_err(failed)?;
            }
            ServiceAction::Reload => {}
        }
        let what = format!("{key} of {unit} failed");
        match self.job(verb, unit, SERVICE, &what) {
            Err(Reply::Job { result, message: _ }) if result == JobResult::Failed.as_str() => {
                // The job's result says that it failed, the unit's own says how.
                let how = self.bus.state(unit).map_err(failed)?.result;
                let message = format!("{what} ({result}: {how}); journalctl -u '{unit}' tells why");
                Err(Reply::Job { result, message })
            }
            other => other,
        }
    }

    /// The main processes of the services that the project's file names for a target, and of those that its sockets
    /// start.
    pub(super) fn main_processes(&self, target: &Deploy) -> Result<Vec<MainProcess>, Refusal> {
        let mut units: Vec<String> = Vec::new();
        for (_, unit) in target.services() {
            if unit.ends_with(".socket") {
                units.extend(self.bus.triggers(unit).map_err(failed)?);
            }
            units.push(unit.to_owned());
        }
        units.sort();
        units.dedup();
        let mut processes = Vec::new();
        for unit in units {
            let state = self.bus.state(&unit).map_err(failed)?;
            if let (Some(pid), Some(control_group)) = (state.main_pid, state.control_group) {
                processes.push(MainProcess { unit, pid, control_group });
            }
        }
        Ok(processes)
    }

    /// Whether somebody has stopped a unit, or nobody has started it. systemd's own `TryRestartUnit` leaves out two
    /// more: one that has failed, and one that is down for a moment because it is being restarted. A killed deploy may
    /// have left either, and its next run has to see whether the unit comes up.
    fn is_stopped(&self, unit: &str) -> Result<bool, Refusal> {
        let state = self.bus.state(unit).map_err(failed)?;
        Ok(state.active == ActiveState::Inactive && self.bus.job_of(unit).map_err(failed)?.is_none())
    }
}
