//! What a person's `ci-deploy` asks for.

use super::WishError;
use crate::intake::{Answer, Ask, ask};
use crate::model::{BuildNumber, BuildSpec, DeployId, Place, ProjectName, TargetName};

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploying {
    /// The deploy.
    pub deploy: DeployId,
    /// The build that it makes live.
    pub number: BuildNumber,
}

/// Asks for a deploy.
pub fn deploy(
    place: &Place,
    spec: &BuildSpec,
    target: Option<TargetName>,
    reason: Option<String>,
) -> Result<Deploying, WishError> {
    answered(ask(place, &Ask::Deploy { project: spec.project.clone(), number: spec.number, target, reason })?)
}

/// Asks for the way back.
pub fn rollback(
    place: &Place,
    project: &ProjectName,
    target: Option<TargetName>,
    reason: Option<String>,
) -> Result<Deploying, WishError> {
    answered(ask(place, &Ask::Rollback { project: project.clone(), target, reason })?)
}

fn answered(answer: Answer) -> Result<Deploying, WishError> {
    match answer {
        Answer::Deploying { deploy, number } => Ok(Deploying { deploy, number }),
        answer @ (Answer::Refused { .. }
        | Answer::Emptied { .. }
        | Answer::Queued { .. }
        | Answer::Stopping { .. }
        | Answer::Approved { .. }
        | Answer::Held { .. }
        | Answer::Looking) => Err(WishError::of(answer)),
    }
}
