//! A step's log: its beginning and its end, with the whole of it one link away.

use super::{Clock, Frame, Refresh, state};
use crate::config::Site;
use crate::model::{StepIndex, StepName, StepRow, StepState};
use crate::view::text::{bytes, duration};
use crate::view::{BuildView, step_standing, step_took};
use maud::{Markup, html};

/// What is shown of a log. The HTML comes from the log's own renderer, which has escaped it.
#[derive(Debug, Clone)]
pub struct Log {
    /// Of which step.
    pub step: StepIndex,
    /// Its name.
    pub name: StepName,
    /// Its beginning; none when `tail` is all that is shown.
    pub head: Option<Markup>,
    /// How many bytes between the two are not shown.
    pub left_out: u64,
    /// Its end.
    pub tail: Markup,
}

impl Log {
    /// On the page of its build.
    pub(super) fn section(&self) -> Markup {
        html! {
            section aria-labelledby="log" {
                h2 #log { "Log of " (self.name) }
                @if self.left_out > 0 {
                    p.dim { (bytes(self.left_out)) " above this are not shown: " a href={ "log/" (self.step) } { "more" } }
                }
                pre { (self.tail) }
                p.more {
                    a href={ "log/" (self.step) } { "page of this log" }
                    a href={ "log/" (self.step) ".txt" } { "all of it as text" }
                }
            }
        }
    }
}

/// One step's log; none if the step has printed nothing or its log has been cleaned away.
pub fn log(site: &Site, view: &BuildView, step: &StepRow, log: Option<&Log>, clock: &Clock) -> Markup {
    let (word, light) = step_standing(step);
    let id = &view.build.id;
    let whole = format!("{}.txt", step.index);
    let outcome = match &step.state {
        StepState::Finished { outcome, .. } => outcome.as_str(),
        StepState::Pending | StepState::Running { .. } => "",
    };
    let frame = Frame {
        site,
        clock,
        title: format!("{} of {id}", step.name),
        light,
        refresh: match step.state {
            StepState::Pending | StepState::Running { .. } => Refresh::Soon,
            StepState::Finished { .. } => Refresh::Never,
        },
        trail: vec![
            ("../../../../".to_owned(), "Projects".to_owned()),
            ("../../".to_owned(), id.project.to_string()),
            ("../".to_owned(), format!("build {}", id.number)),
        ],
        here: step.name.to_string(),
    };
    frame.around(&html! {
        h1 { (step.name) }
        p {
            (state(word, light))
            @if !outcome.is_empty() { ", " (crate::view::text::harmless(outcome)) }
            @if let Some(took) = step_took(step, clock.now) { ", " (duration(took)) }
            @if let Some(size) = step.log { ", " (bytes(size.bytes)) " in " (size.lines) " lines" }
        }
        @match log {
            None => { p.sub { "There is no log: the step has not printed anything, or it has been cleaned away." } }
            Some(log) => {
                p.more { a href=(whole) { "all of it as text" } @if log.left_out > 0 { a href="#end" { "to the end" } } }
                @if let Some(head) = &log.head {
                    pre { (head) }
                    p.gap.dim { (bytes(log.left_out)) " are not shown here; " a href=(whole) { "all of it" } }
                }
                pre { (log.tail) }
                p.more #end { a href=(whole) { "all of it as text" } a href="#" { "to the top" } }
            }
        }
    })
}
