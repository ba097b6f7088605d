//! A project: what is live, what goes on, and what was.

use super::front::at_work;
use super::{Clock, Frame, Refresh, foreign, frozen, live_by, live_since, site_link, state};
use crate::config::Site;
use crate::model::{Build, BuildNumber, Deploy, DeployState, Outcome, TargetName};
use crate::store::{ReleaseRow, Standing};
use crate::view::text::{between, duration, harmless, moment};
use crate::view::{Activity, Light, NO_TARGET, ProjectView, Setup, standing, subject, took, when};
use maud::{Markup, html};

/// One project; `below` is the build number that the history begins below, if not at its newest.
pub fn project(site: &Site, view: &ProjectView, below: Option<BuildNumber>, clock: &Clock) -> Markup {
    let line = &view.line;
    let busy = line.activity() != Activity::Idle;
    let frame = Frame {
        site,
        clock,
        title: line.name.to_string(),
        light: line.light(),
        refresh: match (below, busy) {
            (Some(_), _) => Refresh::Never,
            (None, true) => Refresh::Soon,
            (None, false) => Refresh::Lazily,
        },
        trail: vec![("../../".to_owned(), "Projects".to_owned())],
        here: line.name.to_string(),
    };
    frame.around(&html! {
        h1 { (line.name) }
        @match &line.setup {
            Setup::Ready { description: Some(text), .. } => { p.sub { (foreign(text)) } }
            Setup::Ready { description: None, .. } | Setup::Broken(_) => {}
            Setup::Retired => { p.sub { "Retired: it has no file any more. Nothing is polled or built; its history stays." } }
        }
        @if line.targets.is_empty() { p.lead { (NO_TARGET) } }
        @for target in &line.targets {
            p.lead {
                @if let Some(label) = target.label() { b { (label) } ": " }
                @match &target.live {
                    Some(live) => { (live_since(live, clock)) }
                    None => { (view.why_not_live(target)) }
                }
            }
            @if let Some(live) = &target.live { p.sub { (live_by(live)) } }
            @if target.freeze.is_some() { p { (frozen(target, clock)) } }
            @if let Some(url) = &target.site { p { (site_link(url)) } }
        }
        @for trouble in line.troubles() { p.bad { (harmless(&trouble.describe(clock.now))) } }
        @if let Some(left) = line.strangers_left() { p.sub { (left) } }
        @if busy || line.targets.iter().any(|target| target.unfinished().is_some()) { (queue(view, clock)) }
        (history(view, below, clock))
        @if !view.deploys.is_empty() { (deploys(&view.deploys, clock)) }
        @if !view.releases.is_empty() { (releases(&view.releases, clock)) }
        @if let (Some(kept), Some(size)) = (view.kept(), &view.cache) {
            p.sub { "HOME and cache of its builds: " (kept) ", " (clock.ago(size.measured)) }
        }
    })
}

fn queue(view: &ProjectView, clock: &Clock) -> Markup {
    html! {
        section aria-labelledby="now" {
            h2 #now { "Now" }
            @for running in &view.line.running { (at_work(running, "", clock)) }
            @for deploy in &view.deploys {
                @match &deploy.state {
                    DeployState::Running { phase, .. } => {
                        div { (state("deploying", Light::Blue)) " build " (deploy.number) (to(&deploy.target)) ", " b { (phase.as_str()) } }
                    }
                    DeployState::Waiting => { div { (state("waiting", Light::Blue)) " to deploy build " (deploy.number) (to(&deploy.target)) } }
                    DeployState::Finished { .. } => {}
                }
            }
            @for request in &view.line.waiting {
                div {
                    (state("waiting", Light::Blue)) " "
                    @if let Some(reference) = &request.ask.reference { (foreign(reference.short())) ", " }
                    (foreign(&request.ask.origin.describe())) ", since " (clock.ago(request.created))
                    " · " (foreign(&view.line.why_waits(request, |time| moment(time, clock.now, &clock.zone))))
                    @if let Some(change) = request.ask.changes.first() { " · " (foreign(&change.subject)) }
                }
            }
        }
    }
}

fn history(view: &ProjectView, below: Option<BuildNumber>, clock: &Clock) -> Markup {
    html! {
        section aria-labelledby="builds" {
            h2 #builds { "Builds" }
            @if view.builds.is_empty() {
                p.sub { @if below.is_some() { "There are no older builds." } @else { "None yet" @if let Setup::Ready { .. } = view.line.setup { ": " (view.line.before_first_build()) } "." } }
            } @else {
                table {
                    thead { tr {
                        th scope="col" { "Build" } th scope="col" { "Result" } th scope="col" { "Commit" }
                        th scope="col" { "When" } th.num scope="col" { "Took" }
                    } }
                    tbody { @for build in &view.builds { (build_row(build, clock)) } }
                }
            }
            p.more {
                @if below.is_some() { a href="./" { "← newest builds" } }
                @if let Some(older) = view.older { a href={ "?before=" (older) } { "older builds →" } }
            }
        }
    }
}

fn build_row(build: &Build, clock: &Clock) -> Markup {
    let (word, light) = standing(build);
    html! {
        tr {
            th scope="row" { a href={ (build.id.number) "/" } aria-label={ "build " (build.id.number) } { (build.id.number) } }
            td { (state(word, light)) }
            td {
                @if let Some(subject) = subject(build) { (foreign(subject)) " " }
                small {
                    @if let Some(reference) = &build.reference { (foreign(reference.short())) " " }
                    @if let Some(commit) = &build.commit { span.c { (commit.short()) } }
                }
            }
            td.now { (clock.ago(when(build))) }
            td.num data-l="took" { @if let Some(took) = took(build, clock.now) { (duration(took)) } }
        }
    }
}

/// A deploy's state: word and colour.
pub(super) fn deploy_state(deploy: &Deploy) -> (&'static str, Light) {
    match &deploy.state {
        DeployState::Waiting => ("waiting", Light::Blue),
        DeployState::Running { .. } => ("deploying", Light::Blue),
        DeployState::Finished { outcome, .. } => {
            let light = match outcome {
                Outcome::Deployed => Light::Green,
                Outcome::Failed | Outcome::RolledBack | Outcome::Down => Light::Red,
                Outcome::Superseded => Light::Grey,
            };
            (outcome.as_str(), light)
        }
    }
}

fn deploys(deploys: &[Deploy], clock: &Clock) -> Markup {
    html! {
        section aria-labelledby="deploys" {
            h2 #deploys { "Deploys" }
            table {
                thead { tr {
                    th scope="col" { "Build" } th scope="col" { "Result" } th scope="col" { "Why" }
                    th scope="col" { "When" } th.num scope="col" { "Took" }
                } }
                tbody { @for deploy in deploys {
                    @let (word, light) = deploy_state(deploy);
                    tr {
                        th scope="row" { a href={ (deploy.number) "/" } { (deploy.number) } }
                        td { (state(word, light)) (to(&deploy.target)) }
                        td { (foreign(&deploy.why())) @if let Some(went) = went_wrong(deploy) { br; small { (foreign(went)) } } }
                        td.now { (clock.ago(ended(deploy))) }
                        td.num data-l="took" { @if let Some(took) = deploy_took(deploy, clock) { (took) } }
                    }
                } }
            }
        }
    }
}

/// Where a deploy goes, if that has a name.
fn to(target: &TargetName) -> Markup {
    html! { @if !target.is_default() { " to " (target) } }
}

pub(super) fn went_wrong(deploy: &Deploy) -> Option<&str> {
    match &deploy.state {
        DeployState::Finished { summary, .. } if !summary.is_empty() => Some(summary),
        DeployState::Waiting | DeployState::Running { .. } | DeployState::Finished { .. } => None,
    }
}

fn ended(deploy: &Deploy) -> jiff::Timestamp {
    match deploy.state {
        DeployState::Waiting => deploy.created,
        DeployState::Running { started, .. } => started,
        DeployState::Finished { finished, .. } => finished,
    }
}

fn deploy_took(deploy: &Deploy, clock: &Clock) -> Option<String> {
    let took = match deploy.state {
        DeployState::Waiting => return None,
        DeployState::Running { started, .. } => between(started, clock.now),
        DeployState::Finished { started, finished, .. } => between(started?, finished),
    };
    Some(duration(took))
}

fn releases(releases: &[ReleaseRow], clock: &Clock) -> Markup {
    let word = |release: &ReleaseRow| match (release.live, release.standing) {
        (Some(_), _) => ("live", Light::Green),
        (None, Standing::Made) => ("never live", Light::Grey),
        (None, Standing::Good) => ("good", Light::Grey),
        (None, Standing::Bad) => ("bad", Light::Red),
        (None, Standing::Left) => ("rolled back from", Light::Grey),
    };
    html! {
        section aria-labelledby="releases" {
            h2 #releases { "Releases" }
            table {
                thead { tr { th scope="col" { "Release" } th scope="col" { "State" } th scope="col" { "Live since" } } }
                tbody { @for release in releases {
                    @let (word, light) = word(release);
                    tr {
                        th scope="row" { span.c { (release.name) } }
                        td { (state(word, light)) @if !release.target.is_default() { " on " (release.target) } }
                        td { @if let Some(since) = release.live { (clock.time(since)) } }
                    }
                } }
            }
        }
    }
}
