//! Adopting what was there before unitci, while no deploy to its target runs or waits.

use super::deploy::NotTaken;
use super::{No, Taker, to};
use crate::intake::{Answer, Refusal};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{CommitId, ProjectName, TargetName};
use crate::order::{Order, Orders, Work};
use crate::store::Standing;
use crate::worker::call::Call;
use crate::worker::protocol::ReleaseAdoptTask;
use jiff::Timestamp;
use std::os::fd::AsFd;

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
