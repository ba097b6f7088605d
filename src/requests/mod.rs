//! The verb of `ci-request.service`: taking what people and hooks ask on `/run/ci/request.sock`. What is answered with an id is in the store.

mod adopt;
mod cache;
mod deploy;
mod freeze;
mod outside;
mod retry;

use crate::config::{LoadError, Project, load_project, project};
use crate::intake::{self, Answer, Approved, Ask, BuildAsk, DeployWish, Peer, Refusal, Running, What};
use crate::model::unit::Trust;
use crate::model::{
    Build, BuildId, BuildNumber, DeployId, NewRequest, Origin, Place, ProjectName, RefName, Stop, Target, TargetId,
    TargetName,
};
use crate::order::Orders;
use crate::plan::target::meant;
use crate::start::{deploy_or_wake, start_or_wake};
use crate::store::{Store, StoreError, Tx};
use crate::systemd::{ActivationError, PassedFds};
use crate::tell;
use crate::wake::Wake;
use deploy::{Chosen, NotTaken, Wish, choose, choose_back, take_deploy, take_rollback};
use freeze::NewFreeze;
use jiff::Timestamp;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest reason, in bytes; it is for people to read.
const REASON_MAX: usize = 500;

/// Why requests cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Not started by its socket.
    #[error("no socket was passed; systemd starts this: systemctl start ci-build.socket")]
    NoSocket,
    /// What was passed is not what should be.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The socket.
    #[error(transparent)]
    Serve(#[from] intake::ServeError),
}

/// Takes requests until nobody has come for a second.
pub fn take_requests(place: &Place) -> Result<(), TakeError> {
    let mut passed = PassedFds::take_all()?;
    let socket = UnixListener::from(passed.take("ci-build.socket").ok_or(TakeError::NoSocket)?);
    let store = match Store::open(place) {
        Ok(store) => Mutex::new(store),
        Err(error) => return refuse_all(&socket, &error),
    };
    std::thread::scope(|threads| {
        // Room for one: whoever starts builds looks at all that waits, so that one more look covers all that came.
        let (queued, news) = sync_channel(1);
        threads.spawn(move || {
            let mut orders = Orders::to(place);
            news.iter().for_each(|()| start_or_wake(place, &mut orders));
        });
        let taker = Taker { place, store, queued };
        Ok(intake::serve(&socket, &|ask, peer| taker.decide(ask, peer))?)
    })
}

/// Without a store everybody is told so. To leave at once would be to be started again at once, by who still waits.
fn refuse_all(socket: &UnixListener, error: &StoreError) -> Result<(), TakeError> {
    tracing::error!("{error}; whoever asks is refused");
    let (refusal, message) = store_trouble(error);
    Ok(intake::serve(socket, &|_, _| Answer::Refused { refusal, message: message.clone() })?)
}

struct Taker<'a> {
    place: &'a Place,
    store: Mutex<Store>,
    /// Tells who starts builds; nobody who asks waits for that.
    queued: SyncSender<()>,
}

/// No, and why.
pub(crate) type No = (Refusal, String);

fn store_trouble(error: &StoreError) -> No {
    (Refusal::TryAgain, error.to_string())
}

impl Taker<'_> {
    fn decide(&self, ask: Ask, peer: &Peer) -> Answer {
        let answer = match ask {
            Ask::Build(build) => self.build(build, peer),
            Ask::Retry(retry) => self.retry(&retry, peer),
            Ask::Stop { project, number, reason } => self.stop(&project, number, reason, peer),
            Ask::Approve { project, which } => self.approve(&project, &which, peer),
            Ask::Poll { projects } => self.poll(&projects),
            Ask::EmptyCache { project } => self.empty_cache(&project, &peer.name),
            Ask::Deploy { project, number, even_if_red, target, reason } => {
                self.deploy(&project, target.as_ref(), reason, peer, |wish| take_deploy(wish, number, even_if_red))
            }
            Ask::Foresee { project, target, wish } => self.foresee(&project, target.as_ref(), &wish, peer),
            Ask::Adopt { project, target } => self.adopt(&project, target.as_ref(), &peer.name),
            Ask::Freeze { project, target, until, reason } => {
                let reason = reason.as_deref().map(short);
                self.freeze(&project, target.as_ref(), NewFreeze { until, reason, who: &peer.name })
            }
            Ask::Thaw { project, target } => self.thaw(&project, target.as_ref(), peer),
            Ask::Rollback { project, target, reason } => {
                self.deploy(&project, target.as_ref(), reason, peer, take_rollback)
            }
        };
        answer.unwrap_or_else(|(refusal, message)| Answer::Refused { refusal, message })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn project(&self, name: &ProjectName) -> Result<Project, No> {
        match load_project(self.place, name) {
            Ok((_, project)) => Ok(project),
            Err(error @ LoadError::Unknown { .. }) => Err((Refusal::NoSuchThing, error.to_string())),
            Err(error @ (LoadError::Site(_) | LoadError::Project(_))) => {
                Err((Refusal::Configuration, error.to_string()))
            }
        }
    }

    fn build(&self, ask: BuildAsk, peer: &Peer) -> Result<Answer, No> {
        let config = self.project(&ask.project)?;
        let name = peer.name.clone();
        let (target, origin) = match ask.what {
            What::Seen { commit } => (Target::Commit { commit }, Origin::Person { name }),
            What::Force => (Target::Tip, Origin::Force { name }),
            What::Revision { revision } => (Target::Revision { revision }, Origin::Force { name }),
        };
        let trust = ask.reference.as_ref().map_or(Trust::Inside, RefName::trust);
        let target = match (trust, &ask.reference) {
            (Trust::Outside, Some(name)) => {
                let tips = self.store().read().tips(&ask.project).map_err(|error| store_trouble(&error))?;
                outside::target(&config, name, target, &tips)?
            }
            (Trust::Inside | Trust::Outside, _) => target,
        };
        let now = Timestamp::now();
        let (queued, stopping) = self
            .store()
            .write(|tx| {
                let head = tx.read().source(&ask.project)?.and_then(|source| source.head);
                let reference = match &target {
                    Target::Revision { .. } => ask.reference.clone(),
                    Target::Commit { .. } | Target::Tip => ask.reference.clone().or(head),
                };
                let new = NewRequest {
                    project: ask.project.clone(),
                    reference,
                    target: target.clone(),
                    origin: origin.clone(),
                    trust,
                    reason: ask.reason.as_deref().map(short),
                    changes: Vec::new(),
                    not_before: None,
                    token: Some(ask.token.clone()),
                };
                let wanted = (new.reference.clone(), new.trust);
                let queued = tx.queue(new, now)?;
                let stopping = match ask.running {
                    Running::RunsOn => Vec::new(),
                    Running::Stops => {
                        let why = ask.reason.as_deref().map(|why| format!(": {}", short(why))).unwrap_or_default();
                        let reason = Some(format!("for request {}, {}{why}", queued.id(), origin.describe()));
                        stop_builds(tx, &Stop { by: peer.name.clone(), reason }, |build| {
                            build.id.project == ask.project && (&build.reference, build.trust) == (&wanted.0, wanted.1)
                        })?
                    }
                };
                Ok((queued, stopping))
            })
            .map_err(|e: StoreError| store_trouble(&e))?;
        tell::queued(&ask.project, &queued, &origin.describe());
        self.start_soon();
        if !stopping.is_empty() {
            // The dispatcher stops the units.
            Wake::Build.up_or_warn(self.place);
        }
        Ok(Answer::Queued { request: queued.id(), stopping })
    }

    /// Has what was queued started once the client has its answer.
    fn start_soon(&self) {
        match self.queued.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => Wake::Build.up_or_warn(self.place),
        }
    }

    fn approve(&self, project: &ProjectName, which: &Approved, peer: &Peer) -> Result<Answer, No> {
        self.project(project)?;
        let (request, what) = outside::approve(&mut self.store(), project, which, &peer.name)?;
        self.start_soon();
        Ok(Answer::Approved { request, what })
    }

    /// The wish is recorded first; the dispatcher stops the units.
    fn stop(
        &self,
        project: &ProjectName,
        number: Option<BuildNumber>,
        reason: Option<String>,
        peer: &Peer,
    ) -> Result<Answer, No> {
        let stop = Stop { by: peer.name.clone(), reason: reason.as_deref().map(short) };
        let (builds, dropped) = self
            .store()
            .write(|tx| {
                let builds = stop_builds(tx, &stop, |build| {
                    build.id.project == *project && number.is_none_or(|n| n == build.id.number)
                })?;
                let mut dropped = Vec::new();
                if number.is_none() {
                    for request in tx.read().waiting()? {
                        let why = format!("taken out of the queue by {}", stop.by);
                        if request.ask.project == *project && tx.drop_request(request.id, &why)? {
                            dropped.push(request.id);
                        }
                    }
                }
                Ok::<_, StoreError>((builds, dropped))
            })
            .map_err(|e| store_trouble(&e))?;
        if builds.is_empty() && dropped.is_empty() {
            let what = number.map_or_else(|| project.to_string(), |n| format!("{project}:{n}"));
            return Err((Refusal::NoSuchThing, format!("nothing of {what} is running or waiting")));
        }
        Wake::Build.up_or_warn(self.place);
        Ok(Answer::Stopping { builds, dropped })
    }

    fn deploy(
        &self,
        project: &ProjectName,
        target: Option<&TargetName>,
        reason: Option<String>,
        peer: &Peer,
        take: impl FnOnce(&Wish<'_>) -> Result<(DeployId, BuildNumber), NotTaken>,
    ) -> Result<Answer, No> {
        let config = self.project(project)?;
        let (id, target) = self::to(&config, target)?;
        let (reason, now) = (reason.as_deref().map(short), Timestamp::now());
        let to = id.clone();
        let (deploy, number) = self.store().write(|tx| take(&Wish { tx, id, target, reason, who: &peer.name, now }))?;
        deploy_or_wake(self.place, &to);
        Ok(Answer::Deploying { deploy, number })
    }

    fn foresee(
        &self,
        project: &ProjectName,
        target: Option<&TargetName>,
        wish: &DeployWish,
        peer: &Peer,
    ) -> Result<Answer, No> {
        let config = self.project(project)?;
        let (id, target) = to(&config, target)?;
        let store = self.store();
        let Chosen { number, commit, origin } = match wish {
            DeployWish::Deploy { number, even_if_red } => {
                choose(store.read(), &id, target, *number, *even_if_red, &peer.name)?
            }
            DeployWish::Rollback => choose_back(store.read(), &id, &peer.name, Timestamp::now())?.0,
        };
        Ok(Answer::Foreseen { number, commit, origin })
    }

    fn freeze(&self, project: &ProjectName, target: Option<&TargetName>, new: NewFreeze<'_>) -> Result<Answer, No> {
        let config = self.project(project)?;
        let targets = freeze::freeze(&mut self.store(), &config, target, new, Timestamp::now())?;
        // What waits already is to be looked at again when it ends.
        Wake::Deploy.up_or_warn(self.place);
        Ok(Answer::Held { targets })
    }

    fn thaw(&self, project: &ProjectName, target: Option<&TargetName>, peer: &Peer) -> Result<Answer, No> {
        let config = self.project(project)?;
        let targets = freeze::thaw(&mut self.store(), &config, target, &peer.name)?;
        Wake::Deploy.up_or_warn(self.place);
        Ok(Answer::Held { targets })
    }

    fn poll(&self, projects: &[ProjectName]) -> Result<Answer, No> {
        for project in projects {
            self.project(project)?;
        }
        let now = Timestamp::now();
        self.store()
            .write(|tx| projects.iter().try_for_each(|project| tx.poll_asked(project, now)))
            .map_err(|e: StoreError| store_trouble(&e))?;
        Wake::Poll.up_or_warn(self.place);
        Ok(Answer::Looking)
    }
}

/// The target that a person means.
fn to<'a>(config: &'a Project, named: Option<&TargetName>) -> Result<(TargetId, &'a project::Deploy), No> {
    let target = meant(config, named).map_err(|error| (Refusal::NoSuchThing, error.to_string()))?;
    Ok((TargetId { project: config.name.clone(), target: target.name.clone() }, target))
}

/// Writes down that these builds are to stop; says which.
fn stop_builds(tx: &Tx<'_>, stop: &Stop, meant: impl Fn(&Build) -> bool) -> Result<Vec<BuildId>, StoreError> {
    let mut builds = Vec::new();
    for build in tx.read().unfinished_builds()? {
        if meant(&build) && tx.ask_stop(&build.id, stop)? {
            builds.push(build.id);
        }
    }
    Ok(builds)
}

/// A reason as one bounded line.
pub(crate) fn short(reason: &str) -> String {
    let line: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line[..line.floor_char_boundary(REASON_MAX)].trim().to_owned()
}
