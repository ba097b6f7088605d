//! What a step of this build runs, fixed when the build begins: whoever takes the build over runs the same.

use super::secrets;
use super::supervise::SuperviseError;
use crate::config::project::{Build, Network, OnFailure, Only, Retry, Run, Step, When};
use crate::config::{Project, WantedFiles};
use crate::model::{SecretName, StepIndex};
use crate::plan::result::Decode;
use crate::store::NewStep;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A step as the build's row keeps it, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepSpec {
    pub(super) run: Run,
    #[serde(default)]
    pub(super) pty: bool,
    pub(super) timeout: Duration,
    /// Its own, which holds after a stop too.
    #[serde(default)]
    pub(super) own_timeout: Option<Duration>,
    pub(super) silence: Option<Duration>,
    pub(super) on_failure: OnFailure,
    #[serde(default)]
    pub(super) decode: Decode,
    pub(super) when: When,
    #[serde(default)]
    pub(super) only: Only,
    #[serde(default)]
    pub(super) retry: Option<Retry>,
    /// At most; ci-launch looks at its own copy of the configuration. None in rows of before there was a choice.
    #[serde(default)]
    pub(super) network: Option<Network>,
    /// In bytes, at most, likewise.
    #[serde(default)]
    pub(super) memory: Option<u64>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) workdir: PathBuf,
    #[serde(default)]
    pub(super) artifacts: Vec<WantedFiles>,
    #[serde(default)]
    pub(super) junit: Vec<WantedFiles>,
    #[serde(default)]
    pub(super) secrets: Vec<SecretName>,
}

/// The rows of these steps, which follow the checkout.
pub(super) fn rows(project: &Project, steps: &[Step]) -> Result<Vec<NewStep>, SuperviseError> {
    let row = |(index, step): (u16, &Step)| {
        let secrets = secrets::given(project, step);
        let spec = serde_json::to_string(&StepSpec { secrets, ..StepSpec::of(step, &project.build) });
        let spec = spec.map_err(|error| SuperviseError::Spec(StepIndex(index), error))?;
        Ok(NewStep { name: step.name.clone(), words: step.words.clone(), spec: Some(spec) })
    };
    (1..).zip(steps).map(row).collect()
}

impl StepSpec {
    /// From the configuration of the moment.
    pub(super) fn of(step: &Step, build: &Build) -> StepSpec {
        StepSpec {
            run: step.run.clone(),
            pty: step.pty,
            timeout: step.timeout.unwrap_or(build.timeout),
            own_timeout: step.timeout,
            silence: (!step.no_output.is_zero()).then_some(step.no_output),
            on_failure: step.on_failure,
            decode: step.decode.clone(),
            when: step.when,
            only: step.only.clone(),
            retry: step.retry,
            network: Some(step.network.unwrap_or(build.network)),
            memory: step.limits.memory.or(build.memory),
            env: step.env.clone(),
            workdir: step.workdir.clone(),
            artifacts: step.artifacts.clone(),
            junit: step.junit.clone(),
            secrets: Vec::new(),
        }
    }
}
