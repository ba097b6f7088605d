//! Why a project has not been built: what was seen, when, and what became of it.

use super::paint::{BOLD, Cell, Columns, PLAIN, RED, Screen, colour, painted};
use crate::plan::queue::Why;
use crate::view::text::{duration, harmless};
use crate::view::{Configured, Light, ProjectView, Setup};

pub(super) fn why(configured: &Configured, view: &ProjectView, screen: &Screen) -> String {
    let line = &view.line;
    let mut out = format!("{}\n", painted(BOLD, line.name.as_str()));
    let say = |out: &mut String, text: &str| *out += &format!("  {}\n", harmless(text));
    match (&line.setup, configured.projects.get(&line.name)) {
        (Setup::Ready { .. }, Some(Ok(project))) => {
            let poll = duration(project.source.poll);
            match &line.source {
                Some(source) if source.trouble.is_none() => {
                    say(
                        &mut out,
                        &format!("looked at the repository {}; looks every {poll}", screen.ago(source.looked)),
                    );
                }
                Some(_) => {}
                None => say(&mut out, &format!("not looked at yet; looks every {poll} while ci-poll.timer is active")),
            }
        }
        (Setup::Retired, _) => say(&mut out, "retired: it has no file any more, so nothing is polled"),
        (Setup::Ready { .. } | Setup::Broken(_), _) => {}
    }
    for trouble in line.troubles() {
        out += &format!("  {}\n", painted(RED, &trouble.describe(screen.now)));
    }
    for running in &line.running {
        say(&mut out, &format!("{} runs now", running.build.id));
    }
    for request in &line.waiting {
        let why = match line.waits.get(&request.id) {
            Some(Why::Until(time)) => format!("waits until {}, unless its branch moves again", screen.moment(*time)),
            Some(_) | None => line.why_waits(request, |time| screen.moment(time)),
        };
        say(&mut out, &format!("request {} ({}) {why}", request.id, request.ask.origin.describe()));
    }
    if view.tips.is_empty() {
        say(&mut out, "no watched ref has been seen in the repository yet");
        return out;
    }
    let mut tips = Columns::head(&["REF", "LAST SEEN AT", ""]);
    for (reference, tip) in &view.tips {
        let (style, says) = match view.built.get(reference) {
            Some(number) => (colour(Light::Green), format!("built by {}:{number}", line.name)),
            None => (
                PLAIN,
                format!(
                    "not built: it was there at the first look, or waits; now: ci-build {} -b {}",
                    line.name,
                    reference.short()
                ),
            ),
        };
        tips.row(vec![Cell::plain(reference.short()), Cell::plain(tip.short()), Cell::new(style, says)]);
    }
    out + &tips.render(screen)
}
