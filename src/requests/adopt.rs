//! Adopting what was there before unitci, while no deploy to its target runs or waits.

use super::deploy::NotTaken;
use super::{No, Taker, to};
use crate::intake::{Answer, Refusal};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{BuildNumber, CommitId, ProjectName, ReleaseName, TargetName};
use crate::order::{Order, Orders, Work};
use crate::store::Standing;
use crate::worker::call::Call;
use crate::worker::protocol::{ReleaseAdoptAnswer, ReleaseAdoptTask};
use jiff::Timestamp;
use std::os::fd::AsFd;
use std::path::PathBuf;

impl Taker<'_> {
    /// The worker does it as the target's user; done again it goes on where a kill has left it.
    pub(super) fn adopt(&self, name: &ProjectName, target: Option<&TargetName>, who: &str) -> Result<Answer, No> {
        let config = self.project(name)?;
        let (id, target) = to(&config, target)?;
        let work = Work::Release { target: id.target.clone() };
        let call = Call { place: self.place, project: name, work, job: "adopt" };
        let task = ReleaseAdoptTask { root: target.root.clone(), shared: target.shared.clone() };
        // Before the first build the users that a worker runs as may not be there.
        let users = Orders::to(self.place).give(&Order::Prepare { project: name.clone() }, &[]);
        users.map_err(|error| (Refusal::TryAgain, error.to_string()))?;
        // Whoever holds this keeps a deploy from coming to its next phase.
        let adopted = self.store().write(|tx| {
            if let Some(other) = tx.read().unfinished_deploys(&id)?.into_iter().next() {
                let message = format!("a deploy of {} is not over; ask again when it is", other.describe());
                return Err(NotTaken::No { refusal: Refusal::TryAgain, message });
            }
            let adopted = call.make(task, std::io::stderr().as_fd()).map_err(|error| NotTaken::No {
                refusal: Refusal::NoSuchThing,
                message: format!("{id} is not adopted: {error}"),
            })?;
            let adopted = believed(adopted, &target.shared).ok_or_else(|| NotTaken::No {
                refusal: Refusal::NoSuchThing,
                message: format!("{id} is not adopted: its user's worker tells of another release"),
            })?;
            tx.set_release(&id, &adopted.release, &CommitId::none(), Standing::Good)?;
            if tx.read().live(&id)?.is_none() {
                tx.set_live(&id, &adopted.release, None, Timestamp::now())?;
            }
            Ok(adopted)
        })?;
        let text =
            format!("{who} has adopted what was in {}: it is release {}", target.root.display(), adopted.release);
        journal::emit(Event::Adopted, &Subject::target(&id).person(who), Priority::Notice, &text);
        Ok(Answer::Adopted { release: adopted.release, shared: adopted.shared })
    }
}

/// What of the answer can be: the target's user, whose it is, may say what he likes. A release of a high number would
/// have all that come after it be too old, and paths are shown on terminals.
fn believed(answer: ReleaseAdoptAnswer, shared: &[PathBuf]) -> Option<ReleaseAdoptAnswer> {
    let ReleaseAdoptAnswer { release, shared: mut moved } = answer;
    moved.retain(|path| shared.contains(path));
    let ours = release == ReleaseName::new(BuildNumber(0), &CommitId::none());
    ours.then_some(ReleaseAdoptAnswer { release, shared: moved })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_targets_user_only_what_can_be_is_believed() {
        let shared = ["media", "conf/.env"].map(PathBuf::from);
        for (release, moved, believes) in [
            ("0-0000000", &[][..], Some(&[][..])),
            ("0-0000000", &["conf/.env"][..], Some(&["conf/.env"][..])),
            ("0-0000000", &["\u{1b}[2J", "media", "../media", "media\nx"][..], Some(&["media"][..])),
            ("0-1111111", &["media"][..], None),
            ("999999-0000000", &["media"][..], None),
        ] {
            let moved = moved.iter().map(PathBuf::from).collect();
            let answer = ReleaseAdoptAnswer { release: release.parse().unwrap(), shared: moved };
            let expected = believes.map(|paths| paths.iter().map(PathBuf::from).collect::<Vec<_>>());
            assert_eq!(believed(answer, &shared).map(|answer| answer.shared), expected, "{release}");
        }
    }
}
