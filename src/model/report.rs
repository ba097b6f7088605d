//! What tests said: the cases of a step's JUnit reports, counted and bounded.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a test, in bytes.
pub const NAME_MAX: usize = 400;
/// Longest message of a test that is kept, in bytes.
pub const MESSAGE_MAX: usize = 2000;
/// Longest message that is handed over, in bytes: more than is kept, so that a secret in it is masked before it is cut
/// and no half of it stays at the end.
const MESSAGE_TOLD: usize = 2 * MESSAGE_MAX;
/// Most failing tests of a step that are kept by name, and as many flaky ones; the counts are of all.
pub const NAMED_MAX: usize = 200;
/// How many of the slowest tests are kept.
pub const SLOWEST: usize = 10;

/// A test's name in its report: `classname::name`, or the name alone. What does not print is left out, and a name that
/// is too long has its middle left out: tests with parameters differ at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TestName(String);

/// What a test said when it failed: lines, without control characters, cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TestMessage(String);

/// A text of a report that was not cut as it should have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a text of a report has {len} bytes, or characters that do not print")]
pub struct TextError {
    len: usize,
}

fn prints(c: char) -> bool {
    !super::line::misleads(c)
}

/// At most `max` bytes: the beginning, an ellipsis, and `tail` bytes of the end.
fn shorten(text: &str, max: usize, tail: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(max - tail - '…'.len_utf8());
    let rest = text.ceil_char_boundary(text.len() - tail);
    format!("{}…{}", &text[..head], &text[rest..])
}

impl TestName {
    /// From a case's `classname` and `name`; none when neither says anything.
    pub fn of(class: &str, name: &str) -> Option<TestName> {
        let one_line = |text: &str| {
            let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
            spaced.filter(|c| prints(*c)).collect::<String>().trim().to_owned()
        };
        let (class, name) = (one_line(class), one_line(name));
        let whole = match (class.is_empty(), name.is_empty()) {
            (true, true) => return None,
            (true, false) => name,
            (false, true) => class,
            (false, false) => format!("{class}::{name}"),
        };
        Some(TestName(shorten(&whole, NAME_MAX, NAME_MAX / 2)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it; `cover` masks secrets.
    #[must_use]
    pub fn kept(&self, cover: &dyn Fn(&str) -> String) -> TestName {
        TestName(shorten(&cover(&self.0), NAME_MAX, NAME_MAX / 2))
    }
}

impl TestMessage {
    /// What is left of a message: lines without what does not print, tabs as spaces, the end cut.
    pub fn cut(text: &str) -> TestMessage {
        let mut lines = String::new();
        // What is far beyond the bound need not be looked at.
        let text = &text[..text.floor_char_boundary(4 * MESSAGE_TOLD)];
        for line in text.trim_end().lines() {
            if !lines.is_empty() {
                lines.push('\n');
            }
            let spaced = line.trim_end().replace('\t', "    ");
            lines.extend(spaced.chars().filter(|c| prints(*c)));
            if lines.len() > MESSAGE_TOLD {
                break;
            }
        }
        TestMessage(shorten(lines.trim_matches('\n'), MESSAGE_TOLD, 0))
    }

    /// What is kept of it; `cover` masks secrets.
    #[must_use]
    pub fn kept(&self, cover: &dyn Fn(&str) -> String) -> TestMessage {
        TestMessage(shorten(&cover(&self.0), MESSAGE_MAX, 0))
    }

    /// The lines.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first line that says something.
    pub fn first_line(&self) -> &str {
        self.0.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
    }
}

impl TryFrom<String> for TestName {
    type Error = TextError;
    fn try_from(text: String) -> Result<TestName, TextError> {
        let good = !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(prints);
        if good { Ok(TestName(text)) } else { Err(TextError { len: text.len() }) }
    }
}

impl std::str::FromStr for TestName {
    type Err = TextError;
    fn from_str(text: &str) -> Result<TestName, TextError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for TestMessage {
    type Error = TextError;
    fn try_from(text: String) -> Result<TestMessage, TextError> {
        let good = text.len() <= MESSAGE_TOLD && text.chars().all(|c| c == '\n' || prints(c));
        if good { Ok(TestMessage(text)) } else { Err(TextError { len: text.len() }) }
    }
}

impl std::str::FromStr for TestMessage {
    type Err = TextError;
    fn from_str(text: &str) -> Result<TestMessage, TextError> {
        text.to_owned().try_into()
    }
}

impl From<TestName> for String {
    fn from(name: TestName) -> String {
        name.0
    }
}

impl From<TestMessage> for String {
    fn from(message: TestMessage) -> String {
        message.0
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How many cases came to what; counted by us, since the sums in reports are often wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCounts {
    /// Neither a failure nor an error nor skipped.
    pub passed: u32,
    /// With a `failure`.
    pub failed: u32,
    /// With an `error`.
    pub errors: u32,
    /// `skipped`
    pub skipped: u32,
    /// Those of the passed ones that had failed before they passed.
    pub flaky: u32,
}

impl TestCounts {
    /// All of them.
    pub fn total(self) -> u32 {
        self.passed.saturating_add(self.red()).saturating_add(self.skipped)
    }

    /// Those that did not do what they should.
    pub fn red(self) -> u32 {
        self.failed.saturating_add(self.errors)
    }

    /// Together with others.
    #[must_use]
    pub fn and(self, other: TestCounts) -> TestCounts {
        TestCounts {
            passed: self.passed.saturating_add(other.passed),
            failed: self.failed.saturating_add(other.failed),
            errors: self.errors.saturating_add(other.errors),
            skipped: self.skipped.saturating_add(other.skipped),
            flaky: self.flaky.saturating_add(other.flaky),
        }
    }

    /// `3 of 120 tests failed`, or that all is well.
    pub fn describe(self) -> String {
        match (self.red(), self.total()) {
            (_, 0) => "no tests".to_owned(),
            (0, 1) => "1 test, none failed".to_owned(),
            (0, total) => format!("{total} tests, none failed"),
            (red, 1) => format!("{red} of 1 test failed"),
            (red, total) => format!("{red} of {total} tests failed"),
        }
    }
}

/// A test that failed, or that passed only after it had failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedTest {
    /// Which.
    pub name: TestName,
    /// What it said.
    pub message: TestMessage,
}

/// A test and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowTest {
    /// Which.
    pub name: TestName,
    /// Milliseconds, as its report says.
    pub millis: u64,
}

/// What all reports of one step say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// How many files were counted.
    pub files: u32,
    /// How many cases came to what.
    pub counts: TestCounts,
    /// What the cases say they took together, in milliseconds.
    pub millis: u64,
    /// Those that failed, in the order of the reports, each once; at most [`NAMED_MAX`].
    pub failing: Vec<RedTest>,
    /// Those that passed after they had failed; at most [`NAMED_MAX`].
    pub flaky: Vec<RedTest>,
    /// The slowest, slowest first; at most [`SLOWEST`].
    pub slowest: Vec<SlowTest>,
}

impl TestReport {
    /// The same as it may be kept and shown; `cover` masks secrets.
    #[must_use]
    pub fn kept(mut self, cover: &dyn Fn(&str) -> String) -> TestReport {
        for test in self.failing.iter_mut().chain(&mut self.flaky) {
            test.name = test.name.kept(cover);
            test.message = test.message.kept(cover);
        }
        for test in &mut self.slowest {
            test.name = test.name.kept(cover);
        }
        self
    }
}

/// What a failing test is, compared with the build before of the same ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It fails, since this build if that is its own.
    Failing {
        /// Since when; none where there is nothing to compare with: a commit without a ref.
        since: Option<super::BuildNumber>,
    },
    /// It passed after it had failed, as its report says.
    Flaky,
    /// It failed in an earlier attempt of its step, which `retry` had tried again, and passed in this one.
    PassedOnRetry {
        /// The last attempt, from 2.
        attempt: u32,
    },
    /// It passed, and had failed in the build before.
    Fixed {
        /// Since when it had.
        since: super::BuildNumber,
    },
}

/// One test that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRow {
    /// Which.
    pub name: TestName,
    /// What it is.
    pub fate: Fate,
    /// What it said; empty for one that was fixed.
    pub message: TestMessage,
}

impl TestRow {
    /// What it is, in a few words: `broke here`, `failing since build 3`.
    pub fn describe(&self, this: super::BuildNumber) -> String {
        match self.fate {
            Fate::Failing { since: Some(since) } if since == this => "broke in this build".to_owned(),
            Fate::Failing { since: Some(since) } => format!("failing since build {since}"),
            Fate::Failing { since: None } => "failing".to_owned(),
            Fate::Flaky => "flaky".to_owned(),
            Fate::PassedOnRetry { attempt } => format!("flaky: passed on retry, attempt {attempt}"),
            Fate::Fixed { since } => format!("fixed in this build, had failed since build {since}"),
        }
    }
}

/// The tests of one step of a build, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTests {
    /// Of which step.
    pub step: super::StepIndex,
    /// How many files were counted.
    pub files: u32,
    /// How many cases came to what.
    pub counts: TestCounts,
    /// What they took together, in milliseconds.
    pub millis: u64,
    /// Failing, flaky and fixed ones.
    pub rows: Vec<TestRow>,
    /// The slowest, slowest first.
    pub slowest: Vec<SlowTest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_bounded_and_harmless() {
        for (class, name, whole) in [
            ("tests.test_shop", "test_pay[eur]", "tests.test_shop::test_pay[eur]"),
            ("", "test_pay", "test_pay"),
            ("tests.test_shop", " ", "tests.test_shop"),
            ("a\u{1b}[31m", "b\nc\u{202e}", "a[31m::b c"),
        ] {
            let made = TestName::of(class, name).unwrap();
            assert_eq!(made.as_str(), whole);
            assert_eq!(TestName::try_from(whole.to_owned()), Ok(made));
        }
        assert_eq!(TestName::of("", "\u{7}"), None);
        let long = |end: &str| TestName::of("", &format!("{}{end}", "ä".repeat(NAME_MAX))).unwrap();
        assert!(long("[1]").as_str().len() <= NAME_MAX);
        assert_ne!(long("[1]"), long("[2]"), "what is cut is the middle");
        for bad in ["", "a\nb", &"x".repeat(NAME_MAX + 1)] {
            assert!(TestName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn messages_keep_their_lines() {
        for (text, left) in [
            ("assert 1 == 2\n\tat line 3\r\n", "assert 1 == 2\n    at line 3"),
            ("\u{1b}[31mred\u{7}", "[31mred"),
            ("", ""),
        ] {
            let message = TestMessage::cut(text);
            assert_eq!(message.as_str(), left);
            assert_eq!(TestMessage::try_from(left.to_owned()), Ok(message));
        }
        let cut = TestMessage::cut(&"ä\n".repeat(MESSAGE_MAX * 10));
        assert!(cut.as_str().len() <= MESSAGE_TOLD && TestMessage::try_from(cut.0.clone()).is_ok());
        let secret = format!("{} hunter22 {}", "x".repeat(MESSAGE_MAX - 12), "y".repeat(100));
        let kept = TestMessage::cut(&secret).kept(&|text| text.replace("hunter22", "[secret]"));
        assert!(kept.as_str().len() <= MESSAGE_MAX && !kept.as_str().contains("hunt"), "{}", kept.as_str());
        assert!(TestMessage::try_from("a\u{7}".to_owned()).is_err());
    }
}
