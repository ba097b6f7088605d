//! Where everything is: the scope, the bus and the folders, as values from the first day.

use super::id::{BuildId, DeployId, StepIndex};
use super::name::ProjectName;
use super::secret::{ENCRYPTED, SecretName};
use std::path::{Path, PathBuf};

/// Whose service manager runs the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The machine's own: projects are kept apart by users of their own.
    System,
    /// One person's `systemd --user`: no boundary between projects.
    User,
}

/// Which bus the service manager is reached on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// The system bus of this machine.
    System,
    /// The session bus of the calling user.
    Session,
    /// Any other, as a D-Bus address: another machine's through `unixexec:path=ssh,…`.
    At(String),
}

/// All folders of an installation; `root` is `/` but for tests and `--root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    root: PathBuf,
    /// Whose service manager.
    pub scope: Scope,
    /// How to reach it.
    pub bus: BusAddress,
}

impl Place {
    /// This machine, system-wide.
    pub fn system() -> Place {
        Place::under(Path::new("/"))
    }

    /// The same layout below another folder.
    pub fn under(root: &Path) -> Place {
        Place { root: root.to_owned(), scope: Scope::System, bus: BusAddress::System }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// `/etc/ci`
    pub fn config(&self) -> PathBuf {
        self.at("etc/ci")
    }
    /// `/etc/ci/ci.toml`
    pub fn site_file(&self) -> PathBuf {
        self.at("etc/ci/ci.toml")
    }
    /// `/etc/ci/projects.d`
    pub fn projects(&self) -> PathBuf {
        self.at("etc/ci/projects.d")
    }
    /// `/etc/ci/projects.d/gkp.toml`
    pub fn project_file(&self, project: &ProjectName) -> PathBuf {
        self.projects().join(format!("{project}.toml"))
    }
    /// `/etc/ci/credentials`, readable by root alone.
    pub fn credentials(&self) -> PathBuf {
        self.at("etc/ci/credentials")
    }
    /// `/etc/ci/credentials/pypi-token`: a secret as it is.
    pub fn secret(&self, name: &SecretName) -> PathBuf {
        self.credentials().join(name.as_str())
    }
    /// `/etc/ci/credentials/pypi-token.cred`: a secret as systemd-creds(1) encrypts it.
    pub fn encrypted_secret(&self, name: &SecretName) -> PathBuf {
        self.credentials().join(format!("{name}{ENCRYPTED}"))
    }
    /// That a secret is not there, and how it is made.
    pub fn missing_secret(&self, name: &SecretName) -> String {
        let (plain, encrypted) = (self.secret(name), self.encrypted_secret(name));
        format!(
            "the secret {name} is missing; make it: install -m 0600 /dev/stdin {}; or encrypted: \
             systemd-creds encrypt --name={name} - {}",
            plain.display(),
            encrypted.display()
        )
    }
    /// `/etc/ci/known_hosts`, for ssh.
    pub fn known_hosts(&self) -> PathBuf {
        self.at("etc/ci/known_hosts")
    }
    /// `/var/lib/ci/store`
    pub fn store(&self) -> PathBuf {
        self.at("var/lib/ci/store")
    }
    /// `/var/lib/ci/store/ci.sqlite`
    pub fn store_file(&self) -> PathBuf {
        self.at("var/lib/ci/store/ci.sqlite")
    }
    /// `/var/lib/ci/builds`
    pub fn builds(&self) -> PathBuf {
        self.at("var/lib/ci/builds")
    }
    /// `/var/lib/ci/builds/gkp/42`
    pub fn build(&self, build: &BuildId) -> PathBuf {
        self.builds().join(build.project.as_str()).join(build.number.to_string())
    }
    /// A step's log without its endings: `/var/lib/ci/builds/gkp/42/2`
    pub fn step_log(&self, build: &BuildId, step: StepIndex) -> PathBuf {
        self.build(build).join(step.to_string())
    }
    /// The artifacts that were collected after a step, one after the other: `/var/lib/ci/builds/gkp/42/2.artifacts`
    pub fn artifacts(&self, build: &BuildId, step: StepIndex) -> PathBuf {
        self.build(build).join(format!("{step}.artifacts"))
    }
    /// A deploy's log without its endings, with those of the build: `/var/lib/ci/builds/gkp/42/deploy-7`
    pub fn deploy_log(&self, build: &BuildId, deploy: DeployId) -> PathBuf {
        self.build(build).join(format!("deploy-{deploy}"))
    }
    /// `/var/lib/ci/git/gkp.git`, written by the project's git user alone.
    pub fn mirror(&self, project: &ProjectName) -> PathBuf {
        self.at("var/lib/ci/git").join(format!("{project}.git"))
    }
    /// `/var/cache/ci`: a folder for each [`Room`](super::Room).
    pub fn rooms(&self) -> PathBuf {
        self.at("var/cache/ci")
    }
    /// `/sys/fs/cgroup`
    pub fn control_groups(&self) -> PathBuf {
        self.at("sys/fs/cgroup")
    }
    /// `/proc/pressure/memory`: what waits for memory (PSI).
    pub fn memory_pressure(&self) -> PathBuf {
        self.at("proc/pressure/memory")
    }
    /// `/proc/meminfo`
    pub fn memory_info(&self) -> PathBuf {
        self.at("proc/meminfo")
    }
    /// `/run/ci/wake`
    pub fn wakes(&self) -> PathBuf {
        self.at("run/ci/wake")
    }
    /// `/run/ci/request.sock`: people and hooks ask here.
    pub fn request_socket(&self) -> PathBuf {
        self.at("run/ci/request.sock")
    }
    /// `/run/ci/launch.sock`: the core alone asks here.
    pub fn launch_socket(&self) -> PathBuf {
        self.at("run/ci/launch.sock")
    }
}
