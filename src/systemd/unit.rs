//! Reading a unit, which needs no privilege.

use super::bus::{Again, Bus, BusError, PROPERTIES};
use super::exit::Exit;
use super::usage::{Usage, accounted};
use super::word::answers;
use std::collections::HashMap;
use std::time::Duration;
use zbus::zvariant::{self, Value};

/// The interface that every unit has.
pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// The one that services have beside it.
const SERVICE: &str = "org.freedesktop.systemd1.Service";

answers! {
    /// `LoadState`: whether the unit's configuration could be read.
    LoadState {
        /// It could.
        Loaded = "loaded",
        /// There is no such unit.
        NotFound = "not-found",
        /// There is, and something in it is wrong.
        BadSetting = "bad-setting",
        /// There is, and it could not be read.
        Error = "error",
        /// The administrator has masked it.
        Masked = "masked",
    }
}

answers! {
    /// `ActiveState`: whether the unit is up.
    ActiveState {
        /// Up.
        Active = "active",
        /// Up, and reading its configuration again.
        Reloading = "reloading",
        /// Down.
        Inactive = "inactive",
        /// Down, and not as it should be.
        Failed = "failed",
        /// On its way up.
        Activating = "activating",
        /// On its way down.
        Deactivating = "deactivating",
    }
}

answers! {
    /// `SubState` of a service, as far as it decides anything.
    SubState {
        /// Nothing of it is there.
        Dead = "dead",
        /// Its main process is there.
        Running = "running",
        /// Its main process has exited well, and `RemainAfterExit=` keeps the unit up.
        Exited = "exited",
        /// It failed.
        Failed = "failed",
        /// It waits to be started again (`Restart=`).
        AutoRestart = "auto-restart",
    }
}

answers! {
    /// `Result` of a service (systemd.exec(5), `$SERVICE_RESULT`).
    ServiceResult {
        /// Nothing is wrong so far. See [`Exit::of`] for what this covers.
        Success = "success",
        /// It did not keep to the protocol of its `Type=`.
        Protocol = "protocol",
        /// A time limit passed.
        Timeout = "timeout",
        /// It exited with a status other than 0.
        ExitCode = "exit-code",
        /// A signal ended it.
        Signal = "signal",
        /// A signal ended it, and the kernel dumped core.
        CoreDump = "core-dump",
        /// It did not feed its watchdog.
        Watchdog = "watchdog",
        /// Killed for want of memory.
        OomKill = "oom-kill",
        /// It was started too often.
        StartLimitHit = "start-limit-hit",
        /// Something that it needs could not be had.
        Resources = "resources",
        /// An `ExecCondition=` was not met.
        ExecCondition = "exec-condition",
    }
}

/// One moment of a service. Of a unit of another type, what only services have reads as if it had not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// Whether its configuration could be read.
    pub load: LoadState,
    /// Whether it is up.
    pub active: ActiveState,
    /// The finer state of its type.
    pub sub: SubState,
    /// Why it is not well, if it is not.
    pub result: ServiceResult,
    /// Whether it is a service that does its work while it starts (`Type=oneshot`).
    pub oneshot: bool,
    /// How its last run ended; `None` while its main process runs, or if none has.
    pub exit: Option<Exit>,
    /// The main process, while it runs.
    pub main_pid: Option<u32>,
    /// When the last main process was started.
    pub main_started: Option<jiff::Timestamp>,
    /// When the last main process ended.
    pub main_ended: Option<jiff::Timestamp>,
    /// The id of this run, or of the last: 32 hexadecimal digits, as in the journal's `_SYSTEMD_INVOCATION_ID`.
    pub invocation: Option<String>,
    /// How often `Restart=` has started it again.
    pub restarts: u32,
    /// Its control group below the mount point, while it has one.
    pub control_group: Option<String>,
    /// What it has used.
    pub usage: Usage,
}

impl UnitState {
    /// Whether the main process is gone for good: down, failed, not there, or kept up only by `RemainAfterExit=`. What
    /// it left behind may still run in the last case.
    pub fn is_over(&self) -> bool {
        match self.active {
            ActiveState::Active => self.sub == SubState::Exited,
            ActiveState::Inactive | ActiveState::Failed => true,
            ActiveState::Activating | ActiveState::Deactivating | ActiveState::Reloading | ActiveState::Other(_) => {
                false
            }
        }
    }
}

/// The object path of a unit, whether or not it is loaded: letters and digits stay, all else (and a digit in front) is
/// `_xx`, as systemd's `bus_label_escape` does it.
pub(super) fn path_of(unit: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    if unit.is_empty() {
        path.push('_');
    }
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

impl Bus {
    /// Reads a unit, in one call: one moment. A unit that does not exist reads as [`LoadState::NotFound`] and inactive.
    pub fn state(&self, unit: &str) -> Result<UnitState, BusError> {
        // An empty interface asks for the properties of all: those of every unit, and those of services.
        let reply = self.call(&path_of(unit), PROPERTIES, "GetAll", &("",), Again::Harmless)?;
        let body = reply.body();
        let properties: HashMap<&str, Value<'_>> =
            body.deserialize().map_err(|cause| BusError::protocol("GetAll", cause))?;
        Properties(properties).state().map_err(|cause| BusError::protocol("GetAll", cause))
    }
}

impl Bus {
    /// The control group of a service below the mount point, while it has one.
    pub fn control_group(&self, unit: &str) -> Result<Option<String>, BusError> {
        let group: String = self.property(&path_of(unit), SERVICE, "ControlGroup")?;
        Ok(Some(group).filter(|group| !group.is_empty()))
    }

    /// The name that systemd itself calls a unit by; another for an alias.
    pub fn id_of(&self, unit: &str) -> Result<String, BusError> {
        self.property(&path_of(unit), UNIT, "Id")
    }

    /// Whether a service has a network of its own (`PrivateNetwork=`); one that does not exist has none.
    pub fn has_private_network(&self, unit: &str) -> Result<bool, BusError> {
        self.property(&path_of(unit), SERVICE, "PrivateNetwork")
    }
}

impl Bus {
    /// The units that a unit starts: a socket its service, a timer its unit.
    pub fn triggers(&self, unit: &str) -> Result<Vec<String>, BusError> {
        self.property(&path_of(unit), UNIT, "Triggers")
    }
}

/// The properties of a unit, by name.
struct Properties<'b>(HashMap<&'b str, Value<'b>>);

impl Properties<'_> {
    /// A property that may be missing, as those of services are from other units, and those of 257 from 252.
    fn get<'v, T>(&'v self, name: &str) -> Result<Option<T>, zvariant::Error>
    where
        T: TryFrom<&'v Value<'v>>,
        T::Error: Into<zvariant::Error>,
    {
        self.0.get(name).map(|value| T::try_from(value).map_err(Into::into)).transpose()
    }

    fn word(&self, name: &str) -> Result<&str, zvariant::Error> {
        Ok(self.get(name)?.unwrap_or_default())
    }

    fn state(&self) -> Result<UnitState, zvariant::Error> {
        let main_pid = self.get::<u32>("MainPID")?.filter(|pid| *pid != 0);
        let result = ServiceResult::from(self.get("Result")?.unwrap_or("success"));
        let code = self.get("ExecMainCode")?.unwrap_or(0);
        let status = self.get("ExecMainStatus")?.unwrap_or(0);
        let exit = if main_pid.is_some() { None } else { Exit::of(&result, code, status) };
        Ok(UnitState {
            load: self.word("LoadState")?.into(),
            active: self.word("ActiveState")?.into(),
            sub: self.word("SubState")?.into(),
            result,
            // Mounts have a property of that name too.
            oneshot: self.word("Type")? == "oneshot",
            exit,
            main_pid,
            main_started: self.time("ExecMainStartTimestamp")?,
            main_ended: self.time("ExecMainExitTimestamp")?,
            invocation: self.invocation()?,
            restarts: self.get("NRestarts")?.unwrap_or(0),
            control_group: self.get::<&str>("ControlGroup")?.filter(|group| !group.is_empty()).map(str::to_owned),
            usage: Usage {
                cpu: accounted(self.get("CPUUsageNSec")?).map(Duration::from_nanos),
                memory_peak: accounted(self.get("MemoryPeak")?),
                read: accounted(self.get("IOReadBytes")?),
                written: accounted(self.get("IOWriteBytes")?),
            },
        })
    }

    /// A wall-clock time, which systemd tells in microseconds since 1970 and as 0 if there is none.
    fn time(&self, name: &str) -> Result<Option<jiff::Timestamp>, zvariant::Error> {
        let Some(micros) = self.get::<u64>(name)?.filter(|micros| *micros != 0) else { return Ok(None) };
        let time = jiff::Timestamp::from_microsecond(i64::try_from(micros).unwrap_or(i64::MAX));
        time.map(Some).map_err(|error| zvariant::Error::Message(format!("{name}: {error}")))
    }

    fn invocation(&self) -> Result<Option<String>, zvariant::Error> {
        let Some(Value::Array(bytes)) = self.0.get("InvocationID") else { return Ok(None) };
        let mut hex = String::with_capacity(2 * bytes.len());
        for byte in bytes.iter() {
            hex.push_str(&format!("{:02x}", u8::try_from(byte)?));
        }
        Ok(Some(hex).filter(|hex| hex.bytes().any(|digit| digit != b'0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_systemd_does_it() {
        for (unit, path) in [
            ("dbus.service", "dbus_2eservice"),
            ("ci-build@my-app:1.service", "ci_2dbuild_40my_2dapp_3a1_2eservice"),
            ("ci-step-my\\x2dapp-1-2.service", "ci_2dstep_2dmy_5cx2dapp_2d1_2d2_2eservice"),
            ("1.mount", "_31_2emount"),
            ("é_", "_c3_a9_5f"),
            ("", "_"),
        ] {
            assert_eq!(path_of(unit), format!("/org/freedesktop/systemd1/unit/{path}"));
        }
    }

    fn read(extra: &[(&'static str, Value<'static>)]) -> UnitState {
        let mut properties = HashMap::from([
            ("LoadState", Value::from("loaded")),
            ("ActiveState", Value::from("active")),
            ("SubState", Value::from("running")),
        ]);
        properties.extend(extra.iter().map(|(name, value)| (*name, value.try_clone().unwrap())));
        Properties(properties).state().unwrap()
    }

    #[test]
    fn nothing_has_ended_while_the_main_process_runs() {
        // After an automatic restart the code and status of the run before may still stand there.
        let state = read(&[
            ("MainPID", Value::from(7_u32)),
            ("ExecMainCode", Value::from(1_i32)),
            ("ExecMainStatus", Value::from(1_i32)),
            ("Result", Value::from("exit-code")),
        ]);
        assert_eq!((state.main_pid, state.exit.clone(), state.is_over()), (Some(7), None, false));
    }

    #[test]
    fn unset_values_are_none() {
        let state = read(&[
            ("CPUUsageNSec", Value::from(u64::MAX)),
            ("MemoryPeak", Value::from(4096_u64)),
            ("ExecMainExitTimestamp", Value::from(0_u64)),
            ("InvocationID", Value::from(vec![0_u8; 16])),
            ("ControlGroup", Value::from("")),
        ]);
        assert_eq!(state.usage, Usage { memory_peak: Some(4096), ..Usage::default() });
        assert_eq!((state.main_ended, state.invocation, state.control_group), (None, None, None));
    }

    #[test]
    fn the_invocation_is_written_as_the_journal_does() {
        let id: Vec<u8> = (0xf0..=0xff).collect();
        let state = read(&[("InvocationID", Value::from(id))]);
        assert_eq!(state.invocation.as_deref(), Some("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"));
    }

    #[test]
    fn when_a_unit_is_over() {
        for (active, sub, over) in [
            ("active", "running", false),
            ("active", "exited", true),
            ("activating", "start", false),
            ("activating", "auto-restart", false),
            ("deactivating", "stop-sigterm", false),
            ("reloading", "reload", false),
            ("inactive", "dead", true),
            ("failed", "failed", true),
        ] {
            let state = read(&[("ActiveState", Value::from(active)), ("SubState", Value::from(sub))]);
            assert_eq!(state.is_over(), over, "{active}/{sub}");
        }
    }
}
