//! Tasks around what a project keeps from build to build.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Put HOME and cache of a room out of the way, by a rename: the next build makes new ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAsideTask {
    /// The room's folder.
    pub folder: PathBuf,
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
