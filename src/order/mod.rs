//! Orders: the wire between the core and `ci-launch`.
//!
//! `/run/ci/launch.sock` is a sequential-packet socket: one packet is one [`Order`] in JSON with its descriptors, one
//! packet back is one [`Reply`]. A connection may give many orders, one after the other.
//!
//! A caller says *which* step, worker or service of *which* project; user, sandbox, limits, credentials and what may be
//! restarted are `ci-launch`'s to read from `/etc/ci`.

mod client;
mod wire;

pub use client::{Given, OrderError, Orders};
pub use wire::{ORDER_MAX, WireError, receive, send};

use crate::config::project::{Network, Run};
use crate::model::{
    BuildId, DeployId, ProjectName, ReleaseName, SecretName, ServiceAction, Slot, StepIndex, StepName, TargetId,
    TargetName, Trust,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What `ci-launch` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order")]
pub enum Order {
    /// Make the project's users and folders, if they are not there.
    Prepare {
        /// Whose.
        project: ProjectName,
    },
    /// Start a build's supervisor; answered when systemd has queued it.
    Supervise {
        /// Which build.
        build: BuildId,
    },
    /// Stop a build's supervisor; answered when systemd has queued it.
    StopSupervisor {
        /// Which build.
        build: BuildId,
    },
    /// Have the queue looked at again in a while; answered when systemd has queued it.
    LookAgain,
    /// Start the deploys to a target; answered when systemd has queued it.
    Deploy {
        /// Which.
        target: TargetId,
    },
    /// Have all targets looked at again at a moment, instead of at the one that was said before; answered when the
    /// timer runs.
    DeployAgain {
        /// When; whole seconds.
        at: Timestamp,
    },
    /// Start a step; one descriptor: its output.
    Step(StepOrder),
    /// Stop a step with its whole control group, and let its unit go; answered when nothing of it is left.
    StopStep {
        /// Of which build.
        build: BuildId,
        /// Which step.
        step: StepIndex,
    },
    /// Start a worker; three descriptors: task, answer, messages.
    Work {
        /// For which project.
        project: ProjectName,
        /// As what.
        work: Work,
        /// Tells two of one kind apart, as part of the unit's name: `[a-z0-9-]`.
        job: String,
        /// The worker's own time limit; the unit's lies above it.
        timeout: Duration,
    },
    /// Stop a worker.
    StopWork {
        /// For which project.
        project: ProjectName,
        /// As what it runs.
        work: Work,
        /// Which.
        job: String,
    },
    /// Run one of a target's commands in a release; one descriptor: its output.
    Command {
        /// On which target.
        target: TargetId,
        /// Of which deploy.
        deploy: DeployId,
        /// Of which list.
        stage: Stage,
        /// Which line of it, from 0.
        line: usize,
        /// In which release.
        release: ReleaseName,
        /// What the command is told, above `[deploy] env`.
        env: BTreeMap<String, String>,
    },
    /// Stop a deploy command and let its unit go.
    StopCommand {
        /// Whose.
        project: ProjectName,
        /// Of which deploy.
        deploy: DeployId,
    },
    /// Do with a unit what the project's file says for a target; answered when the job has ended.
    Service {
        /// For which.
        target: TargetId,
        /// What with it.
        action: ServiceAction,
        /// Which.
        unit: String,
    },
}

/// A step to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOrder {
    /// Of which build.
    pub build: BuildId,
    /// Which.
    pub step: StepIndex,
    /// Its name, for the unit's description and the journal.
    pub name: StepName,
    /// Whose commit it runs.
    pub trust: Trust,
    /// What it runs.
    pub run: Run,
    /// Whether its output is a terminal.
    #[serde(default)]
    pub pty: bool,
    /// The secrets that it was to get when its build began; what its project's file does not give it is refused.
    #[serde(default)]
    pub secrets: Vec<SecretName>,
    /// Below the workspace.
    pub workdir: PathBuf,
    /// Its environment, but for what `ci-launch` fixes: PATH, HOME, LANG and the like.
    pub env: BTreeMap<String, String>,
    /// After how long systemd stops it.
    pub timeout: Duration,
    /// No more of the network than this, whatever the configuration says by now.
    #[serde(default)]
    pub network: Option<Network>,
    /// No more memory than this, in bytes, likewise.
    #[serde(default)]
    pub memory: Option<u64>,
    /// In which of the project's workspaces.
    #[serde(default)]
    pub slot: Slot,
    /// When the machine goes down.
    pub shutdown: Shutdown,
    /// What it is asked for beyond that when it is a service of the build, beside its steps.
    #[serde(default)]
    pub service: Option<ServiceOrder>,
    /// The service of the same build whose network it shares, where the configuration gives both one of their own.
    #[serde(default)]
    pub beside: Option<StepIndex>,
}

/// A service to start; answered when it is about to be ready, not when it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOrder {
    /// A text for `sh -e`, run until it exits with 0; none is ready at once.
    pub ready: Option<String>,
    /// How long that may take; then the service has failed.
    pub ready_timeout: Duration,
}

/// In which order a step and its supervisor stop when the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shutdown {
    /// The supervisor first, so that it does not take the end of the machine for the end of the step.
    SupervisorFirst,
    /// As it comes: the supervisor is being stopped already, and systemd would start no unit that is ordered before
    /// one with a stop job (systemd.unit(5), `Before=`).
    Any,
}

/// As what a worker runs: decides user, sandbox, network and credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Lists a remote's refs: the git user, network, credential.
    Refs,
    /// Fetches into the mirror: the git user, network, credential.
    Fetch,
    /// Packs the mirror: the git user, nothing else.
    Tidy,
    /// Fills a workspace: the user of the room, no network.
    Checkout {
        /// For whose commit.
        trust: Trust,
    },
    /// Tells its caller what the project's secrets are, to be masked: nobody known, no network.
    Secrets,
    /// The same for those that the deploy's commands are given.
    DeploySecrets {
        /// Of which target.
        target: TargetName,
    },
    /// Reads what a step left in the workspace, and can change none of it: the user of the room, no network.
    Results {
        /// For whose commit.
        trust: Trust,
        /// In which of the room's workspaces.
        #[serde(default)]
        slot: Slot,
    },
    /// Empties what is kept from build to build: the user of the room, no network.
    Cache {
        /// For whose commits.
        trust: Trust,
    },
    /// Works on a deploy target: its user, no network.
    Release {
        /// Which of the project's.
        target: TargetName,
    },
    /// Tells where the main processes of a target's services run: nobody known, who may look at any process, no network.
    Processes {
        /// Which of the project's.
        target: TargetName,
    },
    /// Asks a site how it is: nobody, network.
    Health,
    /// Hands a mail to sendmail.
    Mail,
}

/// The lists of commands in `[deploy]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// `prepare`
    Prepare,
    /// `migrate`
    Migrate,
    /// The commands of `[[deploy.check]]`, by the line of all checks.
    Check,
    /// `finish`
    Finish,
}

/// What `ci-launch` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply")]
pub enum Reply {
    /// It is done.
    Done,
    /// A unit of this name exists already: whoever asked before was heard.
    Exists,
    /// systemd took the job and it ended otherwise than well: `failed`, `timeout`, `dependency` …
    Job {
        /// systemd's word.
        result: String,
        /// What is to be said of it.
        message: String,
    },
    /// It will not be done: not configured, not allowed.
    Refused {
        /// Why, and what to do.
        message: String,
    },
    /// It could not be done now.
    Failed {
        /// Why.
        message: String,
    },
}
