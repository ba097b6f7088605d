//! What a person's `ci-deploy` asks for.

use super::WishError;
use crate::intake::{Answer, Ask, DeployWish, ask};
use crate::model::deploy::DeployOrigin;
use crate::model::{BuildNumber, CommitId, DeployId, Place, ProjectName, TargetName};
use std::io::Write;

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploying {
    /// The deploy.
    pub deploy: DeployId,
    /// The build that it makes live.
    pub number: BuildNumber,
}

/// What would come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The build that would be made live.
    pub number: BuildNumber,
    /// Its commit.
    pub commit: CommitId,
    /// What makes it happen.
    pub origin: DeployOrigin,
}

/// Asks for a deploy, or for the way back.
pub fn deploy(
    place: &Place,
    project: &ProjectName,
    target: Option<TargetName>,
    wish: DeployWish,
    reason: Option<String>,
) -> Result<Deploying, WishError> {
    let project = project.clone();
    let question = match wish {
        DeployWish::Deploy { number, even_if_red } => Ask::Deploy { project, number, even_if_red, target, reason },
        DeployWish::Rollback => Ask::Rollback { project, target, reason },
    };
    let answer = ask(place, &question)?;
    let Answer::Deploying { deploy, number } = answer else { return Err(WishError::of(answer)) };
    Ok(Deploying { deploy, number })
}

/// Asks what would come of it.
pub fn foresee(
    place: &Place,
    project: &ProjectName,
    target: Option<TargetName>,
    wish: DeployWish,
) -> Result<Foreseen, WishError> {
    let answer = ask(place, &Ask::Foresee { project: project.clone(), target, wish })?;
    let Answer::Foreseen { number, commit, origin } = answer else { return Err(WishError::of(answer)) };
    Ok(Foreseen { number, commit, origin })
}

/// Has what was there before unitci become a release, and tells what has changed.
pub fn adopt_and_tell(
    place: &Place,
    project: &ProjectName,
    target: Option<TargetName>,
    out: &mut dyn Write,
) -> Result<(), WishError> {
    let answer = ask(place, &Ask::Adopt { project: project.clone(), target })?;
    let Answer::Adopted { release, shared } = answer else { return Err(WishError::of(answer)) };
    writeln!(out, "current is release {release} now, and what the first deploy goes back to if it fails")?;
    for path in shared {
        writeln!(out, "shared: {0} has moved to shared/{0}", path.display())?;
    }
    Ok(())
}
