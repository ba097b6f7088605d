//! The task that tells what a step has written.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Add up the files that have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureTask {
    /// Below this folder.
    pub folder: PathBuf,
    /// Since then, by the time that the kernel gives a file whenever anything of it changes.
    pub since: Timestamp,
    /// More than this many bytes need not be added up.
    pub enough: u64,
    /// For how long at most.
    pub timeout: Duration,
}

/// What they take on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureAnswer {
    /// In bytes; at least, when there was no time to see all.
    pub bytes: u64,
}
