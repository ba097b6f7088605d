//! Taking a person's wish for a deploy or a rollback: what is answered with an id is in the store.

use crate::config::project;
use crate::intake::Refusal;
use crate::model::deploy::DeployOrigin;
use crate::model::{
    Build, BuildId, BuildNumber, BuildState, CommitId, Deploy, DeployId, DeployState, Phase, RefName, ReleaseName,
    Target, TargetId, Trust, Verdict,
};
use crate::plan::deploy::rollback_target;
use crate::plan::turn::{is_late, next_of};
use crate::store::{NewDeploy, Read, ReleaseRow, Standing, StoreError, Tx};
use jiff::Timestamp;

/// How many builds are looked at at once for the newest green one.
const PAGE: u32 = 50;

/// Why nothing was queued.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is refused.
    #[error("{message}")]
    No {
        /// Whose turn it is.
        refusal: Refusal,
        /// Why, and what to do.
        message: String,
    },
}

impl From<NotTaken> for (Refusal, String) {
    fn from(not: NotTaken) -> (Refusal, String) {
        match not {
            NotTaken::Store(error) => (Refusal::TryAgain, error.to_string()),
            NotTaken::No { refusal, message } => (refusal, message),
        }
    }
}

fn no<T>(refusal: Refusal, message: String) -> Result<T, NotTaken> {
    Err(NotTaken::No { refusal, message })
}

/// What a person wants done on a target.
pub(super) struct Wish<'a> {
    pub(super) tx: &'a Tx<'a>,
    pub(super) id: TargetId,
    pub(super) target: &'a project::Deploy,
    pub(super) reason: Option<String>,
    pub(super) who: &'a str,
    pub(super) now: Timestamp,
}

impl Wish<'_> {
    fn queue(
        &self,
        number: BuildNumber,
        commit: CommitId,
        origin: DeployOrigin,
    ) -> Result<(DeployId, BuildNumber), NotTaken> {
        let new = NewDeploy { target: self.id.clone(), number, commit, origin, reason: self.reason.clone() };
        Ok((self.tx.queue_deploy(&new, self.now)?, number))
    }
}

/// What would be made live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) number: BuildNumber,
    pub(super) commit: CommitId,
    pub(super) origin: DeployOrigin,
}

/// Which build a person means: this one, or the newest green one of the target's branch.
pub(super) fn choose(
    read: Read<'_>,
    id: &TargetId,
    target: &project::Deploy,
    number: Option<BuildNumber>,
    even_if_red: bool,
    who: &str,
) -> Result<Chosen, NotTaken> {
    let (build, red) = match (number, even_if_red) {
        (Some(number), _) => this(read, BuildId { project: id.project.clone(), number }, even_if_red)?,
        (None, false) => (newest(read, id, target)?, None),
        (None, true) => {
            let message = format!("which build, if not a green one? ci-deploy --even-if-red {}:N", id.project);
            return no(Refusal::NoSuchThing, message);
        }
    };
    let Some(commit) = build.commit else {
        return no(Refusal::NoSuchThing, format!("build {} never came to know its commit", build.id));
    };
    Ok(Chosen { number: build.id.number, commit, origin: DeployOrigin::Person { name: who.to_owned(), red } })
}

/// Queues a deploy of what a person means. Asked for twice it is one deploy, unless the first would be skipped.
pub(super) fn take_deploy(
    wish: &Wish<'_>,
    number: Option<BuildNumber>,
    even_if_red: bool,
) -> Result<(DeployId, BuildNumber), NotTaken> {
    let read = wish.tx.read();
    let Chosen { number, commit, origin } = choose(read, &wish.id, wish.target, number, even_if_red, wish.who)?;
    let is_red = matches!(origin, DeployOrigin::Person { red: Some(_), .. });
    if is_red && wish.reason.as_ref().is_none_or(String::is_empty) {
        return no(
            Refusal::NoSuchThing,
            format!("build {}:{number} is not green: why then? -m REASON", wish.id.project),
        );
    }
    // What will be live when its turn comes, as far as one can tell.
    let mut live = read.live(&wish.id)?.map(|release| release.name);
    let left = read.left_commits(&wish.id)?;
    for waiting in read.unfinished_deploys(&wish.id)? {
        let will_be_skipped = is_late(&waiting, live.as_ref(), &left).is_some();
        if waiting.number == number && !will_be_skipped {
            return Ok((waiting.id, waiting.number));
        }
        if !will_be_skipped {
            live = live.max(Some(waiting.release()));
        }
    }
    wish.queue(number, commit, origin)
}

/// A build that may go live, with its verdict if that is not green.
fn this(read: Read<'_>, id: BuildId, even_if_red: bool) -> Result<(Build, Option<Verdict>), NotTaken> {
    let Some(build) = read.build(&id)? else {
        return no(Refusal::NoSuchThing, format!("there is no build {id}"));
    };
    let red = match &build.state {
        BuildState::Starting | BuildState::Running { .. } => {
            let message = format!("build {id} is not over yet; ci-build --wait {} waits for it", id.project);
            return no(Refusal::TryAgain, message);
        }
        BuildState::Finished { verdict, .. } if verdict.is_green() => None,
        BuildState::Finished { verdict, .. } if even_if_red => Some(*verdict),
        BuildState::Finished { verdict, .. } => {
            let message =
                format!("build {id} is not green ({verdict}); --even-if-red -m REASON deploys it all the same");
            return no(Refusal::NoSuchThing, message);
        }
    };
    match build.trust {
        Trust::Inside => Ok((build, red)),
        Trust::Outside => no(Refusal::NoSuchThing, format!("build {id} is of a ref from outside; those never deploy")),
    }
}

fn newest(read: Read<'_>, id: &TargetId, target: &project::Deploy) -> Result<Build, NotTaken> {
    let project = &id.project;
    let head = read.source(project)?.and_then(|source| source.head);
    let branch: Option<RefName> = target.branch.clone().or(head);
    let Some(branch) = branch else {
        return no(Refusal::NoSuchThing, format!("{project} has not been built yet: ci-build {project}"));
    };
    // Whoever wants one of those again names its build.
    let left = read.left_commits(id)?;
    let fits = |build: &Build| {
        build.commit.as_ref().is_none_or(|commit| !left.contains(commit))
            && build.reference.as_ref() == Some(&branch)
            && build.trust == Trust::Inside
            && build.state.verdict().is_some_and(Verdict::is_green)
            && !matches!(build.target, Target::Revision { .. })
    };
    let mut below = None;
    loop {
        let page = read.builds(project, below, PAGE)?;
        below = page.last().map(|build| build.id.number);
        if let Some(build) = page.into_iter().find(fits) {
            return Ok(build);
        }
        if below.is_none() {
            let branch = branch.short();
            let message = format!(
                "no build of {project}, branch {branch}, is green and was not rolled back from; \
                 ci-deploy {project}:N deploys another"
            );
            return no(Refusal::NoSuchThing, message);
        }
    }
}

/// The way back: to the newest good release before the live one. While another deploy is waiting or under way there is
/// none, since what will be live after it is not known; but what a freeze holds back comes after this one.
pub(super) fn choose_back(
    read: Read<'_>,
    id: &TargetId,
    who: &str,
    now: Timestamp,
) -> Result<(Chosen, ReleaseRow), NotTaken> {
    if let Some(other) = before(read, id, now)? {
        let state = match &other.state {
            DeployState::Running { phase: Phase::Undo, .. } => "is being undone",
            DeployState::Running { .. } => "is under way",
            DeployState::Waiting | DeployState::Finished { .. } => "waits",
        };
        return no(Refusal::TryAgain, format!("a deploy of {} {state}; ask again when it is over", other.describe()));
    }
    let Some(live) = read.live(id)? else {
        return no(Refusal::NoSuchThing, format!("nothing of {id} is live that unitci has deployed"));
    };
    let Some(back) = back_from(&live, &read.releases_on(id)?) else {
        let message = format!("{id}: there is no good release before {} to go back to", live.name);
        return no(Refusal::NoSuchThing, message);
    };
    let origin = DeployOrigin::Rollback { name: who.to_owned() };
    Ok((Chosen { number: back.name.number(), commit: back.commit, origin }, live))
}

/// The deploy that would come before another one, if there is one.
fn before(read: Read<'_>, id: &TargetId, now: Timestamp) -> Result<Option<Deploy>, NotTaken> {
    let frozen = read.freeze(id)?.is_some_and(|freeze| freeze.holds(now));
    Ok(next_of(read.unfinished_deploys(id)?, frozen))
}

/// Queues the way back. The commit of the live release does not deploy by itself again. Asked for twice it is one
/// rollback.
pub(super) fn take_rollback(wish: &Wish<'_>) -> Result<(DeployId, BuildNumber), NotTaken> {
    let Wish { tx, id, .. } = wish;
    if let Some(other) = before(tx.read(), id, wish.now)?
        && let DeployOrigin::Rollback { .. } = other.origin
    {
        return Ok((other.id, other.number));
    }
    let (Chosen { number, commit, origin }, live) = choose_back(tx.read(), id, wish.who, wish.now)?;
    match live.standing {
        Standing::Good | Standing::Made => tx.set_release(id, &live.name, &live.commit, Standing::Left)?,
        Standing::Bad | Standing::Left => {}
    }
    if live.commit.is_known() {
        tx.leave(id, &live.commit)?;
    }
    wish.queue(number, commit, origin)
}

fn back_from(live: &ReleaseRow, all: &[ReleaseRow]) -> Option<ReleaseRow> {
    let good: Vec<&ReleaseName> =
        all.iter().filter(|release| release.standing == Standing::Good).map(|release| &release.name).collect();
    let back = rollback_target(good, &live.name)?;
    all.iter().find(|release| release.name == *back).cloned()
}

#[cfg(test)]
mod tests;
