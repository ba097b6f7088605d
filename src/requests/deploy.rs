//! Taking a person's wish for a deploy or a rollback: what is answered with an id is in the store.

use crate::config::project;
use crate::intake::Refusal;
use crate::model::deploy::DeployOrigin;
use crate::model::{
    Build, BuildId, BuildNumber, BuildState, CommitId, DeployId, DeployState, Phase, RefName, ReleaseName, Target,
    TargetId, Trust,
};
use crate::plan::deploy::{is_superseded, rollback_target};
use crate::plan::turn::next_of;
use crate::store::{NewDeploy, ReleaseRow, Standing, StoreError, Tx};
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

/// Queues a deploy of a green build: this one, or the newest of the target's branch. Asked for twice it is one deploy,
/// unless the first would be skipped.
pub(super) fn take_deploy(wish: &Wish<'_>, number: Option<BuildNumber>) -> Result<(DeployId, BuildNumber), NotTaken> {
    let build = match number {
        Some(number) => this(wish, number)?,
        None => newest(wish)?,
    };
    let id = &build.id;
    let Some(commit) = build.commit.clone() else {
        return no(Refusal::NoSuchThing, format!("build {id} never came to know its commit"));
    };
    let live = wish.tx.read().live(&wish.id)?.map(|release| release.name);
    for waiting in wish.tx.read().unfinished_deploys(&wish.id)? {
        let will_be_skipped = waiting.state == DeployState::Waiting
            && waiting.origin == DeployOrigin::Green
            && is_superseded(waiting.number, live.as_ref());
        if waiting.number == id.number && !will_be_skipped {
            return Ok((waiting.id, waiting.number));
        }
    }
    wish.queue(id.number, commit, DeployOrigin::Person { name: wish.who.to_owned() })
}

fn this(wish: &Wish<'_>, number: BuildNumber) -> Result<Build, NotTaken> {
    let id = BuildId { project: wish.id.project.clone(), number };
    let Some(build) = wish.tx.read().build(&id)? else {
        return no(Refusal::NoSuchThing, format!("there is no build {id}"));
    };
    match &build.state {
        BuildState::Starting | BuildState::Running { .. } => {
            no(Refusal::TryAgain, format!("build {id} is not over yet; ci-build --wait {} waits for it", id.project))
        }
        BuildState::Finished { verdict, .. } if !verdict.is_green() => {
            no(Refusal::NoSuchThing, format!("build {id} is not green ({verdict}); only green builds are deployed"))
        }
        BuildState::Finished { .. } => match build.trust {
            Trust::Inside => Ok(build),
            Trust::Outside => {
                no(Refusal::NoSuchThing, format!("build {id} is of a ref from outside; those never deploy"))
            }
        },
    }
}

fn newest(wish: &Wish<'_>) -> Result<Build, NotTaken> {
    let project = &wish.id.project;
    let head = wish.tx.read().source(project)?.and_then(|source| source.head);
    let branch: Option<RefName> = wish.target.branch.clone().or(head);
    let Some(branch) = branch else {
        return no(Refusal::NoSuchThing, format!("{project} has not been built yet: ci-build {project}"));
    };
    let fits = |build: &Build| {
        build.reference.as_ref() == Some(&branch)
            && build.trust == Trust::Inside
            && build.state.verdict().is_some_and(crate::model::Verdict::is_green)
            && !matches!(build.target, Target::Revision { .. })
    };
    let mut below = None;
    loop {
        let page = wish.tx.read().builds(project, below, PAGE)?;
        below = page.last().map(|build| build.id.number);
        if let Some(build) = page.into_iter().find(fits) {
            return Ok(build);
        }
        if below.is_none() {
            let branch = branch.short();
            let message = format!("no build of {project}, branch {branch}, is green; only green ones are deployed");
            return no(Refusal::NoSuchThing, message);
        }
    }
}

/// Queues the way back to the newest good release before the live one, which from now on does not deploy by itself
/// again. Asked for twice it is one rollback; while another deploy is waiting or under way there is none, since what
/// will be live after it is not known.
pub(super) fn take_rollback(wish: &Wish<'_>) -> Result<(DeployId, BuildNumber), NotTaken> {
    let Wish { tx, id, .. } = wish;
    // What a freeze holds back comes after this one.
    let frozen = tx.read().freeze(id)?.is_some_and(|freeze| freeze.holds(wish.now));
    if let Some(other) = next_of(tx.read().unfinished_deploys(id)?, frozen) {
        if let DeployOrigin::Rollback { .. } = other.origin {
            return Ok((other.id, other.number));
        }
        let state = match &other.state {
            DeployState::Running { phase: Phase::Undo, .. } => "is being undone",
            DeployState::Running { .. } => "is under way",
            DeployState::Waiting | DeployState::Finished { .. } => "waits",
        };
        return no(Refusal::TryAgain, format!("a deploy of {} {state}; ask again when it is over", other.describe()));
    }
    let Some(live) = tx.read().live(id)? else {
        return no(Refusal::NoSuchThing, format!("nothing of {id} is live that unitci has deployed"));
    };
    let back = back_from(&live, &tx.read().releases_on(id)?);
    let Some(back) = back else {
        let message = format!("{id}: there is no good release before {} to go back to", live.name);
        return no(Refusal::NoSuchThing, message);
    };
    match live.standing {
        Standing::Good | Standing::Made => tx.set_release(id, &live.name, &live.commit, Standing::Left)?,
        Standing::Bad | Standing::Left => {}
    }
    wish.queue(back.name.number(), back.commit.clone(), DeployOrigin::Rollback { name: wish.who.to_owned() })
}

fn back_from(live: &ReleaseRow, all: &[ReleaseRow]) -> Option<ReleaseRow> {
    let good: Vec<&ReleaseName> =
        all.iter().filter(|release| release.standing == Standing::Good).map(|release| &release.name).collect();
    let back = rollback_target(good, &live.name)?;
    all.iter().find(|release| release.name == *back).cloned()
}

#[cfg(test)]
mod tests;
