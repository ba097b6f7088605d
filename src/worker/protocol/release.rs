//! Tasks in a deploy target: a folder with `releases/`, `shared/` and `current` (Capistrano's layout).

use crate::config::project::Shape;
use crate::model::artifact::{ArtifactPath, Sha256};
use crate::model::{BuildId, CommitId, Line, ReleaseName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Say what a deploy target lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseCheckTask {
    /// The target's folder.
    pub root: PathBuf,
    /// Paths that every release shares.
    pub shared: Vec<PathBuf>,
}

/// What it lacks, and what is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseCheckAnswer {
    /// Empty when a deploy can go ahead.
    pub missing: Vec<Missing>,
    /// The release that `current` names, if it is one of ours.
    pub current: Option<Release>,
}

impl ReleaseCheckAnswer {
    /// All that is missing, to be shown: the paths are the words of the target's user.
    pub fn missing(&self) -> Line {
        let all: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        Line::cut(&all.join("; "))
    }
}

/// One thing that stands in a deploy's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The folder itself is not there, or is no folder.
    Root(PathBuf),
    /// Its user may not write there.
    Writable(PathBuf),
    /// `releases` or `shared` is there and no folder.
    Folder(PathBuf),
    /// `current` is a real folder (or file), which a switch cannot replace.
    Current(PathBuf),
    /// A shared path that is not in `shared/` yet.
    Shared(PathBuf),
}

impl fmt::Display for Missing {
    /// What it is and the commands that mend it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Root(path) => write!(f, "{0} is no folder; make it: mkdir -p {0}", path.display()),
            Missing::Writable(path) => {
                write!(
                    f,
                    "{0} cannot be written by the deploy's user; give it to that user: chown USER: {0}",
                    path.display()
                )
            }
            Missing::Folder(path) => write!(f, "{} is not a folder; move it away", path.display()),
            Missing::Current(path) => {
                write!(f, "{} is real, not a link; ci-deploy --adopt PROJECT makes a folder a release", path.display())
            }
            Missing::Shared(path) => {
                write!(f, "{} is missing; put there what all releases share, or an empty folder", path.display())
            }
        }
    }
}

/// Make a release beside the current one, if the target lacks nothing; made again, it is the same. The artifacts follow
/// the task, each as a line of JSON ([`ArtifactHead`]) and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseMakeTask {
    /// The target's folder.
    pub root: PathBuf,
    /// The new release.
    pub name: ReleaseName,
    /// Its commit; of one that was there before unitci and says nothing of it, none.
    pub commit: CommitId,
    /// Where the commit is; may be read-only and somebody else's.
    pub mirror: PathBuf,
    /// What of the commit is wanted.
    pub shape: Shape,
    /// Paths of the release that become links into `shared/`; relative, without `..`.
    pub shared: Vec<PathBuf>,
    /// How many artifacts follow.
    pub artifacts: usize,
    /// For how long at most.
    pub timeout: Duration,
}

/// What precedes the bytes of an artifact that goes into a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactHead {
    /// Its path below the release.
    pub file: ArtifactPath,
    /// How many bytes follow.
    pub size: u64,
    /// What they must come to.
    pub sha256: Sha256,
    /// Whether it may be executed.
    pub executable: bool,
}

/// How the target is, and what came of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseMakeAnswer {
    /// As it was before.
    pub target: ReleaseCheckAnswer,
    /// None if the target lacks something.
    pub made: Option<Made>,
}

/// A release that is there now, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Made {
    /// It was made.
    Anew {
        /// Files and symbolic links of the commit.
        files: u32,
    },
    /// It was there from an earlier run.
    There,
}

/// Make a release of the real folder that is in the place of `current`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAdoptTask {
    /// The target's folder.
    pub root: PathBuf,
    /// What of it all releases are to share; relative, without `..`.
    pub shared: Vec<PathBuf>,
}

/// What was there is a release now, and the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAdoptAnswer {
    /// Its name, with the number 0.
    pub release: ReleaseName,
    /// What has moved to `shared` and is a link to it now.
    pub shared: Vec<PathBuf>,
}

/// Make a release the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSwitchTask {
    /// The target's folder.
    pub root: PathBuf,
    /// Which release.
    pub name: ReleaseName,
    /// For `revisions.log`: for which build.
    pub build: BuildId,
    /// For `revisions.log`: who or what wanted it.
    pub who: Line,
}

/// What was current before: `name` itself when a run before this one switched already; none when nothing was, or
/// something that is not a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSwitchAnswer {
    /// The release.
    pub previous: Option<ReleaseName>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its name.
    pub name: ReleaseName,
    /// What its `REVISION` says.
    pub commit: Option<CommitId>,
}

/// Remove releases, and what kills have left of others. The current one is never removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRemoveTask {
    /// The target's folder.
    pub root: PathBuf,
    /// Which; one that is not there counts as removed.
    pub names: Vec<ReleaseName>,
    /// For how long at most.
    pub timeout: Duration,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRemoveAnswer {
    /// All that were asked for, but the current one.
    pub removed: Vec<ReleaseName>,
}
