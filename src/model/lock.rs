//! What a build has to itself while it runs: one of its project's workspaces, and named locks.

use super::name::{NameError, plain};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest name of a lock, in bytes.
const LOCK_NAME_MAX: usize = 32;

/// A lock's name: `[a-z][a-z0-9-]{0,31}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LockName(String);

impl LockName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LockName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        plain("lock name", LOCK_NAME_MAX, text).map(LockName)
    }
}

impl TryFrom<String> for LockName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<LockName> for String {
    fn from(name: LockName) -> String {
        name.0
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a build takes a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Together with as many others as the lock counts.
    Counting,
    /// With nobody else.
    Exclusive,
}

/// A lock that a build needs, or holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Which.
    pub name: LockName,
    /// How.
    pub mode: LockMode,
}

/// Which of its project's workspaces a build has: 0 where there is only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Slot(pub u16);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a build has to itself, fixed when it becomes a build. It ends with the build's row, whatever dies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holds {
    /// Its workspace.
    pub slot: Slot,
    /// Its locks.
    pub locks: Vec<Lock>,
}
