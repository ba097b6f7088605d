//! What is told, in words: mails (whether one is sent is `plan::notify`'s to decide), and of the queue.

use crate::config::{Project, Site};
use crate::journal::{self, Event, Priority, Subject};
use crate::model::report::{Fate, StepTests, TestRow};
use crate::model::{Build, BuildNumber, Deploy, Freeze, Outcome, ProjectName, StepRow, StepState, TargetId};
use crate::plan::notify::News;
use crate::store::Queued;
use std::fmt::Write;

/// Most tests that a mail names.
const TESTS_NAMED: usize = 20;

/// A mail without its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

fn headline(news: News) -> &'static str {
    match news {
        News::TurnedRed => "turned red",
        News::StillRed => "is still red",
        News::GreenAgain => "is green again",
        News::StillGreen => "is green",
        News::Broken => "was not built: trouble with the CI itself",
    }
}

/// Of a build that has ended.
pub fn build(
    site: &Site,
    project: &Project,
    build: &Build,
    news: News,
    summary: &str,
    steps: &[StepRow],
    tests: &[StepTests],
) -> Letter {
    let what = build.reference.as_ref().map_or_else(String::new, |r| format!(" {}", r.short()));
    let subject = format!("[{}] {}{what} {} ({})", site.title, project.name, headline(news), build.id);
    let mut body = format!("{}{what} {}.\n", project.name, headline(news));
    let mut line = |text: String| {
        body.push_str(&text);
        body.push('\n');
    };
    if !summary.is_empty() {
        line(format!("\n  {summary}"));
    }
    if !build.changes.is_empty() {
        line("\nWhat is new in it:".to_owned());
        for change in build.changes.iter().take(10) {
            line(format!("  {} {} ({})", change.commit.short(), change.subject, change.author));
        }
        if let Some(more) = build.changes.len().checked_sub(10).filter(|n| *n > 0) {
            line(format!("  and {more} more"));
        }
    }
    if !steps.is_empty() {
        line("\nSteps:".to_owned());
        for step in steps {
            if let StepState::Finished { verdict, outcome, .. } = &step.state {
                let tail = if outcome.is_empty() { String::new() } else { format!(", {outcome}") };
                line(format!("  {:<10} {}{tail}", verdict.as_str(), step.name));
            }
        }
    }
    for text in broken_tests(build.id.number, tests) {
        line(text);
    }
    line(format!("\nThe build and its log: {}/p/{}/{}/", site.base_url, project.name, build.id.number));
    line(format!("On the server:         ci-status --log {}", build.id));
    Letter { subject, body }
}

/// The tests that make the news: what broke and was fixed here first, then what fails as before.
fn broken_tests(this: BuildNumber, tests: &[StepTests]) -> Vec<String> {
    let rows = || tests.iter().flat_map(|step| &step.rows);
    let is_new =
        |row: &&TestRow| matches!(row.fate, Fate::Failing { since } if since.is_none_or(|since| since == this));
    let is_old = |row: &&TestRow| matches!(row.fate, Fate::Failing { since: Some(since) } if since != this);
    let is_fixed = |row: &&TestRow| matches!(row.fate, Fate::Fixed { .. });
    let named: Vec<&TestRow> =
        rows().filter(is_new).chain(rows().filter(is_fixed)).chain(rows().filter(is_old)).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["\nTests:".to_owned()];
    for row in named.iter().take(TESTS_NAMED) {
        lines.push(format!("  {} ({})", row.name, row.describe(this)));
        if is_new(row) && !row.message.first_line().is_empty() {
            lines.push(format!("    {}", row.message.first_line().trim()));
        }
    }
    if let Some(more) = named.len().checked_sub(TESTS_NAMED).filter(|more| *more > 0) {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// Of a deploy that did not end with its build live.
pub fn deploy(site: &Site, deploy: &Deploy, outcome: Outcome, summary: &str) -> Letter {
    let shout = if outcome == Outcome::Down { "DOWN: " } else { "" };
    let subject = format!("[{}] {shout}{} {}", site.title, deploy.describe(), outcome.describe());
    let mut body = format!("The deploy of {}, {}: {}.\n", deploy.describe(), deploy.why(), outcome.describe());
    let written = writeln!(
        body,
        "\n  {summary}\n\nThe build and its deploy: {}/p/{}/{}/",
        site.base_url, deploy.project, deploy.number
    );
    debug_assert!(written.is_ok(), "a String takes all that is written to it");
    Letter { subject, body }
}

/// Whether a deploy's end is told by mail: what is not live and not simply overtaken.
pub fn deploy_is_told(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::RolledBack | Outcome::Down => true,
        Outcome::Deployed | Outcome::Superseded => false,
    }
}

/// Tells of a target on which nothing new goes live for a while.
pub fn frozen(freeze: &Freeze) {
    let text = format!("{} is {}", freeze.target, freeze.describe(|until| until.to_string()));
    let subject = Subject::target(&freeze.target).person(&freeze.by);
    journal::emit(Event::TargetFrozen, &subject, Priority::Notice, &text);
}

/// Tells that a target's freeze is over, and why.
pub fn thawed(target: &TargetId, why: &str) {
    let text = format!("{target} is not frozen any more: {why}");
    journal::emit(Event::TargetThawed, &Subject::target(target), Priority::Notice, &text);
}

/// Tells of a request that has been queued.
pub fn queued(project: &ProjectName, queued: &Queued, why: &str) {
    match queued {
        Queued::Already(_) => {}
        Queued::New(id, replaced) => {
            let subject = Subject::project(project).request(*id);
            journal::emit(
                Event::RequestQueued,
                &subject,
                Priority::Notice,
                &format!("a build of {project} is queued: {why}"),
            );
            for old in replaced {
                let text = format!("request {old} is replaced by the newer request {id}");
                journal::emit(
                    Event::RequestReplaced,
                    &Subject::project(project).request(*old),
                    Priority::Notice,
                    &text,
                );
            }
        }
    }
}
