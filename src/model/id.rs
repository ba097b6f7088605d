//! Identities: which build, which request, which commit, which ref.

use super::name::{NameError, ProjectName, TargetName, textual};
use super::unit::Trust;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A build's number within its project, from 1 upwards, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildNumber(pub u32);

impl fmt::Display for BuildNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request's id, from 1 upwards over all projects, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub i64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A deploy's id, from 1 upwards over all projects, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeployId(pub i64);

impl fmt::Display for DeployId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A step's place in its build: 0 is the checkout, the project's own steps count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub u16);

impl StepIndex {
    /// The checkout, which every build begins with.
    pub const CHECKOUT: StepIndex = StepIndex(0);
}

impl fmt::Display for StepIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One build of one project, written `gkp:42` everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildId {
    /// Whose build.
    pub project: ProjectName,
    /// Which one.
    pub number: BuildNumber,
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.project, self.number)
    }
}

/// What a person writes to name a build: `gkp` is its latest, `gkp:42` that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSpec {
    /// Whose build.
    pub project: ProjectName,
    /// Which one; `None` is the latest.
    pub number: Option<BuildNumber>,
}

/// Why a text does not name a build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildSpecError {
    /// The part before the colon.
    #[error(transparent)]
    Project(#[from] NameError),
    /// The part after the colon.
    #[error("{0:?} is not a build number; builds are written PROJECT:N, like gkp:42")]
    Number(String),
}

impl FromStr for BuildSpec {
    type Err = BuildSpecError;
    fn from_str(text: &str) -> Result<Self, BuildSpecError> {
        let Some((project, number)) = text.split_once(':') else {
            return Ok(BuildSpec { project: text.parse()?, number: None });
        };
        let valid = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        match number.parse() {
            Ok(n) if valid => Ok(BuildSpec { project: project.parse()?, number: Some(BuildNumber(n)) }),
            Ok(_) | Err(_) => Err(BuildSpecError::Number(number.to_owned())),
        }
    }
}

impl FromStr for BuildId {
    type Err = BuildSpecError;
    fn from_str(text: &str) -> Result<Self, BuildSpecError> {
        let spec: BuildSpec = text.parse()?;
        let number = spec.number.ok_or_else(|| BuildSpecError::Number(String::new()))?;
        Ok(BuildId { project: spec.project, number })
    }
}

/// One deploy target of one project, written `gkp:demo`, or `gkp` for the one that has no name of its own. A build's
/// number never begins as a target's name does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    /// Whose.
    pub project: ProjectName,
    /// Which.
    pub target: TargetName,
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.target.is_default() { self.project.fmt(f) } else { write!(f, "{}:{}", self.project, self.target) }
    }
}

/// Why a text does not name a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetIdError {
    /// One of its parts.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A second way to write the same: two units would deploy to one target.
    #[error("{0:?} is written {1}")]
    NotSo(String, ProjectName),
}

impl FromStr for TargetId {
    type Err = TargetIdError;
    fn from_str(text: &str) -> Result<Self, TargetIdError> {
        let Some((project, target)) = text.split_once(':') else {
            return Ok(TargetId { project: text.parse()?, target: TargetName::default() });
        };
        let id = TargetId { project: project.parse()?, target: target.parse()? };
        if id.target.is_default() { Err(TargetIdError::NotSo(text.to_owned(), id.project)) } else { Ok(id) }
    }
}

/// A commit's full object name: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

/// A text that is not a full object name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a commit's full name of 40 or 64 hexadecimal digits")]
pub struct CommitIdError(String);

impl CommitId {
    /// git's name for no commit, forty zeros: what a folder was made from that was there before unitci.
    pub fn none() -> CommitId {
        CommitId("0".repeat(40))
    }

    /// Whether it names a commit.
    pub fn is_known(&self) -> bool {
        self.0.bytes().any(|digit| digit != b'0')
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as git abbreviates.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for CommitId {
    type Err = CommitIdError;
    fn from_str(text: &str) -> Result<Self, CommitIdError> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(CommitId(text.to_owned()))
        } else {
            Err(CommitIdError(text.chars().take(80).collect()))
        }
    }
}

/// Longest ref name we take from a remote, in bytes; git itself allows what a path may have.
pub const REF_NAME_MAX: usize = 400;

/// A full ref name such as `refs/heads/main`, valid by the rules of git-check-ref-format(1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefName(String);

/// A text that is not a full ref name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid ref name")]
pub struct RefNameError(String);

impl RefName {
    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch it is, if it is one.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The tag it is, if it is one.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }

    /// Whose it is: the team alone writes branches and tags.
    pub fn trust(&self) -> Trust {
        if self.branch().is_some() || self.tag().is_some() { Trust::Inside } else { Trust::Outside }
    }

    /// How people say it: `main`, not `refs/heads/main`.
    pub fn short(&self) -> &str {
        self.branch().or_else(|| self.tag()).unwrap_or(&self.0)
    }

    /// What a person named: a branch, or any ref by its whole name.
    pub fn of_words(words: &str) -> Result<RefName, RefNameError> {
        if words.starts_with("refs/") { words.parse() } else { RefName::of_branch(words) }
    }

    /// The ref of a branch that a person named.
    pub fn of_branch(branch: &str) -> Result<RefName, RefNameError> {
        format!("refs/heads/{branch}").parse()
    }
}

impl FromStr for RefName {
    type Err = RefNameError;
    fn from_str(text: &str) -> Result<Self, RefNameError> {
        let forbidden = |c: char| c.is_control() || " ~^:?*[\\\x7f".contains(c);
        let component = |c: &str| c.is_empty() || c.starts_with('.') || c.ends_with(".lock");
        let bad = !text.starts_with("refs/")
            || text.len() > REF_NAME_MAX
            || text.chars().any(forbidden)
            || text.split('/').any(component)
            || text.contains("..")
            || text.contains("@{")
            || text.ends_with('.');
        if bad { Err(RefNameError(text.chars().take(80).collect())) } else { Ok(RefName(text.to_owned())) }
    }
}

textual!(CommitId, RefName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_written_project_colon_number() {
        let id: BuildId = "my-app:42".parse().unwrap();
        assert_eq!((id.project.as_str(), id.number, id.to_string()), ("my-app", BuildNumber(42), "my-app:42".into()));
        assert_eq!("gkp".parse::<BuildSpec>().unwrap().number, None);
        for bad in ["gkp:", "gkp:x", "gkp:0", "gkp:-1", "gkp:+1", "gkp:01", "gkp:99999999999", ":1", "a.b:1", "g:1:2"] {
            assert!(bad.parse::<BuildSpec>().is_err(), "{bad}");
        }
        assert!("gkp".parse::<BuildId>().is_err());
    }

    #[test]
    fn a_target_is_written_in_one_way() {
        for (text, project, target) in [("my-app", "my-app", "default"), ("gkp:demo-2", "gkp", "demo-2")] {
            let id: TargetId = text.parse().unwrap();
            assert_eq!((id.project.as_str(), id.target.as_str(), id.to_string()), (project, target, text.to_owned()));
        }
        for bad in ["gkp:default", "gkp:", ":demo", "gkp:1", "gkp:a:b", "gkp:Demo", "gkp:-a", "g.p", ""] {
            assert!(bad.parse::<TargetId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn commits() {
        let commit: CommitId = "3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3".parse().unwrap();
        assert_eq!(commit.short(), "3f2a91c");
        assert!("a".repeat(64).parse::<CommitId>().is_ok());
        for bad in ["", "3f2a91c", &"g".repeat(40), &"A".repeat(40), "--upload-pack=x"] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn refs() {
        let main: RefName = "refs/heads/main".parse().unwrap();
        assert_eq!((main.branch(), main.short()), (Some("main"), "main"));
        assert_eq!(RefName::of_branch("release/1.0").unwrap().short(), "release/1.0");
        assert_eq!("refs/tags/v1".parse::<RefName>().unwrap().tag(), Some("v1"));
        for bad in [
            "main",
            "refs/heads/",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads/a\u{1b}",
            "refs/heads/a@{1}",
            "refs/heads/-/../x",
            "refs//x",
            "refs/heads/a.",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
        assert!(format!("refs/heads/{}", "a".repeat(400)).parse::<RefName>().is_err());
    }
}
