//! What the tests of a build said, for terminals and programs.

use super::paint::{Cell, Columns, DIM, Screen, colour, painted};
use crate::model::report::{Fate, SlowTest, TestCounts, TestRow};
use crate::view::text::{count, duration, harmless};
use crate::view::{BuildView, Light};
use serde::Serialize;
use std::time::Duration;

/// Most tests of a step that are listed on a terminal.
const LISTED: usize = 30;

pub(super) fn tests(view: &BuildView, screen: &Screen) -> String {
    let mut out = String::new();
    for tests in &view.tests {
        let step = view.step(tests.step).map_or("", |step| step.name.as_str());
        let TestCounts { skipped, flaky, .. } = tests.counts;
        let light = if tests.counts.red() > 0 { Light::Red } else { Light::Green };
        out += &format!(
            "\n{} {}",
            painted(DIM, &format!("tests of {}", harmless(step))),
            painted(colour(light), &tests.counts.describe())
        );
        for (number, word) in [(skipped, "skipped"), (flaky, "flaky")] {
            if number > 0 {
                out += &format!(", {number} {word}");
            }
        }
        if tests.millis > 0 {
            out += &format!(", {}", duration(Duration::from_millis(tests.millis)));
        }
        out.push('\n');
        let mut listed = Columns::default();
        for row in tests.rows.iter().take(LISTED) {
            let light = match row.fate {
                Fate::Failing { .. } => Light::Red,
                Fate::Flaky | Fate::PassedOnRetry { .. } => Light::Yellow,
                Fate::Fixed { .. } => Light::Green,
            };
            listed.row(vec![
                Cell::new(colour(light), format!("{} {}", light.sign(), row.describe(view.build.id.number))),
                Cell::plain(row.name.as_str()),
                Cell::new(DIM, row.message.first_line()),
            ]);
        }
        out += &listed.render(screen);
        if let Some(more) = tests.rows.len().checked_sub(LISTED).filter(|more| *more > 0) {
            out += &format!("and {}; ci-status {} --json has all\n", count(more, "other"), view.build.id);
        }
    }
    out
}

#[derive(Debug, Serialize)]
pub(super) struct TestsJson<'a> {
    step: &'a str,
    reports: u32,
    total: u32,
    #[serde(flatten)]
    counts: TestCounts,
    duration_seconds: f64,
    /// Failing, flaky and fixed ones
    tests: Vec<TestJson<'a>>,
    slowest: &'a [SlowTest],
}

#[derive(Debug, Serialize)]
struct TestJson<'a> {
    name: &'a str,
    /// `failing`, `flaky` or `fixed`
    fate: &'static str,
    /// The build that it fails, or had failed, since; null where nothing can be compared
    since: Option<u32>,
    /// Of a flaky one that failed in an earlier attempt of its step; else null
    passed_on_attempt: Option<u32>,
    message: &'a str,
}

pub(super) fn json(view: &BuildView) -> Vec<TestsJson<'_>> {
    let test = |row: &'_ TestRow| match row.fate {
        Fate::Failing { since } => ("failing", since, None),
        Fate::Flaky => ("flaky", None, None),
        Fate::PassedOnRetry { attempt } => ("flaky", None, Some(attempt)),
        Fate::Fixed { since } => ("fixed", Some(since), None),
    };
    let tests = view.tests.iter().map(|tests| TestsJson {
        step: view.step(tests.step).map_or("", |step| step.name.as_str()),
        reports: tests.files,
        total: tests.counts.total(),
        counts: tests.counts,
        duration_seconds: Duration::from_millis(tests.millis).as_secs_f64(),
        tests: tests
            .rows
            .iter()
            .map(|row| {
                let (fate, since, passed_on_attempt) = test(row);
                TestJson {
                    name: row.name.as_str(),
                    fate,
                    since: since.map(|number| number.0),
                    passed_on_attempt,
                    message: row.message.as_str(),
                }
            })
            .collect(),
        slowest: &tests.slowest,
    });
    tests.collect()
}
