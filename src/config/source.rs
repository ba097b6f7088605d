//! Where a project's code comes from, when it is looked at, and in which form it is built.

use super::pattern::Pattern;
use crate::model::{RefName, Trust};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Where the code comes from, and when to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `url`
    pub url: Url,
    /// `branches`: patterns of branch names; empty means the remote's HEAD. `*` does not cross `/`, `**` does.
    pub branches: Vec<BranchPattern>,
    /// `outside`: patterns of the whole names of refs that strangers write.
    pub outside: Vec<Pattern>,
    /// `build-outside`; not `Never` only with patterns.
    pub build_outside: BuildOutside,
    /// `credential`: the name of a credential (`/etc/ci/credentials/NAME` or systemd's encrypted store).
    pub credential: Option<String>,
    /// `poll`: how often to look; default 1 min, at least 1 min.
    pub poll: Duration,
    /// `stable`: wait until a ref has been quiet this long; zero builds at once.
    pub stable: Duration,
    /// `stable-max`: but never longer than this after the first change; default 6 × stable.
    pub stable_max: Duration,
    /// `timeout`: how long a remote may take to answer; default 60 s.
    pub timeout: Duration,
    /// `build-on-first-poll`: build what is there when the project is first seen.
    pub build_on_first_poll: bool,
    /// `mode`
    pub mode: Mode,
    /// `git-dir`: give the steps a `.git` of their own, thrown away with the workspace.
    pub git_dir: bool,
    /// `depth`: how many commits of each branch are fetched; none is all.
    pub depth: Option<NonZeroU32>,
    /// `sparse`
    pub shape: Shape,
}

/// What of earlier builds a workspace may still hold (Buildbot's `mode` and `method` of its Git step).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing; HOME and the cache stay.
    Clean,
    /// What the repository does not track.
    Incremental,
    /// Nothing, and nothing in HOME and the cache either.
    Fresh,
}

/// What of a commit a folder is filled with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `submodules`
    #[serde(default)]
    pub submodules: bool,
    /// `lfs`
    #[serde(default)]
    pub lfs: bool,
    /// `sparse`: patterns of gitignore(5) of what is there; empty is everything.
    #[serde(default)]
    pub sparse: Vec<String>,
}

impl Shape {
    /// Whether more has to be fetched than the commit itself.
    pub fn has_more(&self) -> bool {
        self.submodules || self.lfs
    }
}

/// Whether refs from outside are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOutside {
    /// They are not even looked at.
    Never,
    /// Each commit when a person has approved it.
    Ask,
    /// As they come.
    Always,
}

impl Source {
    /// Whether a ref is one of those from outside that may be built.
    pub fn builds_outside(&self, name: &RefName) -> bool {
        match self.build_outside {
            BuildOutside::Never => false,
            BuildOutside::Ask | BuildOutside::Always => {
                name.trust() == Trust::Outside && self.outside.iter().any(|pattern| pattern.matches(name.as_str()))
            }
        }
    }

    /// The patterns of refs that a poll looks for beside branches and tags.
    pub fn looks_outside(&self) -> &[Pattern] {
        match self.build_outside {
            BuildOutside::Never => &[],
            BuildOutside::Ask | BuildOutside::Always => &self.outside,
        }
    }
}

/// A repository's address, by the transport that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "transport", content = "url")]
pub enum Url {
    /// `http://` or `https://`
    Http(String),
    /// `ssh://…` or `user@host:path`
    Ssh(String),
    /// `file:///path` or `/path`: the absolute path of a repository on this machine.
    Local(PathBuf),
}

/// A branch pattern as it stands in the file, known to compile.
#[derive(Debug, Clone)]
pub struct BranchPattern {
    /// As written.
    pub text: String,
    /// Compiled, with `/` as a separator that `*` does not cross.
    pub glob: globset::GlobMatcher,
}

impl PartialEq for BranchPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for BranchPattern {}
