//! What the harness asks of the host, and running the host's programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// Program, and the Debian package that brings it.
const NEEDED: [(&str, &str); 7] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("make", "make"),
];

/// Panics with everything that is missing, the first time it is called; booting calls it.
pub(super) fn require() {
    static CHECKED: Once = Once::new();
    CHECKED.call_once(|| {
        if !nix::unistd::Uid::effective().is_root() {
            panic!("these tests boot machines and need root: run them with `sudo make check`");
        }
        let missing: Vec<&str> =
            NEEDED.iter().filter(|(program, _)| !is_in_path(program)).map(|(_, package)| *package).collect();
        if !missing.is_empty() {
            panic!("these tests need Debian packages: apt-get install {}", missing.join(" "));
        }
    });
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).any(|folder| folder.join(program).is_file())
}

/// The folder of cached roots and running machines: `$UNITCI_TEST_DIR`, or `/var/tmp/unitci-test`.
pub(super) fn test_dir() -> PathBuf {
    std::env::var_os("UNITCI_TEST_DIR").map_or_else(|| PathBuf::from("/var/tmp/unitci-test"), PathBuf::from)
}

/// A program of the host; a plain user's PATH lacks the folders of `ip` and `nft`.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(std::process::Stdio::null());
    command
}

/// Runs a program of the host and gives its stdout; panics with all it said if it fails.
#[track_caller]
pub(super) fn must<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let mut command = command(program);
    command.args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        panic!("{command:?}: {}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    stdout
}

/// Makes a folder and the ones above it.
#[track_caller]
pub(super) fn make_dir(path: &Path) {
    std::fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Writes a file of the host, of `/sys` and `/proc` too.
#[track_caller]
pub(super) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
