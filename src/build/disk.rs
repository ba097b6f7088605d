//! How much a step has written, where that is limited.

use super::supervise::Supervisor;
use crate::model::{BuildId, Place, Room, StepIndex, StepRow, StepState};
use crate::order::Work;
use crate::systemd::UnitState;
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::MeasureTask;
use jiff::Timestamp;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one measuring may take; what it has found by then counts.
const MEASURE: Duration = Duration::from_secs(20);
/// How long to wait after one that found the step innocent.
const REST: Duration = Duration::from_secs(30);

/// Watches one step. What the kernel counts for its control group is exact but late, and not counted at all under version
/// 1 and without the io controller. So the file system's free space is looked at too, which costs nothing: while it has
/// not shrunk by the limit, the step cannot have kept as much. Only then the files that have changed since the step began
/// are measured, as the step's user.
pub(super) struct DiskWatch {
    place: Place,
    id: BuildId,
    room: Room,
    step: StepIndex,
    since: Timestamp,
    most: u64,
    free_before: Option<u64>,
    measured: Mutex<Option<Instant>>,
}

impl Supervisor<'_> {
    pub(super) fn watch_disk(&self, step: &StepRow, most: u64) -> DiskWatch {
        let since = match step.state {
            StepState::Running { started } => started,
            StepState::Pending | StepState::Finished { .. } => Timestamp::now(),
        };
        DiskWatch {
            place: self.place.clone(),
            id: self.id.clone(),
            room: self.room.clone(),
            step: step.index,
            since,
            most,
            free_before: free(self.place),
            measured: Mutex::new(None),
        }
    }
}

/// What is free where rooms are; nothing where that cannot be told.
fn free(place: &Place) -> Option<u64> {
    let told = nix::sys::statvfs::statvfs(&place.rooms());
    told.map(|told| told.blocks_free() * told.fragment_size()).ok()
}

impl DiskWatch {
    /// Whether the step has written more than it may.
    pub(super) fn is_passed(&self, state: &UnitState) -> bool {
        if state.usage.written.is_some_and(|written| written > self.most) {
            return true;
        }
        let gone = self.free_before.zip(free(&self.place)).map_or(0, |(before, now)| before.saturating_sub(now));
        if gone <= self.most || !self.may_measure() {
            return false;
        }
        match self.measure() {
            Ok(bytes) => bytes > self.most,
            Err(error) => {
                tracing::warn!("what {} has written cannot be measured: {error}; trying again", self.id);
                false
            }
        }
    }

    fn may_measure(&self) -> bool {
        let mut last = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = last.is_none_or(|last| last.elapsed() >= REST);
        if rested {
            *last = Some(Instant::now());
        }
        rested
    }

    fn measure(&self) -> Result<u64, CallError> {
        let messages = File::options().write(true).open("/dev/null")?;
        let task = MeasureTask {
            folder: self.room.folder(&self.place),
            since: self.since,
            enough: self.most,
            timeout: MEASURE,
        };
        let job = format!("disk-{}-{}", self.id.number, self.step);
        let work = Work::Results { trust: self.room.trust, slot: self.room.slot };
        let call = Call { place: &self.place, project: &self.id.project, work, job: &job };
        Ok(call.make(task, messages.as_fd())?.bytes)
    }
}
