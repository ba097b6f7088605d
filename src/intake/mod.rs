//! The intake: the socket on which people and hooks ask, `/run/ci/request.sock`.
//!
//! One connection is one question: a line of JSON ([`Ask`]) there, a line of JSON ([`Answer`]) back, given only after
//! the commit. Who asks is the uid that the kernel tells (`SO_PEERCRED`), never a word in the question.

mod client;
mod server;

pub use client::{AskError, ask};
pub use server::{Peer, ServeError, serve};

use crate::model::deploy::DeployOrigin;
use crate::model::{
    BuildId, BuildNumber, CommitId, DeployId, ProjectName, RefName, ReleaseName, RequestId, StepName, TargetName,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest question or answer, in bytes.
pub const LINE_MAX: u64 = 64 * 1024;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", deny_unknown_fields)]
pub enum Ask {
    /// A build.
    Build(BuildAsk),
    /// A build that is over, once more.
    Retry(RetryAsk),
    /// Stop a build, or take what waits out of the queue.
    Stop {
        /// Whose.
        project: ProjectName,
        /// Which; none is all that is unfinished or waiting.
        number: Option<BuildNumber>,
        /// Why.
        reason: Option<String>,
    },
    /// Agree to the build of what waits for that.
    Approve {
        /// Whose.
        project: ProjectName,
        /// Which.
        which: Approved,
    },
    /// Look at repositories now.
    Poll {
        /// Whose.
        projects: Vec<ProjectName>,
    },
    /// Make a build live.
    Deploy {
        /// Whose.
        project: ProjectName,
        /// Which build; none is the newest green one of the target's branch.
        number: Option<BuildNumber>,
        /// Although it is not green; then it is named, and there is a reason.
        #[serde(default)]
        even_if_red: bool,
        /// Where to; none is the only one, or the one without a name.
        #[serde(default)]
        target: Option<TargetName>,
        /// Why.
        reason: Option<String>,
    },
    /// Have nothing new go live for a while.
    Freeze {
        /// Of which project.
        project: ProjectName,
        /// On which target; none is all of them.
        target: Option<TargetName>,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: Option<String>,
    },
    /// Let deploys go on before that moment.
    Thaw {
        /// Of which project.
        project: ProjectName,
        /// On which target; none is all of them.
        target: Option<TargetName>,
    },
    /// Say what a deploy or the way back would make live, and leave all as it is.
    Foresee {
        /// Whose.
        project: ProjectName,
        /// Where; none is the only one, or the one without a name.
        target: Option<TargetName>,
        /// Which.
        wish: DeployWish,
    },
    /// Make a release of what is in the place of `current`.
    Adopt {
        /// Whose.
        project: ProjectName,
        /// Where; none is the only one, or the one without a name.
        target: Option<TargetName>,
    },
    /// Empty HOME and cache of a project's builds.
    EmptyCache {
        /// Whose.
        project: ProjectName,
    },
    /// Go back to the release before.
    Rollback {
        /// Whose.
        project: ProjectName,
        /// Where; none is the only one, or the one without a name.
        #[serde(default)]
        target: Option<TargetName>,
        /// Why.
        reason: Option<String>,
    },
}

/// What a person may want of a deploy target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wish")]
pub enum DeployWish {
    /// As [`Ask::Deploy`].
    Deploy {
        /// Which build; none is the newest green one of the deploy branch.
        number: Option<BuildNumber>,
        /// Although it is not green.
        even_if_red: bool,
    },
    /// As [`Ask::Rollback`].
    Rollback,
}

/// What a person agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approved {
    /// This request, and so the commit that it is for.
    Request(RequestId),
    /// The request that waits for this ref.
    Ref(RefName),
}

/// The build that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildAsk {
    /// Whose.
    pub project: ProjectName,
    /// Of which ref; none is the remote's HEAD.
    pub reference: Option<RefName>,
    /// What of it.
    pub what: What,
    /// Why.
    pub reason: Option<String>,
    /// Chosen by the client at random: the same again is the same request.
    pub token: String,
    /// What becomes of a build of the same ref that runs.
    #[serde(default)]
    pub running: Running,
}

/// What becomes of a build of the same ref that runs, when another is forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Running {
    /// It runs to its end.
    #[default]
    RunsOn,
    /// It is stopped.
    Stops,
}

/// The build that is to be done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryAsk {
    /// Whose.
    pub project: ProjectName,
    /// Which.
    pub number: BuildNumber,
    /// From where on.
    pub from: RetryFrom,
    /// Why.
    pub reason: Option<String>,
    /// Chosen by the client at random: the same again is the same request.
    pub token: String,
}

/// From where on a build is done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum RetryFrom {
    /// All of it.
    Start,
    /// From the step that failed first.
    Failed,
    /// From this step.
    Step {
        /// Its name.
        step: StepName,
    },
}

/// What of a ref is to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum What {
    /// This commit, which a poll saw as the tip.
    Seen {
        /// The commit.
        commit: CommitId,
    },
    /// The tip at the moment of the build, first in the queue.
    Force,
    /// A tag or commit in a person's words, first in the queue.
    Revision {
        /// The words.
        revision: String,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// The request is in the store.
    Queued {
        /// Its id.
        request: RequestId,
        /// The builds that stop for it.
        #[serde(default)]
        stopping: Vec<BuildId>,
    },
    /// The wish to stop is in the store.
    Stopping {
        /// The builds that will stop.
        builds: Vec<BuildId>,
        /// The requests that will not be built.
        dropped: Vec<RequestId>,
    },
    /// Somebody's agreement is in the store.
    Approved {
        /// The request that it is for.
        request: RequestId,
        /// The ref, and the commit.
        what: String,
    },
    /// The look is in the store.
    Looking,
    /// The deploy is in the store.
    Deploying {
        /// Its id.
        deploy: DeployId,
        /// The build that it makes live.
        number: BuildNumber,
    },
    /// The freeze, or its end, is in the store.
    Held {
        /// For these targets.
        targets: Vec<TargetName>,
    },
    /// This is what would be made live.
    Foreseen {
        /// The build.
        number: BuildNumber,
        /// Its commit.
        commit: CommitId,
        /// What makes it happen.
        origin: DeployOrigin,
    },
    /// What was there is a release now.
    Adopted {
        /// Its name.
        release: ReleaseName,
        /// What of it has moved to where all releases share it.
        shared: Vec<PathBuf>,
    },
    /// HOME and cache are empty.
    Emptied {
        /// What they took on the disk, as far as it is removed.
        bytes: u64,
        /// Whether there was more than could be removed while somebody waits.
        more: bool,
    },
    /// No.
    Refused {
        /// Whose turn it is.
        refusal: Refusal,
        /// Why, and what to do.
        message: String,
    },
}

/// Why a question was refused: decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Not in the group `ci-users`.
    Stranger,
    /// Not understood.
    Garbage,
    /// No such project, build or ref; nothing to do.
    NoSuchThing,
    /// The project's configuration is broken.
    Configuration,
    /// Not now.
    TryAgain,
}
