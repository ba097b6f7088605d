//! A request: somebody or something wants a build.

use super::id::{BuildNumber, CommitId, RefName, RequestId};
use super::name::{ProjectName, StepName};
use super::unit::Trust;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a request wants built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Target {
    /// Exactly this commit, which a poll saw on the ref.
    Commit {
        /// The commit.
        commit: CommitId,
    },
    /// Whatever the ref's tip is when the build fetches.
    Tip,
    /// A revision in a person's words: a tag, a full or abbreviated commit.
    Revision {
        /// The words.
        revision: String,
    },
}

/// Who wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Origin {
    /// A poll saw new commits.
    Poll,
    /// A person, by the name of their Unix user, asked for the tip or a revision.
    Person {
        /// The user's name.
        name: String,
    },
    /// A person said `--force`: fetch now, skip filters and stable timer, go first.
    Force {
        /// The user's name.
        name: String,
    },
    /// The machine went down under the build before; queued again, once.
    Again {
        /// That build.
        build: BuildNumber,
    },
    /// A person wants a build done again: its commit, ref and trust.
    Retry {
        /// The user's name.
        name: String,
        /// That build.
        build: BuildNumber,
        /// The first step that runs; the steps before it are taken over. None is all of them.
        from: Option<StepName>,
    },
}

impl Request {
    /// What it waits for besides its turn, if that is a person.
    pub fn wants(&self) -> Option<String> {
        let Approval::Needed = self.approval else { return None };
        Some(format!("waits for approval: ci-build --approve {}:{}", self.ask.project, self.id))
    }
}

impl Origin {
    /// Whether it goes to the front of the queue.
    pub fn goes_first(&self) -> bool {
        match self {
            Origin::Force { .. } => true,
            Origin::Poll | Origin::Person { .. } | Origin::Again { .. } | Origin::Retry { .. } => false,
        }
    }

    /// The person behind it, if there is one.
    pub fn person(&self) -> Option<&str> {
        match self {
            Origin::Person { name } | Origin::Force { name } | Origin::Retry { name, .. } => Some(name),
            Origin::Poll | Origin::Again { .. } => None,
        }
    }

    /// Why a build ran, in words for page and journal.
    pub fn describe(&self) -> String {
        match self {
            Origin::Poll => "new commits".to_owned(),
            Origin::Person { name } => format!("asked for by {name}"),
            Origin::Force { name } => format!("forced by {name}"),
            Origin::Again { build } => format!("again, because the machine went down during build {build}"),
            Origin::Retry { name, build, from: None } => format!("build {build} once more, asked for by {name}"),
            Origin::Retry { name, build, from: Some(step) } => {
                format!("build {build} once more from step {step} on, asked for by {name}")
            }
        }
    }
}

/// One commit that a request or build brings, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The commit.
    pub commit: CommitId,
    /// The author's name.
    pub author: String,
    /// The author's mail address.
    pub email: String,
    /// When it was authored.
    pub time: Timestamp,
    /// The message's first line.
    pub subject: String,
}

/// A request before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// Whose build.
    pub project: ProjectName,
    /// Which ref; none is the remote's HEAD, not known yet, or a bare revision.
    pub reference: Option<RefName>,
    /// What of it.
    pub target: Target,
    /// Who wants it.
    pub origin: Origin,
    /// Whether the ref is the team's.
    pub trust: Trust,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
    /// The commits it brings, newest first; bounded by whoever found them.
    pub changes: Vec<Change>,
    /// Do not start before this: the stable timer.
    pub not_before: Option<Timestamp>,
    /// Chosen by the client; the same token again is the same request.
    pub token: Option<String>,
}

/// Whether a person has to agree before a request becomes a build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "approval")]
pub enum Approval {
    /// Nobody has to.
    #[default]
    NotNeeded,
    /// Somebody has to, and nobody has yet.
    Needed,
    /// Somebody has, for this very commit.
    Given {
        /// Who.
        by: String,
    },
}

impl Approval {
    /// Whether nothing stands in the way.
    pub fn is_there(&self) -> bool {
        match self {
            Approval::NotNeeded | Approval::Given { .. } => true,
            Approval::Needed => false,
        }
    }
}

/// A request in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// What was asked.
    pub ask: NewRequest,
    /// Whether it may become a build.
    pub approval: Approval,
    /// When.
    pub created: Timestamp,
    /// When the first of those it replaced was made: what `stable-max` counts from.
    pub first: Timestamp,
    /// Where it stands.
    pub state: RequestState,
}

/// Where a request stands; each state is one value of the row's `state` column and the ones it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestState {
    /// In the queue.
    Waiting,
    /// It became a build, in the same transaction.
    Started(BuildNumber),
    /// A newer request for the same ref took its place and its commits.
    Replaced(RequestId),
    /// It will not be built, and why.
    Dropped(String),
}
