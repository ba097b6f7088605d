//! Debian roots, made once by mmdebstrap and shared by all machines, which never write to them.

use super::host;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is in every machine: what unitci needs to run, and what tests run beside it.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "polkitd",
    "git",
    "git-lfs",
    "ca-certificates",
    "curl",
    "openssh-client",
    "openssh-server",
    "iproute2",
    "procps",
    "make",
    "nginx-light",
    "gunicorn",
    "php-fpm",
    "nodejs",
    "python3",
    "python3-venv",
    "sqlite3",
    "man-db",
    "zstd",
    "dma",
    "libssl3",
];

/// Run on each new tree, which is `$1`. Servers wait until a test starts them; nothing fetches packages behind a
/// test's back; the journal is on disk, so that it survives a power cut.
const FINISH: &str = r#"
chroot "$1" sh -ec 'systemctl disable nginx.service ssh.service $(cd /lib/systemd/system && echo php*-fpm.service)'
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer man-db.timer \
    e2scrub_all.timer fstrim.timer console-getty.service systemd-firstboot.service
mkdir -p "$1/var/log/journal"
"#;

/// A Debian release that unitci runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Suite {
    /// Debian 12, systemd 252: the oldest that is supported.
    Bookworm,
    /// Debian 13, systemd 257.
    Trixie,
}

impl Suite {
    /// As Debian's archive calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
        }
    }

    /// As people call it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Suite::Bookworm => "Debian 12",
            Suite::Trixie => "Debian 13",
        }
    }

    /// Where most tests run: the oldest, unless `SUITE=` says otherwise.
    pub(crate) fn usual() -> Vec<Suite> {
        Suite::chosen().unwrap_or_else(|| vec![Suite::Bookworm])
    }

    /// Where the main way is tested: all of them, unless `SUITE=` says otherwise.
    pub(crate) fn every() -> Vec<Suite> {
        Suite::chosen().unwrap_or_else(|| vec![Suite::Bookworm, Suite::Trixie])
    }

    fn chosen() -> Option<Vec<Suite>> {
        match std::env::var("SUITE").ok().as_deref() {
            None | Some("") => None,
            Some("bookworm") => Some(vec![Suite::Bookworm]),
            Some("trixie") => Some(vec![Suite::Trixie]),
            Some("all") => Some(vec![Suite::Bookworm, Suite::Trixie]),
            Some(other) => panic!("SUITE={other}: it is bookworm, trixie or all"),
        }
    }
}

/// A cached tree, the lower layer of machines' disks.
#[derive(Debug)]
pub(super) struct Root {
    tree: PathBuf,
}

impl Root {
    /// The tree for a suite, built if this suite with these packages, and `more`, was never built here. Whoever comes
    /// while another process builds it waits for that one.
    pub(super) fn cached(suite: Suite, more: &[&str]) -> Root {
        let mut key = DefaultHasher::new();
        (PACKAGES, FINISH).hash(&mut key);
        more.iter().for_each(|package| package.hash(&mut key));
        let roots = host::test_dir().join("roots");
        host::make_dir(&roots);
        let tree = roots.join(format!("{}-{:016x}", suite.name(), key.finish()));
        if !tree.exists() {
            let lock = File::create(roots.join(format!("{}.lock", suite.name()))).expect("the lock of the roots");
            lock.lock().expect("to lock the roots");
            if !tree.exists() {
                build(suite, more, &tree);
            }
        }
        Root { tree }
    }

    /// Its folder.
    pub(super) fn path(&self) -> &Path {
        &self.tree
    }
}

fn build(suite: Suite, more: &[&str], tree: &Path) {
    let started = Instant::now();
    eprintln!("harness: building a {} root, once: about a minute …", suite.debian());
    let part = tree.with_extension("part");
    if part.exists() {
        std::fs::remove_dir_all(&part).expect("to remove what an interrupted build left");
    }
    let include = format!("--include={}", [PACKAGES, more].concat().join(","));
    let finish = format!("--customize-hook={FINISH}");
    let target = part.to_str().expect("UNITCI_TEST_DIR in UTF-8");
    host::must("mmdebstrap", ["--mode=root", "--variant=minbase", &include, &finish, suite.name(), target]);
    std::fs::rename(&part, tree).expect("to put the new root into its place");
    eprintln!("harness: the {} root is ready after {} s", suite.debian(), started.elapsed().as_secs());
}
