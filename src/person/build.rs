//! Asking for a build, and for its end.

use super::WishError;
use crate::intake::{Answer, Approved, Ask, BuildAsk, RetryAsk, RetryFrom, Running, What, ask};
use crate::model::{BuildId, BuildNumber, BuildSpec, CommitId, Place, ProjectName, RefName, RequestId, Verdict};
use crate::store::Store;
use std::io::Write;

/// What `ci-build PROJECT` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wished {
    /// It is queued, and these builds stop for it.
    Queued(RequestId, Vec<BuildId>),
    /// The tip is built, or being built, already.
    Built(BuildId, Option<Verdict>),
}

/// The wish for a build.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Whose.
    pub project: ProjectName,
    /// Of which branch; none is the remote's HEAD.
    pub branch: Option<RefName>,
    /// A revision instead.
    pub revision: Option<String>,
    /// Now, and first in the queue.
    pub force: bool,
    /// What becomes of a build of the same branch that runs.
    pub running: Running,
    /// Why.
    pub reason: Option<String>,
}

/// A token that nobody else chooses: the kernel makes it.
fn token() -> Result<String, std::io::Error> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

/// Asks for a build.
pub fn wish(place: &Place, wish: &Wish) -> Result<Wished, WishError> {
    let what = match (&wish.revision, wish.force) {
        (Some(revision), _) => What::Revision { revision: revision.clone() },
        (None, true) => What::Force,
        (None, false) => match seen_tip(place, wish)? {
            Ok(commit) => What::Seen { commit },
            Err(wished) => return Ok(wished),
        },
    };
    let question = Ask::Build(BuildAsk {
        project: wish.project.clone(),
        reference: wish.branch.clone(),
        what,
        reason: wish.reason.clone(),
        token: token()?,
        running: wish.running,
    });
    match ask(place, &question)? {
        Answer::Queued { request, stopping } => Ok(Wished::Queued(request, stopping)),
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }
        | Answer::Stopping { .. }
        | Answer::Approved { .. }
        | Answer::Held { .. }
        | Answer::Looking
        | Answer::Deploying { .. }) => Err(WishError::of(answer)),
    }
}

/// Asks for a build that is over to be done again.
pub fn retry(place: &Place, build: &BuildId, from: RetryFrom, reason: Option<String>) -> Result<RequestId, WishError> {
    let BuildId { project, number } = build.clone();
    match ask(place, &Ask::Retry(RetryAsk { project, number, from, reason, token: token()? }))? {
        Answer::Queued { request, stopping: _ } => Ok(request),
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }
        | Answer::Approved { .. }
        | Answer::Stopping { .. }
        | Answer::Held { .. }
        | Answer::Looking
        | Answer::Deploying { .. }) => Err(WishError::of(answer)),
    }
}

/// Has the repository looked at, and says its tip; or that there is nothing to ask for.
fn seen_tip(place: &Place, wish: &Wish) -> Result<Result<CommitId, Wished>, WishError> {
    super::poll::look(place, std::slice::from_ref(&wish.project))?;
    let store = Store::open_read_only(place)?;
    let read = store.read();
    let source = read.source(&wish.project)?;
    if let Some((trouble, _)) = source.as_ref().and_then(|s| s.trouble.clone()) {
        return Err(WishError::NoTip { project: wish.project.clone(), trouble });
    }
    let reference = wish.branch.clone().or_else(|| source.and_then(|s| s.head));
    let Some(reference) = reference else {
        let trouble = "the repository is empty".to_owned();
        return Err(WishError::NoTip { project: wish.project.clone(), trouble });
    };
    let waiting = read
        .waiting()?
        .into_iter()
        .find(|request| request.ask.project == wish.project && request.ask.reference.as_ref() == Some(&reference))
        // Who asks for the build of a commit agrees to it.
        .filter(|request| request.approval.is_there());
    if let Some(request) = waiting {
        return Ok(Err(Wished::Queued(request.id, Vec::new())));
    }
    let Some(commit) = read.tips(&wish.project)?.remove(&reference) else {
        return Err(WishError::NotWatched { project: wish.project.clone(), branch: reference.short().to_owned() });
    };
    Ok(match read.built_already(&wish.project, &commit, reference.trust())? {
        Some(build) => Err(Wished::Built(build.id.clone(), build.state.verdict())),
        None => Ok(commit),
    })
}

/// Asks for a build, or a whole project, to be stopped.
pub(super) fn stop(
    place: &Place,
    project: &ProjectName,
    number: Option<BuildNumber>,
    reason: Option<String>,
) -> Result<(Vec<BuildId>, Vec<RequestId>), WishError> {
    match ask(place, &Ask::Stop { project: project.clone(), number, reason })? {
        Answer::Stopping { builds, dropped } => Ok((builds, dropped)),
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }
        | Answer::Queued { .. }
        | Answer::Approved { .. }
        | Answer::Held { .. }
        | Answer::Looking
        | Answer::Deploying { .. }) => Err(WishError::of(answer)),
    }
}

/// Agrees to the build of a commit from outside: by the request's id, or of what waits for a ref.
pub fn approve_and_tell(place: &Place, spec: &BuildSpec, reference: Option<RefName>) -> Result<(), WishError> {
    let which = match (spec.number, reference) {
        (Some(number), None) => Approved::Request(RequestId(i64::from(number.0))),
        (None, Some(reference)) => Approved::Ref(reference),
        (Some(_), Some(_)) | (None, None) => return Err(WishError::WhatToApprove(spec.project.clone())),
    };
    match ask(place, &Ask::Approve { project: spec.project.clone(), which })? {
        Answer::Approved { request, what } => {
            Ok(writeln!(anstream::stdout(), "request {request} is approved: {what}")?)
        }
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }
        | Answer::Queued { .. }
        | Answer::Stopping { .. }
        | Answer::Held { .. }
        | Answer::Looking
        | Answer::Deploying { .. }) => Err(WishError::of(answer)),
    }
}

/// Stops, and says what will stop.
pub fn stop_and_tell(place: &Place, spec: &BuildSpec, reason: Option<String>) -> Result<(), WishError> {
    let (builds, dropped) = stop(place, &spec.project, spec.number, reason)?;
    let mut out = anstream::stdout();
    for build in builds {
        writeln!(out, "{build} is being stopped")?;
    }
    for request in dropped {
        writeln!(out, "request {request} is taken out of the queue")?;
    }
    Ok(())
}
