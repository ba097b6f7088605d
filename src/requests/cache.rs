//! Emptying what a project keeps from build to build, while none of its builds runs or waits.

use super::{No, Taker};
use crate::intake::{Answer, Refusal};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{ProjectName, Room, Trust};
use crate::order::Work;
use crate::store::{StoreError, Tx};
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::{Left, SetAsideTask, SweepTask};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long removing may take before the answer says that there is more; whoever asked waits 30 s.
const REMOVING: Duration = Duration::from_secs(15);

/// Why it is not emptied.
enum Not {
    Store(StoreError),
    No(No),
}

impl From<StoreError> for Not {
    fn from(error: StoreError) -> Not {
        Not::Store(error)
    }
}

impl Taker<'_> {
    pub(super) fn empty_cache(&self, name: &ProjectName, who: &str) -> Result<Answer, No> {
        self.project(name)?;
        let room = Room::of(name, Trust::Inside);
        let work = Work::Cache { trust: room.trust };
        let call = Call { place: self.place, project: name, work, job: "empty" };
        let folder = room.folder(self.place);
        let failed = |error: CallError| (Refusal::TryAgain, format!("the cache of {name} is not emptied: {error}"));
        // Whoever holds this keeps the dispatcher from starting a build.
        let set_aside = self.store().write(|tx| {
            idle(tx, name)?;
            let task = SetAsideTask { folder: folder.clone() };
            call.make(task, std::io::stderr().as_fd()).map_err(|error| Not::No(failed(error)))
        });
        match set_aside {
            Ok(()) => {}
            Err(Not::Store(error)) => return Err(super::store_trouble(&error)),
            Err(Not::No(no)) => return Err(no),
        }
        let task = SweepTask { folder, timeout: REMOVING };
        let swept = call.make(task, std::io::stderr().as_fd()).map_err(failed)?;
        let text = format!("{who} has emptied HOME and cache of {name}: {} bytes", swept.bytes);
        journal::emit(Event::CacheEmptied, &Subject::project(name), Priority::Notice, &text);
        Ok(Answer::Emptied { bytes: swept.bytes, more: swept.left == Left::Some })
    }
}

/// No build of the project runs or waits.
fn idle(tx: &Tx<'_>, name: &ProjectName) -> Result<(), Not> {
    let busy = |what: String| Err(Not::No((Refusal::TryAgain, format!("{what}; its HOME and cache are in use"))));
    if let Some(build) = tx.read().unfinished_builds()?.into_iter().find(|build| build.id.project == *name) {
        return busy(format!("build {} is not over", build.id));
    }
    if tx.read().waiting()?.iter().any(|request| request.ask.project == *name) {
        return busy(format!("a build of {name} waits"));
    }
    Ok(())
}
