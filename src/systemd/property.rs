//! The properties of a transient service: what it runs, as whom, with which input, output and limits.
//!
//! What a value means is in systemd.exec(5), systemd.service(5), systemd.kill(5) and systemd.resource-control(5) under
//! the directive of the same name; what type it has on the bus is in org.freedesktop.systemd1(5). All of it is taken by
//! systemd 252.

use super::word::choices;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;
use zbus::zvariant::{Fd, Value};

/// One property of a transient service, made by the constructor of its name.
#[derive(Debug, PartialEq)]
pub struct Property {
    name: &'static str,
    value: Value<'static>,
}

impl Property {
    pub(super) fn new(name: &'static str, value: impl Into<Value<'static>>) -> Property {
        Property { name, value: value.into() }
    }

    /// systemd's name for it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn value(&self) -> &Value<'static> {
        &self.value
    }
}

/// Constructors, one a line: function, arguments, systemd's name, and the value from the arguments.
macro_rules! properties {
    ($($(#[$doc:meta])* $function:ident($($argument:ident: $type:ty),*) = $name:literal $value:expr;)*) => {
        impl Property {
            $(
                $(#[$doc])*
                pub fn $function($($argument: $type),*) -> Property {
                    Property::new($name, $value)
                }
            )*
        }
    };
}
pub(super) use properties;

choices! {
    /// `Type=`
    ServiceType {
        /// Started when the program has been executed, so that a missing one fails the start.
        Exec = "exec",
        /// Started when the program has exited. Ignores `RuntimeMaxSec=`.
        Oneshot = "oneshot",
    }
}

choices! {
    /// `ExitType=`: when a service is over.
    ExitType {
        /// With its main process; what it left behind is stopped.
        Main = "main",
        /// With the last of its processes.
        Cgroup = "cgroup",
    }
}

choices! {
    /// `KillMode=`
    KillMode {
        /// SIGTERM, and then SIGKILL, to all processes of the unit.
        ControlGroup = "control-group",
        /// SIGTERM to the main process, then SIGKILL to all.
        Mixed = "mixed",
    }
}

choices! {
    /// `OOMPolicy=`: what follows when one process of the unit is killed for want of memory.
    OomPolicy {
        /// The others go on.
        Continue = "continue",
        /// systemd stops the unit.
        Stop = "stop",
        /// The kernel kills all of the unit.
        Kill = "kill",
    }
}

choices! {
    /// `CollectMode=`
    CollectMode {
        /// A failed unit stays loaded until it is reset.
        Inactive = "inactive",
        /// A failed unit goes as one that ended well.
        InactiveOrFailed = "inactive-or-failed",
    }
}

choices! {
    /// `StandardOutput=` and `StandardError=`, where no descriptor is passed.
    Output {
        /// Nowhere.
        Null = "null",
        /// The journal.
        Journal = "journal",
        /// For standard error: where standard output goes.
        Inherit = "inherit",
    }
}

/// One command as systemd takes it, `a(sasb)`. It replaces `${VAR}` and `$$` in the arguments, over D-Bus too, so each
/// `$` is doubled. The flag `no-env-expand` is not for this: before 254 systemd writes a command with flags into the
/// unit's file under a name that it cannot read, and a `daemon-reload` takes a starting unit's command away.
fn command(program: &str, arguments: &[String]) -> Vec<(String, Vec<String>, bool)> {
    let plain = arguments.iter().map(|argument| argument.replace('$', "$$"));
    vec![(program.to_owned(), std::iter::once(program.to_owned()).chain(plain).collect(), false)]
}

/// A program that systemd runs as root, outside of the unit's sandbox and inside its control group, and whose failure
/// is no failure of the unit (`ExecStartPost=-+:…`).
fn beside(program: &str, arguments: &[&str]) -> Vec<(String, Vec<String>, Vec<String>)> {
    let argv = std::iter::once(&program).chain(arguments).map(|word| (*word).to_owned()).collect();
    let flags = ["no-env-expand", "ignore-failure", "privileged"];
    vec![(program.to_owned(), argv, strings(&flags))]
}

fn assignments(variables: &BTreeMap<String, String>) -> Vec<String> {
    variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn fields(fields: &[(&str, &str)]) -> Vec<Vec<u8>> {
    fields.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect()
}

pub(super) fn strings<S: AsRef<str>>(list: &[S]) -> Vec<String> {
    list.iter().map(|item| item.as_ref().to_owned()).collect()
}

/// Microseconds; what does not fit is systemd's `infinity`.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

properties! {
    /// `Description=`
    description(text: &str) = "Description" text.to_owned();
    /// `Slice=`
    slice(unit: &str) = "Slice" unit.to_owned();
    /// `After=`
    after(units: &[&str]) = "After" strings(units);
    /// `Before=`
    before(units: &[&str]) = "Before" strings(units);
    /// `JoinsNamespaceOf=`
    joins_namespace_of(units: &[&str]) = "JoinsNamespaceOf" strings(units);
    /// `DefaultDependencies=`
    default_dependencies(on: bool) = "DefaultDependencies" on;
    /// `CollectMode=`
    collect_mode(mode: CollectMode) = "CollectMode" mode;
    /// The unit stays loaded while the calling connection lives, as by `RefUnit`.
    add_ref() = "AddRef" true;

    /// `OnCalendar=` of a timer.
    on_calendar(expression: &str) = "TimersCalendar" vec![("OnCalendar".to_owned(), expression.to_owned())];
    /// `AccuracySec=` of a timer.
    timer_accuracy(accuracy: Duration) = "AccuracyUSec" micros(accuracy);
    /// `RemainAfterElapse=` of a timer.
    remain_after_elapse(on: bool) = "RemainAfterElapse" on;

    /// `Type=`
    service_type(kind: ServiceType) = "Type" kind;
    /// `ExecStart=`: a program by its absolute path, and its arguments, none of them expanded.
    exec_start(program: &str, arguments: &[String]) = "ExecStart" command(program, arguments);
    /// `ExecStartPost=-+:…`: run beside the program as root, outside of the sandbox and inside the control group.
    exec_start_post(program: &str, arguments: &[&str]) = "ExecStartPostEx" beside(program, arguments);
    /// `SuccessExitStatus=`: exit statuses and signals that are a success too.
    success_exit_status(statuses: Vec<i32>, signals: Vec<i32>) = "SuccessExitStatus" (statuses, signals);
    /// `ExecStartPost=`: run when the program has been executed, inside of the sandbox; the unit is starting until it exits, and finds the
    /// program's process in `$MAINPID`.
    exec_start_post_inside(program: &str, arguments: &[String]) = "ExecStartPost" command(program, arguments);
    /// `ExitType=`
    exit_type(kind: ExitType) = "ExitType" kind;
    /// `RemainAfterExit=`
    remain_after_exit(on: bool) = "RemainAfterExit" on;
    /// `RuntimeMaxSec=`
    runtime_max(limit: Duration) = "RuntimeMaxUSec" micros(limit);
    /// `TimeoutStartSec=`
    timeout_start(limit: Duration) = "TimeoutStartUSec" micros(limit);
    /// `TimeoutStopSec=`
    timeout_stop(limit: Duration) = "TimeoutStopUSec" micros(limit);
    /// `KillMode=`
    kill_mode(mode: KillMode) = "KillMode" mode;
    /// `KillSignal=`
    kill_signal(signal: nix::sys::signal::Signal) = "KillSignal" signal as i32;
    /// `SendSIGKILL=`
    send_sigkill(on: bool) = "SendSIGKILL" on;
    /// `OOMPolicy=`
    oom_policy(policy: OomPolicy) = "OOMPolicy" policy;

    /// `User=`
    user(name: &str) = "User" name.to_owned();
    /// `Group=`
    group(name: &str) = "Group" name.to_owned();
    /// `SupplementaryGroups=`
    supplementary_groups(names: &[&str]) = "SupplementaryGroups" strings(names);
    /// `DynamicUser=`
    dynamic_user(on: bool) = "DynamicUser" on;
    /// `WorkingDirectory=`
    working_directory(path: &str) = "WorkingDirectory" path.to_owned();
    /// `Environment=`
    environment(variables: &BTreeMap<String, String>) = "Environment" assignments(variables);
    /// `UMask=`
    umask(mask: u32) = "UMask" mask;
    /// `IgnoreSIGPIPE=`
    ignore_sigpipe(on: bool) = "IgnoreSIGPIPE" on;

    /// The descriptor that becomes standard input.
    standard_input_fd(fd: OwnedFd) = "StandardInputFileDescriptor" Value::Fd(Fd::Owned(fd));
    /// The descriptor that becomes standard output; it must be open for writing. systemd keeps its own copy until the
    /// unit is down: a pipe ends only after that, however long its program has been gone.
    standard_output_fd(fd: OwnedFd) = "StandardOutputFileDescriptor" Value::Fd(Fd::Owned(fd));
    /// The descriptor that becomes standard error; it must be open for writing, and is kept as for standard output.
    standard_error_fd(fd: OwnedFd) = "StandardErrorFileDescriptor" Value::Fd(Fd::Owned(fd));
    /// `StandardOutput=`
    standard_output(output: Output) = "StandardOutput" output;
    /// `StandardError=`
    standard_error(output: Output) = "StandardError" output;
    /// `SyslogIdentifier=`
    syslog_identifier(name: &str) = "SyslogIdentifier" name.to_owned();
    /// `LogExtraFields=`: names in capitals, and values.
    log_extra_fields(pairs: &[(&str, &str)]) = "LogExtraFields" fields(pairs);
    /// `LogRateLimitIntervalSec=`. Zero means journald's default, not "off"; one microsecond is off.
    log_rate_limit_interval(interval: Duration) = "LogRateLimitIntervalUSec" micros(interval);

    /// `MemoryMax=` in bytes.
    memory_max(bytes: u64) = "MemoryMax" bytes;
    /// `MemoryHigh=` in bytes.
    memory_high(bytes: u64) = "MemoryHigh" bytes;
    /// `TasksMax=`
    tasks_max(tasks: u64) = "TasksMax" tasks;
    /// `CPUWeight=`, 1 to 10000; systemd's default is 100.
    cpu_weight(weight: u64) = "CPUWeight" weight;
    /// `CPUQuota=`: percent of one CPU.
    cpu_quota(percent: u32) = "CPUQuotaPerSecUSec" u64::from(percent) * 10_000;
    /// `CPUAccounting=`
    cpu_accounting(on: bool) = "CPUAccounting" on;
    /// `MemoryAccounting=`
    memory_accounting(on: bool) = "MemoryAccounting" on;
    /// `IOAccounting=`
    io_accounting(on: bool) = "IOAccounting" on;
    /// `LimitFSIZE=`: the longest file that may be written, in bytes.
    limit_file_size(bytes: u64) = "LimitFSIZE" bytes;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_on_the_bus_are_those_of_the_interface() {
        let variables = BTreeMap::from([("A".to_owned(), "1 $B".to_owned())]);
        for (property, name, signature) in [
            (Property::exec_start("/bin/echo", &["${HOME}".to_owned()]), "ExecStart", "a(sasb)"),
            (Property::environment(&variables), "Environment", "as"),
            (Property::log_extra_fields(&[("CI_PROJECT", "gkp")]), "LogExtraFields", "aay"),
            (Property::runtime_max(Duration::from_secs(1)), "RuntimeMaxUSec", "t"),
            (Property::exec_start_post("/bin/true", &[]), "ExecStartPostEx", "a(sasas)"),
            (Property::success_exit_status(vec![1], vec![9]), "SuccessExitStatus", "(aiai)"),
            (Property::cpu_quota(150), "CPUQuotaPerSecUSec", "t"),
            (Property::umask(0o027), "UMask", "u"),
            (Property::kill_signal(nix::sys::signal::Signal::SIGINT), "KillSignal", "i"),
            (Property::add_ref(), "AddRef", "b"),
            (Property::kill_mode(KillMode::ControlGroup), "KillMode", "s"),
            (Property::after(&[]), "After", "as"),
        ] {
            assert_eq!((property.name(), property.value().value_signature().to_string()), (name, signature.to_owned()));
        }
    }

    #[test]
    fn endless_durations_are_systemds_infinity() {
        assert_eq!(Property::runtime_max(Duration::MAX).value(), &Value::U64(u64::MAX));
        assert_eq!(Property::cpu_quota(150).value(), &Value::U64(1_500_000), "microseconds in each second");
        assert_eq!(Property::timeout_stop(Duration::from_millis(10)).value(), &Value::U64(10_000));
    }
}
