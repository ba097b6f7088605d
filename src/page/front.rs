//! The front page: every project at a glance.

use super::{Clock, Frame, Refresh, class, foreign, frozen, live_by, live_since, site_link, state};
use crate::config::Site;
use crate::model::{Deploy, DeployState};
use crate::view::text::{count, duration, harmless, moment};
use crate::view::{
    Activity, Configured, Light, Line, OnTarget, Overview, Running, Setup, standing, subject, took, when,
};
use maud::{Markup, html};

/// All projects.
pub fn front(configured: &Configured, overview: &Overview, clock: &Clock) -> Markup {
    let site: &Site = &configured.site;
    let busy = overview.lines.iter().any(|line| line.activity() != Activity::Idle);
    let light = overview.lines.iter().map(Line::light).fold(Light::Grey, worse);
    let frame = Frame {
        site,
        clock,
        title: String::new(),
        light,
        refresh: if busy { Refresh::Soon } else { Refresh::Lazily },
        trail: Vec::new(),
        here: String::new(),
    };
    frame.around(&html! {
        h1 { (headline(overview)) }
        p.sub { (activity(overview)) }
        @for error in &configured.errors {
            p.bad { b { "Configuration: " } (harmless(error)) "; see " code { "ci-config check" } }
        }
        @if overview.lines.is_empty() {
            p { "No projects yet. A project is one file: " code { "/etc/ci/projects.d/NAME.toml" } "." }
        } @else {
            table.projects {
                thead { tr { th scope="col" { "Project" } th scope="col" { "Last build" } th scope="col" { "Live" } } }
                tbody { @for line in &overview.lines { (row(line, clock)) } }
            }
        }
    })
}

/// Red before all, green only when nothing else is there.
fn worse(a: Light, b: Light) -> Light {
    let badness = |light: Light| match light {
        Light::Grey => 0,
        Light::Green => 1,
        Light::Blue => 2,
        Light::Yellow => 3,
        Light::Red => 4,
    };
    if badness(a) >= badness(b) { a } else { b }
}

/// The one thing to know.
fn headline(overview: &Overview) -> String {
    let of = |light| -> Vec<&Line> { overview.lines.iter().filter(|line| line.light() == light).collect() };
    let named = |lines: &[&Line], one: &str, many: &str| match lines {
        [only] => format!("{} {one}", only.name),
        [first, second] => format!("{} and {} {many}", first.name, second.name),
        lines => format!("{} projects {many}", lines.len()),
    };
    let down: Vec<&Line> = overview.lines.iter().filter(|line| line.is_down()).collect();
    if !down.is_empty() {
        return named(&down, "is down", "are down");
    }
    match (of(Light::Red).as_slice(), of(Light::Yellow).as_slice(), of(Light::Green).as_slice()) {
        ([], [], []) => "Nothing built yet".to_owned(),
        ([], [], _) => "All is green".to_owned(),
        ([], yellow, _) => named(yellow, "has warnings", "have warnings"),
        (red, _, _) => named(red, "needs a look", "need a look"),
    }
}

fn activity(overview: &Overview) -> String {
    let running: usize = overview.lines.iter().map(|line| line.running.len()).sum();
    let waiting: usize = overview.lines.iter().map(|line| line.waiting.len()).sum();
    let mut parts = vec![count(overview.lines.len(), "project")];
    if running > 0 {
        parts.push(format!("{} running", count(running, "build")));
    }
    if waiting > 0 {
        parts.push(format!("{waiting} waiting"));
    }
    if running + waiting == 0 {
        parts.push("nothing running".to_owned());
    }
    parts.join(" · ")
}

fn row(line: &Line, clock: &Clock) -> Markup {
    let address = format!("p/{}/", line.name);
    html! {
        tr {
            th scope="row" {
                a href=(address) { (line.name) }
                @match &line.setup {
                    Setup::Ready { description: Some(text), .. } => { small { (foreign(text)) } }
                    Setup::Ready { description: None, .. } | Setup::Broken(_) => {}
                    Setup::Retired => { small { "retired: it has no file any more" } }
                }
            }
            td {
                @match &line.last {
                    Some(last) => {
                        @let (word, light) = standing(last);
                        div { (state(word, light)) " " a href={ (address) (last.id.number) "/" } { "build " (last.id.number) } }
                        @if let Some(subject) = subject(last) { div { (foreign(subject)) } }
                        div { small {
                            @if let Some(reference) = &last.reference { (foreign(reference.short())) " · " }
                            @if let Some(commit) = &last.commit { span.c { (commit.short()) } " · " }
                            (clock.ago(when(last)))
                            @if let Some(took) = took(last, clock.now) { " · took " (duration(took)) }
                        } }
                    }
                    None => {
                        @match line.setup {
                            Setup::Ready { .. } if line.running.is_empty() => { div.sub { (line.before_first_build()) } }
                            Setup::Ready { .. } | Setup::Broken(_) | Setup::Retired => {}
                        }
                    }
                }
                @for running in &line.running { (at_work(running, &address, clock)) }
                @if !line.waiting.is_empty() && line.last.is_some() {
                    div { (state("waiting", Light::Blue)) " " (count(line.waiting.len(), "request")) " in the queue"
                        @if let Some(request) = line.waiting.first() {
                            small { " · " (foreign(&line.why_waits(request, |time| moment(time, clock.now, &clock.zone)))) }
                        }
                    }
                }
                @for trouble in line.troubles() {
                    p.bad { (harmless(&trouble.describe(clock.now))) }
                }
            }
            td { @for target in &line.targets { (live(target, clock)) } }
        }
    }
}

pub(super) fn at_work(running: &Running, address: &str, clock: &Clock) -> Markup {
    let (word, light) = standing(&running.build);
    html! {
        div {
            (state(word, light)) " "
            a href={ (address) (running.build.id.number) "/" } { "build " (running.build.id.number) }
            @if let Some(step) = &running.step { ", step " b { (step.name) } }
            @if let Some(took) = took(&running.build, clock.now) { small { " · " (duration(took)) } }
        }
    }
}

fn live(target: &OnTarget, clock: &Clock) -> Markup {
    html! {
        @if let Some(label) = target.label() { div { b { (label) } } }
        @match &target.live {
            Some(live) => {
                div { (live_since(live, clock)) }
                div { small { (live_by(live)) @if let Some(site) = &target.site { " · " (site_link(site)) } } }
            }
            None => { span.sub { "nothing yet" } }
        }
        @if target.freeze.is_some() { div { (frozen(target, clock)) } }
        @if let Some(deploy) = target.unfinished() { (deploying(deploy)) }
    }
}

fn deploying(deploy: &Deploy) -> Markup {
    let (word, phase) = match &deploy.state {
        DeployState::Running { phase, .. } => ("deploying", phase.as_str()),
        DeployState::Waiting | DeployState::Finished { .. } => ("waiting", "to be deployed"),
    };
    html! {
        div class=(class(Light::Blue)) { (state(word, Light::Blue)) " build " (deploy.number) small { " · " (phase) } }
    }
}
