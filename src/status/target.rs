//! `--json`: what is on a project's targets.

use crate::model::deploy::DeployOrigin;
use crate::model::{CommitId, Deploy, DeployState, ReleaseName};
use crate::store::ReleaseRow;
use crate::view::{Live, OnTarget};
use jiff::Timestamp;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct LiveJson<'a> {
    release: &'a ReleaseName,
    build: u32,
    commit: Option<&'a str>,
    subject: Option<&'a str>,
    since: Option<Timestamp>,
    /// The deploy that made it live: its own, or that of another release which was undone.
    deploy: Option<DeployJson<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct FreezeJson<'a> {
    until: Timestamp,
    by: &'a str,
    reason: Option<&'a str>,
    since: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct TargetJson<'a> {
    name: &'a str,
    site: Option<&'a str>,
    automatic: bool,
    live: Option<LiveJson<'a>>,
    last_deploy: Option<DeployJson<'a>>,
    freeze: Option<FreezeJson<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct DeployJson<'a> {
    id: i64,
    target: &'a str,
    build: u32,
    commit: Option<&'a str>,
    release: ReleaseName,
    origin: &'a DeployOrigin,
    reason: Option<&'a str>,
    /// `waiting`, `running` or `finished`
    state: &'static str,
    phase: Option<&'static str>,
    outcome: Option<&'static str>,
    summary: Option<&'a str>,
    queued: Timestamp,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(super) struct ReleaseJson<'a> {
    target: &'a str,
    name: &'a ReleaseName,
    commit: Option<&'a str>,
    live_since: Option<Timestamp>,
}

pub(super) fn deploy(deploy: &Deploy) -> DeployJson<'_> {
    let mut json = DeployJson {
        id: deploy.id.0,
        target: deploy.target.as_str(),
        build: deploy.number.0,
        commit: known(&deploy.commit),
        release: deploy.release(),
        origin: &deploy.origin,
        reason: deploy.reason.as_deref(),
        state: "waiting",
        phase: None,
        outcome: None,
        summary: None,
        queued: deploy.created,
        started: None,
        finished: None,
    };
    match &deploy.state {
        DeployState::Waiting => {}
        DeployState::Running { started, phase } => {
            (json.state, json.phase, json.started) = ("running", Some(phase.as_str()), Some(*started));
        }
        DeployState::Finished { started, finished, outcome, summary } => {
            json.state = "finished";
            (json.outcome, json.summary) = (Some(outcome.as_str()), Some(summary.as_str()));
            (json.started, json.finished) = (*started, Some(*finished));
        }
    }
    json
}

/// Of a release that was there before unitci nobody knows the commit.
fn known(commit: &CommitId) -> Option<&str> {
    commit.is_known().then(|| commit.as_str())
}

pub(super) fn live(live: &Live) -> LiveJson<'_> {
    LiveJson {
        release: &live.release.name,
        build: live.release.name.number().0,
        commit: known(&live.release.commit),
        subject: live.subject.as_deref(),
        since: live.release.live,
        deploy: live.by.as_ref().map(deploy),
    }
}

pub(super) fn on_target(target: &OnTarget) -> TargetJson<'_> {
    TargetJson {
        name: target.name.as_str(),
        site: target.site.as_deref(),
        automatic: target.automatic,
        live: target.live.as_ref().map(live),
        last_deploy: target.deploy.as_ref().map(deploy),
        freeze: target.freeze.as_ref().map(|freeze| FreezeJson {
            until: freeze.until,
            by: &freeze.by,
            reason: freeze.reason.as_deref(),
            since: freeze.since,
        }),
    }
}

pub(super) fn release(release: &ReleaseRow) -> ReleaseJson<'_> {
    ReleaseJson {
        target: release.target.as_str(),
        name: &release.name,
        commit: known(&release.commit),
        live_since: release.live,
    }
}
