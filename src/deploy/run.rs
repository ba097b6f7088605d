//! One deploy, phase after phase.

use super::finish::{self, End, Verdict};
use super::halt::{CarryError, Halt};
use super::log::{Log, to_journal};
use super::secrets::Secrets;
use crate::attend::Bell;
use crate::config::{Project, Site, project};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::{CommitId, Deploy, DeployState, Outcome, Phase, Place, ReleaseName};
use crate::order::{Order, OrderError, Orders, Stage};
use crate::plan::deploy::{Link, expired, link_after, next, rollback_target, way_back};
use crate::plan::turn::next_of;
use crate::store::{ReleaseRow, Standing, Store, StoreError};
use crate::systemd::{Bus, Notifier, SystemState};
use crate::worker::call::Talk;
use crate::worker::protocol::{Made, Release, ReleaseMakeAnswer};
use jiff::Timestamp;

/// How a deploy was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Over.
    Over,
    /// As it is, for the next run: SIGTERM came.
    UnderWay,
    /// Waiting: a freeze came before it had begun.
    Held,
}

/// All that carrying out one deploy needs.
pub(super) struct Run<'a> {
    pub(super) place: &'a Place,
    pub(super) store: &'a mut Store,
    pub(super) bus: Bus,
    pub(super) bell: &'a Bell,
    pub(super) notifier: &'a Notifier,
    pub(super) orders: Orders,
    pub(super) site: Site,
    pub(super) project: Project,
    pub(super) target: project::Deploy,
    pub(super) deploy: Deploy,
    pub(super) log: Log,
    pub(super) secrets: Secrets,
    /// The worker that waits for its next task on the target.
    pub(super) on_target: Option<Talk>,
}

/// How the phases went.
enum Went {
    /// All of them well; what is to be said of it all the same.
    Well(Vec<String>),
    /// The one in which it failed, and why.
    Wrong(Phase, String),
}

impl Run<'_> {
    /// Goes on from where the row says, to the end or until SIGTERM.
    pub(super) fn run(mut self) -> Result<Left, CarryError> {
        let done = self.work();
        if let Some(worker) = self.on_target.take() {
            worker.end();
        }
        match done {
            Ok(()) => {
                let Run { log, deploy, .. } = self;
                log.close(&mut to_journal(&deploy))?;
                Ok(Left::Over)
            }
            Err(Halt::Leave) => Ok(Left::UnderWay),
            Err(Halt::Held) => Ok(Left::Held),
            Err(Halt::Broken(error)) => Err(error),
            Err(Halt::Failed(why)) => Err(self.log.error(std::io::Error::other(why))),
        }
    }

    fn work(&mut self) -> Result<(), Halt> {
        let from = match self.deploy.state {
            DeployState::Running { phase, .. } => {
                self.tell(
                    Event::TakenOver,
                    &format!("deploy of {} goes on with: {}", self.deploy.describe(), phase.as_str()),
                );
                self.say(&format!("goes on with: {}", phase.as_str()))?;
                // A command of the run that was killed may still be at it.
                self.order(&Order::StopCommand { project: self.project.name.clone(), deploy: self.deploy.id })?;
                phase
            }
            DeployState::Waiting | DeployState::Finished { .. } => {
                self.begin()?;
                let why = self.deploy.why();
                self.tell(Event::DeployStarted, &format!("deploy of {} begins: {why}", self.deploy.describe()));
                Phase::Prepare
            }
        };
        if from == Phase::Undo {
            return self.undo();
        }
        match self.phases(from)? {
            Went::Well(warnings) => self.end(Outcome::Deployed, &warnings.join("; "), Verdict::Good),
            Went::Wrong(phase, why) => self.failed(phase, &why),
        }
    }

    /// From here on it is under way. Whoever was answered that the target is frozen finds nothing that begins after that.
    fn begin(&mut self) -> Result<(), Halt> {
        let (deploy, now) = (self.deploy.clone(), Timestamp::now());
        let begun = self.store.write(|tx| {
            let frozen = tx.read().freeze(&deploy.target_id())?.is_some_and(|freeze| freeze.holds(now));
            let id = deploy.id;
            match next_of(vec![deploy], frozen) {
                Some(_) => tx.deploy_phase(id, Phase::Prepare, now).map(|()| true),
                None => Ok::<_, StoreError>(false),
            }
        })?;
        if begun { Ok(()) } else { Err(Halt::Held) }
    }

    fn phases(&mut self, from: Phase) -> Result<Went, Halt> {
        let mut warnings = Vec::new();
        let mut coming = Some(from);
        while let Some(phase) = coming {
            if self.bell.is_terminated() {
                return Err(Halt::Leave);
            }
            let id = self.deploy.id;
            self.store.write(|tx| tx.deploy_phase(id, phase, Timestamp::now()))?;
            let status = format!("deploy of {}: {}", self.deploy.describe(), phase.as_str());
            self.notifier.status(&status).map_err(CarryError::from)?;
            self.say(phase.as_str())?;
            let done = match phase {
                Phase::Prepare => self.prepare(),
                Phase::Migrate => self.unless_proven(Stage::Migrate),
                Phase::Switch => self.switch(),
                Phase::Services => self.services(&self.deploy.release()),
                Phase::Checks => self.checks(&self.deploy.release(), Some(&self.deploy.commit.clone())),
                Phase::Finish => self.finishing(&mut warnings),
                // `next` never leads here.
                Phase::Undo => Ok(()),
            };
            match done {
                Ok(()) => {}
                Err(Halt::Failed(why)) => return Ok(Went::Wrong(phase, why)),
                Err(halt) => return Err(halt),
            }
            coming = next(phase);
        }
        Ok(Went::Well(warnings))
    }

    fn prepare(&mut self) -> Result<(), Halt> {
        self.secrets_are_known()?;
        let artifacts = match self.artifacts() {
            // What has been live and well needs none: it is there, or it is not made again without them.
            Err(Halt::Failed(why)) if self.is_proven()? => {
                self.say(&format!("{why}; so release {} must be there", self.deploy.release()))?;
                None
            }
            all => Some(all?),
        };
        let ReleaseMakeAnswer { target, made } = self.make_release(artifacts)?;
        let Some(made) = made else {
            let all = format!("ci-deploy --check {} tells all", self.project.name);
            return Err(self.failure(format!("{}; {all}", target.missing())));
        };
        let (id, release, commit) = (self.deploy.target_id(), self.deploy.release(), self.deploy.commit.clone());
        self.say(&match made {
            Made::Anew { files } => format!("release {release}: {files} files"),
            Made::There => format!("release {release} is there already"),
        })?;
        self.remember_way_back(target.current)?;
        self.store
            .write(|tx| match (&made, tx.read().release(&id, &release)?) {
                (Made::There, Some(_)) => Ok(()),
                // Whatever it was before its folder was gone, in this one no command has run.
                (Made::There, None) | (Made::Anew { .. }, _) => tx.set_release(&id, &release, &commit, Standing::Made),
            })
            .map_err(|error: StoreError| Halt::from(error))?;
        self.unless_proven(Stage::Prepare)
    }

    /// A release that has been live and well is whole and its database is migrated; migrations never run backwards.
    fn unless_proven(&mut self, stage: Stage) -> Result<(), Halt> {
        if self.is_proven()? { Ok(()) } else { self.commands(stage) }
    }

    fn is_proven(&self) -> Result<bool, Halt> {
        let known = self.store.read().release(&self.deploy.target_id(), &self.deploy.release())?;
        Ok(known.is_some_and(|release| release.standing.was_well()))
    }

    /// Writes down to which release an undo would go; before the switch, since after it nobody can tell.
    fn remember_way_back(&mut self, current: Option<Release>) -> Result<(), Halt> {
        let all = self.store.read().releases_on(&self.deploy.target_id())?;
        let of = |standing: Standing| -> Vec<ReleaseName> {
            all.iter().filter(|release| release.standing == standing).map(|release| release.name.clone()).collect()
        };
        let name = current.as_ref().map(|release| &release.name);
        let back = way_back(name, &self.deploy.release(), &of(Standing::Good), &of(Standing::Bad));
        let Some(back) = back else { return Ok(()) };
        let unknown = !all.iter().any(|release| release.name == back);
        let commit = current.filter(|release| release.name == back).and_then(|release| release.commit);
        let (id, target) = (self.deploy.id, self.deploy.target_id());
        self.store.write(|tx| {
            // It was live before we came: as good as any that we have seen. One that says nothing of its commit is
            // only a way back for this deploy, unless it was adopted under the name that we know it by.
            let commit = commit.unwrap_or_else(CommitId::none);
            if unknown && ReleaseName::new(back.number(), &commit) == back {
                tx.set_release(&target, &back, &commit, Standing::Good)?;
            }
            tx.deploy_previous(id, &back)?;
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn switch(&mut self) -> Result<(), Halt> {
        let release = self.deploy.release();
        self.point_to(&release, &self.deploy.why())?;
        let (target, id) = (self.deploy.target_id(), self.deploy.id);
        self.store.write(|tx| tx.set_live(&target, &release, id, Timestamp::now()))?;
        Ok(())
    }

    /// The last phase: the release is live and well whatever happens here, so all that goes wrong is only told.
    fn finishing(&mut self, warnings: &mut Vec<String>) -> Result<(), Halt> {
        for done in [self.commands(Stage::Finish), self.remove_expired()] {
            match done {
                Ok(()) => {}
                Err(Halt::Failed(why)) => {
                    self.say(&why)?;
                    warnings.push(why);
                }
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    fn remove_expired(&mut self) -> Result<(), Halt> {
        let all: Vec<ReleaseRow> = self.store.read().releases_on(&self.deploy.target_id())?;
        let names: Vec<ReleaseName> = all.iter().map(|release| release.name.clone()).collect();
        let live = self.deploy.release();
        let good = all.iter().filter(|release| release.standing == Standing::Good).map(|release| &release.name);
        let gone = expired(&names, Some(&live), rollback_target(good, &live), self.target.keep_releases);
        if gone.is_empty() { Ok(()) } else { self.remove(gone) }
    }

    /// What the failure of a phase leads to.
    fn failed(&mut self, phase: Phase, why: &str) -> Result<(), Halt> {
        self.say(&format!("{} failed: {why}", phase.as_str()))?;
        match self.link(phase)? {
            Link::AsBefore => {
                let release = self.discard();
                self.end(Outcome::Failed, why, release?)
            }
            Link::Moved | Link::Either => {
                let id = self.deploy.id;
                self.store.write(|tx| tx.deploy_undo(id, why))?;
                self.undo()
            }
        }
    }

    /// Where `current` points now; a switch that failed is looked after.
    fn link(&mut self, phase: Phase) -> Result<Link, Halt> {
        match link_after(phase) {
            Link::Either => match self.look_at_target() {
                Ok(found) => match found.current {
                    Some(live) if live.name == self.deploy.release() => Ok(Link::Moved),
                    Some(_) | None => Ok(Link::AsBefore),
                },
                Err(Halt::Failed(_)) => Ok(Link::Either),
                Err(halt) => Err(halt),
            },
            known @ (Link::AsBefore | Link::Moved) => Ok(known),
        }
    }

    /// A release that never was live leaves no folder behind, so that the next try begins anew.
    fn discard(&mut self) -> Result<Verdict, Halt> {
        let known = self.store.read().release(&self.deploy.target_id(), &self.deploy.release())?;
        match known {
            Some(release) if release.standing == Standing::Made && release.live.is_none() => {
                match self.remove(vec![release.name]) {
                    Ok(()) => Ok(Verdict::Gone),
                    // It stays until it is among the old ones.
                    Err(Halt::Failed(_)) => Ok(Verdict::Unjudged),
                    Err(halt) => Err(halt),
                }
            }
            Some(_) | None => Ok(Verdict::Unjudged),
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome, summary: &str, release: Verdict) -> Result<(), Halt> {
        self.say(outcome.describe())?;
        let end = End { deploy: &self.deploy, outcome, summary, release };
        finish::record(self.place, self.store, &end, Some((&self.site, &self.project)))?;
        Ok(())
    }

    pub(super) fn say(&mut self, text: &str) -> Result<(), Halt> {
        Ok(self.log.say(text, &mut to_journal(&self.deploy))?)
    }

    fn tell(&self, event: Event, text: &str) {
        let subject = Subject::deploy(&self.deploy);
        journal::emit(event, &subject, Priority::Notice, text);
    }

    /// Something has failed: for good, or because the machine goes down under it and takes all units along.
    pub(super) fn failure(&self, why: String) -> Halt {
        if self.bell.is_terminated() {
            return Halt::Leave;
        }
        match self.bus.system_state() {
            Ok(SystemState::Stopping) => Halt::Leave,
            Ok(_) => Halt::Failed(why),
            Err(error) => error.into(),
        }
    }

    /// An order that was not carried out: a failure of this deploy, or a `ci-launch` that nobody reaches.
    pub(super) fn order_failure(&self, error: OrderError) -> Halt {
        match error {
            OrderError::Unreachable { .. } | OrderError::Wire(_) => self.unreachable(error),
            OrderError::Refused(message) | OrderError::Failed(message) | OrderError::Job { message, result: _ } => {
                self.failure(message)
            }
        }
    }

    fn unreachable(&self, error: OrderError) -> Halt {
        match self.failure(String::new()) {
            Halt::Failed(_) => Halt::Broken(error.into()),
            halt @ (Halt::Leave | Halt::Held | Halt::Broken(_)) => halt,
        }
    }

    pub(super) fn order(&mut self, order: &Order) -> Result<(), Halt> {
        match self.orders.give(order, &[]) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.order_failure(error)),
        }
    }
}
