//! A machine's disk: what it writes goes to memory, over a root that many share.

use super::host;
use super::root::Root;
use std::fs::File;
use std::path::{Path, PathBuf};

/// An overlay whose upper layer is a tmpfs. It outlives the machine's power and ends with the value.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    _claim: Claim,
}

/// A lock held as long as the process lives, so that the next one can tell a leftover from a machine in use.
#[derive(Debug)]
struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("harness: {}: {error}", self.path.display());
        }
    }
}

impl Disk {
    /// A fresh disk with its own name, and an id in `/etc/machine-id`, so that no boot of it is a first boot.
    pub(super) fn new(name: &str, root: &Root) -> Disk {
        let machines = machines_dir();
        host::make_dir(&machines);
        let path = machines.join(format!("{name}.lock"));
        let gate = gate(&machines);
        let lock = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        lock.lock().expect("to lock a name that only this process uses");
        drop(gate);
        let disk = Disk { dir: machines.join(name), _claim: Claim { path, _lock: lock } };
        host::make_dir(&disk.dir);
        let mountpoint = disk.dir.to_str().expect("UNITCI_TEST_DIR in UTF-8");
        host::must("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", mountpoint]);
        for layer in ["upper", "work", "root"] {
            host::make_dir(&disk.dir.join(layer));
        }
        let layers =
            format!("lowerdir={},upperdir={mountpoint}/upper,workdir={mountpoint}/work", root.path().display());
        host::must("mount", ["-t", "overlay", "overlay", "-o", &layers, &format!("{mountpoint}/root")]);
        let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("the kernel's uuid");
        host::write(&disk.root().join("etc/machine-id"), &id.replace('-', ""));
        host::write(&disk.root().join("etc/hostname"), &format!("{name}\n"));
        host::write(&disk.root().join("etc/hosts"), &format!("127.0.0.1 localhost {name}\n::1 localhost\n"));
        disk
    }

    /// Its files, as the host sees them: to look at or change while the machine is off. What is mounted inside
    /// (`/run`, `/tmp`) is not here.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The socket on which the machine says that it has booted.
    pub(super) fn notify_socket(&self) -> PathBuf {
        self.dir.join("notify")
    }

    /// What the machine's console says; kept for the message when it does not boot.
    pub(super) fn console(&self) -> PathBuf {
        self.dir.join("console")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        discard(&self.dir);
    }
}

fn machines_dir() -> PathBuf {
    host::test_dir().join("machines")
}

/// Held while locks are made and while they are tried: between its making and its locking a lock looks left behind.
fn gate(machines: &Path) -> File {
    let gate = File::open(machines).unwrap_or_else(|error| panic!("{}: {error}", machines.display()));
    gate.lock().expect("to lock the folder of the machines");
    gate
}

/// Names of machines whose process died without ending them, for `end` to finish off; their disks go after that.
pub(super) fn sweep(end: impl Fn(&str)) {
    let machines = machines_dir();
    let Ok(entries) = std::fs::read_dir(&machines) else { return };
    let _gate = gate(&machines);
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".lock")) else { continue };
        let Ok(lock) = File::open(&path) else { continue };
        // A lock file that is gone again belonged to a machine that ended while we looked.
        if lock.try_lock().is_ok() && path.exists() {
            eprintln!("harness: removing {name}, which a test that was killed left behind");
            end(name);
            discard(&machines.join(name));
            drop(Claim { path: path.clone(), _lock: lock });
        }
    }
}

/// Unmounts lazily: the last process of the machine may take a moment to die.
fn discard(dir: &Path) {
    for mountpoint in [dir.join("root"), dir.to_owned()] {
        if let Err(error) = host::command("umount").arg("--lazy").arg(&mountpoint).output() {
            eprintln!("harness: umount {}: {error}", mountpoint.display());
        }
    }
    if let Err(error) = std::fs::remove_dir(dir) {
        eprintln!("harness: {}: {error}", dir.display());
    }
}
