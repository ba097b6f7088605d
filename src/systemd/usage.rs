//! What a unit has used: as systemd tells, and as the kernel counted it.

use super::bus::{Bus, BusError, MANAGER, MANAGER_PATH};
use std::io;
use std::path::Path;
use std::time::Duration;

/// What the processes of a unit have used since it started. `None` where systemd does not account for it: its
/// controller is not there, or, for CPU time, the machine has cgroup v1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all processes.
    pub cpu: Option<Duration>,
    /// The most memory it had at once, in bytes. systemd 252 does not tell; see [`measure`].
    pub memory_peak: Option<u64>,
    /// Bytes read from block devices.
    pub read: Option<u64>,
    /// Bytes written to block devices.
    pub written: Option<u64>,
}

/// What systemd says where it has nothing to say.
const UNSET: u64 = u64::MAX;

/// A number that systemd may have left unset.
pub(super) fn accounted(value: Option<u64>) -> Option<u64> {
    value.filter(|number| *number != UNSET)
}

/// Who knows what a unit has used once its processes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounting {
    /// systemd: it keeps CPU time, peak and I/O of a unit beyond its control group.
    Systemd,
    /// The kernel alone, for as long as the control group is there.
    Kernel,
}

/// The first systemd that keeps `MemoryPeak`.
const KEEPS_PEAKS: u32 = 254;

impl Bus {
    /// Who accounts for units; `mount` is `/sys/fs/cgroup` of systemd's machine.
    pub fn accounting(&self, mount: &Path) -> Result<Accounting, BusError> {
        let version: String = self.property(MANAGER_PATH, MANAGER, "Version")?;
        Ok(who_accounts(&version, mount.join("cgroup.controllers").exists()))
    }
}

/// `version` begins with a number: `252.39-1~deb12u2`; `unified` is whether there is cgroup v2 and nothing else.
fn who_accounts(version: &str, unified: bool) -> Accounting {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    match digits.parse::<u32>() {
        Ok(number) if unified && number >= KEEPS_PEAKS => Accounting::Systemd,
        Ok(_) | Err(_) => Accounting::Kernel,
    }
}

/// What the kernel counted in one control group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// CPU time of all processes that were ever in it.
    pub cpu: Option<Duration>,
    /// The most memory at once, in bytes.
    pub memory_peak: Option<u64>,
    /// How many processes were killed for want of memory.
    pub killed_for_memory: Option<u64>,
    /// How often a process was not made because of `TasksMax=`.
    pub denied_tasks: Option<u64>,
}

/// A file of a control group in which one number is of interest: the whole of it, or the one after a word.
type Counter = (&'static str, &'static str, Option<&'static str>);

/// Below the mount point, where version 2 has it first; then the hybrid and the legacy layout.
const PEAK: &[Counter] = &[("", "memory.peak", None), ("memory", "memory.max_usage_in_bytes", None)];
const KILLED: &[Counter] =
    &[("", "memory.events", Some("oom_kill")), ("memory", "memory.oom_control", Some("oom_kill"))];
const DENIED: &[Counter] = &[("", "pids.events", Some("max")), ("pids", "pids.events", Some("max"))];
const CPU_USEC: &[Counter] = &[("", "cpu.stat", Some("usage_usec")), ("unified", "cpu.stat", Some("usage_usec"))];
const CPU_NSEC: &[Counter] = &[("cpuacct", "cpuacct.usage", None), ("cpu,cpuacct", "cpuacct.usage", None)];

/// What the kernel counted for a unit of this machine whose control group is still there, in either version of control
/// groups. `mount` is `/sys/fs/cgroup`; `control_group` is the unit's own.
pub fn measure(mount: &Path, control_group: &str) -> io::Result<Measured> {
    let group = control_group.trim_start_matches('/');
    let count = |counters| first(mount, group, counters);
    let cpu = match count(CPU_USEC)? {
        Some(micros) => Some(Duration::from_micros(micros)),
        None => count(CPU_NSEC)?.map(Duration::from_nanos),
    };
    Ok(Measured { cpu, memory_peak: count(PEAK)?, killed_for_memory: count(KILLED)?, denied_tasks: count(DENIED)? })
}

/// The file that tells when a unit hits its `TasksMax=`: under version 2 it becomes ready for `POLLPRI`, under version 1
/// it has to be read.
pub fn tasks_file(mount: &Path, control_group: &str) -> Option<std::path::PathBuf> {
    let group = control_group.trim_start_matches('/');
    DENIED.iter().map(|(below, file, _)| mount.join(below).join(group).join(file)).find(|path| path.exists())
}

/// The number after `max` in what such a file holds.
pub fn denied_in(text: &str) -> Option<u64> {
    number(text, Some("max"))
}

fn number(text: &str, word: Option<&str>) -> Option<u64> {
    let Some(word) = word else { return text.trim().parse().ok() };
    text.lines().find_map(|line| line.split_once(' ').filter(|(first, _)| *first == word)?.1.trim().parse().ok())
}

fn first(mount: &Path, group: &str, counters: &[Counter]) -> io::Result<Option<u64>> {
    for (below, file, word) in counters {
        match std::fs::read_to_string(mount.join(below).join(group).join(file)) {
            Ok(text) => return Ok(number(&text, *word)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The group went between open and read.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_is_not_sixteen_exabytes() {
        assert_eq!((accounted(Some(u64::MAX)), accounted(Some(0)), accounted(None)), (None, Some(0), None));
    }

    #[test]
    fn who_keeps_the_account() {
        for (version, unified, who) in [
            ("252.39-1~deb12u2", true, Accounting::Kernel),
            ("254~rc1", true, Accounting::Systemd),
            ("257.13-1~deb13u1", true, Accounting::Systemd),
            ("257.13-1~deb13u1", false, Accounting::Kernel),
            ("", true, Accounting::Kernel),
        ] {
            assert_eq!(who_accounts(version, unified), who, "{version} {unified}");
        }
    }

    #[test]
    fn counters_are_read_under_every_hierarchy() {
        let group = "/ci.slice/ci-gkp.slice/ci-step-gkp-1-1.service";
        let unified: &[(&str, &str, &str)] = &[
            ("", "memory.peak", "1048576\n"),
            ("", "memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ("", "pids.events", "max 3\n"),
            ("", "cpu.stat", "usage_usec 2500\nuser_usec 2000\n"),
        ];
        let legacy: &[(&str, &str, &str)] = &[
            ("memory", "memory.max_usage_in_bytes", "1048576\n"),
            ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ("pids", "pids.events", "max 3\n"),
            ("cpu,cpuacct", "cpuacct.usage", "2500000\n"),
        ];
        let hybrid = [&legacy[..3], &[("unified", "cpu.stat", "usage_usec 2500\n")]].concat();
        let all = Measured {
            cpu: Some(Duration::from_micros(2500)),
            memory_peak: Some(1 << 20),
            killed_for_memory: Some(1),
            denied_tasks: Some(3),
        };
        for (files, measured) in [(unified, all), (legacy, all), (&hybrid, all), (&[], Measured::default())] {
            let mount = tempfile::tempdir().unwrap();
            for (below, file, content) in files {
                let folder = mount.path().join(below).join(&group[1..]);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(file), content).unwrap();
            }
            assert_eq!(measure(mount.path(), group).unwrap(), measured, "{files:?}");
            assert_eq!(tasks_file(mount.path(), group).is_some(), measured.denied_tasks.is_some());
        }
    }
}
