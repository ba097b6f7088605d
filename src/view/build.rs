//! One build.

use super::overview::Light;
use super::text::between;
use crate::config::project::StepsFrom;
use crate::model::artifact::Artifact;
use crate::model::build::Role;
use crate::model::build::StepWords;
use crate::model::report::{StepTests, TestCounts};
use crate::model::{Build, BuildId, BuildState, Deploy, SecretName, StepIndex, StepRow, StepState, Trust, Verdict};
use crate::store::{Read, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// One build with all that belongs to it.
#[derive(Debug, Clone)]
pub struct BuildView {
    /// The build.
    pub build: Build,
    /// Where its steps stood.
    pub steps_from: StepsFrom,
    /// Which secrets its steps were given, by name.
    pub secrets: BTreeMap<StepIndex, Vec<SecretName>>,
    /// Its steps, in order; empty until its supervisor has taken it.
    pub steps: Vec<StepRow>,
    /// What its tests said, step by step.
    pub tests: Vec<StepTests>,
    /// What it hands out, by name.
    pub artifacts: Vec<Artifact>,
    /// Its newest deploy to each target that it was deployed to, newest first.
    pub deploys: Vec<Deploy>,
    /// Whether there is a build with the next number.
    pub next: bool,
    /// Whether there is a build with the number before.
    pub previous: bool,
}

impl BuildView {
    /// The build; none if there is none of that number.
    pub fn read(read: Read<'_>, id: &BuildId) -> Result<Option<BuildView>> {
        let Some(build) = read.build(id)? else { return Ok(None) };
        let beside = |number: u32| {
            read.build(&BuildId { project: id.project.clone(), number: crate::model::BuildNumber(number) })
                .map(|found| found.is_some())
        };
        let secrets = match build.trust {
            Trust::Inside => read.secrets_given(id)?,
            // Whatever their rows say, they were given none.
            Trust::Outside => BTreeMap::new(),
        };
        Ok(Some(BuildView {
            build,
            steps_from: read.steps_from(id)?,
            secrets,
            steps: read.steps(id)?,
            tests: read.tests(id)?,
            artifacts: read.artifacts(id)?,
            deploys: read.deploys_of(id)?,
            next: beside(id.number.0.saturating_add(1))?,
            previous: beside(id.number.0.saturating_sub(1))?,
        }))
    }

    /// The step whose log tells most: the one that runs, else the first that failed, else the last that ran.
    pub fn telling(&self) -> Option<&StepRow> {
        let ran = || self.steps.iter().filter(|step| began(step).is_some());
        let failed = |step: &&StepRow| match &step.state {
            StepState::Finished { verdict, .. } => matches!(verdict, Verdict::Failure | Verdict::Exception),
            StepState::Pending | StepState::Running { .. } => false,
        };
        ran()
            .find(|step| is_at(step))
            .or_else(|| ran().find(failed))
            .or_else(|| ran().rfind(|step| step.role == Role::Step))
    }

    /// The names of the secrets that a step was given.
    pub fn secrets_of(&self, index: StepIndex) -> Vec<&str> {
        self.secrets.get(&index).into_iter().flatten().map(SecretName::as_str).collect()
    }

    /// The tests of all steps together.
    pub fn test_counts(&self) -> TestCounts {
        self.tests.iter().fold(TestCounts::default(), |sum, step| sum.and(step.counts))
    }

    /// The step of an index.
    pub fn step(&self, index: StepIndex) -> Option<&StepRow> {
        self.steps.iter().find(|step| step.index == index)
    }
}

/// Whether this is the step that its build is at; a service runs beside it.
pub(super) fn is_at(step: &StepRow) -> bool {
    match (step.role, &step.state) {
        (Role::Step, StepState::Running { .. }) => true,
        (Role::Service, _) | (Role::Step, StepState::Pending | StepState::Finished { .. }) => false,
    }
}

/// A step's name, and that it is a service if it is one.
pub fn step_title(step: &StepRow) -> String {
    match step.role {
        Role::Step => step.name.to_string(),
        Role::Service => format!("{} (service)", step.name),
    }
}

/// When a step began, if it has.
pub fn began(step: &StepRow) -> Option<Timestamp> {
    match step.state {
        StepState::Pending => None,
        StepState::Running { started } => Some(started),
        StepState::Finished { started, .. } => started,
    }
}

/// How long a build took, or has taken so far.
pub fn took(build: &Build, now: Timestamp) -> Option<Duration> {
    match build.state {
        BuildState::Starting => None,
        BuildState::Running { started, .. } => Some(between(started, now)),
        BuildState::Finished { started, finished, .. } => Some(between(started?, finished)),
    }
}

/// How long a step took, or has taken so far.
pub fn step_took(step: &StepRow, now: Timestamp) -> Option<Duration> {
    match step.state {
        StepState::Pending => None,
        StepState::Running { started } => Some(between(started, now)),
        StepState::Finished { started, finished, .. } => Some(between(started?, finished)),
    }
}

/// When a build ended, or began, or was made: what "3 min ago" counts from.
pub fn when(build: &Build) -> Timestamp {
    match build.state {
        BuildState::Starting => build.created,
        BuildState::Running { started, .. } => started,
        BuildState::Finished { finished, .. } => finished,
    }
}

/// A build's state in one word, and its colour.
pub fn standing(build: &Build) -> (&'static str, Light) {
    match build.state {
        BuildState::Starting => ("starting", Light::Blue),
        BuildState::Running { .. } => (if build.stop.is_some() { "stopping" } else { "running" }, Light::Blue),
        BuildState::Finished { verdict, .. } => (verdict.as_str(), Light::of(verdict)),
    }
}

/// What there is to say of a step besides its state: what it does, then what it did, and how that ended.
pub fn step_words(step: &StepRow) -> String {
    let StepWords { description, done } = &step.words;
    let attempt = (step.attempts > 1).then(|| format!("attempt {}", step.attempts));
    let waiting = step.again.as_ref().map(|again| format!("attempt {}: {}", step.attempts, again.outcome));
    let said = match &step.state {
        StepState::Pending => [None, None],
        StepState::Running { .. } if waiting.is_some() => [waiting.as_deref(), Some("waiting for the next")],
        StepState::Running { .. } => [description.as_deref(), attempt.as_deref()],
        // It did nothing.
        StepState::Finished { started: None, outcome, .. } => [None, Some(outcome.as_str())],
        StepState::Finished { started: Some(_), outcome, .. } => {
            [done.as_deref().or(description.as_deref()), Some(outcome.as_str())]
        }
    };
    said.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
}

/// A step's state in one word, and its colour.
pub fn step_standing(step: &StepRow) -> (&'static str, Light) {
    match step.state {
        StepState::Pending => ("pending", Light::Grey),
        StepState::Running { .. } => ("running", Light::Blue),
        StepState::Finished { verdict, .. } => (verdict.as_str(), Light::of(verdict)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::build::{Again, Usage};

    #[test]
    fn what_a_step_says_while_and_after() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let running = || StepState::Running { started: at(1) };
        let finished = |started: Option<i64>, verdict, outcome: &str| StepState::Finished {
            started: started.map(at),
            finished: at(9),
            verdict,
            outcome: outcome.into(),
        };
        let again = || Some(Again { due: at(5), outcome: "exit code 1".into() });
        let (both, one, none) = ((Some("testing"), Some("tests")), (Some("testing"), None), (None, None));
        for ((description, done), state, attempts, again, says) in [
            (both, StepState::Pending, 0, None, ""),
            (both, running(), 1, None, "testing"),
            (none, running(), 1, None, ""),
            (both, running(), 2, None, "testing: attempt 2"),
            (both, running(), 1, again(), "attempt 1: exit code 1: waiting for the next"),
            (both, finished(Some(1), Verdict::Success, ""), 1, None, "tests"),
            (both, finished(Some(1), Verdict::Failure, "exit code 2"), 1, None, "tests: exit code 2"),
            (one, finished(Some(1), Verdict::Success, ""), 1, None, "testing"),
            (none, finished(Some(1), Verdict::Failure, "exit code 2"), 1, None, "exit code 2"),
            (both, finished(None, Verdict::Skipped, ""), 0, None, ""),
            (both, finished(None, Verdict::Skipped, "only for main"), 0, None, "only for main"),
        ] {
            let step = StepRow {
                index: StepIndex(1),
                role: crate::model::build::Role::Step,
                name: "test".parse().unwrap(),
                words: StepWords { description: description.map(Into::into), done: done.map(Into::into) },
                unneeded: None,
                state,
                attempts,
                again,
                usage: Usage::default(),
                log: None,
            };
            assert_eq!(step_words(&step), says);
        }
    }
}
