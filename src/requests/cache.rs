//! Emptying what a project keeps from build to build, while none of its builds runs or waits.

use super::{No, Taker};
use crate::config::project::BuildOutside;
use crate::intake::{Answer, Refusal};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{ProjectName, Room, Trust};
use crate::order::Work;
use crate::store::{StoreError, Tx};
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::{Left, SetAside, SetAsideTask, SweepTask};
use jiff::Timestamp;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long removing may take before the answer says that there is more; whoever asked waits 30 s.
const REMOVING: Duration = Duration::from_secs(10);

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
        let outside = match self.project(name)?.source.build_outside {
            BuildOutside::Never => None,
            BuildOutside::Ask | BuildOutside::Always => Some(Trust::Outside),
        };
        let rooms: Vec<Room> =
            [Some(Trust::Inside), outside].into_iter().flatten().map(|trust| Room::of(name, trust)).collect();
        // One that no build has had yet is not there.
        let rooms: Vec<Room> = rooms.into_iter().filter(|room| room.folder(self.place).exists()).collect();
        let call = |room: &Room| Call {
            place: self.place,
            project: name,
            work: Work::Cache { trust: room.trust },
            job: match room.trust {
                Trust::Inside => "inside",
                Trust::Outside => "outside",
            },
        };
        let failed = |error: CallError| (Refusal::TryAgain, format!("the cache of {name} is not emptied: {error}"));
        // Whoever holds this keeps the dispatcher from starting a build.
        let set_aside = self.store().write(|tx| {
            idle(tx, name)?;
            tx.cache_measured(name, 0, tx.read().unmeasured(name)?, Timestamp::now())?;
            rooms.iter().try_for_each(|room| {
                let task = SetAsideTask { folder: room.folder(self.place), what: SetAside::All };
                call(room).make(task, std::io::stderr().as_fd()).map_err(|error| Not::No(failed(error)))
            })
        });
        match set_aside {
            Ok(()) => {}
            Err(Not::Store(error)) => return Err(super::store_trouble(&error)),
            Err(Not::No(no)) => return Err(no),
        }
        let (mut bytes, mut more) = (0, false);
        for room in &rooms {
            let task = SweepTask { folder: room.folder(self.place), timeout: REMOVING };
            let swept = call(room).make(task, std::io::stderr().as_fd()).map_err(failed)?;
            bytes += swept.bytes;
            more |= swept.left == Left::Some;
        }
        let text = format!("{who} has emptied HOME and cache of {name}: {bytes} bytes");
        journal::emit(Event::CacheEmptied, &Subject::project(name), Priority::Notice, &text);
        Ok(Answer::Emptied { bytes, more })
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
