//! Tasks around git: refs, fetch, checkout.

use crate::config::pattern::Pattern;
use crate::config::project::Url;
use crate::git::{Commit, History, Resolve, Resolved};
use crate::model::{CommitId, RefName, Slot, Trust};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Most refs that one fetch is asked about.
pub const REFS_ASKED: usize = 1000;
/// Most commits that one fetch tells over all refs; every changed ref has its newest in any case.
pub const COMMITS_TOLD: usize = 800;

/// A remote and how to reach it; the paths are as the worker sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Where it is.
    pub url: Url,
    /// The credential's file.
    pub credential: Option<PathBuf>,
    /// The servers that ssh knows; none means that no server is known.
    pub known_hosts: Option<PathBuf>,
}

/// List a remote's branches and tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefsTask {
    /// Of which remote.
    pub remote: Remote,
    /// Whole names of refs to list beside branches and tags.
    #[serde(default)]
    pub outside: Vec<Pattern>,
    /// For how long at most.
    pub timeout: Duration,
}

/// Bring a mirror up to date with its remote: all branches and tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchTask {
    /// From which remote.
    pub remote: Remote,
    /// The mirror's folder, which exists; its content is made on first use.
    pub mirror: PathBuf,
    /// Refs to say what is new of; at most [`REFS_ASKED`].
    pub refs: Vec<AskedRef>,
    /// A ref from outside whose objects are needed as well.
    #[serde(default)]
    pub outside: Option<RefName>,
    /// What a person asked for.
    pub resolve: Option<Resolve>,
    /// For how long at most.
    pub timeout: Duration,
}

/// A ref whose news are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRef {
    /// Which ref.
    pub name: RefName,
    /// Where it was last seen.
    pub old: Option<CommitId>,
}

/// What a fetch found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchAnswer {
    /// As asked, in that order.
    pub refs: Vec<FetchedRef>,
    /// As asked.
    pub resolved: Option<Resolved>,
}

/// The news of one ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedRef {
    /// Which ref.
    pub name: RefName,
    /// Where it is now, and what came; none when it is gone.
    pub now: Option<(CommitId, History)>,
}

/// Pack a mirror when it is time; for ci-clean, since it may take minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TidyTask {
    /// The mirror's remote; it is not asked.
    pub remote: Remote,
    /// The mirror.
    pub mirror: PathBuf,
    /// For how long at most.
    pub timeout: Duration,
}

/// Fill a workspace with exactly one commit, whatever an earlier build left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutTask {
    /// The mirror, which may be read-only and somebody else's.
    pub mirror: PathBuf,
    /// Which commit.
    pub commit: CommitId,
    /// Whose commit it is: a stranger finds nothing of what the one before has left.
    pub trust: Trust,
    /// The room's folder. In it `workspace` is filled, `tmp` emptied, `home` and `cache` made if missing.
    pub folder: PathBuf,
    /// Which `workspace` and `tmp` of it, where builds run at once.
    #[serde(default)]
    pub slot: Slot,
    /// Which paths have changed since this commit is wanted too.
    #[serde(default)]
    pub since: Option<CommitId>,
    /// For how long at most.
    pub timeout: Duration,
}

/// What a workspace was filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutAnswer {
    /// Files and symbolic links.
    pub files: u32,
    /// Whose tree it is.
    pub commit: Commit,
    /// Where it differs from the commit that was asked about; none if that is not there, or it is in too many places.
    #[serde(default)]
    pub changed: Option<Vec<String>>,
}
