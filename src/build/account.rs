//! How a step's unit ended and what it used: from systemd's words, and from what the kernel counted in its control group.

use super::spec::StepSpec;
use super::supervise::Supervisor;
use crate::config::limits::{Limit, Limits};
use crate::model::StepName;
use crate::model::build::Usage;
use crate::plan::result::Ended;
use crate::systemd::{Exit, Measured, UnitState, denied_in, measure, tasks_file};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// With what a shell exits when the kernel stopped a program of it for a file that grew too long: 128 and SIGXFSZ.
const EXIT_OF_LONG_FILE: i32 = 128 + 25;
/// A limit counts as the one that was hit if at least this part of it, in eighths, was in use at once.
const NEARLY: u64 = 7;

impl Supervisor<'_> {
    /// How a unit that is over ended, and what it used. What the kernel counted is there only while its control group
    /// is; a step that was over before this supervisor came may have lost it.
    pub(super) fn account(&self, state: &UnitState, step: &StepName, spec: &StepSpec, denied: u64) -> (Ended, Usage) {
        let measured = self.measured(state);
        let denied = measured.denied_tasks.unwrap_or(0).max(denied);
        let measured = Measured { denied_tasks: Some(denied), ..measured };
        (ended(state, &measured, &self.project.limits(step), spec.timeout), usage(state, &measured))
    }

    /// What a unit that we are about to stop has used so far.
    pub(super) fn used_so_far(&self, unit: &str) -> Usage {
        match self.bus.state(unit) {
            Ok(state) => usage(&state, &self.measured(&state)),
            Err(error) => {
                tracing::debug!("{unit}: {error}; what it used is not known");
                Usage::default()
            }
        }
    }

    fn measured(&self, state: &UnitState) -> Measured {
        let Some(group) = &state.control_group else { return Measured::default() };
        measure(&self.place.control_groups(), group).unwrap_or_else(|error| {
            tracing::debug!("{group}: {error}; what it used is not known");
            Measured::default()
        })
    }

    /// Looks out for processes that a step could not make: with its last process its control group may go, and with
    /// that the count.
    pub(super) fn watch_tasks(&self, unit: &str) -> TasksWatch {
        let group = self.bus.control_group(unit).ok().flatten();
        let file = group.and_then(|group| tasks_file(&self.place.control_groups(), &group));
        TasksWatch::begin(file)
    }
}

/// A thread that waits for a control group's `pids.events` to change.
pub(super) struct TasksWatch {
    watching: Option<(Arc<EventFd>, JoinHandle<u64>)>,
}

impl TasksWatch {
    fn begin(file: Option<PathBuf>) -> TasksWatch {
        let leave = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map(Arc::new);
        let watching = file.zip(leave.ok()).map(|(file, leave)| {
            let left = leave.clone();
            let count = move || {
                count_denied(&file, &left).unwrap_or_else(|error| {
                    tracing::debug!("{}: {error}", file.display());
                    0
                })
            };
            (leave, std::thread::spawn(count))
        });
        TasksWatch { watching }
    }

    /// How many processes could not be made.
    pub(super) fn end(self) -> u64 {
        let Some((leave, thread)) = self.watching else { return 0 };
        if let Err(error) = leave.write(1) {
            tracing::trace!("the thread leaves already: {error}");
        }
        thread.join().unwrap_or(0)
    }
}

fn count_denied(path: &std::path::Path, leave: &EventFd) -> std::io::Result<u64> {
    let mut file = std::fs::File::open(path)?;
    let mut denied = 0;
    loop {
        // Read first: a change before the first poll is told by none.
        let mut text = String::new();
        match file.rewind().and_then(|()| file.read_to_string(&mut text)) {
            Ok(_) => denied = denied_in(&text).unwrap_or(denied),
            // The group is gone, and no more will come.
            Err(_) => return Ok(denied),
        }
        let mut waiting =
            [PollFd::new(file.as_fd(), PollFlags::POLLPRI), PollFd::new(leave.as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::NONE)?;
        if waiting[1].any().unwrap_or(true) {
            return Ok(denied);
        }
    }
}

fn usage(state: &UnitState, measured: &Measured) -> Usage {
    let cpu = state.usage.cpu.or(measured.cpu);
    Usage {
        cpu_usec: cpu.map(|cpu| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX)),
        memory_peak: state.usage.memory_peak.or(measured.memory_peak),
        io_read: state.usage.read,
        io_written: state.usage.written,
    }
}

/// How a unit that is over ended.
fn ended(state: &UnitState, measured: &Measured, limits: &Limits, time: Duration) -> Ended {
    let killed = measured.killed_for_memory.is_some_and(|count| count > 0);
    let denied = measured.denied_tasks.is_some_and(|count| count > 0);
    let memory = || out_of_memory(limits.memory, state.usage.memory_peak.or(measured.memory_peak));
    let long_file = |signal: i32| signal == Signal::SIGXFSZ as i32;
    match (&state.exit, limits.disk) {
        (Some(Exit::OutOfMemory), _) => memory(),
        (Some(Exit::Exited(EXIT_OF_LONG_FILE)), Some(disk)) => Ended::TooMuchWritten(disk),
        (Some(Exit::Signalled { signal, core: _ }), Some(disk)) if long_file(*signal) => Ended::TooMuchWritten(disk),
        (Some(Exit::Exited(0)), _) => Ended::Exited(0),
        // Under version 1 of control groups systemd does not learn of it, and a shell goes on without its child.
        (Some(Exit::Exited(_) | Exit::Signalled { .. }), _) if killed => memory(),
        (Some(Exit::Exited(status)), _) if denied => Ended::TooManyTasks { status: *status, limit: limits.tasks },
        (Some(Exit::Exited(status)), _) => Ended::Exited(*status),
        (Some(Exit::Signalled { signal, core: _ }), _) => Ended::Signalled(match Signal::try_from(*signal) {
            Ok(known) => known.as_str().to_owned(),
            Err(_) => format!("signal {signal}"),
        }),
        (Some(Exit::TimedOut), _) => Ended::TimedOut(time),
        (Some(Exit::NeverRan(result)), _) => {
            Ended::Broken(format!("the step could not be started: {}", result.as_str()))
        }
        (None, _) => Ended::Broken("nobody knows how the step ended: its unit is gone".to_owned()),
    }
}

/// The step's own limit, unless it was far from it: then it was that of all builds together.
fn out_of_memory(limit: Option<Limit>, peak: Option<u64>) -> Ended {
    let own = |limit: &Limit| peak.is_none_or(|peak| peak >= limit.most / 8 * NEARLY);
    Ended::OutOfMemory(limit.filter(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::Table;
    use crate::systemd::{ActiveState, LoadState, ServiceResult, SubState};

    const TIME: Duration = Duration::from_secs(60);

    fn state(exit: Option<Exit>, memory_peak: Option<u64>) -> UnitState {
        UnitState {
            load: LoadState::Loaded,
            active: ActiveState::Active,
            sub: SubState::Exited,
            result: ServiceResult::Success,
            oneshot: false,
            exit,
            main_pid: None,
            main_started: None,
            main_ended: None,
            invocation: None,
            restarts: 0,
            control_group: None,
            usage: crate::systemd::Usage { memory_peak, ..crate::systemd::Usage::default() },
        }
    }

    #[test]
    fn an_end_for_want_of_something_is_told_from_others() {
        let build = |most| Limit { most, table: Table::Build };
        let limits =
            Limits { memory: Some(build(512 << 20)), tasks: build(64), cpu: None, disk: Some(build(10 << 30)) };
        let open = Limits { memory: None, disk: None, ..limits };
        let counted = |killed, denied| Measured {
            killed_for_memory: Some(killed),
            denied_tasks: Some(denied),
            ..Measured::default()
        };
        let exited = |status| Some(Exit::Exited(status));
        let signalled = |signal: Signal| Some(Exit::Signalled { signal: signal as i32, core: false });
        let own = Ended::OutOfMemory(Some(build(512 << 20)));
        let tasks = |status| Ended::TooManyTasks { status, limit: build(64) };
        for (what, exit, peak, counts, limits, end) in [
            ("well", exited(0), None, counted(0, 0), limits, Ended::Exited(0)),
            ("well, though a child was killed", exited(0), None, counted(1, 0), limits, Ended::Exited(0)),
            ("badly", exited(2), None, counted(0, 0), limits, Ended::Exited(2)),
            ("systemd knows", Some(Exit::OutOfMemory), None, Measured::default(), limits, own.clone()),
            ("the kernel knows", signalled(Signal::SIGKILL), Some(500 << 20), counted(1, 0), limits, own.clone()),
            ("a child of the shell", exited(137), None, counted(1, 0), limits, own),
            ("all of the slice", exited(137), Some(9 << 20), counted(1, 0), limits, Ended::OutOfMemory(None)),
            ("no limit of its own", exited(137), None, counted(1, 0), open, Ended::OutOfMemory(None)),
            (
                "somebody's kill",
                signalled(Signal::SIGKILL),
                None,
                counted(0, 0),
                limits,
                Ended::Signalled("SIGKILL".into()),
            ),
            ("no more processes", exited(2), None, counted(0, 1), limits, tasks(2)),
            (
                "a long file",
                signalled(Signal::SIGXFSZ),
                None,
                counted(0, 0),
                limits,
                Ended::TooMuchWritten(build(10 << 30)),
            ),
            ("a child's long file", exited(153), None, counted(0, 0), limits, Ended::TooMuchWritten(build(10 << 30))),
            ("153 without a limit", exited(153), None, counted(0, 0), open, Ended::Exited(153)),
        ] {
            assert_eq!(ended(&state(exit, peak), &counts, &limits, TIME), end, "{what}");
        }
    }
}
