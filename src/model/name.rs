//! Names that people choose, parsed once at the edge.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest project name, in bytes. `cib-` before it stays within the 31 bytes that Linux allows a user name.
pub const PROJECT_NAME_MAX: usize = 24;
/// Longest name of a deploy target, in bytes.
const TARGET_NAME_MAX: usize = 24;
/// The name of a target that has none of its own, in store, JSON and `--target`.
pub const DEFAULT_TARGET: &str = "default";
/// Longest step name, in bytes.
pub const STEP_NAME_MAX: usize = 64;

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a {0} cannot be empty")]
    Empty(&'static str),
    /// More bytes than the limit.
    #[error("a {what} has at most {max} characters, this one has {len}")]
    TooLong {
        /// What kind of name.
        what: &'static str,
        /// The limit, in bytes.
        max: usize,
        /// What it has, in bytes.
        len: usize,
    },
    /// A character that may not stand where it does.
    #[error("a {what} is written {rule}; {found:?} cannot stand there")]
    Character {
        /// What kind of name.
        what: &'static str,
        /// What it may be made of, in words.
        rule: &'static str,
        /// The first character that is refused.
        found: char,
    },
}

/// A project's name: the name of its file, `[a-z][a-z0-9-]{0,23}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectName(String);

impl ProjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name inside a unit or slice name: a dash there separates levels, so ours are escaped the way
    /// `systemd-escape` does it.
    pub fn unit_escaped(&self) -> String {
        self.0.replace('-', "\\x2d")
    }
}

impl FromStr for ProjectName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        plain("project name", PROJECT_NAME_MAX, text).map(ProjectName)
    }
}

/// A deploy target's name, `[a-z][a-z0-9-]{0,23}`: `staging`, `demo`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(String);

impl TargetName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one that has no name of its own.
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_TARGET
    }
}

/// The target that has no name of its own, as that of a `[deploy]` table usually is.
impl Default for TargetName {
    fn default() -> TargetName {
        TargetName(DEFAULT_TARGET.to_owned())
    }
}

impl FromStr for TargetName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        plain("target name", TARGET_NAME_MAX, text).map(TargetName)
    }
}

/// A name that can stand in paths, units and users: `[a-z][a-z0-9-]*`.
pub(super) fn plain(what: &'static str, max: usize, text: &str) -> Result<String, NameError> {
    let rule = "with a-z, 0-9 and -, a letter first";
    if text.is_empty() {
        return Err(NameError::Empty(what));
    }
    if text.len() > max {
        return Err(NameError::TooLong { what, max, len: text.len() });
    }
    let fits = |(at, c): (usize, char)| c.is_ascii_lowercase() || (at > 0 && (c.is_ascii_digit() || c == '-'));
    match text.char_indices().find(|found| !fits(*found)) {
        Some((_, found)) => Err(NameError::Character { what, rule, found }),
        None => Ok(text.to_owned()),
    }
}

/// A step's name, shown on page and in log: printable, without `/`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepName(String);

impl StepName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StepName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "step name";
        if text.is_empty() {
            return Err(NameError::Empty(WHAT));
        }
        if text.len() > STEP_NAME_MAX {
            return Err(NameError::TooLong { what: WHAT, max: STEP_NAME_MAX, len: text.len() });
        }
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || " ._+:@-".contains(*c))) {
            Some(found) => {
                Err(NameError::Character { what: WHAT, rule: "with letters, digits, spaces and . _ + : @ -", found })
            }
            None => Ok(StepName(text.to_owned())),
        }
    }
}

/// Text forms shared by the names: they show, convert and compare as what they are made of.
macro_rules! textual {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }
        impl TryFrom<String> for $name {
            type Error = <$name as FromStr>::Err;
            fn try_from(text: String) -> Result<Self, Self::Error> { text.parse() }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String { name.0 }
        }
    )*};
}
pub(super) use textual;
textual!(ProjectName, StepName, TargetName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names() {
        for good in ["g", "gkp", "my-app", "a1-", "abcdefghijklmnopqrstuvwx"] {
            assert_eq!(good.parse::<ProjectName>().unwrap().as_str(), good);
        }
        for (bad, says) in [
            ("", "cannot be empty"),
            ("../x", "'.'"),
            ("a.b", "'.'"),
            ("Gkp", "'G'"),
            ("1a", "'1'"),
            ("-a", "'-'"),
            ("a_b", "'_'"),
            ("ä", "'ä'"),
            ("a\n", "'\\n'"),
            ("abcdefghijklmnopqrstuvwxy", "at most 24"),
        ] {
            let error = bad.parse::<ProjectName>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_dash_does_not_make_a_parent_slice() {
        assert_eq!("my-app".parse::<ProjectName>().unwrap().unit_escaped(), "my\\x2dapp");
    }

    #[test]
    fn step_names() {
        for good in ["test", "unit tests", "build: x86_64", "v1.2+3"] {
            assert_eq!(good.parse::<StepName>().unwrap().to_string(), good);
        }
        for bad in ["", "a/b", "a\u{1b}[31m", "a\nb", "<b>", &"x".repeat(65)] {
            assert!(bad.parse::<StepName>().is_err(), "{bad:?}");
        }
    }
}
