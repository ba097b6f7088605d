//! What people's commands do: ask the core over its socket, and if wanted wait, reading the store like anybody.

mod build;
mod cache;
mod deploy;
mod freeze;
mod poll;
mod release;
mod wait;

pub use build::{Wish, Wished, approve_and_tell, retry, stop_and_tell, wish};
pub use cache::empty_and_tell;
pub use deploy::{Deploying, Foreseen, adopt_and_tell, deploy, foresee};
pub use freeze::{freeze_and_tell, tell_if_held, thaw_and_tell};
pub use poll::{look, look_and_tell};
pub use release::follow;
pub use wait::{wait_and_tell, wait_for_build, wait_for_verdict};

use crate::intake::{Answer, AskError, Refusal};
use crate::model::{DeployId, ProjectName};
use crate::output::LogError;
use crate::store::StoreError;

/// Why a wish could not be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The socket.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It was refused.
    #[error("{message}")]
    Refused {
        /// Whose turn it is.
        refusal: Refusal,
        /// Why.
        message: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A log.
    #[error("{0}")]
    Log(#[from] LogError),
    /// Standard output.
    #[error("standard output: {0}")]
    Write(#[from] std::io::Error),
    /// The answer is to another question.
    #[error("the core answered something else than what was asked: is it of another version?")]
    Confused,
    /// The request was taken out of the queue.
    #[error("not built: {0}")]
    Dropped(String),
    /// The last poll failed, so the tip is not known.
    #[error("{project} could not be polled: {trouble}")]
    NoTip {
        /// Whose.
        project: ProjectName,
        /// Why.
        trouble: String,
    },
    /// Neither a request nor a ref, or both.
    #[error(
        "what is approved? ci-build --approve {0}:REQUEST, or ci-build --approve {0} -b REF; ci-status --queue shows what waits"
    )]
    WhatToApprove(ProjectName),
    /// There is nothing to wait for.
    #[error("there is no deploy {0}")]
    NoSuchDeploy(DeployId),
    /// No such branch.
    #[error("{project} has no branch {branch} that it watches; ci-build --force {project} -b {branch} builds any")]
    NotWatched {
        /// Whose.
        project: ProjectName,
        /// Which.
        branch: String,
    },
}

impl WishError {
    /// What an answer means that is not the one that was hoped for.
    pub fn of(answer: Answer) -> WishError {
        match answer {
            Answer::Refused { refusal, message } => WishError::Refused { refusal, message },
            Answer::Queued { .. }
            | Answer::Stopping { .. }
            | Answer::Approved { .. }
            | Answer::Emptied { .. }
            | Answer::Foreseen { .. }
            | Answer::Adopted { .. }
            | Answer::Held { .. }
            | Answer::Looking
            | Answer::Deploying { .. } => WishError::Confused,
        }
    }

    /// Whether what was asked for is queued all the same, and only cannot be watched.
    pub fn is_only_blind(&self) -> bool {
        matches!(self, WishError::Store(StoreError::Denied(_) | StoreError::Missing(_)))
    }

    /// The exit code (STYLE: 1 failed, 2 usage, 75 try again, 78 configuration).
    pub fn exit_code(&self) -> u8 {
        match self {
            WishError::WhatToApprove(_) => 2,
            WishError::Ask(_) | WishError::NoTip { .. } => 75,
            WishError::Refused { refusal: Refusal::TryAgain, .. } => 75,
            WishError::Refused { refusal: Refusal::Configuration, .. } => 78,
            WishError::Refused { refusal: Refusal::Stranger | Refusal::Garbage | Refusal::NoSuchThing, .. }
            | WishError::Store(_)
            | WishError::Log(_)
            | WishError::Write(_)
            | WishError::Confused
            | WishError::Dropped(_)
            | WishError::NoSuchDeploy(_)
            | WishError::NotWatched { .. } => 1,
        }
    }
}
