//! What a message is about: the fields by which `journalctl` finds it.

use crate::model::{
    BuildId, BuildNumber, CommitId, Deploy, DeployId, ProjectName, RequestId, StepName, TargetId, TargetName, Verdict,
};

/// The fields of a message; what is not set is left out of the entry.
///
/// `journalctl CI_PROJECT=gkp CI_BUILD=42` shows what was said of one build.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    pub(super) project: Option<&'a ProjectName>,
    pub(super) build: Option<BuildNumber>,
    pub(super) step: Option<&'a StepName>,
    pub(super) commit: Option<&'a CommitId>,
    pub(super) verdict: Option<Verdict>,
    pub(super) request: Option<RequestId>,
    pub(super) deploy: Option<DeployId>,
    pub(super) target: Option<&'a TargetName>,
    pub(super) person: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// The installation as a whole.
    pub fn site() -> Subject<'a> {
        Subject::default()
    }

    /// `CI_PROJECT=`
    pub fn project(project: &'a ProjectName) -> Subject<'a> {
        Subject { project: Some(project), ..Subject::default() }
    }

    /// `CI_PROJECT=` and `CI_BUILD=`
    pub fn build(build: &'a BuildId) -> Subject<'a> {
        Subject { project: Some(&build.project), build: Some(build.number), ..Subject::default() }
    }

    /// `CI_PROJECT=` and `CI_TARGET=`
    pub fn target(target: &'a TargetId) -> Subject<'a> {
        Subject { project: Some(&target.project), target: Some(&target.target), ..Subject::default() }
    }

    /// `CI_PROJECT=`, `CI_BUILD=`, `CI_COMMIT=`, `CI_DEPLOY=`, `CI_TARGET=`, and `CI_PERSON=` if one asked for it
    pub fn deploy(deploy: &'a Deploy) -> Subject<'a> {
        Subject {
            project: Some(&deploy.project),
            build: Some(deploy.number),
            commit: Some(&deploy.commit),
            deploy: Some(deploy.id),
            target: Some(&deploy.target),
            person: deploy.origin.person(),
            ..Subject::default()
        }
    }

    /// Adds `CI_PERSON=`
    pub fn person(self, person: &'a str) -> Subject<'a> {
        Subject { person: Some(person), ..self }
    }

    /// Adds `CI_STEP=`, the step's name.
    pub fn step(self, step: &'a StepName) -> Subject<'a> {
        Subject { step: Some(step), ..self }
    }

    /// Adds `CI_COMMIT=`, in full.
    pub fn commit(self, commit: &'a CommitId) -> Subject<'a> {
        Subject { commit: Some(commit), ..self }
    }

    /// Adds `CI_VERDICT=`
    pub fn verdict(self, verdict: Verdict) -> Subject<'a> {
        Subject { verdict: Some(verdict), ..self }
    }

    /// Adds `CI_REQUEST=`
    pub fn request(self, request: RequestId) -> Subject<'a> {
        Subject { request: Some(request), ..self }
    }
}
