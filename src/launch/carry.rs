//! What each order comes to.

use super::command::{self, Command};
use super::{again, service, step, work};
use crate::config::project::BuildOutside;
use crate::config::{LoadError, Project, load_project};
use crate::model::{BuildId, Place, ProjectName, Room, StepIndex, Trust, unit};
use crate::order::{Order, Reply, Work};
use crate::systemd::{Accounting, Bus, BusError, JobError, JobResult, Property, StartError, Transient, Verb};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How long systemd may take to set up and execute a unit of ours.
const START: Duration = Duration::from_secs(90);
/// How long a service of the project may take to restart or stop; systemd's own `TimeoutStartSec=` is usually shorter.
pub(super) const SERVICE: Duration = Duration::from_secs(600);

/// A reason not to go on: the reply itself.
pub(super) type Refusal = Reply;

pub(super) fn refused(message: impl Into<String>) -> Refusal {
    Reply::Refused { message: message.into() }
}

pub(super) fn failed(error: impl std::fmt::Display) -> Refusal {
    Reply::Failed { message: error.to_string() }
}

/// Turns orders into units.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) place: Place,
    pub(super) bus: Bus,
    accounting: Accounting,
}

impl Launcher {
    pub(super) fn new(place: Place, bus: Bus) -> Result<Launcher, BusError> {
        let accounting = bus.accounting(&place.control_groups())?;
        Ok(Launcher { place, bus, accounting })
    }

    /// Whether nothing more can be carried out here: the bus was restarted. The next `ci-launch` has a new connection.
    pub(super) fn is_cut_off(&self) -> bool {
        self.bus.is_gone()
    }

    pub(super) fn carry_out(&self, order: Order, descriptors: Vec<OwnedFd>) -> Reply {
        self.try_order(order, descriptors).unwrap_or_else(|refusal| refusal)
    }

    fn try_order(&self, order: Order, descriptors: Vec<OwnedFd>) -> Result<Reply, Refusal> {
        match order {
            Order::Prepare { project } => self.prepare(&project),
            Order::Supervise { build } => self.queue(Verb::Start, &unit::build_unit(&build)),
            Order::StopSupervisor { build } => {
                let unit = unit::build_unit(&build);
                let queued = self.queue(Verb::Stop, &unit)?;
                // One that has failed is nothing to stop, but would be listed as failed for ever.
                self.bus.reset_failed(&unit).map_err(failed)?;
                Ok(queued)
            }
            Order::LookAgain => self.queue(Verb::Restart, unit::AGAIN_TIMER),
            Order::Deploy { target } => self.queue(Verb::Start, &unit::deploy_unit(&target)),
            Order::DeployAgain { at } => {
                self.stop_and_let_go(unit::DEPLOY_AGAIN_TIMER)?;
                self.start(again::describe(at))
            }
            Order::Step(step) => {
                let [output] = these(descriptors)?;
                let project = self.project(&step.build.project)?;
                let mut transient = step::describe(&self.place, &project, &step, self.accounting, output)?;
                if let Some(index) = step.beside {
                    let first = unit::step_unit(&step.build, index);
                    if self.bus.has_private_network(&first).map_err(failed)? {
                        transient.properties.push(service::beside(&first));
                    }
                }
                match step.service {
                    Some(_) => self.begin(transient),
                    None => self.start(transient),
                }
            }
            Order::StopStep { build, step } => self.stop_step(&build, step),
            Order::Work { project, work, job, timeout } => {
                let [task, answer, messages] = these(descriptors)?;
                let project = self.project(&project)?;
                let unit = work::unit_name(&project.name, &work, &job)?;
                let ends = [task, answer, messages];
                let again = ends.each_ref().map(OwnedFd::try_clone);
                let arguments = if let Work::Processes { target } = &work {
                    let target = work::target(&project, target)?;
                    work::look_at(target, &self.main_processes(target)?)
                } else {
                    Vec::new()
                };
                let describe =
                    |ends| work::describe(&self.place, &project, &work, unit.clone(), timeout, &arguments, ends);
                let start = |ends| self.start(describe(ends)?).map_err(|refusal| work::explained(&work, refusal));
                let started = start(ends)?;
                if started != Reply::Exists {
                    return Ok(started);
                }
                // A worker of a caller that died holds the name; its answer would reach nobody.
                self.stop_and_let_go(&unit)?;
                let [task, answer, messages] = again;
                start([task.map_err(failed)?, answer.map_err(failed)?, messages.map_err(failed)?])
            }
            Order::StopWork { project, work, job } => {
                self.stop_and_let_go(&work::unit_name(&project, &work, &job)?)?;
                Ok(Reply::Done)
            }
            Order::Command { target, deploy, stage, line, release, env } => {
                let [output] = these(descriptors)?;
                let project = self.project(&target.project)?;
                let target = work::target(&project, &target.target)?;
                let command = Command { deploy, stage, line, release: &release, env };
                self.start(command::describe(&self.place, &project.name, target, command, output)?)
            }
            Order::StopCommand { project, deploy } => {
                self.stop_and_let_go(&command::unit_name(&project, deploy))?;
                Ok(Reply::Done)
            }
            Order::Service { target, action, unit } => self.service(&target, action, &unit),
        }
    }

    pub(super) fn project(&self, name: &ProjectName) -> Result<Project, Refusal> {
        match load_project(&self.place, name) {
            Ok((_, project)) => Ok(project),
            Err(error @ LoadError::Unknown { .. }) => Err(refused(error.to_string())),
            Err(error) => Err(refused(format!("{error}; ci-config check tells more"))),
        }
    }

    fn queue(&self, verb: Verb, unit: &str) -> Result<Reply, Refusal> {
        match self.bus.queue_job(verb, unit) {
            Ok(()) | Err(JobError::NoSuchUnit { .. }) => Ok(Reply::Done),
            Err(error) => Err(failed(error)),
        }
    }

    /// Users and folders are made by a static unit; it stays active, so this costs nothing the second time.
    fn prepare(&self, project: &ProjectName) -> Result<Reply, Refusal> {
        let (inside, outside) = (Room::of(project, Trust::Inside), Room::of(project, Trust::Outside));
        for (user, home) in [
            (inside.user(), inside.folder(&self.place)),
            (outside.user(), outside.folder(&self.place)),
            (unit::git_user(project), self.place.mirror(project)),
        ] {
            match nix::unistd::User::from_name(&user) {
                Ok(Some(known)) if known.dir != home => {
                    return Err(refused(format!(
                        "the user {user} exists and is not ours: its home is {}, not {}; rename it, or the project",
                        known.dir.display(),
                        home.display()
                    )));
                }
                Ok(_) => {}
                Err(error) => return Err(failed(format!("{user}: {error}"))),
            }
        }
        self.weigh(project)?;
        match self.project(project)?.source.build_outside {
            BuildOutside::Never => {}
            BuildOutside::Ask | BuildOutside::Always => {
                let (unit, what) = (unit::outside_unit(project), "the room for refs from outside");
                self.job(Verb::Start, &unit, START, &format!("making {what} of {project} failed"))?;
            }
        }
        let unit = unit::project_unit(project);
        self.job(Verb::Start, &unit, START, &format!("making users and folders of {project} failed"))
    }

    /// `cpu-weight` holds against other projects, so it belongs to the project's slice and not to single steps. What an
    /// administrator has set there, by a drop-in, stands where the project says nothing.
    fn weigh(&self, project: &ProjectName) -> Result<(), Refusal> {
        let slice = unit::project_slice(project);
        let Some(weight) = self.project(project)?.build.cpu_weight else { return Ok(()) };
        if self.bus.cpu_weight(&slice).map_err(failed)? == Some(weight) {
            return Ok(());
        }
        self.bus.set_property(&slice, &Property::cpu_weight(weight)).map_err(failed)
    }

    fn start(&self, transient: Transient) -> Result<Reply, Refusal> {
        let name = transient.unit.clone();
        self.judge_start(&name, self.bus.start_transient(transient, START))
    }

    fn begin(&self, transient: Transient) -> Result<Reply, Refusal> {
        let name = transient.unit.clone();
        self.judge_start(&name, self.bus.begin_transient(transient, START))
    }

    fn judge_start(&self, name: &str, started: Result<(), StartError>) -> Result<Reply, Refusal> {
        match started {
            Ok(()) => Ok(Reply::Done),
            Err(StartError::Exists { .. }) => Ok(Reply::Exists),
            Err(StartError::Job { result, .. }) => Err(Reply::Job {
                result: result.as_str().to_owned(),
                message: format!("{name} could not be started ({result}); journalctl -u '{name}' tells why"),
            }),
            Err(StartError::Setup { unit, status }) => {
                Err(Reply::Job { result: "failed".to_owned(), message: setup_failed(&unit, status) })
            }
            Err(error @ StartError::Refused { .. }) => Err(refused(error.to_string())),
            Err(error @ (StartError::TimedOut { .. } | StartError::Lost { .. } | StartError::Bus(_))) => {
                Err(failed(error))
            }
        }
    }

    fn stop_step(&self, build: &BuildId, step: StepIndex) -> Result<Reply, Refusal> {
        self.stop_and_let_go(&unit::step_unit(build, step))?;
        Ok(Reply::Done)
    }

    /// SIGTERM, the unit's own `TimeoutStopUSec`, SIGKILL, to all of it; then the name is free.
    fn stop_and_let_go(&self, unit: &str) -> Result<(), Refusal> {
        match self.bus.run_job(Verb::StopAtOnce, unit, SERVICE) {
            Ok(_) => self.bus.reset_failed(unit).map_err(failed),
            Err(JobError::NoSuchUnit { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn job(&self, verb: Verb, unit: &str, timeout: Duration, what: &str) -> Result<Reply, Refusal> {
        match self.bus.run_job(verb, unit, timeout) {
            Ok(JobResult::Done) => Ok(Reply::Done),
            Ok(result) => Err(Reply::Job {
                result: result.as_str().to_owned(),
                message: format!("{what} ({result}); journalctl -u '{unit}' tells why"),
            }),
            Err(error) => Err(failed(format!("{what}: {error}"))),
        }
    }
}

/// What systemd could not do before the program ran, by its exit status (systemd.exec(5), "Process Exit Codes").
fn setup_failed(unit: &str, status: i32) -> String {
    let what = match status {
        200 => "the working folder is not there",
        203 => "the program cannot be executed",
        217 => "its user does not exist",
        226 => "its view of the file system could not be made",
        243 => "its credential could not be read",
        _ => "its surroundings could not be made",
    };
    format!("{what} (status {status}); journalctl -u '{unit}' tells more")
}

/// Exactly as many descriptors as the order needs.
fn these<const N: usize>(descriptors: Vec<OwnedFd>) -> Result<[OwnedFd; N], Refusal> {
    descriptors
        .try_into()
        .map_err(|got: Vec<OwnedFd>| refused(format!("{N} descriptors are needed, {} came", got.len())))
}
