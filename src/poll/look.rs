//! One poll: which projects are due, many at a time, each for itself. A remote that is dead costs its own project a
//! warning and nothing else.

use super::outside;
use crate::config::project::Shape;
use crate::config::{Config, Project};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::unit::Trust;
use crate::model::{Change, CommitId, NewRequest, Origin, Place, ProjectName, RefName, Request, Target};
use crate::order::{Order, OrderError, Orders, Work};
use crate::plan::due::{Polling, is_due};
use crate::plan::tips::{OUTSIDE_AT_ONCE, OUTSIDE_WAITING, TipChange, compare, watched, watched_outside};
use crate::start::start_or_wake;
use crate::store::{Queued, Store, StoreError};
use crate::tell;
use crate::wake::Wake;
use crate::worker::call::{Call, CallError, remote};
use crate::worker::protocol::{AskedRef, FetchAnswer, FetchTask, Refs, RefsTask};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many remotes are asked at once.
const AT_ONCE: usize = 8;
/// How long a fetch may take.
const FETCH: Duration = Duration::from_secs(900);
/// The job name of a poll's workers: one poll runs at a time.
const JOB: &str = "poll";

/// Why nothing could be polled.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wake.
    #[error("{0}")]
    Wake(std::io::Error),
}

/// Why one project could not be looked at.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at all projects that are due.
pub fn poll_due(place: &Place) -> Result<(), PollError> {
    Wake::Poll.take(place).map_err(PollError::Wake)?;
    let config = Config::load(place);
    for errors in config.site.as_ref().err().into_iter().chain(&config.others) {
        tell_broken(&Subject::site(), errors);
    }
    let store = Store::open(place)?;
    let known: BTreeMap<ProjectName, _> =
        store.read().sources()?.into_iter().map(|source| (source.project.clone(), source)).collect();
    let now = Timestamp::now();
    let mut due = Vec::new();
    for (name, project) in &config.projects {
        match project {
            Ok(project) => {
                let source = known.get(name);
                let polling = Polling {
                    looked: source.map(|s| s.looked).filter(|t| *t > Timestamp::UNIX_EPOCH),
                    asked: source.is_some_and(|s| s.asked.is_some()),
                    interval: project.source.poll,
                };
                if is_due(polling, now) {
                    due.push(project);
                }
            }
            Err(errors) => tell_broken(&Subject::project(name), errors),
        }
    }
    drop(store);
    let queue = Mutex::new(due.into_iter());
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(project) = next else { break };
                    if let Err(error) = look_and_record(place, project) {
                        tracing::error!("{}: {error}; trying again at the next poll", project.name);
                    }
                }
            });
        }
    });
    // What a stable timer has held back until now.
    if !Store::open(place)?.read().waiting()?.is_empty() {
        Wake::Build.up_or_warn(place);
    }
    Ok(())
}

/// Most problems of one file that go to the journal at each poll.
const PROBLEMS: usize = 3;

fn tell_broken(subject: &Subject<'_>, errors: &crate::config::ConfigErrors) {
    for problem in errors.problems().iter().take(PROBLEMS) {
        journal::emit(
            Event::ConfigBroken,
            subject,
            Priority::Warning,
            &format!("{problem}; ci-config check tells more"),
        );
    }
}

/// Looks at one project, and writes down how it went.
fn look_and_record(place: &Place, project: &Project) -> Result<(), StoreError> {
    let mut store = Store::open(place)?;
    let name = &project.name;
    let before = store.read().source(name)?;
    let looked = look(place, &mut store, project);
    let now = Timestamp::now();
    match looked {
        Ok(()) => {
            if let Some((_, since)) = before.and_then(|source| source.trouble) {
                let text = format!("{name} can be polled again, after trouble since {since:.0}");
                journal::emit(Event::PollRecovered, &Subject::project(name), Priority::Notice, &text);
            }
            Ok(())
        }
        Err(error) => {
            let text = error.to_string();
            journal::emit(
                Event::PollFailed,
                &Subject::project(name),
                Priority::Warning,
                &format!("{name}: {text}; trying again at the next poll"),
            );
            store.write(|tx| tx.poll_failed(name, &text, now))
        }
    }
}

fn look(place: &Place, store: &mut Store, project: &Project) -> Result<(), LookError> {
    let name = &project.name;
    Orders::to(place).give(&Order::Prepare { project: name.clone() }, &[])?;
    let messages = std::io::stderr();
    let call = |work| Call { place, project: name, work, job: JOB };
    let task = RefsTask {
        outside: project.source.looks_outside().to_vec(),
        remote: remote(place, project, "refs", JOB),
        timeout: project.source.timeout,
    };
    let found: Refs = call(Work::Refs).make(task, messages.as_fd())?;

    let refs: BTreeMap<RefName, CommitId> = found.refs.iter().cloned().collect();
    let (seen, seen_outside): (BTreeMap<_, _>, BTreeMap<_, _>) =
        store.read().tips(name)?.into_iter().partition(|(reference, _)| reference.trust() == Trust::Inside);
    let first = store.read().source(name)?.is_none_or(|source| source.good.is_none());
    let now_there = watched(&refs, found.head.as_ref(), &project.source.branches);
    let changes = compare(&seen, &now_there);
    let strange = compare(&seen_outside, &watched_outside(&refs, project.source.looks_outside()));
    let fetched = if changes.iter().any(|c| matches!(c, TipChange::Moved { .. })) {
        let asked = changes.iter().filter_map(|change| match change {
            TipChange::Moved { reference, from, to: _ } => {
                Some(AskedRef { name: reference.clone(), old: from.clone() })
            }
            TipChange::Gone(_) => None,
        });
        let task = FetchTask {
            remote: remote(place, project, "fetch", JOB),
            mirror: place.mirror(name),
            refs: asked.collect(),
            outside: None,
            resolve: None,
            depth: project.source.depth,
            shape: Shape::default(),
            timeout: FETCH,
        };
        Some(call(Work::Fetch).make::<FetchTask>(task, messages.as_fd())?)
    } else {
        None
    };
    let builds = !first || project.source.build_on_first_poll;
    let (queued, left) = record(store, project, (&changes, &strange), fetched.as_ref(), found.head.as_ref(), builds)?;
    for request in &queued {
        let waiting = store.read().request(request.id())?;
        let why = waiting.map_or_else(|| "new commits".to_owned(), |request| why(&request));
        tell::queued(name, request, &why);
    }
    if left > 0 {
        let text = format!(
            "{name}: {left} changed refs from outside are left for a later poll: one queues at most {OUTSIDE_AT_ONCE}, and at \
             most {OUTSIDE_WAITING} wait"
        );
        journal::emit(Event::OutsideLeft, &Subject::project(name), Priority::Warning, &text);
    }
    if !queued.is_empty() {
        start_or_wake(place, &mut Orders::to(place));
    }
    Ok(())
}

/// Why a request is there, for the journal.
fn why(request: &Request) -> String {
    let from = match (request.ask.trust, &request.ask.reference) {
        (Trust::Outside, Some(reference)) => format!("new commits from outside, {reference}"),
        (Trust::Inside | Trust::Outside, _) => "new commits".to_owned(),
    };
    [Some(from), request.wants()].into_iter().flatten().collect::<Vec<_>>().join("; it ")
}

/// The requests and the seen tips in one transaction: neither without the other.
fn record(
    store: &mut Store,
    project: &Project,
    (changes, strange): (&[TipChange], &[TipChange]),
    fetched: Option<&FetchAnswer>,
    head: Option<&RefName>,
    builds: bool,
) -> Result<(Vec<Queued>, usize), StoreError> {
    let name = &project.name;
    let now = Timestamp::now();
    let head = head.cloned();
    store.write(|tx| {
        let mut queued = Vec::new();
        for change in changes {
            match change {
                TipChange::Gone(reference) => {
                    tx.forget_tip(name, reference)?;
                    tx.drop_requests_of(name, reference, "its branch was deleted")?;
                }
                TipChange::Moved { reference, .. } => {
                    let news = fetched.into_iter().flat_map(|f| &f.refs).find(|f| f.name == *reference);
                    // It went again between the look and the fetch: the next poll sees what is there then.
                    let Some((commit, history)) = news.and_then(|n| n.now.as_ref()) else { continue };
                    tx.set_tip(name, reference, commit, now)?;
                    if builds {
                        let first = tx
                            .read()
                            .waiting()?
                            .into_iter()
                            .find(|r| r.ask.project == *name && r.ask.reference.as_ref() == Some(reference));
                        let first = first.map_or(now, |r| r.first);
                        let new = NewRequest {
                            project: name.clone(),
                            reference: Some(reference.clone()),
                            target: Target::Commit { commit: commit.clone() },
                            origin: Origin::Poll,
                            trust: Trust::Inside,
                            reason: None,
                            changes: history.commits.iter().map(Change::from).collect(),
                            not_before: crate::plan::due::not_before(
                                project.source.stable,
                                project.source.stable_max,
                                first,
                                now,
                            ),
                            token: None,
                        };
                        queued.push(tx.queue(new, now)?);
                    }
                }
            }
        }
        tx.poll_succeeded(name, head.as_ref(), now)?;
        let (strangers, left) = outside::record(tx, project, strange, now)?;
        queued.extend(strangers);
        tx.looks_outside(name, !project.source.looks_outside().is_empty(), left, now)?;
        Ok((queued, left))
    })
}
