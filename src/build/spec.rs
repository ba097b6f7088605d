//! What a step of this build runs, fixed when the build begins: whoever takes the build over runs the same.

use crate::config::FilePattern;
use crate::config::project::{OnFailure, Run, Step, When};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A step as the build's row keeps it, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepSpec {
    pub(super) run: Run,
    pub(super) timeout: Duration,
    pub(super) silence: Option<Duration>,
    pub(super) on_failure: OnFailure,
    pub(super) when: When,
    pub(super) env: BTreeMap<String, String>,
    pub(super) workdir: PathBuf,
    #[serde(default)]
    pub(super) junit: Vec<FilePattern>,
}

impl StepSpec {
    /// From the configuration of the moment; `build` is the build's own time limit.
    pub(super) fn of(step: &Step, build: Duration) -> StepSpec {
        StepSpec {
            run: step.run.clone(),
            timeout: step.timeout.unwrap_or(build),
            silence: (!step.no_output.is_zero()).then_some(step.no_output),
            on_failure: step.on_failure,
            when: step.when,
            env: step.env.clone(),
            workdir: step.workdir.clone(),
            junit: step.junit.clone(),
        }
    }
}
