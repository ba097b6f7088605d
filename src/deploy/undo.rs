//! Going back to the release before, when the new one is not well.

use super::finish::Verdict;
use super::halt::{CarryError, Halt};
use super::run::Run;
use crate::model::{Outcome, Phase, ReleaseName};
use crate::store::{Standing, StoreError};
use jiff::Timestamp;

impl Run<'_> {
    /// Undoes, or goes on undoing; which release to go back to and why were written down before.
    pub(super) fn undo(&mut self) -> Result<(), Halt> {
        let row = self.store.read().deploy(self.deploy.id)?;
        let why = self.store.read().deploy_summary(self.deploy.id)?.unwrap_or_default();
        let Some(previous) = row.and_then(|deploy| deploy.previous) else {
            let summary = format!("{why}; there is no good release before it to go back to");
            return self.end(Outcome::Down, &summary, Verdict::Bad);
        };
        self.notifier
            .status(&format!("deploy of {}: {}", self.deploy.describe(), Phase::Undo.as_str()))
            .map_err(CarryError::from)?;
        self.say(&format!("undo: back to {previous}"))?;
        match self.go_back(&previous, &why) {
            Ok(()) => self.end(Outcome::RolledBack, &why, Verdict::Bad),
            Err(Halt::Failed(too)) => {
                let summary = format!("{why}; and {previous}, to which it went back, is not well either: {too}");
                self.end(Outcome::Down, &summary, Verdict::Bad)
            }
            Err(halt) => Err(halt),
        }
    }

    fn go_back(&mut self, previous: &ReleaseName, why: &str) -> Result<(), Halt> {
        self.point_to(previous, &format!("back from {}: {why}", self.deploy.release()))?;
        let (target, id) = (self.deploy.target_id(), self.deploy.id);
        let (release, commit) = (self.deploy.release(), self.deploy.commit.clone());
        self.store.write(|tx| {
            tx.set_release(&target, &release, &commit, Standing::Bad)?;
            tx.set_live(&target, previous, id, Timestamp::now())?;
            Ok::<_, StoreError>(())
        })?;
        self.services(previous)?;
        let known = self.store.read().release(&target, previous)?;
        self.checks(previous, known.map(|release| release.commit).as_ref())
    }
}
