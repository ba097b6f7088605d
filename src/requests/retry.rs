//! A build once more.

use super::{No, Taker, short, store_trouble};
use crate::intake::{Answer, Peer, Refusal, RetryAsk, RetryFrom};
use crate::model::{Build, BuildId, BuildState, NewRequest, Origin, StepName, Target};
use crate::plan::rerun::{Before, begins_at, failed};
use crate::store::{StoreError, Tx};
use crate::tell;
use jiff::Timestamp;

/// Why a build is not done again.
enum NotTaken {
    Store(StoreError),
    No(No),
}

impl From<StoreError> for NotTaken {
    fn from(error: StoreError) -> NotTaken {
        NotTaken::Store(error)
    }
}

fn no(message: String) -> NotTaken {
    NotTaken::No((Refusal::NoSuchThing, message))
}

impl Taker<'_> {
    pub(super) fn retry(&self, ask: &RetryAsk, peer: &Peer) -> Result<Answer, No> {
        self.project(&ask.project)?;
        let taken = self.store().write(|tx| {
            let id = BuildId { project: ask.project.clone(), number: ask.number };
            let build = tx.read().build(&id)?.ok_or_else(|| no(format!("there is no build {id}")))?;
            match build.state {
                BuildState::Finished { .. } => {}
                BuildState::Starting | BuildState::Running { .. } => {
                    return Err(no(format!("{id} is not over yet; ci-build --stop {id} stops it")));
                }
            }
            let origin = Origin::Retry { name: peer.name.clone(), build: ask.number, from: begin(tx, &build, ask)? };
            let words = origin.describe();
            Ok((tx.queue(again(build, origin, ask), Timestamp::now())?, words))
        });
        let (queued, words) = taken.map_err(|error| match error {
            NotTaken::Store(error) => store_trouble(&error),
            NotTaken::No(no) => no,
        })?;
        tell::queued(&ask.project, &queued, &words);
        self.start_soon();
        Ok(Answer::Queued { request: queued.id(), stopping: Vec::new() })
    }
}

/// The first step that is to run.
fn begin(tx: &Tx<'_>, build: &Build, ask: &RetryAsk) -> Result<Option<StepName>, NotTaken> {
    let steps = || -> Result<Vec<Before>, StoreError> {
        let rows = tx.read().steps_and_specs(&build.id)?.into_iter();
        Ok(rows.map(|(row, spec)| Before::of(row, spec)).collect())
    };
    let found = match &ask.from {
        RetryFrom::Start => return Ok(None),
        RetryFrom::Failed => failed(&steps()?),
        RetryFrom::Step { step } => begins_at(&steps()?, step).map(|()| step.clone()),
    };
    found.map(Some).map_err(|why| no(format!("{}: {why}", build.id)))
}

/// Commit, ref and trust are those of the build. A commit that was asked for by name still never deploys by itself.
fn again(build: Build, origin: Origin, ask: &RetryAsk) -> NewRequest {
    let target = match (build.target, build.commit) {
        (Target::Revision { .. }, Some(commit)) => Target::Revision { revision: commit.to_string() },
        (Target::Commit { .. } | Target::Tip, Some(commit)) => Target::Commit { commit },
        // It was never known which.
        (target, None) => target,
    };
    NewRequest {
        project: build.id.project,
        reference: build.reference,
        target,
        origin,
        trust: build.trust,
        reason: ask.reason.as_deref().map(short),
        changes: build.changes,
        not_before: None,
        token: Some(ask.token.clone()),
    }
}
