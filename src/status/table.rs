//! All projects as a table.

use super::paint::{BOLD, Cell, Columns, DIM, RED, Screen, colour, painted};
use crate::model::DeployState;
use crate::view::text::{count, duration};
use crate::view::{Configured, Light, Line, OnTarget, Overview, Setup, standing, subject, took, when};

pub(super) fn overview(configured: &Configured, overview: &Overview, screen: &Screen) -> String {
    if overview.lines.is_empty() {
        let hint = "No projects yet. A project is one file, /etc/ci/projects.d/NAME.toml: man ci-project shows twelve lines that work.\n";
        return if configured.errors.is_empty() { hint.to_owned() } else { String::new() };
    }
    let mut table = Columns::default();
    for line in overview.lines.iter().filter(|line| line.is_down()) {
        for trouble in line.troubles().iter().filter(|trouble| trouble.is_down()) {
            table.note(RED.bold(), format!("DOWN: {}", trouble.describe(screen.now)));
        }
    }
    table.heading(&["PROJECT", "BUILD", "RESULT", "BRANCH", "WHEN", "TOOK", "LIVE", "COMMIT"]);
    for line in &overview.lines {
        row(&mut table, line, screen);
    }
    table.render(screen)
}

fn row(table: &mut Columns, line: &Line, screen: &Screen) {
    // A running build is the news; what was before it is in its note.
    let shown = line.running.last().map(|running| &running.build).or(line.last.as_ref());
    let on = |target: &OnTarget| match (target.label(), &target.live) {
        (None, live) => live.as_ref().map(|live| live.release.name.number().to_string()),
        (Some(label), live) => Some(format!("{label} {}", live.as_ref()?.release.name.number())),
    };
    let live: Vec<String> = line.targets.iter().filter_map(on).collect();
    let live = if live.is_empty() { Cell::new(DIM, "–") } else { Cell::plain(live.join(", ")) };
    let name = Cell::new(BOLD, line.name.as_str());
    match shown {
        Some(build) => {
            let (word, light) = standing(build);
            let branch = build.reference.as_ref().map_or("–", |reference| reference.short());
            let took = took(build, screen.now).map_or_else(|| "–".to_owned(), duration);
            let commit = build.commit.as_ref().map_or("", |commit| commit.short());
            let commit = format!("{commit} {}", subject(build).unwrap_or_default());
            table.row(vec![
                name,
                Cell::plain(build.id.number.to_string()),
                Cell::state(word, light),
                Cell::plain(branch),
                Cell::plain(screen.ago(when(build))),
                Cell::plain(took),
                live,
                Cell::plain(commit.trim()),
            ]);
        }
        None => {
            let dash = || Cell::new(DIM, "–");
            let word = match line.setup {
                Setup::Broken(_) => ("broken", Light::Red),
                Setup::Ready { .. } | Setup::Retired => ("not built", Light::Grey),
            };
            table.row(vec![name, dash(), Cell::state(word.0, word.1), dash(), dash(), dash(), live, Cell::plain("")]);
            if let Setup::Ready { .. } = line.setup {
                table.note(DIM, line.before_first_build());
            }
        }
    }
    notes(table, line, screen);
}

fn notes(table: &mut Columns, line: &Line, screen: &Screen) {
    for running in &line.running {
        let step = running.step.as_ref().map(|step| format!("step {}", step.name));
        let before = line
            .last
            .as_ref()
            .and_then(|last| Some(format!("before it: build {} {}", last.id.number, last.state.verdict()?)));
        let parts: Vec<String> = [step, before].into_iter().flatten().collect();
        if !parts.is_empty() {
            table.note(DIM, parts.join(" · "));
        }
    }
    for target in &line.targets {
        if let Some(freeze) = &target.freeze {
            let on = target.label().map(|label| format!("{label}: ")).unwrap_or_default();
            table.note(colour(Light::Yellow), format!("{on}{}", freeze.describe(|until| screen.moment(until))));
        }
        let Some(deploy) = target.unfinished() else { continue };
        let to = target.label().map(|label| format!(" to {label}")).unwrap_or_default();
        let text = match &deploy.state {
            DeployState::Running { phase, .. } => format!("deploying build {}{to}: {}", deploy.number, phase.as_str()),
            DeployState::Waiting | DeployState::Finished { .. } => {
                format!("build {} waits to be deployed{to}", deploy.number)
            }
        };
        table.note(colour(Light::Blue), text);
    }
    if !line.waiting.is_empty() {
        table.note(colour(Light::Blue), format!("{} waiting", count(line.waiting.len(), "request")));
    }
    if line.setup == Setup::Retired {
        table.note(DIM, "retired: it has no file any more");
    }
    for trouble in line.troubles() {
        table.note(RED, trouble.describe(screen.now));
    }
}

/// One line that ends a followed build.
pub(super) fn ending(build: &crate::model::Build, screen: &Screen) -> String {
    let (word, light) = standing(build);
    let took = took(build, screen.now).map_or_else(String::new, |took| format!(" after {}", duration(took)));
    format!("{} {}{took}\n", build.id, painted(colour(light), &format!("{} {word}", light.sign())))
}
