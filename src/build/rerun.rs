//! A build done again takes over what the one before it did well.

use crate::model::build::{Role, Usage};
use crate::model::{Build, BuildId, Origin, StepIndex, Verdict};
use crate::plan::rerun::{self, Before};
use crate::store::{NewStep, StepEnd, Store, StoreError};

/// The steps of a new build that do not run, and how they are written down.
pub(super) fn taken_over(
    store: &Store,
    build: &Build,
    steps: &[NewStep],
) -> Result<Vec<(StepIndex, StepEnd)>, StoreError> {
    let Origin::Retry { name: _, build: number, from: Some(from) } = &build.origin else { return Ok(Vec::new()) };
    let id = BuildId { project: build.id.project.clone(), number: *number };
    let old: Vec<Before> =
        store.read().steps_and_specs(&id)?.into_iter().map(|(row, spec)| Before::of(row, spec)).collect();
    let steps = steps.iter().filter(|row| row.role == Role::Step);
    let now: Vec<_> = steps.map(|step| (&step.name, step.spec.as_deref())).collect();
    let end = StepEnd {
        verdict: Verdict::Skipped,
        outcome: format!("taken over from build {number}"),
        usage: Usage::default(),
    };
    let count = u16::try_from(rerun::taken_over(&old, &now, from)).unwrap_or(u16::MAX);
    Ok((1..=count).map(|index| (StepIndex(index), end.clone())).collect())
}
