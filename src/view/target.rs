//! What is on each of a project's targets.

use super::overview::Live;
use crate::config::Project;
use crate::model::{Deploy, DeployState, Freeze, ProjectName, TargetName};

/// One target at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnTarget {
    /// Its name.
    pub name: TargetName,
    /// `site`
    pub site: Option<String>,
    /// Whether green builds go there by themselves.
    pub automatic: bool,
    /// What is live.
    pub live: Option<Live>,
    /// Its newest deploy.
    pub deploy: Option<Deploy>,
    /// The newest that is over and was not skipped: how things are there until another is over.
    pub ended: Option<Deploy>,
    /// What holds deploys back.
    pub freeze: Option<Freeze>,
}

/// What is said of a project that has no targets.
pub const NO_TARGET: &str = "Not deployed from here: its file has no [deploy].";

impl OnTarget {
    /// The name to show, if the target has one of its own.
    pub fn label(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|_| !self.name.is_default())
    }

    /// The targets of a project's file, with nothing on them.
    pub(super) fn of_project(project: &Project) -> Vec<OnTarget> {
        let empty = |deploy: &crate::config::project::Deploy| OnTarget {
            name: deploy.name.clone(),
            site: deploy.site.clone(),
            automatic: deploy.automatic,
            live: None,
            deploy: None,
            ended: None,
            freeze: None,
        };
        project.targets.iter().map(empty).collect()
    }

    /// A target that is only known by what is live there: its project's file says nothing of it.
    fn unnamed(name: &TargetName) -> OnTarget {
        OnTarget {
            name: name.clone(),
            site: None,
            automatic: false,
            live: None,
            deploy: None,
            ended: None,
            freeze: None,
        }
    }

    /// How something comes onto a target where only people deploy.
    pub fn by_hand(&self, project: &ProjectName) -> String {
        format!("people deploy there: ci-deploy {project}:N --target {}", self.name)
    }

    /// Whether something happens on it, or is about to: what a freeze holds back is not.
    pub fn is_busy(&self) -> bool {
        self.unfinished().is_some_and(|deploy| deploy.state != DeployState::Waiting || self.freeze.is_none())
    }

    /// The deploy that waits or runs, if one does.
    pub fn unfinished(&self) -> Option<&Deploy> {
        self.deploy.as_ref().filter(|deploy| match deploy.state {
            DeployState::Waiting | DeployState::Running { .. } => true,
            DeployState::Finished { .. } => false,
        })
    }
}

/// The same for a freeze that holds.
pub(super) fn put_freeze(targets: &mut [OnTarget], freeze: Freeze) {
    if let Some(target) = targets.iter_mut().find(|target| target.name == freeze.target.target) {
        target.freeze = Some(freeze);
    }
}

/// Puts what is live where it belongs.
pub(super) fn put_live(targets: &mut Vec<OnTarget>, live: Live) {
    let name = live.release.target.clone();
    let found = targets.iter_mut().find(|target| target.name == name);
    match found {
        Some(target) => target.live = Some(live),
        None => targets.push(OnTarget { live: Some(live), ..OnTarget::unnamed(&name) }),
    }
}

/// The same for the newest deploy to a target; one that is not there any more keeps it to itself.
pub(super) fn put_deploy(targets: &mut [OnTarget], deploy: Deploy) {
    if let Some(target) = targets.iter_mut().find(|target| target.name == deploy.target) {
        target.deploy = Some(deploy);
    }
}

/// The same for the newest that is over and was not skipped.
pub(super) fn put_ended(targets: &mut [OnTarget], deploy: Deploy) {
    if let Some(target) = targets.iter_mut().find(|target| target.name == deploy.target) {
        target.ended = Some(deploy);
    }
}
