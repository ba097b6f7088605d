//! `ci-worker processes ROOT [UNIT PID CONTROL-GROUP]…`: tells whether services run out of a release of this deploy's root.
//!
//! It may look into any process of the machine (`CAP_SYS_PTRACE`), since a service may be any user's. So it takes what
//! to look at from its command line, which only `ci-launch` writes, and tells nothing but names of folders below
//! `ROOT/releases`.

use super::protocol::{Failure, FailureKind, ProcessesAnswer, ProcessesTask};
use super::run::{give, said};
use super::say::say;
use crate::model::{Line, Whereabouts};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::Mode;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// Most bytes of a list of control groups: a dozen hierarchies of version 1 with a path each.
const GROUPS_MAX: u64 = 64 << 10;

/// Looks and writes the answer; exits with 0 when it was written.
pub fn main(words: &[OsString]) -> ExitCode {
    match give(&said::<ProcessesTask>(look(words))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say!("the answer cannot be written: {e}");
            ExitCode::FAILURE
        }
    }
}

/// What a worker without such a command line says.
pub(super) fn not_here() -> Failure {
    Failure::new(FailureKind::Refused, "which processes to look at stands in the command line of a unit of its own")
}

fn look(words: &[OsString]) -> Result<ProcessesAnswer, Failure> {
    let internal = |says: &str| Failure::new(FailureKind::Internal, says);
    let (root, rest) = words.split_first().ok_or_else(|| internal("no root to compare with"))?;
    let releases = resolved(Path::new(root)).join(super::release::RELEASES);
    let mut seen = Vec::new();
    for process in rest.chunks(3) {
        let words: Option<Vec<&str>> = process.iter().map(|word| word.to_str()).collect();
        let Some([unit, pid, group]) = words.as_deref() else { return Err(internal("no list of processes")) };
        let pid: u32 = pid.parse().map_err(|_| internal("not the number of a process"))?;
        seen.push(((*unit).to_owned(), whereabouts(&releases, pid, group)));
    }
    Ok(ProcessesAnswer { seen })
}

/// The kernel tells paths without links in them, so the root has to be one too. What lies in a home that is hidden from
/// us has no links that we could see.
fn resolved(root: &Path) -> PathBuf {
    let real = root.ancestors().find_map(|above| Some((above.canonicalize().ok()?, root.strip_prefix(above).ok()?)));
    real.map_or_else(|| root.to_owned(), |(real, below)| real.join(below))
}

fn whereabouts(releases: &Path, pid: u32, group: &str) -> Whereabouts {
    match links(pid, group) {
        Ok(Some([cwd, exe])) => {
            Whereabouts::Seen { folder: folder_of(releases, &cwd), program: folder_of(releases, &exe) }
        }
        Ok(None) | Err(Errno::ENOENT | Errno::ESRCH) => Whereabouts::Gone,
        Err(errno) => Whereabouts::Unseen { why: Line::cut(errno.desc()) },
    }
}

/// Working directory and program of a process; nothing if its number is another one's by now. All is read below one
/// descriptor, which stays that of this process, whoever gets the number after it.
fn links(pid: u32, group: &str) -> Result<Option<[PathBuf; 2]>, Errno> {
    let process = open(format!("/proc/{pid}").as_str(), OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    if !is_in(&read(process.as_fd(), "cgroup")?, group) {
        return Ok(None);
    }
    let link = |name| readlinkat(&process, name).map(PathBuf::from);
    Ok(Some([link("cwd")?, link("exe")?]))
}

fn read(process: BorrowedFd<'_>, name: &str) -> Result<String, Errno> {
    let file = File::from(openat(process, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
    let mut text = String::new();
    let read = file.take(GROUPS_MAX).read_to_string(&mut text);
    read.map_err(|error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Ok(text)
}

/// Whether a process with these control groups (cgroups(7), `/proc/PID/cgroup`) is in one, or below it.
fn is_in(groups: &str, wanted: &str) -> bool {
    groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).any(|group| Path::new(group).starts_with(wanted))
}

/// The folder of `releases` that a path lies in.
fn folder_of(releases: &Path, path: &Path) -> Option<Line> {
    match path.strip_prefix(releases).ok()?.components().next()? {
        Component::Normal(name) => Some(Line::cut(&name.to_string_lossy())),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn which_release_a_path_lies_in() {
        for (path, folder) in [
            ("/srv/gkp/releases/5-aaaaaaa", Some("5-aaaaaaa")),
            ("/srv/gkp/releases/5-aaaaaaa/bin/server", Some("5-aaaaaaa")),
            ("/srv/gkp/releases/5-aaaaaaa (deleted)", Some("5-aaaaaaa (deleted)")),
            ("/srv/gkp/releases/.5-aaaaaaa.gone/bin (deleted)", Some(".5-aaaaaaa.gone")),
            ("/srv/gkp/releases", None),
            ("/srv/gkp/shared/media", None),
            ("/srv/gkp2/releases/5-aaaaaaa", None),
            ("/usr/bin/python3.11", None),
            ("/", None),
        ] {
            let found = folder_of(Path::new("/srv/gkp/releases"), Path::new(path));
            assert_eq!(found, folder.map(Line::cut), "{path}");
        }
    }

    #[test]
    fn which_control_group_a_process_is_in() {
        let hybrid = "12:pids:/system.slice/gkp.service\n1:name=systemd:/system.slice/gkp.service/a\n0::/system.slice/gkp.service/a\n";
        for (groups, wanted, is) in [
            ("0::/system.slice/gkp.service\n", "/system.slice/gkp.service", true),
            (hybrid, "/system.slice/gkp.service", true),
            ("0::/system.slice/gkp.service2\n", "/system.slice/gkp.service", false),
            ("0::/user.slice/a:b\n", "/user.slice/a:b", true),
            ("0::/\n", "/system.slice/gkp.service", false),
            ("", "/system.slice/gkp.service", false),
        ] {
            assert_eq!(is_in(groups, wanted), is, "{groups} {wanted}");
        }
    }

    #[test]
    fn a_root_is_compared_by_where_it_really_is() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("data")).unwrap();
        symlink("data", real.join("srv")).unwrap();
        assert_eq!(resolved(&real.join("srv")), real.join("data"));
        // As far as can be seen.
        assert_eq!(resolved(&real.join("srv/gkp")), real.join("data/gkp"));
    }

    #[test]
    fn a_process_that_is_another_one_by_now_is_gone() {
        let own = std::process::id();
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let group = groups.lines().next().and_then(|line| line.splitn(3, ':').nth(2)).unwrap();
        let here = std::env::current_dir().unwrap();
        let (above, name) = (here.parent().unwrap(), here.file_name().unwrap().to_str().unwrap());
        let Whereabouts::Seen { folder, program: _ } = whereabouts(above, own, group) else { panic!() };
        assert_eq!(folder.as_ref().map(Line::as_str), Some(name));
        assert_eq!(whereabouts(above, own, "/of/somebody/else.service"), Whereabouts::Gone);
        assert_eq!(whereabouts(above, u32::MAX, group), Whereabouts::Gone);
    }
}
