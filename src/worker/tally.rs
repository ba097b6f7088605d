//! Adding up the cases of a step's reports, within bounds.

use super::junit::{Came, Case, Unreadable};
use crate::model::report::{NAMED_MAX, RedTest, SLOWEST, SlowTest, TestMessage, TestName, TestReport};
use std::collections::{BTreeMap, BTreeSet};

/// Most cases that are counted.
const CASES_MAX: u32 = 1_000_000;

/// The sum so far.
pub(super) struct Tally {
    report: TestReport,
    /// The tests whose fate is wanted, and whether each has passed.
    asked: BTreeMap<TestName, bool>,
    /// Where each of the named failing tests stands in the report.
    failing: BTreeSet<TestName>,
    /// The failures of the file that is being read, which a later pass in the same file may make flaky.
    attempts: BTreeMap<TestName, Attempts>,
}

/// How often a test has failed in this file, and what it said first.
struct Attempts {
    failed: u32,
    errors: u32,
    message: TestMessage,
}

impl Tally {
    pub(super) fn new(asked: Vec<TestName>) -> Tally {
        Tally {
            report: TestReport::default(),
            asked: asked.into_iter().map(|name| (name, false)).collect(),
            failing: BTreeSet::new(),
            attempts: BTreeMap::new(),
        }
    }

    /// One file has been read, whole or not.
    pub(super) fn end_file(&mut self) {
        self.report.files += 1;
        self.attempts.clear();
    }

    pub(super) fn add(&mut self, case: Case) -> Result<(), Unreadable> {
        if self.report.counts.total() >= CASES_MAX {
            return Err(Unreadable::Enough("has more cases than are counted: a million for a step"));
        }
        self.report.millis = self.report.millis.saturating_add(case.millis);
        self.slow(&case);
        let Case { name, came, message, millis: _ } = case;
        let counts = &mut self.report.counts;
        match came {
            Came::Skipped => counts.skipped += 1,
            Came::Passed => match self.attempts.remove(&name) {
                // A rerun that is written as one more case: the failures before it were attempts.
                Some(earlier) => {
                    counts.failed -= earlier.failed;
                    counts.errors -= earlier.errors;
                    self.forget(&name);
                    self.flaky(name, earlier.message);
                }
                None => {
                    counts.passed += 1;
                    self.passed(&name);
                }
            },
            Came::Flaky => self.flaky(name, message),
            Came::Failed => {
                counts.failed += 1;
                self.red(name, message, |attempts| attempts.failed += 1);
            }
            Came::Errored => {
                counts.errors += 1;
                self.red(name, message, |attempts| attempts.errors += 1);
            }
        }
        Ok(())
    }

    fn passed(&mut self, name: &TestName) {
        if let Some(passed) = self.asked.get_mut(name) {
            *passed = true;
        }
    }

    fn flaky(&mut self, name: TestName, message: TestMessage) {
        self.report.counts.passed += 1;
        self.report.counts.flaky += 1;
        self.passed(&name);
        if self.report.flaky.len() < NAMED_MAX {
            self.report.flaky.push(RedTest { name, message });
        }
    }

    fn red(&mut self, name: TestName, message: TestMessage, count: impl FnOnce(&mut Attempts)) {
        // More than are named need not be told apart from reruns either.
        if self.attempts.len() < NAMED_MAX || self.attempts.contains_key(&name) {
            let first = || Attempts { failed: 0, errors: 0, message: message.clone() };
            count(self.attempts.entry(name.clone()).or_insert_with(first));
        }
        if self.failing.len() < NAMED_MAX && self.failing.insert(name.clone()) {
            self.report.failing.push(RedTest { name, message });
        }
    }

    fn forget(&mut self, name: &TestName) {
        if self.failing.remove(name) {
            self.report.failing.retain(|test| test.name != *name);
        }
    }

    fn slow(&mut self, case: &Case) {
        let slowest = &mut self.report.slowest;
        let at = slowest.partition_point(|slow| slow.millis >= case.millis);
        if case.millis > 0 && at < SLOWEST {
            slowest.insert(at, SlowTest { name: case.name.clone(), millis: case.millis });
            slowest.truncate(SLOWEST);
        }
    }

    /// All of it, and those of the asked tests that passed. One that also failed has not passed.
    pub(super) fn end(self) -> (TestReport, Vec<TestName>) {
        let failing = self.failing;
        let passed = self.asked.into_iter().filter(|(name, passed)| *passed && !failing.contains(name));
        (self.report, passed.map(|(name, _)| name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::TestCounts;

    fn tally(files: &[&[(&str, Came, u64)]]) -> (TestReport, Vec<TestName>) {
        let name = |text: &str| TestName::of("", text).unwrap();
        let mut tally = Tally::new(["a", "b", "gone"].map(name).to_vec());
        for file in files {
            for (test, came, millis) in *file {
                let message = TestMessage::cut(&format!("{test} {came:?}"));
                tally.add(Case { name: name(test), came: *came, millis: *millis, message }).unwrap();
            }
            tally.end_file();
        }
        tally.end()
    }

    #[test]
    fn cases_add_up() {
        use Came::{Errored, Failed, Flaky, Passed, Skipped};
        let counts = |passed, failed, errors, skipped, flaky| TestCounts { passed, failed, errors, skipped, flaky };
        // (files, counts, failing, flaky, those of a, b and gone that passed)
        type Row<'a> = (&'a [&'a [(&'a str, Came, u64)]], TestCounts, &'a [&'a str], &'a [&'a str], &'a [&'a str]);
        let table: [Row<'_>; 8] = [
            (&[], counts(0, 0, 0, 0, 0), &[], &[], &[]),
            (&[&[("a", Passed, 1), ("b", Skipped, 1)]], counts(1, 0, 0, 1, 0), &[], &[], &["a"]),
            (&[&[("a", Failed, 1), ("b", Errored, 1)]], counts(0, 1, 1, 0, 0), &["a", "b"], &[], &[]),
            (&[&[("a", Flaky, 1)]], counts(1, 0, 0, 0, 1), &[], &["a"], &["a"]),
            // A rerun in the same file is one test that is flaky, however often it failed.
            (&[&[("a", Failed, 1), ("a", Errored, 1), ("a", Passed, 1)]], counts(1, 0, 0, 0, 1), &[], &["a"], &["a"]),
            // In another file it is another run of it: under another Python, say.
            (&[&[("a", Failed, 1)], &[("a", Passed, 1)]], counts(1, 1, 0, 0, 0), &["a"], &[], &[]),
            (&[&[("a", Passed, 1), ("a", Failed, 1)]], counts(1, 1, 0, 0, 0), &["a"], &[], &[]),
            (&[&[("a", Failed, 1), ("a", Failed, 1)]], counts(0, 2, 0, 0, 0), &["a"], &[], &[]),
        ];
        let names = |tests: &[RedTest]| tests.iter().map(|test| test.name.to_string()).collect::<Vec<_>>();
        for (files, counted, failing, flaky, passed) in table {
            let (report, asked) = tally(files);
            assert_eq!(report.counts, counted, "{files:?}");
            assert_eq!(
                (names(&report.failing), names(&report.flaky)),
                (failing.iter().map(|n| (*n).to_owned()).collect(), flaky.iter().map(|n| (*n).to_owned()).collect()),
                "{files:?}"
            );
            assert_eq!(asked.iter().map(TestName::as_str).collect::<Vec<_>>(), passed, "{files:?}");
            assert_eq!(report.files as usize, files.len());
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
        let names: Vec<String> = (0..5000).map(|n| format!("t{n}")).collect();
        let cases: Vec<(&str, Came, u64)> =
            names.iter().zip(1..).map(|(n, millis)| (n.as_str(), Came::Failed, millis)).collect();
        let (report, _) = tally(&[&cases]);
        assert_eq!((report.counts.failed, report.failing.len()), (5000, NAMED_MAX));
        let slowest: Vec<u64> = report.slowest.iter().map(|slow| slow.millis).collect();
        assert_eq!(slowest, (4991..=5000).rev().collect::<Vec<u64>>());
    }
}
