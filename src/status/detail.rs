//! One project or one build, in full.

use super::paint::{BOLD, Cell, Columns, DIM, PLAIN, RED, Screen, colour, painted};
use crate::config::project::StepsFrom;
use crate::model::{Build, BuildState, Deploy, DeployState, Outcome, Place, StepRow};
use crate::view::text::{bytes, count, duration, harmless};
use crate::view::{
    BuildView, Light, NO_TARGET, OnTarget, ProjectView, Setup, began, standing, step_standing, step_title, step_took,
    step_words, subject, took, when,
};
use std::time::Duration;

pub(super) fn project(view: &ProjectView, screen: &Screen) -> String {
    let line = &view.line;
    let mut out = painted(BOLD, line.name.as_str());
    match &line.setup {
        Setup::Ready { description: Some(text), .. } => out += &format!("  {}", harmless(text)),
        Setup::Ready { description: None, .. } | Setup::Broken(_) => {}
        Setup::Retired => out += "  retired: it has no file any more",
    }
    out.push('\n');
    if line.targets.is_empty() {
        out += &format!("{NO_TARGET}\n");
    }
    for target in &line.targets {
        out += &on_target(view, target, screen);
    }
    for trouble in line.troubles() {
        out += &format!("{}\n", painted(RED, &trouble.describe(screen.now)));
    }
    if let Some(left) = line.strangers_left() {
        out += &format!("{left}\n");
    }
    out += &super::cache::line(view, screen);
    for request in &line.waiting {
        let reference = request.ask.reference.as_ref().map_or("the default branch", |reference| reference.short());
        let why = line.why_waits(request, |time| screen.moment(time));
        let text = format!(
            "waiting: {reference}, {}, since {}, {why}",
            request.ask.origin.describe(),
            screen.ago(request.created)
        );
        out += &format!("{}\n", painted(colour(Light::Blue), &text));
    }
    out.push('\n');
    if view.builds.is_empty() {
        out += &format!("Not built yet: {}\n", line.before_first_build());
        return out;
    }
    let mut builds = Columns::head(&["BUILD", "RESULT", "BRANCH", "WHEN", "TOOK", "COMMIT"]);
    for build in &view.builds {
        let (word, light) = standing(build);
        let commit = build.commit.as_ref().map_or("", |commit| commit.short());
        builds.row(vec![
            Cell::plain(build.id.number.to_string()),
            Cell::state(word, light),
            Cell::plain(build.reference.as_ref().map_or("–", |reference| reference.short())),
            Cell::plain(screen.ago(when(build))),
            Cell::plain(took(build, screen.now).map_or_else(|| "–".to_owned(), duration)),
            Cell::plain(format!("{commit} {}", subject(build).unwrap_or_default()).trim()),
        ]);
    }
    out += &builds.render(screen);
    if !view.deploys.is_empty() {
        let mut deploys = Columns::head(&["DEPLOY", "RESULT", "WHEN", ""]);
        for deploy in &view.deploys {
            let (word, light, time) = deploy_state(deploy);
            deploys.row(vec![
                Cell::plain(format!("build {}{}", deploy.number, to(deploy))),
                Cell::state(word, light),
                Cell::plain(screen.ago(time)),
                Cell::plain(deploy_summary(deploy)),
            ]);
        }
        out.push('\n');
        out += &deploys.render(screen);
    }
    out
}

fn on_target(view: &ProjectView, target: &OnTarget, screen: &Screen) -> String {
    let label = target.label().map(|label| format!("{}: ", painted(BOLD, label))).unwrap_or_default();
    let mut out = match &target.live {
        Some(live) => {
            let since = live.release.live.map_or_else(String::new, |since| format!(" since {}", screen.moment(since)));
            let why = live.why().map(|why| format!(", {}", harmless(&why))).unwrap_or_default();
            let made = match live.release.commit.is_known() {
                true => format!("build {}, {}{why}", live.release.name.number(), live.release.commit.short()),
                false => format!("release {}{why}", live.release.name),
            };
            format!("{label}Live{since}: {} {}\n", harmless(live.what()), painted(DIM, &format!("({made})")))
        }
        None => format!("{label}{}\n", view.why_not_live(target)),
    };
    if let Some(freeze) = &target.freeze {
        let text = harmless(&freeze.describe(|until| screen.moment(until)));
        out += &format!("{}\n", painted(colour(Light::Yellow), &format!("{} {text}", Light::Yellow.sign())));
    }
    if let Some(site) = &target.site {
        out += &format!("{}\n", harmless(site));
    }
    out
}

fn deploy_state(deploy: &Deploy) -> (&'static str, Light, jiff::Timestamp) {
    match &deploy.state {
        DeployState::Waiting => ("waiting", Light::Blue, deploy.created),
        DeployState::Running { started, phase } => (phase.as_str(), Light::Blue, *started),
        DeployState::Finished { finished, outcome, .. } => {
            let light = match outcome {
                Outcome::Deployed => Light::Green,
                Outcome::Failed | Outcome::RolledBack | Outcome::Down => Light::Red,
                Outcome::Superseded => Light::Grey,
            };
            (outcome.as_str(), light, *finished)
        }
    }
}

/// Where a deploy goes, if that has a name.
fn to(deploy: &Deploy) -> String {
    if deploy.target.is_default() { String::new() } else { format!(" to {}", deploy.target) }
}

fn deploy_summary(deploy: &Deploy) -> &str {
    match &deploy.state {
        DeployState::Finished { summary, .. } => summary,
        DeployState::Waiting | DeployState::Running { .. } => "",
    }
}

pub(super) fn build(place: &Place, view: &BuildView, screen: &Screen) -> String {
    let build = &view.build;
    let (word, light) = standing(build);
    let mut out = format!(
        "{} {}",
        painted(BOLD, &build.id.to_string()),
        painted(colour(light), &format!("{} {word}", light.sign()))
    );
    if let BuildState::Finished { summary, .. } = &build.state
        && !summary.is_empty()
    {
        out += &format!(": {}", harmless(summary));
    }
    out.push('\n');
    for (name, value) in facts(view, screen) {
        out += &format!("{}{}\n", painted(DIM, &format!("{name:<9}")), harmless(&value));
    }
    if !build.changes.is_empty() {
        out += &format!("\n{}\n", painted(DIM, &count(build.changes.len(), "change")));
        let mut changes = Columns::default();
        for change in &build.changes {
            changes.row(vec![
                Cell::new(DIM, change.commit.short()),
                Cell::new(DIM, &change.author),
                Cell::plain(&change.subject),
            ]);
        }
        out += &changes.render(screen);
    }
    if !view.steps.is_empty() {
        out.push('\n');
        out += &steps(view, screen);
        out += &super::report::tests(view, screen);
        out += &super::artifact::sum(view);
        out += &format!(
            "\n{}{}   {}\n",
            painted(DIM, "logs     "),
            place.build(&build.id).display(),
            painted(DIM, &format!("ci-status {} --log", build.id))
        );
    }
    out
}

fn facts(view: &BuildView, screen: &Screen) -> Vec<(&'static str, String)> {
    let build: &Build = &view.build;
    let why = match &build.reason {
        Some(reason) => format!("{}: {reason}", build.origin.describe()),
        None => build.origin.describe(),
    };
    let stop = build.stop.as_ref().map(|stop| match &stop.reason {
        Some(reason) => format!("{}: {reason}", stop.by),
        None => stop.by.clone(),
    });
    let time = match build.state {
        BuildState::Starting => ("made", screen.ago(build.created)),
        BuildState::Running { started, .. } => {
            ("started", format!("{}, {}", screen.moment(started), screen.ago(started)))
        }
        BuildState::Finished { finished, .. } => {
            let took = took(build, screen.now).map_or_else(String::new, |took| format!(", after {}", duration(took)));
            ("finished", format!("{}, {}{took}", screen.moment(finished), screen.ago(finished)))
        }
    };
    let steps = match view.steps_from {
        StepsFrom::Project => None,
        StepsFrom::Repository => Some("as .ci.toml of the commit says".to_owned()),
    };
    let given = |step: &StepRow| {
        let secrets = view.secrets_of(step.index);
        (!secrets.is_empty()).then(|| format!("{}: {}", step.name, secrets.join(", ")))
    };
    let given: Vec<String> = view.steps.iter().filter_map(given).collect();
    let deploy = |deploy: &Deploy| {
        let (word, _, time) = deploy_state(deploy);
        let summary = deploy_summary(deploy);
        let colon = if summary.is_empty() { "" } else { ": " };
        format!("{word}{}, {}{colon}{summary}", to(deploy), screen.ago(time))
    };
    [
        ("why", Some(why)),
        ("branch", build.reference.as_ref().map(|reference| reference.short().to_owned())),
        ("commit", build.commit.as_ref().map(ToString::to_string)),
        ("steps", steps),
        ("secrets", (!given.is_empty()).then(|| given.join("; "))),
        ("stopped", stop),
        (time.0, Some(time.1)),
    ]
    .into_iter()
    .chain(view.deploys.iter().map(|one| ("deploy", Some(deploy(one)))))
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn steps(view: &BuildView, screen: &Screen) -> String {
    let mut steps = Columns::head(&["STEP", "RESULT", "TOOK", "CPU", "MEMORY", "READ", "WRITTEN", "LOG", "OUTCOME"]);
    for step in &view.steps {
        let (word, light) = step_standing(step);
        let or_dash = |text: Option<String>| match text {
            Some(text) => Cell::new(PLAIN, text),
            None => Cell::new(DIM, "–"),
        };
        steps.row(vec![
            Cell::plain(step_title(step)),
            Cell::state(word, light),
            or_dash(began(step).and_then(|_| step_took(step, screen.now)).map(duration)),
            or_dash(step.usage.cpu_usec.map(|usec| duration(Duration::from_micros(usec)))),
            or_dash(step.usage.memory_peak.map(bytes)),
            or_dash(step.usage.io_read.map(bytes)),
            or_dash(step.usage.io_written.map(bytes)),
            or_dash(step.log.map(|log| bytes(log.bytes))),
            Cell::plain(step_words(step)),
        ]);
    }
    steps.render(screen)
}
