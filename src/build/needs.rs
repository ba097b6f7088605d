//! Which steps a build needs, by what has changed: asked of the checkout, decided once, kept in the steps' rows.

use super::supervise::{SuperviseError, Supervisor};
use crate::model::{Build, BuildNumber, Changed, CommitId, Origin, StepIndex, StepRow, StepState, Verdict};
use crate::plan::conditions;
use crate::plan::result::Progress;

/// What the files of this build are compared with.
#[derive(Debug, Clone)]
pub(super) struct Base {
    build: BuildNumber,
    pub(super) commit: CommitId,
}

impl Base {
    /// What the checkout said of it.
    pub(super) fn changed(base: Option<Base>, paths: Option<Vec<String>>) -> Changed {
        match (base, paths) {
            (Some(base), Some(paths)) => Changed::Files { since: base.build, paths },
            (Some(_), None) | (None, _) => Changed::Everything,
        }
    }
}

impl Supervisor<'_> {
    /// The last green build of the same ref, if any step looks at files. Who forces a build wants all of it.
    pub(super) fn base(&self, build: &Build) -> Result<Option<Base>, SuperviseError> {
        let mut looks = false;
        for step in self.store.read().steps(&self.id)? {
            looks |= self.spec(step.index)?.is_some_and(|spec| conditions::looks_at_files(spec.when, &spec.only));
        }
        match build.origin {
            Origin::Force { .. } => return Ok(None),
            Origin::Poll | Origin::Person { .. } | Origin::Again { .. } | Origin::Retry { .. } if !looks => {
                return Ok(None);
            }
            Origin::Poll | Origin::Person { .. } | Origin::Again { .. } | Origin::Retry { .. } => {}
        }
        let green = self.store.read().last_green(build)?;
        Ok(green.and_then(|green| Some(Base { build: green.id.number, commit: green.commit? })))
    }

    /// Writes down which steps are not needed. A supervisor that is killed before the checkout is written down as over
    /// leaves this to the next, which decides anew.
    pub(super) fn keep_unneeded(&mut self, changed: &Changed) -> Result<(), SuperviseError> {
        let mut unneeded = Vec::new();
        for step in self.store.read().steps(&self.id)? {
            let Some(spec) = self.spec(step.index)? else { continue };
            unneeded.extend(conditions::unneeded(spec.when, &spec.only, changed).map(|why| (step.index, why)));
        }
        if unneeded.is_empty() {
            return Ok(());
        }
        let id = self.id.clone();
        self.store
            .write_patiently(|tx| unneeded.iter().try_for_each(|(index, why)| tx.step_unneeded(&id, *index, why)))?;
        Ok(())
    }

    /// Why a step that has not begun is skipped, in words that may be empty; nothing if it runs.
    pub(super) fn skipped(&self, step: &StepRow, progress: Progress) -> Result<Option<String>, SuperviseError> {
        let Some(spec) = self.spec(step.index)? else { return Ok(None) };
        if !progress.runs(spec.when) {
            return Ok(Some(String::new()));
        }
        // An `always` step would run in what another build left, or in nothing.
        let checkout = self.store.read().step(&self.id, StepIndex::CHECKOUT)?.map(|checkout| checkout.state);
        if !matches!(checkout, Some(StepState::Finished { verdict: Verdict::Success, .. })) {
            return Ok(Some("there is no checkout to run in".to_owned()));
        }
        let elsewhere = conditions::elsewhere(&spec.only, self.build()?.reference.as_ref());
        Ok(elsewhere.or_else(|| step.unneeded.clone()))
    }
}
