//! How a service ended, from the three properties in which systemd says it.

use super::unit::ServiceResult;
use nix::libc;

/// How a service ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The main process exited by itself with this status.
    Exited(i32),
    /// A signal ended the main process.
    Signalled {
        /// Its number.
        signal: i32,
        /// Whether the kernel dumped core.
        core: bool,
    },
    /// `RuntimeMaxSec=` passed, or a stop took longer than `TimeoutStopSec=`: only who asked for the stop knows which.
    TimedOut,
    /// The kernel or systemd-oomd killed it for want of memory. Under cgroup v1 systemd does not learn of it, and this
    /// reads as `Signalled` by SIGKILL.
    OutOfMemory,
    /// No main process ran to its end: the start limit, missing resources or an unmet condition were before it.
    NeverRan(ServiceResult),
}

impl Exit {
    /// From the unit's `Result`, and the `si_code` and `si_status` of its main process (waitid(2)); `None` if nothing has
    /// ended yet.
    ///
    /// `Result=success` alone says little: it covers death by SIGHUP, SIGINT, SIGTERM and SIGPIPE
    /// (systemd.service(5), `SuccessExitStatus=`).
    pub fn of(result: &ServiceResult, code: i32, status: i32) -> Option<Exit> {
        match result {
            ServiceResult::Timeout => return Some(Exit::TimedOut),
            ServiceResult::OomKill => return Some(Exit::OutOfMemory),
            ServiceResult::Success
            | ServiceResult::ExitCode
            | ServiceResult::Signal
            | ServiceResult::CoreDump
            | ServiceResult::Watchdog
            | ServiceResult::Protocol
            | ServiceResult::Resources
            | ServiceResult::StartLimitHit
            | ServiceResult::ExecCondition
            | ServiceResult::Other(_) => {}
        }
        match code {
            libc::CLD_EXITED => Some(Exit::Exited(status)),
            libc::CLD_KILLED => Some(Exit::Signalled { signal: status, core: false }),
            libc::CLD_DUMPED => Some(Exit::Signalled { signal: status, core: true }),
            _never if *result == ServiceResult::Success => None,
            _never => Some(Exit::NeverRan(result.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end() {
        let signalled = |signal, core| Some(Exit::Signalled { signal, core });
        for (result, code, status, exit) in [
            ("success", 0, 0, None),
            ("success", libc::CLD_EXITED, 0, Some(Exit::Exited(0))),
            ("exit-code", libc::CLD_EXITED, 3, Some(Exit::Exited(3))),
            ("exit-code", libc::CLD_EXITED, 255, Some(Exit::Exited(255))),
            // Which systemd calls a success.
            ("success", libc::CLD_KILLED, libc::SIGHUP, signalled(libc::SIGHUP, false)),
            ("success", libc::CLD_KILLED, libc::SIGINT, signalled(libc::SIGINT, false)),
            ("success", libc::CLD_KILLED, libc::SIGTERM, signalled(libc::SIGTERM, false)),
            ("success", libc::CLD_KILLED, libc::SIGPIPE, signalled(libc::SIGPIPE, false)),
            ("signal", libc::CLD_KILLED, libc::SIGSEGV, signalled(libc::SIGSEGV, false)),
            ("core-dump", libc::CLD_DUMPED, libc::SIGABRT, signalled(libc::SIGABRT, true)),
            ("timeout", libc::CLD_KILLED, libc::SIGTERM, Some(Exit::TimedOut)),
            // It caught SIGTERM and exited well, but too late.
            ("timeout", libc::CLD_EXITED, 0, Some(Exit::TimedOut)),
            ("timeout", 0, 0, Some(Exit::TimedOut)),
            ("oom-kill", libc::CLD_KILLED, libc::SIGKILL, Some(Exit::OutOfMemory)),
            // A child of it was killed, and systemd ended the rest.
            ("oom-kill", libc::CLD_EXITED, 1, Some(Exit::OutOfMemory)),
            // A memory kill under cgroup v1.
            ("signal", libc::CLD_KILLED, libc::SIGKILL, signalled(libc::SIGKILL, false)),
            ("watchdog", libc::CLD_DUMPED, libc::SIGABRT, signalled(libc::SIGABRT, true)),
            ("protocol", libc::CLD_EXITED, 0, Some(Exit::Exited(0))),
            ("resources", 0, 0, Some(Exit::NeverRan(ServiceResult::Resources))),
            ("start-limit-hit", 0, 0, Some(Exit::NeverRan(ServiceResult::StartLimitHit))),
            ("exec-condition", 0, 0, Some(Exit::NeverRan(ServiceResult::ExecCondition))),
            ("of-tomorrow", libc::CLD_EXITED, 1, Some(Exit::Exited(1))),
        ] {
            assert_eq!(Exit::of(&result.into(), code, status), exit, "{result} {code} {status}");
        }
    }
}
