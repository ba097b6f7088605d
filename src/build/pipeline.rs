//! The steps that a commit says itself: taken from the checkout's answer into the build's rows, once.

use super::rerun;
use super::spec;
use super::supervise::{SuperviseError, Supervisor};
use crate::config::limits::OwnLimits;
use crate::config::project::{Network, Step, StepsFrom};
use crate::config::{ConfigErrors, Pipeline, Project};
use crate::model::{Build, SecretName, StepName, Verdict};
use crate::store::NewStep;
use jiff::Timestamp;

/// Why a commit's steps are not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum PipelineError {
    /// The worker has not answered with steps at all.
    #[error("the checkout has not told the steps of the commit")]
    Untold,
    /// Nor with what could be some: the file itself has been checked there.
    #[error("what the checkout told of the steps cannot be: {}", first(.0))]
    Impossible(ConfigErrors),
    /// The file wants a secret that its project does not offer.
    #[error(
        ".ci.toml: step {step} wants the secret {secret}, which `secrets` of [build] in the project's file does not offer"
    )]
    Secret {
        /// Which step.
        step: StepName,
        /// Which secret.
        secret: SecretName,
    },
    /// A step has the name of one of the project's services.
    #[error(".ci.toml: step {0} has the name of a [[service]] of the project's file; give it another")]
    Name(StepName),
    /// The file wants a network that its project has not.
    #[error(".ci.toml: step {0} wants `network = \"host\"`, and the project's file says \"none\" in [build]")]
    Network(StepName),
}

fn first(errors: &ConfigErrors) -> String {
    errors.problems().first().map_or_else(String::new, ToString::to_string)
}

impl PipelineError {
    /// Whose fault it is.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            PipelineError::Untold | PipelineError::Impossible(_) => Verdict::Exception,
            PipelineError::Secret { .. } | PipelineError::Name(_) | PipelineError::Network(_) => Verdict::Failure,
        }
    }
}

/// What a step may have at most: what its project gives to all.
fn within(step: Step, project: &Project) -> Result<Step, PipelineError> {
    let build = &project.build;
    if project.services.iter().any(|service| service.name == step.name) {
        return Err(PipelineError::Name(step.name));
    }
    if step.network == Some(Network::Host) && build.network == Network::None {
        return Err(PipelineError::Network(step.name));
    }
    let offered = |secret: &&SecretName| build.secrets.contains(secret);
    if let Some(secret) = step.secrets.iter().flatten().find(|secret| !offered(secret)) {
        return Err(PipelineError::Secret { step: step.name.clone(), secret: secret.clone() });
    }
    Ok(Step {
        timeout: step.timeout.map(|timeout| timeout.min(build.timeout)),
        limits: OwnLimits { memory: step.limits.memory.into_iter().chain(build.memory).min(), ..step.limits },
        ..step
    })
}

impl Supervisor<'_> {
    /// Writes the steps down before the checkout is written down as done: a supervisor that dies in between checks the
    /// same commit out again, and adds nothing.
    pub(super) fn add_steps(
        &mut self,
        build: &Build,
        told: Option<&Pipeline>,
    ) -> Result<Result<(), PipelineError>, SuperviseError> {
        if self.store.read().steps(&self.id)?.len() > 1 {
            return Ok(Ok(()));
        }
        let steps = match (self.project.pipeline, told.map(Pipeline::steps)) {
            // The file has come to say them only after the build began.
            (StepsFrom::Project, _) => self.project.steps.clone(),
            (StepsFrom::Repository, Some(Ok(steps))) => {
                match steps.into_iter().map(|step| within(step, &self.project)).collect() {
                    Ok(steps) => steps,
                    Err(error) => return Ok(Err(error)),
                }
            }
            (StepsFrom::Repository, Some(Err(errors))) => return Ok(Err(PipelineError::Impossible(errors))),
            (StepsFrom::Repository, None) => return Ok(Err(PipelineError::Untold)),
        };
        let mut rows = vec![NewStep::checkout()];
        rows.extend(spec::rows(&self.project, &steps)?);
        let over = rerun::taken_over(&self.store, build, &rows)?;
        let (id, now) = (self.id.clone(), Timestamp::now());
        self.store.write_patiently(|tx| {
            tx.add_steps(&id, &rows[1..])?;
            over.iter().try_for_each(|(index, end)| tx.step_finished(&id, *index, end, now))
        })?;
        Ok(Ok(()))
    }
}
