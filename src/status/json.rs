//! `--json`: the same values with names that stay. Fields are only ever added; times are RFC 3339 in UTC; what is not
//! known is `null`; words are those of the store.

use super::artifact::ArtifactJson;
use super::cache::CacheJson;
use super::report::TestsJson;
use super::target::{DeployJson, LiveJson, ReleaseJson, TargetJson, deploy, live, on_target, release};
use crate::config::project::StepsFrom;
use crate::model::build::{LogSize, Role, Usage};
use crate::model::{
    Approval, Build, BuildState, Change, DeployState, Origin, Request, StepRow, StepState, Target, Trust, Verdict,
};
use crate::view::{BuildView, Configured, Line, OnTarget, Overview, ProjectView, Running, Setup, Trouble, subject};
use jiff::{Timestamp, Unit};
use serde::Serialize;

/// Pretty, because people read it too.
pub(super) fn text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("our own structures are always valid JSON");
    text + "\n"
}

/// Whole milliseconds, which is what the store has.
fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    (to? - from?).total(Unit::Second).ok()
}

#[derive(Debug, Serialize)]
pub(super) struct All<'a> {
    errors: &'a [String],
    projects: Vec<ProjectJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ProjectJson<'a> {
    name: &'a str,
    description: Option<&'a str>,
    /// `ready`, `broken` or `retired`
    configuration: &'static str,
    site: Option<&'a str>,
    page: String,
    last_build: Option<BuildJson<'a>>,
    running: Vec<RunningJson<'a>>,
    waiting: Vec<RequestJson<'a>>,
    /// The same of the first target, from the time when there was one.
    live: Option<LiveJson<'a>>,
    last_deploy: Option<DeployJson<'a>>,
    targets: Vec<TargetJson<'a>>,
    poll: Option<PollJson<'a>>,
    trouble: Vec<TroubleJson<'a>>,
}

#[derive(Debug, Serialize)]
struct BuildJson<'a> {
    id: String,
    project: &'a str,
    number: u32,
    /// `starting`, `running` or `finished`
    state: &'static str,
    verdict: Option<Verdict>,
    summary: Option<&'a str>,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    commit: Option<&'a str>,
    subject: Option<&'a str>,
    target: &'a Target,
    origin: &'a Origin,
    reason: Option<&'a str>,
    trust: Trust,
    stopped_by: Option<&'a str>,
    stop_reason: Option<&'a str>,
    queued: Timestamp,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    duration_seconds: Option<f64>,
    page: String,
}

#[derive(Debug, Serialize)]
struct RunningJson<'a> {
    #[serde(flatten)]
    build: BuildJson<'a>,
    step: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct RequestJson<'a> {
    id: i64,
    project: &'a str,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    target: &'a Target,
    origin: &'a Origin,
    reason: Option<&'a str>,
    queued: Timestamp,
    not_before: Option<Timestamp>,
    trust: Trust,
    #[serde(flatten)]
    approval: &'a Approval,
    /// In words; none if it is about to start.
    waits_for: Option<String>,
    changes: &'a [Change],
}

#[derive(Debug, Serialize)]
struct PollJson<'a> {
    looked: Timestamp,
    good: Option<Timestamp>,
    error: Option<&'a str>,
    error_since: Option<Timestamp>,
    /// Changed refs from outside that were left for a later poll
    outside_left: u32,
}

#[derive(Debug, Serialize)]
struct TroubleJson<'a> {
    /// `configuration`, `poll` or `deploy`
    kind: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct One<'a> {
    #[serde(flatten)]
    project: ProjectJson<'a>,
    builds: Vec<BuildJson<'a>>,
    deploys: Vec<DeployJson<'a>>,
    releases: Vec<ReleaseJson<'a>>,
    cache: Option<CacheJson>,
}

#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    build: BuildJson<'a>,
    changes: &'a [Change],
    /// `project` or `repository`: where the steps stood
    pipeline: StepsFrom,
    steps: Vec<StepJson<'a>>,
    tests: Vec<TestsJson<'a>>,
    artifacts: Vec<ArtifactJson<'a>>,
    /// The newest of them.
    deploy: Option<DeployJson<'a>>,
    deploys: Vec<DeployJson<'a>>,
}

#[derive(Debug, Serialize)]
struct StepJson<'a> {
    index: u16,
    name: &'a str,
    /// `step` or `service`
    role: Role,
    description: Option<&'a str>,
    done: Option<&'a str>,
    /// `pending`, `running` or `finished`
    state: &'static str,
    verdict: Option<Verdict>,
    outcome: Option<&'a str>,
    attempts: u32,
    /// The names of those that it was given
    secrets: Vec<&'a str>,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    duration_seconds: Option<f64>,
    usage: Usage,
    log: Option<LogSize>,
}

#[derive(Debug, Serialize)]
pub(super) struct QueueJson<'a> {
    running: Vec<RunningJson<'a>>,
    waiting: Vec<RequestJson<'a>>,
    deploys: Vec<DeployJson<'a>>,
}

fn build<'a>(configured: &Configured, build: &'a Build) -> BuildJson<'a> {
    let (state, started, finished, summary) = match &build.state {
        BuildState::Starting => ("starting", None, None, None),
        BuildState::Running { started, .. } => ("running", Some(*started), None, None),
        BuildState::Finished { started, finished, summary, .. } => {
            ("finished", *started, Some(*finished), Some(summary.as_str()))
        }
    };
    BuildJson {
        id: build.id.to_string(),
        project: build.id.project.as_str(),
        number: build.id.number.0,
        state,
        verdict: build.state.verdict(),
        summary,
        reference: build.reference.as_ref().map(|reference| reference.as_str()),
        commit: build.commit.as_ref().map(|commit| commit.as_str()),
        subject: subject(build),
        target: &build.target,
        origin: &build.origin,
        reason: build.reason.as_deref(),
        trust: build.trust,
        stopped_by: build.stop.as_ref().map(|stop| stop.by.as_str()),
        stop_reason: build.stop.as_ref().and_then(|stop| stop.reason.as_deref()),
        queued: build.queued,
        started,
        finished,
        duration_seconds: seconds(started, finished),
        page: format!("{}/p/{}/{}/", configured.site.base_url, build.id.project, build.id.number),
    }
}

fn running<'a>(configured: &Configured, running: &'a Running) -> RunningJson<'a> {
    RunningJson { build: build(configured, &running.build), step: running.step.as_ref().map(|step| step.name.as_str()) }
}

fn request<'a>(line: &Line, request: &'a Request) -> RequestJson<'a> {
    RequestJson {
        id: request.id.0,
        project: request.ask.project.as_str(),
        reference: request.ask.reference.as_ref().map(|reference| reference.as_str()),
        target: &request.ask.target,
        origin: &request.ask.origin,
        reason: request.ask.reason.as_deref(),
        queued: request.created,
        not_before: request.ask.not_before,
        trust: request.ask.trust,
        approval: &request.approval,
        waits_for: line.waits.get(&request.id).map(|why| why.describe(|time| time.to_string())),
        changes: &request.ask.changes,
    }
}

fn trouble(line: &Line) -> Vec<TroubleJson<'_>> {
    let mut all = Vec::new();
    if let Setup::Broken(error) = &line.setup {
        all.push(TroubleJson { kind: "configuration", message: error });
    }
    for deploy in line.targets.iter().filter_map(|target| target.deploy.as_ref()) {
        if let (Some(_), DeployState::Finished { summary, .. }) = (Trouble::of_deploy(Some(deploy)), &deploy.state) {
            all.push(TroubleJson { kind: "deploy", message: summary });
        }
    }
    if let Some((error, _)) = line.source.as_ref().and_then(|source| source.trouble.as_ref()) {
        all.push(TroubleJson { kind: "poll", message: error });
    }
    all
}

fn line<'a>(configured: &Configured, line: &'a Line) -> ProjectJson<'a> {
    let (configuration, description) = match &line.setup {
        Setup::Ready { description, .. } => ("ready", description.as_deref()),
        Setup::Broken(_) => ("broken", None),
        Setup::Retired => ("retired", None),
    };
    ProjectJson {
        name: line.name.as_str(),
        description,
        configuration,
        site: line.targets.first().and_then(|target| target.site.as_deref()),
        page: format!("{}/p/{}/", configured.site.base_url, line.name),
        last_build: line.last.as_ref().map(|last| build(configured, last)),
        running: line.running.iter().map(|one| running(configured, one)).collect(),
        waiting: line.waiting.iter().map(|one| request(line, one)).collect(),
        live: line.targets.first().and_then(|target| target.live.as_ref()).map(live),
        last_deploy: line.targets.first().and_then(|target| target.deploy.as_ref()).map(deploy),
        targets: line.targets.iter().map(on_target).collect(),
        poll: line.source.as_ref().map(|source| PollJson {
            looked: source.looked,
            good: source.good,
            error: source.trouble.as_ref().map(|(error, _)| error.as_str()),
            error_since: source.trouble.as_ref().map(|(_, since)| *since),
            outside_left: source.outside_left,
        }),
        trouble: trouble(line),
    }
}

pub(super) fn overview<'a>(configured: &'a Configured, overview: &'a Overview) -> All<'a> {
    All { errors: &configured.errors, projects: overview.lines.iter().map(|one| line(configured, one)).collect() }
}

pub(super) fn project<'a>(configured: &Configured, view: &'a ProjectView) -> One<'a> {
    One {
        project: line(configured, &view.line),
        builds: view.builds.iter().map(|one| build(configured, one)).collect(),
        deploys: view.deploys.iter().map(deploy).collect(),
        releases: view.releases.iter().map(release).collect(),
        cache: super::cache::json(view),
    }
}

pub(super) fn build_view<'a>(configured: &Configured, view: &'a BuildView) -> Whole<'a> {
    Whole {
        build: build(configured, &view.build),
        changes: &view.build.changes,
        pipeline: view.steps_from,
        steps: view.steps.iter().map(|row| step(view, row)).collect(),
        tests: super::report::json(view),
        artifacts: super::artifact::json(configured, view),
        deploy: view.deploys.first().map(deploy),
        deploys: view.deploys.iter().map(deploy).collect(),
    }
}

fn step<'a>(view: &'a BuildView, step: &'a StepRow) -> StepJson<'a> {
    let (state, started, finished, verdict, outcome) = match &step.state {
        StepState::Pending => ("pending", None, None, None, None),
        StepState::Running { started } => ("running", Some(*started), None, None, None),
        StepState::Finished { started, finished, verdict, outcome } => {
            ("finished", *started, Some(*finished), Some(*verdict), Some(outcome.as_str()))
        }
    };
    StepJson {
        index: step.index.0,
        name: step.name.as_str(),
        role: step.role,
        description: step.words.description.as_deref(),
        done: step.words.done.as_deref(),
        state,
        verdict,
        outcome,
        attempts: step.attempts,
        secrets: view.secrets_of(step.index),
        started,
        finished,
        duration_seconds: seconds(started, finished),
        usage: step.usage,
        log: step.log,
    }
}

pub(super) fn queue<'a>(configured: &Configured, overview: &'a Overview) -> QueueJson<'a> {
    let lines = &overview.lines;
    QueueJson {
        running: lines.iter().flat_map(|line| &line.running).map(|one| running(configured, one)).collect(),
        waiting: lines.iter().flat_map(|line| line.waiting.iter().map(|one| request(line, one))).collect(),
        deploys: lines.iter().flat_map(|line| &line.targets).filter_map(OnTarget::unfinished).map(deploy).collect(),
    }
}
