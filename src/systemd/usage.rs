//! What a unit has used.

use std::io;
use std::path::Path;
use std::time::Duration;

/// What the processes of a unit have used since it started. `None` where systemd does not account for it: its
/// controller is not there, or, for CPU time, the machine has cgroup v1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all processes.
    pub cpu: Option<Duration>,
    /// The most memory it had at once, in bytes. systemd 252 does not tell; see [`memory_peak`].
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

/// The most memory that a *running* unit of this machine has had at once, in bytes, from the kernel: for systemd older
/// than 254, which does not keep it. `mount` is `/sys/fs/cgroup`; `control_group` is the unit's own. `None` when the
/// group has gone, as it does with its last process, or when nothing counts memory there.
pub fn memory_peak(mount: &Path, control_group: &str) -> io::Result<Option<u64>> {
    let group = control_group.trim_start_matches('/');
    let unified = mount.join(group).join("memory.peak");
    let legacy = mount.join("memory").join(group).join("memory.max_usage_in_bytes");
    for file in [unified, legacy] {
        match std::fs::read_to_string(file) {
            Ok(text) => return text.trim().parse().map(Some).map_err(io::Error::other),
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
    fn the_peak_is_read_under_either_hierarchy() {
        let group = "/ci.slice/ci-gkp.slice/ci-step-gkp-1-1.service";
        for (file, content, peak) in [
            ("memory.peak", "1048576\n", Some(1_048_576)),
            ("memory.max_usage_in_bytes", "4096\n", Some(4096)),
            ("memory.current", "1\n", None),
        ] {
            let mount = tempfile::tempdir().unwrap();
            let controller = if file == "memory.max_usage_in_bytes" { "memory" } else { "" };
            let folder = mount.path().join(controller).join(&group[1..]);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(file), content).unwrap();
            assert_eq!(memory_peak(mount.path(), group).unwrap(), peak, "{file}");
        }
        let garbage = tempfile::tempdir().unwrap();
        std::fs::write(garbage.path().join("memory.peak"), "much\n").unwrap();
        assert!(memory_peak(garbage.path(), "/").is_err());
    }
}
