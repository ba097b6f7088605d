//! What runs and what waits, over all projects.

use super::paint::{BOLD, Cell, Columns, Screen};
use crate::model::DeployState;
use crate::view::text::duration;
use crate::view::{Light, Overview, standing, took};

pub(super) fn queue(overview: &Overview, screen: &Screen) -> String {
    let mut table = Columns::head(&["PROJECT", "STATE", "BRANCH", "SINCE", "WHAT"]);
    let mut rows = 0;
    for line in &overview.lines {
        let name = || Cell::new(BOLD, line.name.as_str());
        for running in &line.running {
            let build = &running.build;
            let (word, light) = standing(build);
            let step = running.step.as_ref().map_or_else(String::new, |step| format!(", step {}", step.name));
            table.row(vec![
                name(),
                Cell::state(word, light),
                Cell::plain(build.reference.as_ref().map_or("–", |reference| reference.short())),
                Cell::plain(took(build, screen.now).map_or_else(|| "–".to_owned(), duration)),
                Cell::plain(format!("build {}{step}", build.id.number)),
            ]);
            rows += 1;
        }
        for (target, deploy) in line.targets.iter().filter_map(|target| Some((target, target.unfinished()?))) {
            let (word, phase) = match &deploy.state {
                DeployState::Running { phase, .. } => ("deploying", format!(" {}", phase.as_str())),
                DeployState::Waiting | DeployState::Finished { .. } => ("waiting", String::new()),
            };
            let frozen = target.freeze.as_ref().filter(|_| deploy.state == DeployState::Waiting);
            let frozen = frozen.map(|freeze| format!(", {}", freeze.describe(|until| screen.moment(until))));
            let frozen = frozen.unwrap_or_default();
            let to = if deploy.target.is_default() { String::new() } else { format!(" to {}", deploy.target) };
            table.row(vec![
                name(),
                Cell::state(word, Light::Blue),
                Cell::plain("–"),
                Cell::plain(screen.ago(deploy.created)),
                Cell::plain(format!("deploy of build {}{to}{phase}{frozen}", deploy.number)),
            ]);
            rows += 1;
        }
        for request in &line.waiting {
            let why = line.why_waits(request, |time| screen.moment(time));
            table.row(vec![
                name(),
                Cell::state("waiting", Light::Grey),
                Cell::plain(request.ask.reference.as_ref().map_or("–", |reference| reference.short())),
                Cell::plain(screen.ago(request.created)),
                Cell::plain(format!("request {}: {}, {why}", request.id, request.ask.origin.describe())),
            ]);
            rows += 1;
        }
    }
    if rows == 0 { "Nothing runs and nothing waits.\n".to_owned() } else { table.render(screen) }
}
