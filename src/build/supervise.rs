//! The supervisor of one build, `ci-build@gkp:42.service`: checkout, then step after step, then the verdict.
//!
//! It may be killed anywhere and started again: the rows say where the build stands, the units of its steps go on
//! without it, and their pipes come back from the fd store.

use super::finish::{self, End};
use super::leftover;
use super::rerun;
use super::secrets::Secrets;
use super::service::{Next, Services};
use super::spec;
use crate::attend::Bell;
use crate::caches;
use crate::config::project::{OnFailure, StepsFrom};
use crate::config::{LoadError, Project, Site, load_project};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::build::Role;
use crate::model::{
    Build, BuildId, BuildState, Place, Room, StepIndex, StepRow, StepState, Stop, Trust, Verdict, unit,
};
use crate::order::{Order, Orders};
use crate::plan::result::Progress;
use crate::store::{NewStep, Store, StoreError};
use crate::systemd::{Bus, BusError, JobKind, Notifier, NotifyError, PassedFds, SystemState};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a build may be taken over before it is given up.
const TAKEOVERS: u32 = 20;

/// What is left to do after a stop besides waiting for steps: packing logs, writing down.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// Who stopped a build whose unit was stopped.
pub(super) const UNIT_STOPPED: &str = "systemctl stop";

/// Why a supervisor cannot go on. It exits, and systemd starts the next.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The row is not there.
    #[error("there is no build {0}")]
    NoSuchBuild(BuildId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own folders or pipes.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The manager that started us.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The fd store.
    #[error(transparent)]
    Activation(#[from] crate::systemd::ActivationError),
    /// Not started by systemd.
    #[error("ci-build --supervise is run by ci-build@.service only; a person says: ci-build {0}")]
    NotAUnit(BuildId),
    /// The kernel.
    #[error("signals: {0}")]
    Signals(#[from] nix::Error),
    /// A spec in the store cannot be read.
    #[error("step {0}: what it runs cannot be read from the store: {1}")]
    Spec(StepIndex, serde_json::Error),
}

/// Why the supervisor ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// The build is over.
    Finished,
    /// The machine goes down, or an upgrade starts us again: the build stays as it is.
    Quietly,
}

/// All that supervising one build needs.
pub(super) struct Supervisor<'a> {
    pub(super) place: &'a Place,
    pub(super) store: Store,
    pub(super) bus: Bus,
    pub(super) orders: Orders,
    pub(super) notifier: Notifier,
    pub(super) passed: PassedFds,
    pub(super) bell: Bell,
    pub(super) site: Site,
    pub(super) project: Project,
    pub(super) id: BuildId,
    /// Where its steps live.
    pub(super) room: Room,
    /// What is masked in all of its logs.
    pub(super) secrets: Secrets,
    pub(super) deadline: Instant,
    /// Whether the supervisor itself is being stopped, and so cleans up after a cancel.
    pub(super) stopping: bool,
    /// What runs beside the steps.
    pub(super) services: Services,
}

/// What a SIGTERM means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Terminated {
    /// Somebody wants the build stopped.
    Cancel(Stop),
    /// The machine goes down, or we are restarted.
    Leave,
}

/// Runs a build to its end, or takes it over.
pub fn supervise(place: &Place, id: &BuildId) -> Result<(), SuperviseError> {
    let bell = Bell::install()?;
    let mut passed = PassedFds::take_all()?;
    let notifier = Notifier::from_env()?.ok_or_else(|| SuperviseError::NotAUnit(id.clone()))?;
    let mut store = Store::open(place)?;
    let build = store.read().build(id)?.ok_or_else(|| SuperviseError::NoSuchBuild(id.clone()))?;
    notifier.ready()?;
    if let BuildState::Finished { .. } = build.state {
        return Ok(());
    }
    let (site, project) = match load_project(place, &id.project) {
        Ok(loaded) => loaded,
        Err(error) => return give_up(place, &mut store, &build, &error),
    };
    let bus = Bus::connect(&place.bus)?;
    let started = take(place, &mut store, &build, &project, &bus.began()?.to_string())?;
    let spent = Duration::try_from(Timestamp::now().duration_since(started)).unwrap_or_default();
    let secrets = Secrets::kept(&mut passed)
        .map_err(|source| SuperviseError::Io { path: "the secrets in the fd store".into(), source })?;
    let mut supervisor = Supervisor {
        place,
        bus,
        orders: Orders::to(place),
        store,
        notifier,
        passed,
        bell,
        site,
        deadline: Instant::now() + project.build.timeout.saturating_sub(spent),
        project,
        id: id.clone(),
        room: build.room(),
        secrets,
        stopping: false,
        services: Services::default(),
    };
    match supervisor.run()? {
        Leave::Finished | Leave::Quietly => Ok(()),
    }
}

/// A configuration that broke after the request was taken; a supervisor before us may have left a step running.
fn give_up(place: &Place, store: &mut Store, build: &Build, error: &LoadError) -> Result<(), SuperviseError> {
    let mut orders = Orders::to(place);
    for step in store.read().steps(&build.id)? {
        let stop = Order::StopStep { build: build.id.clone(), step: step.index };
        orders.give(&stop, &[]).map_err(|error| SuperviseError::Io {
            path: place.launch_socket(),
            source: std::io::Error::other(error.to_string()),
        })?;
    }
    leftover::pack_logs(place, store, &build.id, None)?;
    let summary = format!("{error}; ci-config check tells more");
    finish::record(
        place,
        store,
        &End { build, verdict: Verdict::Exception, summary: &summary, project: None, site: &Site::default() },
    )?;
    Ok(())
}

/// Takes the build, for the first time or over from one that died; says since when it runs.
fn take(
    place: &Place,
    store: &mut Store,
    build: &Build,
    project: &Project,
    boot: &str,
) -> Result<Timestamp, SuperviseError> {
    let id = &build.id;
    let folder = place.build(id);
    std::fs::create_dir_all(&folder).map_err(|source| SuperviseError::Io { path: folder, source })?;
    let mut steps = vec![NewStep::checkout()];
    match project.pipeline {
        StepsFrom::Project => steps.extend(spec::rows(project, &project.steps)?),
        // The checkout tells.
        StepsFrom::Repository => {}
    }
    let now = Timestamp::now();
    let over = match build.state {
        BuildState::Starting => rerun::taken_over(store, build, &steps)?,
        BuildState::Running { .. } | BuildState::Finished { .. } => Vec::new(),
    };
    let (taken, takeovers) = store.write_patiently(|tx| {
        tx.take_build(id, boot, &steps, now)?;
        if project.pipeline == StepsFrom::Repository {
            tx.steps_from_commit(id)?;
        }
        for (index, end) in &over {
            tx.step_finished(id, *index, end, now)?;
        }
        Ok::<_, StoreError>((tx.read().build(id)?, tx.takeovers(id)?))
    })?;
    let subject = Subject::build(id);
    if takeovers == 0 {
        journal::emit(
            Event::BuildStarted,
            &subject,
            Priority::Notice,
            &format!("build {id} begins: {}", build.origin.describe()),
        );
    } else if takeovers <= TAKEOVERS {
        journal::emit(
            Event::TakenOver,
            &subject,
            Priority::Notice,
            &format!("build {id} is taken over by another supervisor"),
        );
    } else {
        journal::emit(
            Event::TakenOver,
            &subject,
            Priority::Warning,
            &format!("build {id} has been taken over {takeovers} times"),
        );
    }
    match taken.map(|b| b.state) {
        Some(BuildState::Running { started, .. }) => Ok(started),
        Some(BuildState::Starting | BuildState::Finished { .. }) | None => Ok(now),
    }
}

impl Supervisor<'_> {
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject::build(&self.id)
    }

    pub(super) fn build(&self) -> Result<Build, SuperviseError> {
        self.store.read().build(&self.id)?.ok_or_else(|| SuperviseError::NoSuchBuild(self.id.clone()))
    }

    fn run(&mut self) -> Result<Leave, SuperviseError> {
        match self.orders.give(&Order::Prepare { project: self.id.project.clone() }, &[]) {
            Ok(_) => {}
            // The build can go on once ci-launch is well again.
            Err(error) if self.has_begun()? => return Err(self.order_error(&error)),
            Err(error) => return self.broken(&error),
        }
        if let Some(why) = self.prepare_secrets()? {
            return self.broken(&why);
        }
        let mut progress = Progress::START;
        let is_step = |step: &StepRow| step.role == Role::Step;
        let mut rows: VecDeque<StepRow> = self.store.read().steps(&self.id)?.into_iter().filter(is_step).collect();
        while let Some(step) = rows.pop_front() {
            // SIGTERM between two steps.
            if self.bell.is_terminated() && self.terminated()? == Terminated::Leave {
                return Ok(Leave::Quietly);
            }
            // Or a stop that nobody heard: its SIGTERM came to a supervisor that was just starting, or to none.
            if progress.worst < Verdict::Cancelled && self.build()?.stop.is_some() {
                self.stopping = true;
                progress = progress.after(Verdict::Cancelled, OnFailure::Halt);
            }
            // As it is now: the checkout may have found that it is not needed.
            let step = self.store.read().step(&self.id, step.index)?.unwrap_or(step);
            if step.index == StepIndex::CHECKOUT
                && step.state == StepState::Pending
                && progress.worst == Verdict::Cancelled
            {
                // Nothing has begun, so nothing is to be cleaned up; in the workspace is what another build left.
                break;
            }
            if step.index != StepIndex::CHECKOUT && !matches!(step.state, StepState::Finished { .. }) {
                match self.open_services(progress)? {
                    Next::On(after) => progress = after,
                    Next::Leave => return Ok(Leave::Quietly),
                }
            }
            match self.step(&step, progress)? {
                Some(after) => progress = self.look_after_services(after)?,
                None => return Ok(Leave::Quietly),
            }
            if step.index == StepIndex::CHECKOUT && rows.is_empty() {
                // It may have told which steps there are.
                rows.extend(self.store.read().steps(&self.id)?.into_iter().skip(1).filter(is_step));
                if !rows.is_empty()
                    && let Some(why) = self.prepare_secrets()?
                {
                    return self.broken(&why);
                }
            }
        }
        match self.close_services(progress)? {
            Next::On(after) => progress = after,
            Next::Leave => return Ok(Leave::Quietly),
        }
        // A stop that came when only `always` steps were left.
        if self.build()?.stop.is_some() {
            progress = progress.after(Verdict::Cancelled, OnFailure::Halt);
        }
        match self.collect_folder()? {
            Some((verdict, said)) => self.end(Progress { worst: progress.worst.and(verdict), ..progress }, &said),
            None => Ok(Leave::Quietly),
        }
    }

    fn has_begun(&self) -> Result<bool, SuperviseError> {
        let checkout = self.store.read().step(&self.id, StepIndex::CHECKOUT)?;
        Ok(checkout.is_some_and(|checkout| checkout.state != StepState::Pending))
    }

    /// The CI's own trouble before the first step.
    fn broken(&mut self, error: &dyn std::fmt::Display) -> Result<Leave, SuperviseError> {
        let build = self.build()?;
        let summary = error.to_string();
        let end = End {
            build: &build,
            verdict: Verdict::Exception,
            summary: &summary,
            project: Some(&self.project),
            site: &self.site,
        };
        finish::record(self.place, &mut self.store, &end)?;
        Ok(Leave::Finished)
    }

    /// `aside` is what there is to say if no step is to blame.
    fn end(&mut self, progress: Progress, aside: &str) -> Result<Leave, SuperviseError> {
        let build = self.build()?;
        self.bound_caches(&build)?;
        let mut steps = Vec::new();
        for step in self.store.read().steps(&self.id)? {
            let on_failure = self.spec(step.index)?.map_or(OnFailure::Halt, |spec| spec.on_failure);
            steps.push((step, on_failure));
        }
        let mut summary = finish::summary(&build, progress.worst, &steps);
        if summary.is_empty() {
            aside.clone_into(&mut summary);
        }
        let end = End {
            build: &build,
            verdict: progress.worst,
            summary: &summary,
            project: Some(&self.project),
            site: &self.site,
        };
        finish::record(self.place, &mut self.store, &end)?;
        Ok(Leave::Finished)
    }

    /// Where HOME and cache are known to be too large, and builds followed one another too closely for `ci-clean` to do
    /// something about it, the build that is at its end does. Its verdict does not hang on that, not even where the disk is
    /// full: then least of all.
    fn bound_caches(&mut self, build: &Build) -> Result<(), SuperviseError> {
        let (Some(most), Trust::Inside) = (self.project.build.cache_max, build.trust) else { return Ok(()) };
        if self.store.read().cache(&self.id.project)?.is_none_or(|size| size.bytes <= most) {
            return Ok(());
        }
        if let Err(error) = caches::keep_within(self.place, &mut self.store, &self.project, Some(&self.id)) {
            tracing::warn!("HOME and cache of {} are too large and stay so: {error}", self.id.project);
        }
        Ok(())
    }

    /// Has systemd wait: for a step that may take this long after a stop, and for its end.
    pub(super) fn stays_for(&self, step: Duration) -> Result<(), SuperviseError> {
        Ok(self.notifier.extend_timeout(step + self.project.build.stop_grace + LAST_WORDS)?)
    }

    /// SIGTERM means three things; systemd knows which.
    pub(super) fn terminated(&mut self) -> Result<Terminated, SuperviseError> {
        if self.bus.system_state()? == SystemState::Stopping {
            return Ok(Terminated::Leave);
        }
        match self.bus.job_of(&unit::build_unit(&self.id))? {
            Some(JobKind::Restart | JobKind::Start) => Ok(Terminated::Leave),
            Some(_) | None => {
                self.bell.answered();
                self.stopping = true;
                self.stays_for(Duration::ZERO)?;
                let stop = match self.build()?.stop {
                    Some(stop) => stop,
                    None => Stop { by: UNIT_STOPPED.to_owned(), reason: None },
                };
                let id = self.id.clone();
                self.store.write_patiently(|tx| tx.ask_stop(&id, &stop))?;
                Ok(Terminated::Cancel(stop))
            }
        }
    }
}
