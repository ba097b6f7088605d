//! A deploy: one release made live on one target, or taken back.

use super::id::{BuildNumber, CommitId, DeployId};
use super::name::ProjectName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A release's folder name, `42-3f2a91c`: build number and abbreviated commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName {
    number: BuildNumber,
    short: String,
}

/// A text that names no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a release's name; they look like 42-3f2a91c")]
pub struct ReleaseNameError(String);

impl ReleaseName {
    /// The release of a build.
    pub fn new(number: BuildNumber, commit: &CommitId) -> ReleaseName {
        ReleaseName { number, short: commit.short().to_owned() }
    }

    /// The build it was made from; releases are ordered by it, never by time.
    pub fn number(&self) -> BuildNumber {
        self.number
    }
}

impl FromStr for ReleaseName {
    type Err = ReleaseNameError;
    fn from_str(text: &str) -> Result<Self, ReleaseNameError> {
        let parsed = text.split_once('-').and_then(|(number, short)| {
            let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
            let hex = short.len() == 7 && short.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            (plain && hex).then_some(())?;
            Some(ReleaseName { number: BuildNumber(number.parse().ok()?), short: short.to_owned() })
        });
        parsed.ok_or_else(|| ReleaseNameError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.short)
    }
}

impl TryFrom<String> for ReleaseName {
    type Error = ReleaseNameError;
    fn try_from(text: String) -> Result<Self, ReleaseNameError> {
        text.parse()
    }
}

impl From<ReleaseName> for String {
    fn from(name: ReleaseName) -> String {
        name.to_string()
    }
}

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
    },
    /// A person said `ci-deploy --rollback PROJECT`.
    Rollback {
        /// The user's name.
        name: String,
    },
}

/// One deploy in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// Its id.
    pub id: DeployId,
    /// Whose.
    pub project: ProjectName,
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
    /// A newer build was live or queued already.
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
            Outcome::Superseded => "skipped, a newer build is live",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_named_by_build_and_commit() {
        let commit: CommitId = "3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3".parse().unwrap();
        let name = ReleaseName::new(BuildNumber(42), &commit);
        assert_eq!(name.to_string(), "42-3f2a91c");
        assert_eq!("42-3f2a91c".parse::<ReleaseName>().unwrap(), name);
        for bad in ["", "42", "42-", "042-3f2a91c", "42-3f2a91", "42-3F2A91C", "../x", "42-3f2a91c/..", "-1-3f2a91c"] {
            assert!(bad.parse::<ReleaseName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nine_comes_before_ten() {
        let name = |text: &str| text.parse::<ReleaseName>().unwrap();
        assert!(name("9-ffffff0") < name("10-0000000"));
    }
}
