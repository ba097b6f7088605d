//! What the manager does on request, and what it tells about the whole machine.

use super::bus::{Again, Bus, BusError, MANAGER, MANAGER_PATH, body_of};
use super::job::{JobEar, JobError, JobResult};
use super::property::Property;
use super::unit::{ActiveState, LoadState, SubState, path_of};
use super::usage::accounted;
use super::word::answers;
use nix::sys::signal::Signal;
use std::time::Duration;
use zbus::zvariant::OwnedObjectPath;

const SLICE: &str = "org.freedesktop.systemd1.Slice";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// What to do with a unit. The job replaces another that is queued for it, as `systemctl` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start it, unless it runs.
    Start,
    /// Stop it, unless it is stopped.
    Stop,
    /// Stop it without waiting for the jobs of units that it is ordered with. A step is ordered before its supervisor,
    /// so that it stops after it at shutdown; a supervisor that is being stopped itself could else never stop its step.
    StopAtOnce,
    /// Stop it if it runs, and start it.
    Restart,
    /// Have it read its configuration again; `JobResult::Invalid` or a refusal if it cannot.
    Reload,
}

impl Verb {
    fn method(self) -> &'static str {
        match self {
            Verb::Start => "StartUnit",
            Verb::Stop | Verb::StopAtOnce => "StopUnit",
            Verb::Restart => "RestartUnit",
            Verb::Reload => "ReloadUnit",
        }
    }

    /// The mode of its job (systemctl(1), `--job-mode=`).
    fn mode(self) -> &'static str {
        match self {
            Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload => "replace",
            Verb::StopAtOnce => "ignore-dependencies",
        }
    }

    /// A second stop finds the unit stopped; what a second start finds may have run and ended already.
    fn again(self) -> Again {
        match self {
            Verb::Stop | Verb::StopAtOnce => Again::Harmless,
            Verb::Start | Verb::Restart | Verb::Reload => Again::Counts,
        }
    }
}

/// Which processes of a unit a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The main process.
    Main,
    /// Every process in the control group, `setsid` or not.
    All,
}

impl Whom {
    fn as_str(self) -> &'static str {
        match self {
            Whom::Main => "main",
            Whom::All => "all",
        }
    }
}

answers! {
    /// What the machine as a whole is doing, as `systemctl is-system-running` says it.
    SystemState {
        /// Early boot.
        Initializing = "initializing",
        /// Jobs of the boot are still queued.
        Starting = "starting",
        /// Up.
        Running = "running",
        /// Up, and some unit has failed.
        Degraded = "degraded",
        /// The rescue or emergency target is active.
        Maintenance = "maintenance",
        /// Shutting down.
        Stopping = "stopping",
    }
}

/// One loaded unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUnit {
    /// Its name.
    pub name: String,
    /// `Description=`
    pub description: String,
    /// Whether its configuration could be read.
    pub load: LoadState,
    /// Whether it is up.
    pub active: ActiveState,
    /// The finer state of its type.
    pub sub: SubState,
}

/// `a(ssssssouso)` of `ListUnitsByPatterns`: name, description, the three states, what it follows, its path, and its
/// job's id, type and path.
type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

impl Bus {
    /// Queues a job and waits for its result.
    pub fn run_job(&self, verb: Verb, unit: &str, timeout: Duration) -> Result<JobResult, JobError> {
        let ear = JobEar::open(self)?;
        let job = self.enqueue(verb, unit)?;
        ear.wait(&job, unit, timeout)
    }

    /// Queues a job and does not wait for it.
    pub fn queue_job(&self, verb: Verb, unit: &str) -> Result<(), JobError> {
        self.enqueue(verb, unit).map(drop)
    }

    fn enqueue(&self, verb: Verb, unit: &str) -> Result<OwnedObjectPath, JobError> {
        match self.call_manager(verb.method(), &(unit, verb.mode()), verb.again()) {
            Ok(reply) => Ok(body_of(&reply, verb.method())?),
            Err(error) if error.is_refusal(NO_SUCH_UNIT) => Err(JobError::NoSuchUnit { unit: unit.to_owned() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets a failed unit be forgotten, or started again in spite of its start limit. A unit that is not loaded is fine.
    pub fn reset_failed(&self, unit: &str) -> Result<(), BusError> {
        match self.call_manager("ResetFailedUnit", &(unit,), Again::Harmless) {
            Err(error) if error.is_refusal(NO_SUCH_UNIT) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Sets one property of a unit until the next boot, as `systemctl set-property --runtime` does.
    pub fn set_property(&self, unit: &str, property: &Property) -> Result<(), BusError> {
        let properties = vec![(property.name(), property.value())];
        self.call_manager("SetUnitProperties", &(unit, true, properties), Again::Harmless).map(drop)
    }

    /// `CPUWeight=` of a slice; nothing where none is set.
    pub fn cpu_weight(&self, slice: &str) -> Result<Option<u64>, BusError> {
        Ok(accounted(Some(self.property(&path_of(slice), SLICE, "CPUWeight")?)))
    }

    /// Sends a signal to processes of a unit; refused if it has none.
    pub fn kill_unit(&self, unit: &str, whom: Whom, signal: Signal) -> Result<(), BusError> {
        self.call_manager("KillUnit", &(unit, whom.as_str(), signal as i32), Again::Counts).map(drop)
    }

    /// The loaded units whose names match one of the glob patterns.
    pub fn list_units(&self, patterns: &[&str]) -> Result<Vec<ListedUnit>, BusError> {
        let any_state: [&str; 0] = [];
        let reply = self.call_manager("ListUnitsByPatterns", &(any_state.as_slice(), patterns), Again::Harmless)?;
        let rows: Vec<Row> = body_of(&reply, "ListUnitsByPatterns")?;
        Ok(rows
            .into_iter()
            .map(|(name, description, load, active, sub, ..)| ListedUnit {
                name,
                description,
                load: load.as_str().into(),
                active: active.as_str().into(),
                sub: sub.as_str().into(),
            })
            .collect())
    }

    /// When this systemd began, in microseconds since 1970: what tells one boot from the next, over a re-execution too.
    /// The kernel's boot id does not do: containers share it with their host, and it does not change when they reboot.
    pub fn began(&self) -> Result<u64, BusError> {
        self.property(MANAGER_PATH, MANAGER, "UserspaceTimestamp")
    }

    /// What the machine as a whole is doing.
    pub fn system_state(&self) -> Result<SystemState, BusError> {
        let word: String = self.property(MANAGER_PATH, MANAGER, "SystemState")?;
        Ok(SystemState::from(word.as_str()))
    }
}
