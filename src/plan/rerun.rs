//! A build once more: what of the one before is taken over, and whether it goes live.

use crate::model::{CommitId, Origin, StepName, StepRow, StepState, Verdict};

/// A step of the build before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its name.
    pub name: StepName,
    /// What it ran, as JSON; none for the checkout.
    pub spec: Option<String>,
    /// How it ended.
    pub verdict: Option<Verdict>,
}

impl Before {
    /// From its row.
    pub fn of(row: StepRow, spec: Option<String>) -> Before {
        let verdict = match row.state {
            StepState::Finished { verdict, .. } => Some(verdict),
            StepState::Pending | StepState::Running { .. } => None,
        };
        Before { name: row.name, spec, verdict }
    }

    /// Whether it counts for the build that takes it over: it did what it should, or had nothing to do. Warnings are
    /// not carried over, so a step that has them runs again.
    fn is_good(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Success | Verdict::Skipped))
    }
}

/// Why a build cannot be done again from there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRetry {
    /// Nothing failed.
    #[error("no step of it has failed; without --from-failed all of it runs again")]
    NothingFailed,
    /// There is no such step.
    #[error("it has no step {0}; its steps are {1}")]
    NoSuchStep(StepName, String),
    /// What comes before was not good.
    #[error("step {0} before it was not green; begin there: --from {0}")]
    NotGreen(StepName),
}

/// The step from which on everything runs again: the first that was not good, be it the checkout.
pub fn failed(steps: &[Before]) -> Result<StepName, NoRetry> {
    steps.iter().find(|step| !step.is_good()).map(|step| step.name.clone()).ok_or(NoRetry::NothingFailed)
}

/// Whether everything before a step was good.
pub fn begins_at(steps: &[Before], from: &StepName) -> Result<(), NoRetry> {
    let Some(at) = steps.iter().position(|step| step.name == *from) else {
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        return Err(NoRetry::NoSuchStep(from.clone(), names.join(", ")));
    };
    match steps[..at].iter().find(|step| !step.is_good()) {
        Some(step) => Err(NoRetry::NotGreen(step.name.clone())),
        None => Ok(()),
    }
}

/// How many of the new build's steps after the checkout are taken over: those before `from`, as long as each is what it
/// was then and was good. The checkout is always made anew.
pub fn taken_over(before: &[Before], now: &[(&StepName, Option<&str>)], from: &StepName) -> usize {
    let same = |(old, (name, spec)): &(&Before, &(&StepName, Option<&str>))| {
        old.name == **name && old.name != *from && old.spec.as_deref() == *spec && old.is_good()
    };
    before.iter().zip(now).skip(1).take_while(same).count()
}

/// Whether a build may go live by itself as far as its origin says: one done again only while its commit is still the
/// newest of its branch, since its number says nothing of its age.
pub fn may_go_live(origin: &Origin, commit: Option<&CommitId>, tip: Option<&CommitId>) -> bool {
    match origin {
        Origin::Retry { .. } => commit.is_some() && commit == tip,
        Origin::Poll | Origin::Person { .. } | Origin::Force { .. } | Origin::Again { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BuildNumber;

    fn step(name: &str, verdict: Verdict) -> Before {
        Before { name: name.parse().unwrap(), spec: Some(format!("run {name}")), verdict: Some(verdict) }
    }

    /// checkout, lint, test, package: their verdicts.
    fn build(verdicts: [Verdict; 4]) -> Vec<Before> {
        let names = ["checkout", "lint", "test", "package"];
        names.into_iter().zip(verdicts).map(|(name, verdict)| step(name, verdict)).collect()
    }

    #[test]
    fn where_a_build_begins_again() {
        use Verdict::{Exception, Failure, Skipped, Success, Warnings};
        for (verdicts, begins) in [
            ([Success, Success, Failure, Skipped], Ok("test")),
            ([Success, Skipped, Success, Failure], Ok("package")),
            ([Success, Warnings, Failure, Skipped], Ok("lint")),
            ([Exception, Skipped, Skipped, Skipped], Ok("checkout")),
            ([Success, Success, Success, Success], Err(NoRetry::NothingFailed)),
        ] {
            let found = failed(&build(verdicts));
            assert_eq!(found.as_ref().map(StepName::as_str), begins.as_ref().copied(), "{verdicts:?}");
        }
        let red = build([Success, Failure, Success, Success]);
        let name = |text: &str| text.parse::<StepName>().unwrap();
        assert_eq!(begins_at(&red, &name("lint")), Ok(()));
        assert_eq!(begins_at(&red, &name("package")), Err(NoRetry::NotGreen(name("lint"))));
        let unknown = begins_at(&red, &name("deploy")).unwrap_err();
        assert_eq!(unknown.to_string(), "it has no step deploy; its steps are checkout, lint, test, package");
    }

    #[test]
    fn what_is_taken_over_is_the_same_and_was_good() {
        use Verdict::{Failure, Skipped, Success};
        let before = build([Success, Success, Success, Failure]);
        let names: Vec<StepName> = before.iter().map(|step| step.name.clone()).collect();
        for (from, changed, count) in [
            ("package", None, 2),
            ("test", None, 1),
            ("lint", None, 0),
            ("checkout", None, 2),
            ("package", Some(1), 0),
            ("package", Some(2), 1),
        ] {
            let specs: Vec<Option<String>> = before.iter().map(|step| step.spec.clone()).collect();
            let now: Vec<(&StepName, Option<&str>)> = names
                .iter()
                .enumerate()
                .map(|(at, name)| (name, if changed == Some(at) { Some("other") } else { specs[at].as_deref() }))
                .collect();
            let from: StepName = from.parse().unwrap();
            assert_eq!(taken_over(&before, &now, &from), count, "{from} {changed:?}");
        }
        assert_eq!(taken_over(&build([Success, Failure, Skipped, Skipped]), &[], &"x".parse().unwrap()), 0);
    }

    #[test]
    fn an_old_commit_that_is_green_at_last_does_not_go_live() {
        let commit = |digit: &str| digit.repeat(40).parse::<CommitId>().unwrap();
        let retry = Origin::Retry { name: "ada".into(), build: BuildNumber(7), from: None };
        let (old, new) = (commit("a"), commit("b"));
        for (origin, built, tip, goes) in [
            (&retry, Some(&new), Some(&new), true),
            (&retry, Some(&old), Some(&new), false),
            (&retry, Some(&old), None, false),
            (&retry, None, None, false),
            (&Origin::Poll, Some(&old), Some(&new), true),
        ] {
            assert_eq!(may_go_live(origin, built, tip), goes, "{origin:?} {built:?} {tip:?}");
        }
    }
}
