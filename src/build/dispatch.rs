//! The dispatcher, `ci-build.service`: repair what is under way without a supervisor, then start what may start.

use super::finish::{self, End, stopped_by};
use super::leftover;
use super::supervise::UNIT_STOPPED;
use crate::config::{Site, load_project};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{Build, BuildId, NewRequest, Origin, Place, Stop, Target, Verdict, unit};
use crate::order::{Order, OrderError, Orders, Work};
use crate::plan::dispatch::{Care, Supervisor, care};
use crate::start::{StartError, start_what_may};
use crate::store::{Store, StoreError};
use crate::systemd::{ActiveState, Bus, BusError, SubState};
use crate::wake::Wake;
use jiff::Timestamp;
use std::path::PathBuf;

/// How often systemd starts a supervisor again before it gives it up: `StartLimitBurst=` of `ci-build@.service`.
const RESTARTS: u32 = 20;

/// Why the dispatcher gives up; systemd starts it again.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// `ci-launch` cannot be reached.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// What waits cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The wake.
    #[error("{path}: {source}")]
    Wake {
        /// Where wakes are.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// One run over the whole queue.
pub fn dispatch(place: &Place) -> Result<(), DispatchError> {
    Wake::Build.take(place).map_err(|source| DispatchError::Wake { path: place.wakes(), source })?;
    let mut store = Store::open(place)?;
    let mut orders = Orders::to(place);
    let unfinished = store.read().unfinished_builds()?;
    let mut trouble = None;
    if !unfinished.is_empty() {
        let bus = Bus::connect(&place.bus)?;
        let boot = bus.began()?.to_string();
        for build in &unfinished {
            // The trouble of one build is not that of the others.
            if let Err(error) = look_after(place, &mut store, &mut orders, &bus, build, &boot) {
                journal::emit(
                    Event::BuildStarted,
                    &Subject::build(&build.id),
                    Priority::Error,
                    &format!("{}: {error}; trying again", build.id),
                );
                trouble = Some(error);
            }
        }
    }
    start_what_may(place, &mut store, &mut orders)?;
    trouble.map_or(Ok(()), Err)
}

fn supervisor(bus: &Bus, id: &BuildId) -> Result<Supervisor, BusError> {
    let state = bus.state(&unit::build_unit(id))?;
    if bus.job_of(&unit::build_unit(id))?.is_some() {
        return Ok(Supervisor::There);
    }
    Ok(match state.active {
        ActiveState::Inactive => Supervisor::Absent,
        // Killed while it was being stopped: nobody starts it again, and nothing is wrong with it. `Result=` does not
        // tell the two apart: it keeps the first thing that went wrong.
        ActiveState::Failed if state.restarts < RESTARTS => Supervisor::Absent,
        ActiveState::Failed => Supervisor::Failed,
        ActiveState::Activating if state.sub == SubState::AutoRestart => Supervisor::Returning,
        ActiveState::Active
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Reloading
        | ActiveState::Other(_) => Supervisor::There,
    })
}

fn look_after(
    place: &Place,
    store: &mut Store,
    orders: &mut Orders,
    bus: &Bus,
    build: &Build,
    boot: &str,
) -> Result<(), DispatchError> {
    let id = &build.id;
    match care(build, supervisor(bus, id)?, boot) {
        Care::Stop => {
            orders.give(&Order::StopSupervisor { build: id.clone() }, &[])?;
        }
        Care::Nothing => {}
        Care::TakenAway => {
            store.write(|tx| tx.ask_stop(id, &Stop { by: UNIT_STOPPED.to_owned(), reason: None }))?;
            orders.give(&Order::Supervise { build: id.clone() }, &[])?;
        }
        Care::Stopped => {
            let mut summary = stopped_by(build).unwrap_or_default();
            summary += "; the machine went down before it was over";
            end(place, store, orders, build, Verdict::Cancelled, &summary)?;
        }
        Care::Start => {
            orders.give(&Order::Supervise { build: id.clone() }, &[])?;
        }
        Care::GiveUp => {
            let why = format!("the supervisor fails again and again: journalctl -u '{}'", unit::build_unit(id));
            let (verdict, summary) = match stopped_by(build) {
                Some(stopped) => (Verdict::Cancelled, format!("{stopped}; {why}")),
                None => (Verdict::Exception, why),
            };
            end(place, store, orders, build, verdict, &summary)?;
            // The unit's failure is told of by the build, and its name is free for nobody else.
            orders.give(&Order::StopSupervisor { build: id.clone() }, &[])?;
        }
        Care::MachineWentDown { again } => {
            let summary = "the machine went down";
            let tail = if again { "; it is queued again" } else { " for the second time; it is not queued again" };
            journal::emit(
                Event::MachineWentDown,
                &Subject::build(id),
                Priority::Warning,
                &format!("build {id}: {summary}{tail}"),
            );
            // First, since nobody looks after a build that is over.
            if again {
                queue_again(store, build)?;
            }
            end(place, store, orders, build, Verdict::Exception, summary)?;
        }
    }
    Ok(())
}

/// Ends a build that has no supervisor: first what it may have left running, then its row.
fn end(
    place: &Place,
    store: &mut Store,
    orders: &mut Orders,
    build: &Build,
    verdict: Verdict,
    summary: &str,
) -> Result<(), DispatchError> {
    for work in [Work::Fetch, Work::Checkout { trust: build.trust }] {
        let (project, job) = (build.id.project.clone(), build.id.number.to_string());
        orders.give(&Order::StopWork { project, work, job }, &[])?;
    }
    for step in store.read().steps(&build.id)? {
        orders.give(&Order::StopStep { build: build.id.clone(), step: step.index }, &[])?;
    }
    let (site, project) = match load_project(place, &build.id.project) {
        Ok((site, project)) => (site, Some(project)),
        // Then nobody is known to tell; the page and the journal do.
        Err(_) => (Site::default(), None),
    };
    leftover::pack_logs(place, store, &build.id, project.as_ref())?;
    let end = End { build, verdict, summary, project: project.as_ref(), site: &site };
    Ok(finish::record(place, store, &end)?)
}

fn queue_again(store: &mut Store, build: &Build) -> Result<(), StoreError> {
    let target = match (&build.commit, &build.target) {
        (Some(commit), Target::Commit { .. } | Target::Tip) => Target::Commit { commit: commit.clone() },
        (_, target) => target.clone(),
    };
    let ask = NewRequest {
        project: build.id.project.clone(),
        reference: build.reference.clone(),
        target,
        origin: Origin::Again { build: build.id.number },
        trust: build.trust,
        reason: build.reason.clone(),
        changes: build.changes.clone(),
        not_before: None,
        // The same build asks once, however often the dispatcher dies here.
        token: Some(format!("again-{}", build.id)),
    };
    store.write(|tx| tx.queue(ask, Timestamp::now()))?;
    Ok(())
}
