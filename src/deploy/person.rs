//! What a person's `ci-deploy` asks for.

use super::follow::FollowError;
use crate::intake::{Answer, Ask, AskError, Refusal, ask};
use crate::model::{BuildNumber, BuildSpec, DeployId, Place, ProjectName};
use crate::store::StoreError;

/// Why a wish was not fulfilled.
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
    /// The answer is to another question.
    #[error("the core answered something else than what was asked: is it of another version?")]
    Confused,
    /// It is queued, and what becomes of it cannot be seen.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

impl WishError {
    /// 1 failed, 75 try again, 78 configuration.
    pub fn exit_code(&self) -> u8 {
        match self {
            WishError::Ask(_) | WishError::Refused { refusal: Refusal::TryAgain, .. } => 75,
            WishError::Refused { refusal: Refusal::Configuration, .. } => 78,
            WishError::Refused { refusal: Refusal::Stranger | Refusal::Garbage | Refusal::NoSuchThing, .. }
            | WishError::Follow(_)
            | WishError::Confused => 1,
        }
    }

    /// Whether what was asked for is queued all the same, and only cannot be watched.
    pub fn is_only_blind(&self) -> bool {
        matches!(self, WishError::Follow(FollowError::Store(StoreError::Denied(_) | StoreError::Missing(_))))
    }
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The deploy.
    pub deploy: DeployId,
    /// The build that it makes live.
    pub number: BuildNumber,
}

/// Asks for a deploy.
pub fn deploy(place: &Place, spec: &BuildSpec, reason: Option<String>) -> Result<Queued, WishError> {
    answered(ask(place, &Ask::Deploy { project: spec.project.clone(), number: spec.number, reason })?)
}

/// Asks for the way back.
pub fn rollback(place: &Place, project: &ProjectName, reason: Option<String>) -> Result<Queued, WishError> {
    answered(ask(place, &Ask::Rollback { project: project.clone(), reason })?)
}

fn answered(answer: Answer) -> Result<Queued, WishError> {
    match answer {
        Answer::Deploying { deploy, number } => Ok(Queued { deploy, number }),
        Answer::Refused { refusal, message } => Err(WishError::Refused { refusal, message }),
        Answer::Queued { .. } | Answer::Stopping { .. } | Answer::Looking => Err(WishError::Confused),
    }
}
