//! Transient services and timers: described as values, started in one call, judged by the result of their start job.

use super::bus::{Again, Bus, BusError, body_of};
use super::exit::Exit;
use super::job::{JobEar, JobError, JobResult};
use super::property::Property;
use super::unit::ActiveState;
use super::watch::Seen;
use std::time::{Duration, Instant};
use zbus::zvariant::{OwnedObjectPath, Value};

/// A service, or a timer, that exists until it is stopped or garbage-collected.
#[derive(Debug)]
pub struct Transient {
    /// Its name, with its kind at the end.
    pub unit: String,
    /// What it is; of a property given twice, lists grow and the rest is replaced.
    pub properties: Vec<Property>,
}

/// Why a transient service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A unit of this name is loaded: running, or finished and not yet let go.
    #[error("a unit {unit} exists already")]
    Exists {
        /// The name.
        unit: String,
    },
    /// systemd could not set its process up or execute its program: the administrator's or our own mistake, such as a
    /// user that does not exist.
    #[error("{unit} could not be executed: status {status} ({})", setup_word(*status))]
    Setup {
        /// The name.
        unit: String,
        /// One of systemd's own exit statuses (systemd.exec(5), "Process Exit Codes").
        status: i32,
    },
    /// Its start job ended otherwise than `done`, and its program has not run.
    #[error("the start of {unit} ended as {result}")]
    Job {
        /// The name.
        unit: String,
        /// How the job ended.
        result: JobResult,
    },
    /// systemd does not take a property or its value, or does not let us start units.
    #[error("systemd refuses {unit}: {message} ({name})")]
    Refused {
        /// The name.
        unit: String,
        /// The D-Bus error name, such as `org.freedesktop.DBus.Error.PropertyReadOnly`.
        name: String,
        /// systemd's message, which names the property.
        message: String,
    },
    /// The start takes longer than it may; it goes on.
    #[error("{unit} has not started within {} ms; the start goes on", waited.as_millis())]
    TimedOut {
        /// The name.
        unit: String,
        /// The time limit that was given.
        waited: Duration,
    },
    /// systemd was re-executed meanwhile, and the end of the start was not heard.
    #[error("systemd was re-executed while {unit} started; its state tells what became of it")]
    Lost {
        /// The name.
        unit: String,
    },
    /// The bus. After [`BusError::Away`], `Silent` or `Gone` the unit may have been started all the same.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The exit statuses with which systemd's own code before the program ends, if it must.
const SETUP: std::ops::RangeInclusive<i32> = 200..=245;

/// What systemd could not do, for the statuses that a misconfiguration brings.
fn setup_word(status: i32) -> &'static str {
    match status {
        200 => "CHDIR: its working directory",
        203 => "EXEC: its program",
        208..=210 => "STDIN, STDOUT, STDERR: its input or output",
        216 => "GROUP: its group",
        217 => "USER: its user",
        218 => "CAPABILITIES: its capabilities",
        226 => "NAMESPACE: its paths",
        228 => "SECCOMP: its system call filter",
        243 => "CREDENTIALS: its credentials",
        _ => "see systemd.exec(5), Process Exit Codes",
    }
}

impl Bus {
    /// Starts a transient service and waits until its start job has ended: with `Type=exec`, until its program has been
    /// executed. It may have finished by then, with any status.
    ///
    /// Our copies of the descriptors in the properties are closed when this returns.
    pub fn start_transient(&self, transient: Transient, timeout: Duration) -> Result<(), StartError> {
        let ear = JobEar::open(self)?;
        let unit = transient.unit.clone();
        let job = self.queue_transient(transient)?;
        match ear.wait(&job, &unit, timeout) {
            Ok(JobResult::Done) => Ok(()),
            Ok(JobResult::Failed) => self.judge_failed_start(unit),
            Ok(result) => Err(StartError::Job { unit, result }),
            Err(JobError::TimedOut { unit, waited }) => Err(StartError::TimedOut { unit, waited }),
            Err(JobError::Lost { unit } | JobError::NoSuchUnit { unit }) => Err(StartError::Lost { unit }),
            Err(JobError::Bus(error)) => Err(error.into()),
        }
    }

    /// Starts a transient service and waits until it is starting or has started, not until it is ready: for one whose
    /// `ExecStartPost=` takes long, and which is watched by somebody else.
    pub fn begin_transient(&self, transient: Transient, timeout: Duration) -> Result<(), StartError> {
        /// How long a change may stay unheard.
        const LOOK: Duration = Duration::from_secs(1);
        let unit = transient.unit.clone();
        let deadline = Instant::now() + timeout;
        let mut watch = self.watch(&unit)?;
        self.queue_transient(transient)?;
        loop {
            let state = match watch.next(LOOK)? {
                Seen::State(state) => *state,
                Seen::Woken | Seen::TimedOut => self.state(&unit)?,
            };
            if state.active != ActiveState::Inactive {
                return Ok(());
            }
            if deadline <= Instant::now() {
                return Err(StartError::TimedOut { unit, waited: timeout });
            }
        }
    }

    fn queue_transient(&self, transient: Transient) -> Result<OwnedObjectPath, StartError> {
        let unit = transient.unit;
        let properties: Vec<(&str, &Value<'static>)> =
            transient.properties.iter().map(|property| (property.name(), property.value())).collect();
        let auxiliary: [(&str, Vec<(&str, &Value<'static>)>); 0] = [];
        let body = (unit.as_str(), "fail", properties, auxiliary.as_slice());
        let called = self.call_manager("StartTransientUnit", &body, Again::Counts);
        match called {
            Ok(reply) => Ok(body_of(&reply, "StartTransientUnit")?),
            Err(BusError::Refused { name, .. }) if name == "org.freedesktop.systemd1.UnitExists" => {
                Err(StartError::Exists { unit })
            }
            Err(BusError::Refused { name, message, .. }) => Err(StartError::Refused { unit, name, message }),
            Err(error) => Err(error.into()),
        }
    }

    /// A start job that failed does not mean that the program did not run: systemd 252 calls it so too when it sees the
    /// end of a quick program before it sees the beginning (23 of 200 times for `exit 2`; 257: never). A program that
    /// then happens to end with one of systemd's own statuses is taken for a failed set-up.
    fn judge_failed_start(&self, unit: String) -> Result<(), StartError> {
        match self.state(&unit)?.exit {
            Some(Exit::Exited(status)) if SETUP.contains(&status) => Err(StartError::Setup { unit, status }),
            Some(Exit::Exited(_) | Exit::Signalled { .. } | Exit::OutOfMemory) => Ok(()),
            // It was let go at once (`CollectMode=inactive-or-failed`), or never came so far.
            Some(Exit::TimedOut | Exit::NeverRan(_)) | None => Err(StartError::Job { unit, result: JobResult::Failed }),
        }
    }
}
