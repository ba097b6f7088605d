//! A build: how it went, why it ran, what is new in it, its steps, and the log that tells most.

use super::log::Log;
use super::project::{deploy_state, went_wrong};
use super::{Clock, Frame, Refresh, foreign, state};
use crate::config::Site;
use crate::config::project::StepsFrom;
use crate::model::{Build, BuildState, Change, DeployState, StepRow, StepState, Target, Trust, Verdict};
use crate::view::text::{bytes, count, duration, harmless};
use crate::view::{BuildView, standing, step_standing, step_title, step_took, step_words, took};
use maud::{Markup, html};
use std::time::Duration;

/// One build; `log` is the end of the log of its most telling step.
pub fn build(site: &Site, view: &BuildView, log: Option<&Log>, clock: &Clock) -> Markup {
    let build = &view.build;
    let (word, light) = standing(build);
    let number = build.id.number.0;
    let over = build.state.verdict().is_some();
    let deploying = view.deploys.iter().any(|deploy| match deploy.state {
        DeployState::Waiting | DeployState::Running { .. } => true,
        DeployState::Finished { .. } => false,
    });
    let frame = Frame {
        site,
        clock,
        title: format!("{} {word}", build.id),
        light,
        refresh: if over && !deploying { Refresh::Never } else { Refresh::Soon },
        trail: vec![("../../../".to_owned(), "Projects".to_owned()), ("../".to_owned(), build.id.project.to_string())],
        here: format!("build {number}"),
    };
    frame.around(&html! {
        h1 { (state(&headline(build), light)) }
        @if let Some(text) = summary(build) { p.lead { (foreign(text)) } }
        (facts(view, clock))
        @if !build.changes.is_empty() { (changes(&build.changes)) }
        @if !view.steps.is_empty() { (steps(view, clock)) }
        @if !view.tests.is_empty() { (super::report::section(view)) }
        @if !view.artifacts.is_empty() { (super::artifacts::section(view)) }
        @if let Some(log) = log { (log.section()) }
        p.more {
            @if view.previous { a href={ "../" (number - 1) "/" } { "← build " (number - 1) } }
            @if view.next { a href={ "../" (number + 1) "/" } { "build " (number + 1) " →" } }
        }
    })
}

fn headline(build: &Build) -> String {
    let how = match build.state {
        BuildState::Starting => "is about to start",
        BuildState::Running { .. } if build.stop.is_some() => "is being stopped",
        BuildState::Running { .. } => "is running",
        BuildState::Finished { verdict, .. } => match verdict {
            Verdict::Skipped => "was skipped",
            Verdict::Success => "succeeded",
            Verdict::Warnings => "succeeded with warnings",
            Verdict::Failure => "failed",
            Verdict::Exception => "was broken off by trouble of the CI",
            Verdict::Retry => "is tried again",
            Verdict::Cancelled => "was stopped",
        },
    };
    format!("Build {} {how}", build.id.number)
}

fn summary(build: &Build) -> Option<&str> {
    match &build.state {
        BuildState::Finished { summary, .. } if !summary.is_empty() => Some(summary),
        BuildState::Starting | BuildState::Running { .. } | BuildState::Finished { .. } => None,
    }
}

fn facts(view: &BuildView, clock: &Clock) -> Markup {
    let build = &view.build;
    html! {
        dl {
            dt { "Why" }
            dd {
                (foreign(&build.origin.describe()))
                @if let Some(reason) = &build.reason { ": " (foreign(reason)) }
            }
            @if let Some(reference) = &build.reference {
                dt { @if reference.tag().is_some() { "Tag" } @else { "Branch" } }
                dd {
                    (foreign(reference.short()))
                    @match build.trust { Trust::Inside => {} Trust::Outside => { " (from outside)" } }
                }
            }
            dt { "Commit" }
            dd {
                @match (&build.commit, &build.target) {
                    (Some(commit), _) => { code { (commit.as_str()) } }
                    (None, Target::Revision { revision }) => { (foreign(revision)) }
                    (None, Target::Tip | Target::Commit { .. }) => { "the tip; known once it is fetched" }
                }
            }
            @match view.steps_from {
                StepsFrom::Project => {}
                StepsFrom::Repository => { dt { "Steps" } dd { "as " code { ".ci.toml" } " of the commit says" } }
            }
            @if let Some(stop) = &build.stop {
                dt { "Stopped by" }
                dd { (foreign(&stop.by)) @if let Some(reason) = &stop.reason { ": " (foreign(reason)) } }
            }
            @match build.state {
                BuildState::Starting => { dt { "Made" } dd { (clock.time(build.created)) } }
                BuildState::Running { started, .. } => { dt { "Started" } dd { (clock.time(started)) ", " (clock.ago(started)) } }
                BuildState::Finished { finished, .. } => {
                    dt { "Finished" } dd {
                        (clock.time(finished)) ", " (clock.ago(finished))
                        @if let Some(took) = took(build, clock.now) { ", after " (duration(took)) }
                    }
                }
            }
            @for deploy in &view.deploys {
                @let (word, light) = deploy_state(deploy);
                dt { "Deploy" @if !deploy.target.is_default() { " to " (deploy.target) } }
                dd {
                    (state(word, light))
                    @match &deploy.state {
                        DeployState::Waiting => {}
                        DeployState::Running { phase, .. } => { " " (phase.as_str()) }
                        DeployState::Finished { finished, .. } => { " " (clock.time(*finished)) }
                    }
                    @if let Some(went) = went_wrong(deploy) { ": " (foreign(went)) }
                }
            }
        }
    }
}

fn changes(changes: &[Change]) -> Markup {
    html! {
        section aria-labelledby="changes" {
            h2 #changes { (count(changes.len(), "change")) }
            ul.changes { @for change in changes {
                li { span.c { (change.commit.short()) } span { (foreign(&change.subject)) " " small { (foreign(&change.author)) } } }
            } }
        }
    }
}

fn steps(view: &BuildView, clock: &Clock) -> Markup {
    html! {
        section aria-labelledby="steps" {
            h2 #steps { "Steps" }
            table {
                thead { tr {
                    th scope="col" { "Step" } th scope="col" { "Result" } th scope="col" { "Outcome" }
                    th.num scope="col" { "Took" } th.num scope="col" { "CPU" } th.num scope="col" { "Memory" }
                    th.num scope="col" { "Read" } th.num scope="col" { "Written" }
                    th scope="col" { "Log" }
                } }
                tbody { @for step in &view.steps { (step_row(view, step, clock)) } }
            }
        }
    }
}

fn step_row(view: &BuildView, step: &StepRow, clock: &Clock) -> Markup {
    let secrets = view.secrets_of(step.index);
    let (word, light) = step_standing(step);
    let has_log = match step.state {
        StepState::Pending => false,
        StepState::Running { .. } => true,
        StepState::Finished { started, .. } => started.is_some(),
    };
    html! {
        tr {
            th scope="row" { (step_title(step)) }
            td { (state(word, light)) }
            td {
                (harmless(&step_words(step)))
                @if !secrets.is_empty() { " " small { (count(secrets.len(), "secret")) ": " (secrets.join(", ")) } }
            }
            td.num data-l="took" { @if let Some(took) = step_took(step, clock.now) { (duration(took)) } }
            td.num data-l="CPU" { @if let Some(cpu) = step.usage.cpu_usec { (duration(Duration::from_micros(cpu))) } }
            td.num data-l="memory" { @if let Some(peak) = step.usage.memory_peak { (bytes(peak)) } }
            td.num data-l="read" { @if let Some(read) = step.usage.io_read { (bytes(read)) } }
            td.num data-l="written" { @if let Some(written) = step.usage.io_written { (bytes(written)) } }
            td { @if has_log {
                a href={ "log/" (step.index) } aria-label={ "log of " (step.name) } {
                    @match step.log { Some(size) => { (count(usize::try_from(size.lines).unwrap_or(usize::MAX), "line")) } None => { "log" } }
                }
            } }
        }
    }
}
