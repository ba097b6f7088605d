//! What a step may use of the machine, and that what it used can be told.

use crate::config::limits::Limits;
use crate::systemd::{Accounting, Property};
use nix::sys::signal::Signal;

/// Exit statuses of systemd's own (systemd.exec(5), "Process Exit Codes"): a unit with one of them has not run its
/// program, and must not look as if it had.
const SETUP: std::ops::RangeInclusive<i32> = 200..=245;

pub(super) fn properties(limits: &Limits, accounting: Accounting) -> Vec<Property> {
    let mut properties = vec![
        Property::tasks_max(limits.tasks.most),
        Property::cpu_accounting(true),
        Property::memory_accounting(true),
        Property::io_accounting(true),
    ];
    properties.extend(limits.memory.map(|limit| Property::memory_max(limit.most)));
    properties.extend(limits.cpu.map(|quota| Property::cpu_quota(quota.percent)));
    // What is written all in all is the supervisor's to watch; no single file can pass it by at least.
    properties.extend(limits.disk.map(|limit| Property::limit_file_size(limit.most)));
    match accounting {
        Accounting::Systemd => {}
        Accounting::Kernel => properties.extend(keeps_its_control_group()),
    }
    properties
}

/// systemd removes a control group with its last process, and what the kernel counted with it: peak memory before
/// systemd 254; under version 1 also CPU time, and whether something was killed for want of memory. So one process that
/// does nothing stays in it until the unit is stopped, and every end of the program leaves the unit `active (exited)`.
fn keeps_its_control_group() -> [Property; 2] {
    let statuses = (0..=255).filter(|status| !SETUP.contains(status)).collect();
    let signals = Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGSTOP | Signal::SIGCONT));
    let idle = "exec sleep infinity </dev/null >/dev/null 2>&1 &";
    [
        Property::success_exit_status(statuses, signals.map(|signal| signal as i32).collect()),
        Property::exec_start_post("/bin/sh", &["-c", idle]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::{CpuQuota, Limit, Table};

    #[test]
    fn every_limit_that_is_set_is_handed_to_systemd() {
        let limit = |most| Some(Limit { most, table: Table::Build });
        let none = Limits { memory: None, tasks: Limit { most: 64, table: Table::Build }, cpu: None, disk: None };
        let all = Limits { memory: limit(1 << 20), cpu: Some(CpuQuota { percent: 150 }), disk: limit(1 << 30), ..none };
        let names = |limits, accounting| -> Vec<&str> {
            properties(limits, accounting).iter().map(Property::name).filter(|n| !n.ends_with("Accounting")).collect()
        };
        assert_eq!(names(&none, Accounting::Systemd), ["TasksMax"]);
        assert_eq!(
            names(&all, Accounting::Systemd),
            ["TasksMax", "MemoryMax", "CPUQuotaPerSecUSec", "LimitFSIZE"],
            "and no more"
        );
        assert_eq!(names(&none, Accounting::Kernel), ["TasksMax", "SuccessExitStatus", "ExecStartPostEx"]);
    }
}
