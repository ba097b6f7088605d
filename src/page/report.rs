//! What the tests of a build said.

use super::{class, foreign};
use crate::model::BuildNumber;
use crate::model::report::{Fate, NAMED_MAX, StepTests, TestCounts, TestRow};
use crate::view::text::{count, duration};
use crate::view::{BuildView, Light};
use maud::{Markup, html};
use std::time::Duration;

pub(super) fn section(view: &BuildView) -> Markup {
    let several = view.tests.len() > 1;
    html! {
        section aria-labelledby="tests" {
            h2 #tests { "Tests" }
            @for tests in &view.tests {
                @let name = view.step(tests.step).map_or("", |step| step.name.as_str());
                @if several { h3 { (foreign(name)) } }
                (sums(tests))
                (rows(view.build.id.number, tests))
                (slowest(tests))
            }
        }
    }
}

fn sums(tests: &StepTests) -> Markup {
    let TestCounts { passed, failed, errors, skipped, flaky } = tests.counts;
    let told = [
        (failed, "failed", Light::Red),
        (errors, "with errors", Light::Red),
        (passed, "passed", Light::Green),
        (flaky, "of them flaky", Light::Yellow),
        (skipped, "skipped", Light::Grey),
    ];
    html! {
        p.sums {
            @for (number, word, light) in told.into_iter().filter(|(number, ..)| *number > 0) {
                span class={ "st " (class(light)) } { (number) " " (word) } " "
            }
            small {
                @if tests.counts.total() == 0 { "No tests" } @else { "of " (tests.counts.total()) }
                " in " (count(tests.files as usize, "report"))
                @if tests.millis > 0 { ", " (duration(Duration::from_millis(tests.millis))) }
            }
        }
    }
}

fn rows(this: BuildNumber, tests: &StepTests) -> Markup {
    let failing = tests.rows.iter().filter(|row| matches!(row.fate, Fate::Failing { .. })).count();
    let left_out = (tests.counts.red() as usize).saturating_sub(failing);
    html! {
        @if !tests.rows.is_empty() {
            ul.tests { @for row in &tests.rows { li { (one(this, row)) } } }
        }
        @if failing == NAMED_MAX && left_out > 0 { p.sub { "And " (left_out) " more; the log of the step has them." } }
    }
}

fn one(this: BuildNumber, row: &TestRow) -> Markup {
    let message = row.message.as_str();
    let title = html! { (badge(this, row)) " " code { (foreign(row.name.as_str())) } };
    html! {
        @if message.is_empty() {
            (title)
        } @else {
            details open[opened(row)] {
                summary { (title) }
                pre { @for line in message.lines() { (foreign(line)) "\n" } }
            }
        }
    }
}

/// What broke here is what its reader came for.
fn opened(row: &TestRow) -> bool {
    matches!(row.fate, Fate::Failing { .. })
}

fn badge(this: BuildNumber, row: &TestRow) -> Markup {
    let flaky;
    let (word, light, since) = match row.fate {
        Fate::Failing { since: Some(since) } if since == this => ("broke in this build", Light::Red, None),
        Fate::Failing { since: Some(since) } => ("failing since", Light::Red, Some(since)),
        Fate::Failing { since: None } => ("failing", Light::Red, None),
        Fate::Flaky => ("flaky: passed after it had failed", Light::Yellow, None),
        Fate::PassedOnRetry { .. } => {
            flaky = row.describe(this);
            (flaky.as_str(), Light::Yellow, None)
        }
        Fate::Fixed { since } => ("fixed in this build, had failed since", Light::Green, Some(since)),
    };
    html! {
        span class={ "st " (class(light)) } {
            i aria-hidden="true" { (light.sign()) } (word)
            @if let Some(since) = since { " " a href={ "../" (since) "/" } { "build " (since) } }
        }
    }
}

fn slowest(tests: &StepTests) -> Markup {
    html! {
        @if !tests.slowest.is_empty() {
            details {
                summary { "Slowest tests" }
                table { tbody { @for slow in &tests.slowest {
                    tr {
                        td { code { (foreign(slow.name.as_str())) } }
                        td.num { (duration(Duration::from_millis(slow.millis))) }
                    }
                } } }
            }
        }
    }
}
