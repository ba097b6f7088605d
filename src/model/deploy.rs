//! A deploy: one release made live on one target, or taken back.

use super::id::{BuildId, BuildNumber, CommitId, DeployId, TargetId};
use super::name::{ProjectName, TargetName};
use super::release::ReleaseName;
use super::verdict::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What made a deploy happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum DeployOrigin {
    /// A green build of the deploy branch.
    Green,
    /// A person said `ci-deploy PROJECT[:N]`.
    Person {
        /// The user's name.
        name: String,
        /// What the build had come to, if it is not green and goes live all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        red: Option<Verdict>,
    },
    /// A person said `ci-deploy --rollback PROJECT`.
    Rollback {
        /// The user's name.
        name: String,
    },
}

impl DeployOrigin {
    /// Who or what made it happen, for `revisions.log`, the journal and people.
    pub fn describe(&self) -> String {
        match self {
            DeployOrigin::Green => "green build".to_owned(),
            DeployOrigin::Person { name, red: None } => format!("asked for by {name}"),
            DeployOrigin::Person { name, red: Some(verdict) } => {
                format!("asked for by {name}, although the build is not green ({verdict})")
            }
            DeployOrigin::Rollback { name } => format!("rolled back by {name}"),
        }
    }

    /// The user's name, if it was a person.
    pub fn person(&self) -> Option<&str> {
        match self {
            DeployOrigin::Green => None,
            DeployOrigin::Person { name, .. } | DeployOrigin::Rollback { name } => Some(name),
        }
    }
}

/// One deploy in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// Its id.
    pub id: DeployId,
    /// Whose.
    pub project: ProjectName,
    /// To which of its targets.
    pub target: TargetName,
    /// The build that goes live.
    pub number: BuildNumber,
    /// Its commit.
    pub commit: CommitId,
    /// What made it happen.
    pub origin: DeployOrigin,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
    /// When it was queued.
    pub created: Timestamp,
    /// The release that was live before the switch, once known.
    pub previous: Option<ReleaseName>,
    /// Where it stands.
    pub state: DeployState,
}

impl Deploy {
    /// The folder it makes or made.
    pub fn release(&self) -> ReleaseName {
        ReleaseName::new(self.number, &self.commit)
    }

    /// Where it goes.
    pub fn target_id(&self) -> TargetId {
        TargetId { project: self.project.clone(), target: self.target.clone() }
    }

    /// `gkp:42`, or `gkp:42 to demo` where the target has a name: what people read.
    pub fn describe(&self) -> String {
        let build = self.build();
        if self.target.is_default() { build.to_string() } else { format!("{build} to {}", self.target) }
    }

    /// Who or what made it happen, and why.
    pub fn why(&self) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{}{reason}", self.origin.describe())
    }

    /// The build that it makes live.
    pub fn build(&self) -> BuildId {
        BuildId { project: self.project.clone(), number: self.number }
    }
}

/// Where a deploy stands. A phase is written before its work begins, and all work can be done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployState {
    /// In the queue.
    Waiting,
    /// Under way.
    Running {
        /// Since when.
        started: Timestamp,
        /// What it is doing, or was when it was killed.
        phase: Phase,
    },
    /// Over.
    Finished {
        /// Since when it ran; none if it was skipped.
        started: Option<Timestamp>,
        /// Until when.
        finished: Timestamp,
        /// What became of it.
        outcome: Outcome,
        /// One line: what went wrong, or empty.
        summary: String,
    },
}

/// The steps of a deploy, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Making the release folder; running `prepare`.
    Prepare,
    /// Running `migrate`.
    Migrate,
    /// Renaming `current`.
    Switch,
    /// Restarting and reloading.
    Services,
    /// Asking whether it is well.
    Checks,
    /// Running `finish`, removing old releases.
    Finish,
    /// Going back to the release before.
    Undo,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Phase; 7] =
        [Phase::Prepare, Phase::Migrate, Phase::Switch, Phase::Services, Phase::Checks, Phase::Finish, Phase::Undo];

    /// The word for it in store, JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Prepare => "prepare",
            Phase::Migrate => "migrate",
            Phase::Switch => "switch",
            Phase::Services => "services",
            Phase::Checks => "checks",
            Phase::Finish => "finish",
            Phase::Undo => "undo",
        }
    }
}

/// What became of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The release is live.
    Deployed,
    /// It failed before the switch; what was live still is.
    Failed,
    /// It failed after the switch; the release before is live again.
    RolledBack,
    /// It failed, and the old version does not run either.
    Down,
    /// It came too late to make sense: something newer was live, or somebody had rolled back from its commit.
    Superseded,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 5] =
        [Outcome::Deployed, Outcome::Failed, Outcome::RolledBack, Outcome::Down, Outcome::Superseded];

    /// The word for it in store and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Deployed => "deployed",
            Outcome::Failed => "failed",
            Outcome::RolledBack => "rolled-back",
            Outcome::Down => "down",
            Outcome::Superseded => "superseded",
        }
    }

    /// What people read.
    pub fn describe(self) -> &'static str {
        match self {
            Outcome::Deployed => "deployed",
            Outcome::Failed => "not deployed; what was live still is",
            Outcome::RolledBack => "rolled back",
            Outcome::Down => "failed, and the old version is down",
            Outcome::Superseded => "skipped",
        }
    }
}
