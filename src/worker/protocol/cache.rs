//! Tasks around what a project keeps from build to build.

use crate::model::cache::{Entry, EntryName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Most entries that a survey tells one by one.
pub const ENTRIES_TOLD: usize = 2000;

/// Say what HOME and cache of a room hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyTask {
    /// The room's folder.
    pub folder: PathBuf,
    /// For how long at most.
    pub timeout: Duration,
}

/// What they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyAnswer {
    /// What all of it takes on the disk, in bytes.
    pub bytes: u64,
    /// The entries that were used longest ago, at most [`ENTRIES_TOLD`].
    pub entries: Vec<Entry>,
}

/// Put things of a room out of the way, by renames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAsideTask {
    /// The room's folder.
    pub folder: PathBuf,
    /// Which.
    #[serde(default)]
    pub what: SetAside,
}

/// What is to go out of the way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetAside {
    /// HOME and cache: the next build makes new ones.
    #[default]
    All,
    /// Single entries; those that are not there any more are passed over.
    Entries(Vec<EntryName>),
}

/// Remove what was put out of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepTask {
    /// The room's folder.
    pub folder: PathBuf,
    /// For how long at most.
    pub timeout: Duration,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepAnswer {
    /// What it took on the disk, in bytes; of very deep trees a part.
    pub bytes: u64,
    /// What is left of it.
    pub left: Left,
}

/// Whether all is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Left {
    /// All is gone.
    #[default]
    Nothing,
    /// There was more than time; the next sweep goes on, or the next checkout.
    Some,
}
