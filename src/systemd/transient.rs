//! Transient services: described as values, started in one call, judged by the result of their start job.

use super::bus::{Bus, BusError, body_of};
use super::job::{JobEar, JobError, JobResult};
use super::property::Property;
use std::time::Duration;
use zbus::zvariant::{OwnedObjectPath, Value};

/// A service that exists until it is stopped or garbage-collected.
#[derive(Debug)]
pub struct Transient {
    /// Its name, with `.service` at the end.
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
    /// Its start job ended otherwise than `done`. `Failed`: it could not be set up or executed; the unit's own state and
    /// journal tell more.
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

impl Bus {
    /// Starts a transient service and waits until its start job has ended: with `Type=exec`, until its program has been
    /// executed. It may have finished by then.
    ///
    /// The descriptors in the properties are closed here when this returns, so that the service holds them alone.
    pub fn start_transient(&self, transient: Transient, timeout: Duration) -> Result<(), StartError> {
        let unit = transient.unit;
        let ear = JobEar::open(self)?;
        let properties: Vec<(&str, &Value<'static>)> =
            transient.properties.iter().map(|property| (property.name(), property.value())).collect();
        let auxiliary: [(&str, Vec<(&str, &Value<'static>)>); 0] = [];
        let called =
            self.call_manager("StartTransientUnit", &(unit.as_str(), "fail", properties, auxiliary.as_slice()));
        let job: OwnedObjectPath = match called {
            Ok(reply) => body_of(&reply, "StartTransientUnit")?,
            Err(BusError::Refused { name, .. }) if name == "org.freedesktop.systemd1.UnitExists" => {
                return Err(StartError::Exists { unit });
            }
            Err(BusError::Refused { name, message, .. }) => return Err(StartError::Refused { unit, name, message }),
            Err(error) => return Err(error.into()),
        };
        match ear.wait(&job, &unit, timeout) {
            Ok(JobResult::Done) => Ok(()),
            Ok(result) => Err(StartError::Job { unit, result }),
            Err(JobError::TimedOut { unit, waited }) => Err(StartError::TimedOut { unit, waited }),
            Err(JobError::Lost { unit } | JobError::NoSuchUnit { unit }) => Err(StartError::Lost { unit }),
            Err(JobError::Bus(error)) => Err(error.into()),
        }
    }
}
