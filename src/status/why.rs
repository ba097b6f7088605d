//! Why a project has not been built: what was seen, when, and what became of it.

use super::paint::{BOLD, Cell, Columns, PLAIN, RED, Screen, colour, painted};
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
        say(&mut out, &format!("{} runs now; one build of a project runs at a time", running.build.id));
    }
    for request in &line.waiting {
        if let Some(wants) = request.wants() {
            let of = request.ask.reference.as_ref().map_or("", |reference| reference.short());
            say(&mut out, &format!("request {} ({of}, from outside) {wants}", request.id));
            continue;
        }
        let until = match request.ask.not_before {
            Some(time) if time > screen.now => format!("until {}, unless its branch moves again", screen.moment(time)),
            Some(_) | None => "for its turn".to_owned(),
        };
        say(&mut out, &format!("request {} ({}) waits {until}", request.id, request.ask.origin.describe()));
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
