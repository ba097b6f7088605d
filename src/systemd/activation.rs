//! The descriptors that systemd passes to a service: its sockets, and what an earlier instance had stored
//! (sd_listen_fds(3)).

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::env::{self, VarError};
use std::fs;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the first passed descriptor (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;
/// The name of a descriptor that came without one.
const UNNAMED: &str = "unknown";

/// The passed descriptors that nobody has taken yet; they close with it.
#[derive(Debug, Default)]
pub struct PassedFds(Vec<(String, OwnedFd)>);

/// Why the passed descriptors cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationError {
    /// A variable is not what sd_listen_fds(3) says.
    #[error("{variable}={value:?} is not what systemd passes")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// There are more or fewer names than descriptors.
    #[error("LISTEN_FDS={fds}, and {names} names for them in LISTEN_FDNAMES")]
    Names {
        /// Descriptors.
        fds: usize,
        /// Names.
        names: usize,
    },
    /// A number that is said to be a descriptor is none.
    #[error("descriptor {0} was said to be passed and is not open")]
    NotOpen(RawFd),
    /// They belong to whoever asked first.
    #[error("the passed descriptors have been taken already")]
    Taken,
    /// Its flags could not be set.
    #[error("descriptor {fd}: {errno}")]
    Flags {
        /// Which.
        fd: RawFd,
        /// Why.
        errno: nix::errno::Errno,
    },
}

impl PassedFds {
    /// Takes what was passed to this process, once; none if nothing was, or if it was for another process. None of them
    /// is inherited by programs that this one executes.
    pub fn take_all() -> Result<PassedFds, ActivationError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let [pid, fds, names] = [variable("LISTEN_PID")?, variable("LISTEN_FDS")?, variable("LISTEN_FDNAMES")?];
        let names = parse(std::process::id(), pid.as_deref(), fds.as_deref(), names.as_deref())?;
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(ActivationError::Taken);
        }
        (FIRST..).zip(names).map(|(raw, name)| Ok((name, own(raw)?))).collect::<Result<_, _>>().map(PassedFds)
    }

    /// The first one of this name: `FileDescriptorName=` of the socket (its unit's name by default), or what it was
    /// stored as.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(has, _)| has == name)?;
        Some(self.0.remove(at).1)
    }

    /// The names of those that are left, in systemd's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

fn variable(name: &'static str) -> Result<Option<String>, ActivationError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(value)) => {
            Err(ActivationError::Variable { variable: name, value: value.to_string_lossy().into_owned() })
        }
    }
}

/// The names of the descriptors that are for process `me`.
fn parse(me: u32, pid: Option<&str>, fds: Option<&str>, names: Option<&str>) -> Result<Vec<String>, ActivationError> {
    let (Some(pid), Some(fds)) = (pid, fds) else { return Ok(Vec::new()) };
    let number = |variable, value: &str| {
        value.parse::<u16>().map_err(|_| ActivationError::Variable { variable, value: value.to_owned() })
    };
    let for_pid: u32 =
        pid.parse().map_err(|_| ActivationError::Variable { variable: "LISTEN_PID", value: pid.to_owned() })?;
    if for_pid != me {
        return Ok(Vec::new());
    }
    let count = usize::from(number("LISTEN_FDS", fds)?);
    let names: Vec<String> = match names {
        None => vec![UNNAMED.to_owned(); count],
        Some(names) => names.split(':').map(str::to_owned).collect(),
    };
    if names.len() == count { Ok(names) } else { Err(ActivationError::Names { fds: count, names: names.len() }) }
}

fn own(raw: RawFd) -> Result<OwnedFd, ActivationError> {
    if fs::symlink_metadata(format!("/proc/self/fd/{raw}")).is_err() {
        return Err(ActivationError::NotOpen(raw));
    }
    // SAFETY: systemd passed it to this very process for us to own (LISTEN_PID), it is open, and `take_all` gets here
    // once.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    match fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
        Ok(_) => Ok(fd),
        Err(errno) => Err(ActivationError::Flags { fd: raw, errno }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn the_environment_says_what_is_ours() {
        let bad = |variable, value: &str| Err(ActivationError::Variable { variable, value: value.to_owned() });
        let names = |list: &[&str]| Ok(list.iter().map(|name| (*name).to_owned()).collect());
        for (pid, fds, fd_names, expected) in [
            (None, None, None, names(&[])),
            (Some("7"), Some("1"), Some("ci-build.socket"), names(&["ci-build.socket"])),
            (Some("7"), Some("3"), Some("request:step-2:"), names(&["request", "step-2", ""])),
            (Some("7"), Some("2"), None, names(&["unknown", "unknown"])),
            // A shell between systemd and us.
            (Some("8"), Some("1"), Some("x"), names(&[])),
            (Some("7"), None, None, names(&[])),
            (Some("7"), Some("2"), Some("one"), Err(ActivationError::Names { fds: 2, names: 1 })),
            (Some("7"), Some("1"), Some("one:two"), Err(ActivationError::Names { fds: 1, names: 2 })),
            (Some("7"), Some("many"), None, bad("LISTEN_FDS", "many")),
            (Some("7"), Some("-1"), None, bad("LISTEN_FDS", "-1")),
            (Some("me"), Some("1"), None, bad("LISTEN_PID", "me")),
        ] {
            assert_eq!(parse(7, pid, fds, fd_names), expected, "{pid:?} {fds:?} {fd_names:?}");
        }
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_refused() {
        assert_eq!(own(1_000_000).unwrap_err(), ActivationError::NotOpen(1_000_000));
    }

    #[test]
    fn descriptors_are_taken_by_name_in_order() {
        let files: Vec<OwnedFd> = (0..3).map(|_| fs::File::open("/dev/null").unwrap().into()).collect();
        let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        let mut passed = PassedFds(["request", "pipe", "pipe"].map(str::to_owned).into_iter().zip(files).collect());
        assert_eq!(passed.take("pipe").unwrap().as_raw_fd(), numbers[1]);
        assert_eq!(passed.names().collect::<Vec<_>>(), ["request", "pipe"]);
        assert_eq!(passed.take("pipe").unwrap().as_raw_fd(), numbers[2]);
        assert!(passed.take("pipe").is_none());
    }
}
