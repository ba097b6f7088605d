//! What a step of this build runs, fixed when the build begins: whoever takes the build over runs the same.

use super::supervise::SuperviseError;
use crate::config::project::{OnFailure, Run, Step, When};
use crate::model::StepIndex;
use crate::store::NewStep;
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
}

/// The rows of these steps, which are the first of a build but for `before`; `build` is the build's own time limit.
pub(super) fn rows(steps: &[Step], before: u16, build: Duration) -> Result<Vec<NewStep>, SuperviseError> {
    let row = |(index, step): (u16, &Step)| {
        let spec = serde_json::to_string(&StepSpec::of(step, build));
        let spec = spec.map_err(|error| SuperviseError::Spec(StepIndex(index), error))?;
        Ok(NewStep { name: step.name.clone(), spec: Some(spec) })
    };
    (before..).zip(steps).map(row).collect()
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
        }
    }
}
