//! The end of a deploy: one transaction with its outcome and all that follows from it, then the wake.

use crate::config::{Project, Site};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::deploy::DeployOrigin;
use crate::model::{Deploy, Outcome, Place};
use crate::store::{NewMessage, Standing, Store, StoreError, Tx};
use crate::tell;
use crate::wake::Wake;
use jiff::Timestamp;

/// A deploy that is over.
pub(super) struct End<'a> {
    pub(super) deploy: &'a Deploy,
    pub(super) outcome: Outcome,
    pub(super) summary: &'a str,
    pub(super) release: Verdict,
}

/// What its end says of the release that it was to make live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Unjudged,
    /// It is live and well.
    Good,
    /// It was live and was not well.
    Bad,
    /// Its folder is removed.
    Gone,
}

/// Ends a deploy, unless it is over already. `told` are those to tell by mail; none when the configuration is broken.
pub(super) fn record(
    place: &Place,
    store: &mut Store,
    end: &End<'_>,
    told: Option<(&Site, &Project)>,
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let Some(mail) = store.write(|tx| finish(tx, end, told, now))? else { return Ok(()) };
    tell_journal(end);
    match mail {
        Mail::Queued => Wake::Notify.up_or_warn(place),
        Mail::None => {}
    }
    Ok(())
}

enum Mail {
    Queued,
    None,
}

fn finish(
    tx: &Tx<'_>,
    end: &End<'_>,
    told: Option<(&Site, &Project)>,
    now: Timestamp,
) -> Result<Option<Mail>, StoreError> {
    let deploy = end.deploy;
    if !tx.finish_deploy(deploy.id, end.outcome, end.summary, now)? {
        return Ok(None);
    }
    let (release, target) = (deploy.release(), deploy.target_id());
    match end.release {
        Verdict::Unjudged => {}
        Verdict::Good => {
            tx.set_release(&target, &release, &deploy.commit, Standing::Good)?;
            match deploy.origin {
                DeployOrigin::Person { .. } => tx.come_back_to(&target, &deploy.commit)?,
                DeployOrigin::Green | DeployOrigin::Rollback { .. } => {}
            }
        }
        Verdict::Bad => tx.set_release(&target, &release, &deploy.commit, Standing::Bad)?,
        Verdict::Gone => tx.forget_release(&target, &release)?,
    }
    let Some((site, project)) = told else { return Ok(Some(Mail::None)) };
    if !tell::deploy_is_told(end.outcome) || project.notify.mail.is_empty() {
        return Ok(Some(Mail::None));
    }
    let letter = tell::deploy(site, deploy, end.outcome, end.summary);
    let message = NewMessage {
        project: deploy.project.clone(),
        number: Some(deploy.number),
        recipients: project.notify.mail.clone(),
        subject: letter.subject,
        body: letter.body,
    };
    tx.queue_message(&message, now)?;
    Ok(Some(Mail::Queued))
}

fn tell_journal(end: &End<'_>) {
    let deploy = end.deploy;
    let (event, priority) = match (end.outcome, &deploy.origin) {
        (Outcome::Deployed, DeployOrigin::Green | DeployOrigin::Person { .. }) => (Event::Deployed, Priority::Notice),
        (Outcome::Deployed, DeployOrigin::Rollback { .. }) => (Event::RolledBack, Priority::Notice),
        (Outcome::Failed, _) => (Event::DeployFailed, Priority::Warning),
        (Outcome::RolledBack, _) => (Event::RolledBack, Priority::Warning),
        (Outcome::Down, _) => (Event::DeployFailedDown, Priority::Error),
        (Outcome::Superseded, _) => (Event::DeploySkipped, Priority::Notice),
    };
    let tail = if end.summary.is_empty() { String::new() } else { format!(": {}", end.summary) };
    let text = format!("deploy of {}, {}: {}{tail}", deploy.describe(), deploy.why(), end.outcome.describe());
    journal::emit(event, &Subject::deploy(deploy), priority, &text);
}
