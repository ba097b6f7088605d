//! What a step's reports mean: for its verdict, and compared with the build before of the same ref.

use crate::model::report::{Fate, RedTest, TestCounts, TestMessage, TestName, TestReport, TestRow};
use crate::model::{BuildNumber, Verdict};
use std::collections::BTreeMap;

/// What reading a step's reports came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// They were read.
    Read {
        /// What they say.
        report: TestReport,
        /// Those of the tests that failed in the build before that passed.
        passed: Vec<TestName>,
        /// How many files were older than the step.
        stale: u32,
        /// How many files could not be read as reports.
        unreadable: u32,
    },
    /// They were not, for a reason of the CI's own.
    Trouble(String),
}

/// The verdict and outcome of a step after its reports were read. Reports never turn a red step green, and a green one
/// no more than yellow: a step that ends well with failing tests was told to do so. Jenkins calls that unstable.
pub fn judge(verdict: Verdict, outcome: &str, reading: &Reading) -> (Verdict, String) {
    let (worse, said) = match reading {
        Reading::Trouble(why) => (Verdict::Warnings, format!("the test reports were not read: {why}")),
        Reading::Read { report, stale, unreadable, .. } => {
            let counts = report.counts;
            let (files, stale, unreadable) = (report.files, *stale, *unreadable);
            if counts.red() > 0 {
                (Verdict::Warnings, counts.describe())
            } else if unreadable > 0 {
                (Verdict::Warnings, format!("{} could not be read", reports(unreadable)))
            } else if files == 0 && stale > 0 {
                (Verdict::Warnings, format!("no test report was written: {} from before", reports(stale)))
            } else if files == 0 {
                (Verdict::Warnings, "no test report was found".to_owned())
            } else {
                (Verdict::Success, counts.describe())
            }
        }
    };
    let text = match (outcome.is_empty(), verdict.is_green() || says_something(reading)) {
        (true, _) => said,
        (false, true) => format!("{outcome}; {said}"),
        (false, false) => outcome.to_owned(),
    };
    (verdict.and(worse), text)
}

/// That a step which failed has left no report is no news.
fn says_something(reading: &Reading) -> bool {
    match reading {
        Reading::Read { report, .. } => report.counts.total() > 0,
        Reading::Trouble(_) => true,
    }
}

fn reports(count: u32) -> String {
    if count == 1 { "1 test report".to_owned() } else { format!("{count} test reports") }
}

/// What a report says, test by test, compared with the build before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The tests that are worth a line: failing ones first, then flaky ones, then fixed ones.
    pub rows: Vec<TestRow>,
    /// What the next build is compared with.
    pub failing: BTreeMap<TestName, BuildNumber>,
    /// The report's counts, those that passed on a retry among the flaky ones.
    pub counts: TestCounts,
}

/// What earlier attempts of the step came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Earlier<'a> {
    /// Which attempt the report is of.
    pub attempt: u32,
    /// The tests that failed in one before it.
    pub failed: &'a [RedTest],
}

/// Compares; `passed` are those that passed of the tests that failed before, be that in the build before or in an earlier
/// attempt; `before` are the tests that failed in the build before of the same ref, each with the build that it has
/// failed since, or nothing where there is no such build to come.
///
/// A test that failed and is not in the report any more is forgotten: it was removed, or renamed. But where nothing
/// was reported at all, what failed before still does.
pub fn compare(
    this: BuildNumber,
    report: &TestReport,
    passed: &[TestName],
    before: Option<&BTreeMap<TestName, BuildNumber>>,
    earlier: Earlier<'_>,
) -> Compared {
    let mut counts = report.counts;
    if counts.total() == 0 {
        return Compared { rows: Vec::new(), failing: before.cloned().unwrap_or_default(), counts };
    }
    let mut rows = Vec::new();
    let mut failing = BTreeMap::new();
    for test in &report.failing {
        let since = before.map(|before| before.get(&test.name).copied().unwrap_or(this));
        failing.extend(since.map(|since| (test.name.clone(), since)));
        let fate = Fate::Failing { since };
        rows.push(TestRow { name: test.name.clone(), fate, message: test.message.clone() });
    }
    for test in &report.flaky {
        rows.push(TestRow { name: test.name.clone(), fate: Fate::Flaky, message: test.message.clone() });
    }
    let told = |name: &TestName| report.flaky.iter().any(|test| test.name == *name);
    for test in earlier.failed.iter().filter(|test| passed.contains(&test.name) && !told(&test.name)) {
        counts.flaky = counts.flaky.saturating_add(1);
        let fate = Fate::PassedOnRetry { attempt: earlier.attempt };
        rows.push(TestRow { name: test.name.clone(), fate, message: test.message.clone() });
    }
    for name in passed {
        if let Some(since) = before.and_then(|before| before.get(name)) {
            let fate = Fate::Fixed { since: *since };
            rows.push(TestRow { name: name.clone(), fate, message: TestMessage::default() });
        }
    }
    Compared { rows, failing, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TestName {
        TestName::of("", text).unwrap()
    }

    fn red(text: &str) -> RedTest {
        RedTest { name: name(text), message: TestMessage::cut("why") }
    }

    fn report(passed: u32, failing: &[&str], flaky: &[&str]) -> TestReport {
        TestReport {
            files: 1,
            counts: TestCounts {
                passed,
                failed: failing.len() as u32,
                flaky: flaky.len() as u32,
                ..Default::default()
            },
            failing: failing.iter().map(|text| red(text)).collect(),
            flaky: flaky.iter().map(|text| red(text)).collect(),
            ..TestReport::default()
        }
    }

    #[test]
    fn what_reports_do_to_a_verdict() {
        use Verdict::{Failure, Success, Warnings};
        let read = |report: TestReport, stale, unreadable| Reading::Read { report, passed: vec![], stale, unreadable };
        let none = || TestReport::default();
        let table = [
            (Success, "", read(report(3, &[], &[]), 0, 0), Success, "3 tests, none failed"),
            (Success, "", read(report(2, &["a"], &[]), 0, 0), Warnings, "1 of 3 tests failed"),
            (Success, "", read(report(2, &[], &["a"]), 0, 0), Success, "2 tests, none failed"),
            (Failure, "exit code 1", read(report(2, &["a"], &[]), 0, 0), Failure, "exit code 1; 1 of 3 tests failed"),
            (Failure, "exit code 1", read(report(3, &[], &[]), 0, 0), Failure, "exit code 1; 3 tests, none failed"),
            (Success, "", read(none(), 0, 0), Warnings, "no test report was found"),
            (Success, "", read(none(), 2, 0), Warnings, "no test report was written: 2 test reports from before"),
            (Success, "", read(report(3, &[], &[]), 1, 0), Success, "3 tests, none failed"),
            (Success, "", read(report(3, &[], &[]), 0, 1), Warnings, "1 test report could not be read"),
            (Failure, "exit code 2", read(none(), 0, 0), Failure, "exit code 2"),
            (Success, "", Reading::Trouble("no bus".into()), Warnings, "the test reports were not read: no bus"),
        ];
        for (verdict, outcome, reading, judged, said) in table {
            assert_eq!(judge(verdict, outcome, &reading), (judged, said.to_owned()), "{outcome} {reading:?}");
        }
    }

    #[test]
    fn broken_fixed_and_failing_since() {
        let this = BuildNumber(7);
        let failing = |since: u32| Fate::Failing { since: Some(BuildNumber(since)) };
        let fixed = |since: u32| Fate::Fixed { since: BuildNumber(since) };
        let none: &[&str] = &[];
        // (before, report, passed, rows, failing afterwards)
        type Row<'a> = (&'a [(&'a str, u32)], TestReport, &'a [&'a str], &'a [(&'a str, Fate)], &'a [(&'a str, u32)]);
        let table: [Row<'_>; 6] = [
            (&[], report(1, &["a"], &[]), none, &[("a", failing(7))], &[("a", 7)]),
            (
                &[("a", 3)],
                report(1, &["a", "b"], &[]),
                none,
                &[("a", failing(3)), ("b", failing(7))],
                &[("a", 3), ("b", 7)],
            ),
            (&[("a", 3)], report(1, &[], &[]), &["a"], &[("a", fixed(3))], &[]),
            (&[("a", 3)], report(1, &[], &["a"]), &["a"], &[("a", Fate::Flaky), ("a", fixed(3))], &[]),
            // Not in the report any more, or passed over: forgotten, and not called fixed.
            (&[("a", 3)], report(1, &[], &[]), none, &[], &[]),
            // The run came to nothing: what failed still does.
            (&[("a", 3)], TestReport::default(), none, &[], &[("a", 3)]),
        ];
        for (before, report, passed, rows, after) in table {
            let map = |list: &[(&str, u32)]| -> BTreeMap<TestName, BuildNumber> {
                list.iter().map(|(test, since)| (name(test), BuildNumber(*since))).collect()
            };
            let passed: Vec<TestName> = passed.iter().map(|test| name(test)).collect();
            let compared = compare(this, &report, &passed, Some(&map(before)), Earlier::default());
            let got: Vec<(&str, Fate)> = compared.rows.iter().map(|row| (row.name.as_str(), row.fate)).collect();
            assert_eq!(got, rows, "{before:?} {report:?}");
            assert_eq!(compared.failing, map(after), "{before:?} {report:?}");
        }
        let alone = compare(this, &report(1, &["a"], &[]), &[], None, Earlier::default());
        assert_eq!(alone.rows[0].fate, Fate::Failing { since: None });
        assert!(alone.failing.is_empty(), "a commit without a ref is nobody's past");
    }

    #[test]
    fn what_passed_on_a_retry() {
        let retried = Fate::PassedOnRetry { attempt: 3 };
        let none: &[&str] = &[];
        // (report, failed in an earlier attempt, of those passed now, rows, flaky)
        type Row<'a> = (TestReport, &'a [&'a str], &'a [&'a str], &'a [(&'a str, Fate)], u32);
        let table: [Row<'_>; 6] = [
            (report(2, &[], &[]), &["a"], &["a"], &[("a", retried)], 1),
            (report(1, &["b"], &[]), &["a", "b"], &["a"], &[("b", Fate::Failing { since: None }), ("a", retried)], 1),
            // Not in this attempt's report, or passed over.
            (report(1, &[], &[]), &["a"], none, &[], 0),
            // Flaky within one attempt already.
            (report(1, &[], &["a"]), &["a"], &["a"], &[("a", Fate::Flaky)], 1),
            // Failed in the build before, and not in an attempt of this one.
            (report(1, &[], &[]), &[], &["a"], &[], 0),
            (TestReport::default(), &["a"], none, &[], 0),
        ];
        for (report, failed, passed, rows, flaky) in table {
            let failed: Vec<RedTest> = failed.iter().map(|text| red(text)).collect();
            let passed: Vec<TestName> = passed.iter().map(|text| name(text)).collect();
            let compared = compare(BuildNumber(7), &report, &passed, None, Earlier { attempt: 3, failed: &failed });
            let got: Vec<(&str, Fate)> = compared.rows.iter().map(|row| (row.name.as_str(), row.fate)).collect();
            assert_eq!((got.as_slice(), compared.counts.flaky), (rows, flaky), "{report:?}");
        }
    }
}
