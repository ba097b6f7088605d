//! Tasks in a workspace after a step: what the step left there is its user's, and read as that user.

use crate::config::WantedFiles;
use crate::model::report::{TestName, TestReport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Most tests that a reading is asked about.
pub const TESTS_ASKED: usize = 400;

/// Read a step's JUnit reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTask {
    /// Where the step left them.
    pub workspace: PathBuf,
    /// Which files.
    pub patterns: Vec<WantedFiles>,
    /// The attempt of the step that they are to be of, from 1.
    #[serde(default)]
    pub attempt: u32,
    /// When that began: what was there before is not of it.
    pub since: Timestamp,
    /// Tests whose fate is wanted, at most [`TESTS_ASKED`]: those that failed in the build before.
    pub asked: Vec<TestName>,
    /// For how long at most.
    pub timeout: Duration,
}

/// What the reports say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// All of them together.
    pub report: TestReport,
    /// Those of the asked tests that passed.
    pub passed: Vec<TestName>,
    /// How many files were older than the step, and so not counted.
    pub stale: u32,
    /// How many files could not be read as reports; each is told in the log.
    pub unreadable: u32,
}
