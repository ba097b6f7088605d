//! What a step of this build runs, fixed when the build begins: whoever takes the build over runs the same.

use super::secrets;
use super::supervise::SuperviseError;
use crate::config::project::{Build, Network, OnFailure, Only, Retry, Run, Service, Step, When};
use crate::config::{Project, WantedFiles};
use crate::model::build::{Role, StepWords};
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
    /// What only a service of the build has.
    #[serde(default)]
    pub(super) service: Option<ServiceSpec>,
}

/// When a service counts as up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServiceSpec {
    pub(super) ready: Option<String>,
    pub(super) ready_timeout: Duration,
}

/// The rows of these steps, which follow the checkout, and behind them those of the project's services.
pub(super) fn rows(project: &Project, steps: &[Step]) -> Result<Vec<NewStep>, SuperviseError> {
    let row = |(index, step): (u16, &Step)| {
        let secrets = secrets::given(project, step);
        let spec = serde_json::to_string(&StepSpec { secrets, ..StepSpec::of(step, &project.build) });
        let spec = spec.map_err(|error| SuperviseError::Spec(StepIndex(index), error))?;
        Ok(NewStep { name: step.name.clone(), words: step.words.clone(), role: Role::Step, spec: Some(spec) })
    };
    let service = |(index, service): (u16, &Service)| {
        let spec = serde_json::to_string(&StepSpec::of_service(service, &project.build));
        let spec = spec.map_err(|error| SuperviseError::Spec(StepIndex(index), error))?;
        Ok(NewStep { name: service.name.clone(), words: StepWords::default(), role: Role::Service, spec: Some(spec) })
    };
    let behind = u16::try_from(steps.len()).unwrap_or(u16::MAX).saturating_add(1);
    (1..).zip(steps).map(row).chain((behind..).zip(&project.services).map(service)).collect()
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
            service: None,
        }
    }

    /// Of a service: it has the build's walls, and all the time that the build takes.
    pub(super) fn of_service(service: &Service, build: &Build) -> StepSpec {
        StepSpec {
            run: service.run.clone(),
            pty: false,
            timeout: Duration::MAX,
            own_timeout: None,
            silence: None,
            on_failure: OnFailure::Halt,
            decode: Decode::default(),
            when: When::Success,
            only: Only::default(),
            retry: None,
            network: Some(build.network),
            memory: service.limits.memory.or(build.memory),
            env: service.env.clone(),
            workdir: PathBuf::new(),
            artifacts: Vec::new(),
            junit: Vec::new(),
            secrets: service.secrets.clone(),
            service: Some(ServiceSpec { ready: service.ready.clone(), ready_timeout: service.ready_timeout }),
        }
    }
}
