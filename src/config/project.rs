//! What one project's file says, merged with `[defaults]` and its template, checked.

pub use super::allow::Allow;
use super::limits::{CpuQuota, OwnLimits};
use super::order::Rules;
use super::pattern::{Files, Pattern};
use super::probe::Check;
pub use super::source::{BranchPattern, BuildOutside, Mode, Shape, Source, Url};
use super::wanted::WantedFiles;
use crate::model::build::StepWords;
use crate::model::{ProjectName, RefName, SecretName, ServiceAction, StepName, TargetName, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// One project, ready to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The file's name without `.toml`.
    pub name: ProjectName,
    /// `description`: one line for page and list.
    pub description: Option<String>,
    /// `pipeline`
    pub pipeline: StepsFrom,
    /// `[source]`
    pub source: Source,
    /// `[build]`
    pub build: Build,
    /// `[[step]]`, in order; a project without steps only checks out (and deploys). Empty where the commit says them.
    pub steps: Vec<Step>,
    /// `[[service]]`, in order.
    pub services: Vec<Service>,
    /// `[deploy]` or `[[deploy]]`: its targets, in order.
    pub targets: Vec<Deploy>,
    /// `[notify]`
    pub notify: Notify,
    /// `priority`, `max-builds` and `[[lock]]`
    pub rules: Rules,
}

impl Project {
    /// What a step or service of this name is given; one that the file does not know has what the build offers.
    pub fn secrets_of(&self, step: &StepName) -> &[SecretName] {
        if let Some(service) = self.services.iter().find(|known| known.name == *step) {
            return &service.secrets;
        }
        let known = self.steps.iter().find(|known| known.name == *step);
        known.and_then(|step| step.secrets.as_deref()).unwrap_or(&self.build.secrets)
    }

    /// The target of this name.
    pub fn target(&self, name: &TargetName) -> Option<&Deploy> {
        self.targets.iter().find(|target| target.name == *name)
    }

    /// All that any step or service is given.
    pub fn secrets(&self) -> BTreeSet<&SecretName> {
        let steps = self.steps.iter().filter_map(|step| step.secrets.as_ref()).flatten();
        let services = self.services.iter().flat_map(|service| &service.secrets);
        self.build.secrets.iter().chain(steps).chain(services).collect()
    }
}

/// Who says what a build runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepsFrom {
    /// The project's file.
    Project,
    /// `.ci.toml` in the commit: see [`super::pipeline`].
    Repository,
}

/// Limits and surroundings of all steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// `timeout` of the whole build; default 1 h.
    pub timeout: Duration,
    /// `stop-grace`: from SIGTERM to SIGKILL; default 10 s.
    pub stop_grace: Duration,
    /// `memory`: `MemoryMax=` of a step, in bytes; none is what `ci.slice` leaves.
    pub memory: Option<u64>,
    /// `tasks`: `TasksMax=` of a step; default 4096.
    pub tasks: u64,
    /// `cpu`: `CPUQuota=` of a step; none is no quota.
    pub cpu: Option<CpuQuota>,
    /// `cpu-weight`: `CPUWeight=` of the project's slice, against the slices of other projects; 1 to 10000, systemd's
    /// default is 100.
    pub cpu_weight: Option<u64>,
    /// `disk`: most bytes that a step may write; none is no limit.
    pub disk: Option<u64>,
    /// `network`
    pub network: Network,
    /// `outside-network`: what builds of refs from outside reach at most; default nothing.
    pub outside_network: Network,
    /// `allow`: walls that steps do without.
    pub allow: Vec<Allow>,
    /// `env`: added to the environment of every step.
    pub env: BTreeMap<String, String>,
    /// `secrets`: what the steps get that do not say themselves.
    pub secrets: Vec<SecretName>,
    /// `log-max`: most bytes one step may print, then it is stopped; default 2 GiB.
    pub log_max: u64,
    /// `artifacts-folder`: whether what steps put into `$CI_ARTIFACTS` is kept; looking costs each build a worker.
    pub artifacts_folder: bool,
    /// `artifacts-max`: most bytes of all artifacts of a build; default 1 GiB.
    pub artifacts_max: u64,
    /// `cache-max`: most bytes that `$HOME` and `$CI_CACHE` keep from build to build; default 10 GiB, none is no limit.
    pub cache_max: Option<u64>,
    /// `journal-lines`: how many of a step's first lines go to the journal (default 2000), and of its last (500).
    pub journal_lines: (u32, u32),
}

/// What of the network a step reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// What the machine reaches.
    Host,
    /// A loopback of its own and nothing else.
    None,
}

impl Network {
    /// The one of two that reaches less.
    #[must_use]
    pub fn narrower(self, other: Network) -> Network {
        match (self, other) {
            (Network::Host, Network::Host) => Network::Host,
            (Network::None, _) | (_, Network::None) => Network::None,
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `name`, unique in its project.
    pub name: StepName,
    /// `description` and `done`
    pub words: StepWords,
    /// `run`
    pub run: Run,
    /// `pty`: its output is a terminal.
    pub pty: bool,
    /// `timeout` of this step; default the build's.
    pub timeout: Option<Duration>,
    /// `no-output`: longest silence; default 20 min as in Buildbot; zero is no limit.
    pub no_output: Duration,
    /// `network`; none is the build's.
    pub network: Option<Network>,
    /// `allow`: instead of the build's.
    pub allow: Option<Vec<Allow>>,
    /// `on-failure`
    pub on_failure: OnFailure,
    /// `decode`: what exit codes mean that say more than "failed"; verdicts are skipped, success, warnings, failure.
    pub decode: BTreeMap<u8, Verdict>,
    /// `when`
    pub when: When,
    /// `branches`, `refs` and `files`
    pub only: Only,
    /// `retry`
    pub retry: Option<Retry>,
    /// `env`: over the build's.
    pub env: BTreeMap<String, String>,
    /// `secrets`: exactly these; none is the build's.
    pub secrets: Option<Vec<SecretName>>,
    /// `workdir`: below the workspace, normalized, never out of it; empty is the workspace.
    pub workdir: PathBuf,
    /// `artifacts`: files that are kept when it is green.
    pub artifacts: Vec<WantedFiles>,
    /// `tasks`, `cpu` and `disk` of this step, each over the build's.
    pub limits: OwnLimits,
    /// `junit`: its reports.
    pub junit: Vec<WantedFiles>,
}

/// How often a failing step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// `times`: after the first attempt; 1 to 10.
    pub times: u32,
    /// `delay`: from the end of one to the next; default none.
    pub delay: Duration,
}

/// A database, broker or the like beside the steps of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `name`, unique among steps and services.
    pub name: StepName,
    /// `run`: stays in the foreground.
    pub run: Run,
    /// `ready`: a text for `sh -e`, run until it exits with 0; none is ready as soon as it runs.
    pub ready: Option<String>,
    /// `ready-timeout`: how long that may take; default 60 s.
    pub ready_timeout: Duration,
    /// `env`: over the build's.
    pub env: BTreeMap<String, String>,
    /// `secrets`: exactly these.
    pub secrets: Vec<SecretName>,
    /// `memory`, `tasks` and `cpu` of this service, each over the build's.
    pub limits: OwnLimits,
}

/// What a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// One text for a shell.
    Text {
        /// The text.
        text: String,
        /// `shell`
        shell: Shell,
    },
    /// A text that starts with `#!`: run by the interpreter that it names.
    Script(String),
    /// Command lines, one after the other in one shell, each echoed with `+`.
    Lines {
        /// The lines.
        lines: Vec<String>,
        /// `shell`
        shell: Shell,
    },
}

/// The shell of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shell {
    /// `sh -e`
    Sh,
    /// `bash -eo pipefail`
    Bash,
}

/// What a failing step does to its build (Buildbot's `haltOnFailure`, `warnOnFailure`, `flunkOnFailure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It fails the build and ends it.
    Halt,
    /// It fails the build, which goes on.
    Continue,
    /// It counts as warnings.
    Warn,
    /// It counts as success.
    Ignore,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// As long as nothing has ended the build.
    Success,
    /// Only after a failure.
    Failure,
    /// Always, after a halting failure and a stop too.
    Always,
    /// As `Success`, if one of its files has changed since the last green build of the same ref.
    Changed,
}

/// Where a step runs at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Only {
    /// `branches`: patterns of branch names.
    pub branches: Vec<Pattern>,
    /// `refs`: patterns of whole ref names. Without these and branches it runs on all refs.
    pub refs: Vec<Pattern>,
    /// `files`: one of them must have changed since the last green build of the same ref.
    pub files: Files,
}

/// Where a green build goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// `name`, unique among the project's targets.
    pub name: TargetName,
    /// `branch`: whose green builds go there; none is the remote's HEAD.
    pub branch: Option<RefName>,
    /// `automatic`: they go by themselves, not only when a person says so.
    pub automatic: bool,
    /// `root`: the folder that holds `releases`, `shared` and `current`; absolute.
    pub root: PathBuf,
    /// `user`: who owns it; never root.
    pub user: String,
    /// `site`: where clients look at it; linked on the page.
    pub site: Option<String>,
    /// `keep-releases`; default 5, at least 2.
    pub keep_releases: u32,
    /// `shared`: paths inside a release that link into `shared/`; relative, normalized.
    pub shared: Vec<PathBuf>,
    /// `artifacts`: those of the build that are put into the release, at the same paths.
    pub artifacts: Vec<WantedFiles>,
    /// `env` of `prepare`, `migrate` and `finish`.
    pub env: BTreeMap<String, String>,
    /// `secrets` of the same.
    pub secrets: Vec<SecretName>,
    /// `prepare`: command lines run in the new release before the switch.
    pub prepare: Vec<String>,
    /// `migrate`: the same, after `prepare`.
    pub migrate: Vec<String>,
    /// `finish`: the same, after the checks; a failure here is a warning.
    pub finish: Vec<String>,
    /// `timeout` of each of those three; default 10 min.
    pub timeout: Duration,
    /// `restart`: units restarted after the switch, in order; full names such as `gkp.service`.
    pub restart: Vec<String>,
    /// `try-restart`: the same after those, but for units that somebody has stopped.
    pub try_restart: Vec<String>,
    /// `start`: units started after those, if they do not run.
    pub start: Vec<String>,
    /// `reload`: units reloaded after those.
    pub reload: Vec<String>,
    /// `settle`: how long they must stay up; default 2 s.
    pub settle: Duration,
    /// `[deploy.health]`, then `[[deploy.check]]`, in order.
    pub checks: Vec<Check>,
}

impl Deploy {
    /// The units and what is done with each, in the order in which it is done: what runs the release first, what serves
    /// it to the world last.
    pub fn services(&self) -> impl Iterator<Item = (ServiceAction, &str)> {
        let lists = [
            (ServiceAction::Restart, &self.restart),
            (ServiceAction::TryRestart, &self.try_restart),
            (ServiceAction::Start, &self.start),
            (ServiceAction::Reload, &self.reload),
        ];
        lists.into_iter().flat_map(|(action, units)| units.iter().map(move |unit| (action, unit.as_str())))
    }
}

/// Whom to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// `on`
    pub on: NotifyOn,
    /// `mail`: addresses.
    pub mail: Vec<String>,
}

/// When to tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// When a branch turns red or green again.
    Change,
    /// After every red build, and when it is green again.
    Failure,
    /// After every build.
    Always,
}
