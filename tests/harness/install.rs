//! Installing unitci into a machine, as its README tells an administrator to.

use super::host;
use super::machine::Machine;
use std::path::PathBuf;

/// What `make install` runs by itself when it installs into the system it runs on.
const AFTER_INSTALL: &str = "systemd-sysusers unitci.conf
systemd-tmpfiles --create unitci.conf
systemctl daemon-reload";

/// `make install` of this source tree with the machine's disk as DESTDIR, then what has to run inside.
/// Builds nothing: the binaries are those of `$UNITCI_BUILT`, or those that cargo built with this test.
#[track_caller]
pub(crate) fn install_into(machine: &Machine) {
    let built = built();
    let destination = machine.disk_root();
    host::must(
        "make",
        [
            "--no-print-directory",
            "--silent",
            "-C",
            env!("CARGO_MANIFEST_DIR"),
            "install",
            &format!("DESTDIR={}", destination.display()),
            &format!("BUILT={}", built.display()),
        ],
    );
    machine.sh(AFTER_INSTALL);
    let trial = machine.run(["ci-config", "--version"]);
    assert!(
        trial.status.success(),
        "the programs in {} do not run on {} (`make check` builds them so that they do):\n{}",
        built.display(),
        machine.suite().debian(),
        trial.story()
    );
}

/// A test program lies in `target/PROFILE/deps`, beside the binaries of that profile.
fn built() -> PathBuf {
    if let Some(built) = std::env::var_os("UNITCI_BUILT") {
        return std::path::absolute(built).expect("UNITCI_BUILT to be a path");
    }
    let this = std::env::current_exe().expect("the path of this test");
    this.ancestors().nth(2).expect("a test program in target/PROFILE/deps").to_owned()
}
