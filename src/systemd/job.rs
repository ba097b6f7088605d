//! Jobs: what systemd has queued for a unit, and waiting for the end of one.

use super::bus::{Bus, BusError, body_of};
use super::signal::{Heard, Listener, is, owner_rule, says_systemd_is_back, standing_rule};
use super::word::answers;
use std::time::{Duration, Instant};
use zbus::message::Message;
use zbus::zvariant::OwnedObjectPath;

const JOB: &str = "org.freedesktop.systemd1.Job";
const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";

/// How long the signal of a job that systemd does not know any more may still be on its way within this process.
const STRAGGLER: Duration = Duration::from_secs(1);

answers! {
    /// What became of a job, as `JobRemoved` says it (org.freedesktop.systemd1(5)).
    JobResult {
        /// It did what it should.
        Done = "done",
        /// Another job replaced it, or somebody cancelled it.
        Canceled = "canceled",
        /// The job's own time limit passed. A service that starts too slowly ends as `failed`.
        Timeout = "timeout",
        /// It was tried and did not work.
        Failed = "failed",
        /// A unit that this one requires did not start.
        Dependency = "dependency",
        /// There was nothing to do for it: a condition was not met.
        Skipped = "skipped",
        /// The unit cannot do that: a reload of one that is not running or knows no reload.
        Invalid = "invalid",
        /// An `Assert…=` was not met.
        Assert = "assert",
        /// This kind of unit is not supported here.
        Unsupported = "unsupported",
        /// Garbage-collected before it ran.
        Collected = "collected",
        /// The unit runs only once, and has.
        Once = "once",
    }
}

answers! {
    /// What a job does, as the property `JobType` says it.
    JobKind {
        /// Start it.
        Start = "start",
        /// Fail unless it is active.
        VerifyActive = "verify-active",
        /// Stop it.
        Stop = "stop",
        /// Reload it.
        Reload = "reload",
        /// Stop it, then start it; it stays this kind while the unit stops.
        Restart = "restart",
    }
}

/// Why a job could not be queued, or its result is not known.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no such unit.
    #[error("there is no unit {unit}")]
    NoSuchUnit {
        /// The name that was asked for.
        unit: String,
    },
    /// It did not end in time; it goes on.
    #[error("the job for {unit} did not end within {} ms; it goes on", waited.as_millis())]
    TimedOut {
        /// Whose job.
        unit: String,
        /// The time limit that was given.
        waited: Duration,
    },
    /// systemd was re-executed meanwhile, and the end of the job was not heard.
    #[error("systemd was re-executed and has forgotten the job for {unit}; its state tells what became of it")]
    Lost {
        /// Whose job.
        unit: String,
    },
    /// The bus, or systemd's refusal.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Hears the ends of jobs from before a job is queued, so that the end of a quick one is not missed.
pub(super) struct JobEar {
    bus: Bus,
    listener: Listener,
}

impl JobEar {
    /// The rule names no unit: for a unit asked for by an alias, the signal carries another name.
    pub(super) fn open(bus: &Bus) -> Result<JobEar, BusError> {
        let listener = Listener::open(bus, vec![standing_rule("JobRemoved"), owner_rule()])?;
        Ok(JobEar { bus: bus.clone(), listener })
    }

    /// Waits for the end of one job.
    pub(super) fn wait(&self, job: &OwnedObjectPath, unit: &str, timeout: Duration) -> Result<JobResult, JobError> {
        let mut deadline = Instant::now() + timeout;
        let mut forgotten = false;
        loop {
            match self.listener.next(deadline)? {
                Heard::Signal(signal) if is(&signal, "JobRemoved") => {
                    if let Some(result) = result_of(&signal, job)? {
                        return Ok(result);
                    }
                }
                Heard::Signal(signal) => {
                    if says_systemd_is_back(&signal)? && !self.knows(job)? {
                        forgotten = true;
                        deadline = deadline.min(Instant::now() + STRAGGLER);
                    }
                }
                Heard::Woken => {}
                Heard::TimedOut if forgotten => return Err(JobError::Lost { unit: unit.to_owned() }),
                Heard::TimedOut => return Err(JobError::TimedOut { unit: unit.to_owned(), waited: timeout }),
            }
        }
    }

    /// Whether systemd still has the job.
    fn knows(&self, job: &OwnedObjectPath) -> Result<bool, BusError> {
        match self.bus.property::<String>(job.as_str(), JOB, "State") {
            Ok(_state) => Ok(true),
            Err(error) if error.is_refusal(UNKNOWN_OBJECT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The result in a `JobRemoved`, if it is about this job.
fn result_of(signal: &Message, job: &OwnedObjectPath) -> Result<Option<JobResult>, BusError> {
    let (_id, path, _unit, result): (u32, OwnedObjectPath, String, String) = body_of(signal, "JobRemoved")?;
    Ok((path == *job).then(|| JobResult::from(result.as_str())))
}

impl Bus {
    /// What systemd is doing, or will do, with a unit; `None` if nothing. On SIGTERM this tells a restart from a stop,
    /// and [`Bus::system_state`] a stop from a shutdown.
    pub fn job_of(&self, unit: &str) -> Result<Option<JobKind>, BusError> {
        let path = super::unit::path_of(unit);
        let (id, job): (u32, OwnedObjectPath) = self.property(&path, super::unit::UNIT, "Job")?;
        if id == 0 {
            return Ok(None);
        }
        match self.property::<String>(job.as_str(), JOB, "JobType") {
            Ok(kind) => Ok(Some(JobKind::from(kind.as_str()))),
            // It ended between the two questions.
            Err(error) if error.is_refusal(UNKNOWN_OBJECT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
