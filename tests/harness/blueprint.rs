//! What a machine is to be: said before it boots, kept for when it boots again.

use super::cgroup::Layout;
use super::net::Network;
use super::root::Suite;
use super::{carry, host};
use std::path::{Path, PathBuf};

/// Whether limits on memory and tasks hold inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limits {
    /// As systemd-nspawn gives them on this host.
    AsIs,
    /// They must hold.
    Enforced,
}

/// What boots a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// systemd-nspawn.
    Nspawn,
    /// `unshare` and a script.
    Bare,
}

/// What a machine may do with a folder of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

impl Access {
    pub(super) fn nspawn_suffix(self) -> &'static str {
        match self {
            Access::ReadOnly => "-ro",
            Access::ReadWrite => "",
        }
    }

    pub(super) fn limits_suffix(self) -> &'static str {
        match self {
            Access::ReadOnly => ":ro",
            Access::ReadWrite => "",
        }
    }
}

/// A file or folder of the host that is seen inside.
#[derive(Debug, Clone)]
pub(super) struct Bind {
    host: PathBuf,
    inside: PathBuf,
    pub(super) access: Access,
}

impl Bind {
    /// `HOST:INSIDE`.
    pub(super) fn spec(&self) -> String {
        format!("{}:{}", self.host.display(), self.inside.display())
    }
}

/// What a machine is to be, before it is booted.
#[derive(Debug)]
pub(crate) struct Blueprint {
    suite: Suite,
    network: Option<Network>,
    limits: Limits,
    binds: Vec<Bind>,
    packages: &'static [&'static str],
}

impl Blueprint {
    /// Debian packages beside those that every machine has. The first machine with them waits for a root of its own.
    pub(crate) fn with_packages(mut self, packages: &'static [&'static str]) -> Blueprint {
        self.packages = packages;
        self
    }

    /// The machine reaches what the host reaches, by name, with the host's certificates and pip settings.
    pub(crate) fn with_network(mut self) -> Blueprint {
        host::require();
        self.network = Some(Network::claim());
        for folder in carry::pip_folders() {
            self.binds.push(Bind { host: folder.clone(), inside: folder, access: Access::ReadOnly });
        }
        self
    }

    /// `MemoryMax=`, `TasksMax=` and `CPUQuota=` are enforced inside, whatever the host's control groups are. Where
    /// the host has controllers of version 1 the machine gets those, which trixie's systemd still takes.
    pub(crate) fn with_limits(mut self) -> Blueprint {
        self.limits = Limits::Enforced;
        self
    }

    /// A file or folder of the host, seen and writable inside.
    pub(crate) fn with_bind(mut self, host: impl AsRef<Path>, inside: impl AsRef<Path>) -> Blueprint {
        let (host, inside) = (host.as_ref().to_owned(), inside.as_ref().to_owned());
        self.binds.push(Bind { host, inside, access: Access::ReadWrite });
        self
    }

    pub(super) fn new(suite: Suite) -> Blueprint {
        Blueprint { suite, network: None, limits: Limits::AsIs, binds: Vec::new(), packages: &[] }
    }

    /// How to get such limits on this host.
    pub(super) fn way(&self) -> Way {
        match (self.limits, Layout::of_host()) {
            (Limits::Enforced, Layout::Hybrid) => Way::Bare,
            (Limits::Enforced, Layout::Unified) | (Limits::AsIs, Layout::Hybrid | Layout::Unified) => Way::Nspawn,
        }
    }

    pub(super) fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    pub(super) fn packages(&self) -> &'static [&'static str] {
        self.packages
    }

    pub(super) fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) fn binds(&self) -> &[Bind] {
        &self.binds
    }
}
