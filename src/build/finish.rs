//! The end of a build: one transaction with the verdict and all that follows from it, then the wakes.

use crate::config::project::OnFailure;
use crate::config::{Project, Site};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::build::Role;
use crate::model::deploy::DeployOrigin;
use crate::model::{Build, Place, StepRow, StepState, TargetId, Trust, Verdict};
use crate::plan::rerun::may_go_live;
use crate::plan::result::contribution;
use crate::plan::{deploy as plan_deploy, notify as plan_notify};
use crate::start::deploy_or_wake;
use crate::store::{NewDeploy, NewMessage, Store, StoreError, Tx};
use crate::tell;
use crate::wake::Wake;
use jiff::Timestamp;

/// A build that is over.
pub(super) struct End<'a> {
    pub(super) build: &'a Build,
    pub(super) verdict: Verdict,
    pub(super) summary: &'a str,
    /// None when its configuration is broken: then nothing is deployed, and nobody is known to tell.
    pub(super) project: Option<&'a Project>,
    pub(super) site: &'a Site,
}

/// One line that says why a build is not green: the first step that contributed its verdict, or rather the service that
/// such a step had lost.
pub(super) fn summary(build: &Build, worst: Verdict, steps: &[(StepRow, OnFailure)]) -> String {
    if worst.is_green() {
        return String::new();
    }
    if let (Verdict::Cancelled, Some(stopped)) = (worst, stopped_by(build)) {
        return stopped;
    }
    let spoilt = |role: Role| {
        steps.iter().filter(|(step, _)| step.role == role).find_map(|(step, on_failure)| match &step.state {
            StepState::Finished { verdict, outcome, .. } if contribution(*verdict, *on_failure) == worst => {
                Some(match role {
                    Role::Step => format!("{}: {outcome}", step.name),
                    Role::Service => format!("service {} {outcome}", step.name),
                })
            }
            StepState::Finished { .. } | StepState::Pending | StepState::Running { .. } => None,
        })
    };
    spoilt(Role::Service).or_else(|| spoilt(Role::Step)).unwrap_or_default()
}

/// Who stopped a build, and why, if somebody did.
pub(super) fn stopped_by(build: &Build) -> Option<String> {
    let stop = build.stop.as_ref()?;
    let why = stop.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    Some(format!("stopped by {}{why}", stop.by))
}

/// Ends the build, unless somebody has already.
pub(super) fn record(place: &Place, store: &mut Store, end: &End<'_>) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let Some(follows) = store.write_patiently(|tx| finish(tx, end, now))? else { return Ok(()) };
    tell_journal(end);
    for target in &follows.deploys {
        deploy_or_wake(place, target);
    }
    if follows.mail {
        Wake::Notify.up_or_warn(place);
    }
    // A place is free.
    Wake::Build.up_or_warn(place);
    Ok(())
}

/// What was queued with the verdict.
struct Follows {
    deploys: Vec<TargetId>,
    mail: bool,
}

fn finish(tx: &Tx<'_>, end: &End<'_>, now: Timestamp) -> Result<Option<Follows>, StoreError> {
    let id = &end.build.id;
    if !tx.finish_build(id, end.verdict, end.summary, now)? {
        return Ok(None);
    }
    let Some(project) = end.project else { return Ok(Some(Follows { deploys: Vec::new(), mail: false })) };
    let head = tx.read().source(&id.project)?.and_then(|source| source.head);
    let tips = tx.read().tips(&id.project)?;
    let tip = end.build.reference.as_ref().and_then(|reference| tips.get(reference));
    let newest = may_go_live(&end.build.origin, end.build.commit.as_ref(), tip);
    let mut deploys = Vec::new();
    for target in project.targets.iter().filter(|_| newest) {
        let to = TargetId { project: id.project.clone(), target: target.name.clone() };
        let left = tx.read().left_commits(&to)?;
        if let Ok(commit) = plan_deploy::goes_live(end.build, end.verdict, target, head.as_ref(), &left) {
            let origin = DeployOrigin::Green;
            tx.queue_deploy(&NewDeploy { target: to.clone(), number: id.number, commit, origin, reason: None }, now)?;
            deploys.push(to);
        }
    }
    Ok(Some(Follows { deploys, mail: queue_mail(tx, end, project, now)? }))
}

fn queue_mail(tx: &Tx<'_>, end: &End<'_>, project: &Project, now: Timestamp) -> Result<bool, StoreError> {
    let before = tx.read().previous_of_ref(end.build)?.and_then(|build| build.state.verdict());
    let told = plan_notify::news(before, end.verdict).filter(|news| plan_notify::is_told(*news, project.notify.on));
    // Strangers do not make us write to the team.
    let told = told.filter(|_| end.build.trust == Trust::Inside);
    let (Some(news), false) = (told, project.notify.mail.is_empty()) else { return Ok(false) };
    let steps = tx.read().steps(&end.build.id)?;
    let tests = tx.read().tests(&end.build.id)?;
    let letter = tell::build(end.site, project, end.build, news, end.summary, &steps, &tests);
    tx.queue_message(
        &NewMessage {
            project: end.build.id.project.clone(),
            number: Some(end.build.id.number),
            recipients: project.notify.mail.clone(),
            subject: letter.subject,
            body: letter.body,
        },
        now,
    )?;
    Ok(true)
}

fn tell_journal(end: &End<'_>) {
    let subject = Subject::build(&end.build.id).verdict(end.verdict);
    let subject = match &end.build.commit {
        Some(commit) => subject.commit(commit),
        None => subject,
    };
    let priority = if end.verdict.is_green() { Priority::Notice } else { Priority::Warning };
    let tail = if end.summary.is_empty() { String::new() } else { format!(": {}", end.summary) };
    journal::emit(Event::BuildFinished, &subject, priority, &format!("build {}: {}{tail}", end.build.id, end.verdict));
}
