//! Our own messages: entries in the journal with fields, or lines for a person at a terminal.
//!
//! Whoever may write to the journal can write entries with these fields; what only we can say is `_UID=` and
//! `_SYSTEMD_UNIT=`.

mod event;
mod layer;
mod subject;

pub use event::Event;
pub use layer::{InitError, init};
pub use subject::Subject;

use std::borrow::Cow;

/// How much a message matters: syslog's words, of which we use five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// 3: something of ours does not work.
    Error,
    /// 4: something will need a person.
    Warning,
    /// 5: what a person reading along wants to know.
    Notice,
    /// 6: output of steps.
    Info,
    /// 7: how we got there.
    Debug,
}

/// Says what happened, and to what. Control characters in `text` other than newline and tab are replaced: the journal
/// would show an entry with any of them as a blob, and much of a text comes from strangers.
pub fn emit(event: Event, subject: &Subject<'_>, priority: Priority, text: &str) {
    // A level of `tracing` is part of the place that emits, so there is a place for each.
    macro_rules! at {
        ($level:ident) => {
            tracing::event!(
                target: "unitci",
                tracing::Level::$level,
                MESSAGE_ID = event.message_id(),
                CI_PROJECT = subject.project.map(|project| project.as_str()),
                CI_BUILD = subject.build.map(|build| build.0),
                CI_STEP = subject.step.map(|step| step.as_str()),
                CI_COMMIT = subject.commit.map(|commit| commit.as_str()),
                CI_VERDICT = subject.verdict.map(|verdict| verdict.as_str()),
                CI_REQUEST = subject.request.map(|request| request.0),
                CI_DEPLOY = subject.deploy.map(|deploy| deploy.0),
                CI_TARGET = subject.target.map(|target| target.as_str()),
                CI_PERSON = subject.person,
                "{}",
                printable(text)
            )
        };
    }
    match priority {
        Priority::Error => at!(ERROR),
        Priority::Warning => at!(WARN),
        Priority::Notice => at!(INFO),
        Priority::Info => at!(DEBUG),
        Priority::Debug => at!(TRACE),
    }
}

fn printable(text: &str) -> Cow<'_, str> {
    let bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(bad) { Cow::Owned(text.replace(bad, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_the_journal() {
        for (text, shown) in [
            ("plain", "plain"),
            ("two\nlines\tand a tab", "two\nlines\tand a tab"),
            ("\x1b[31mred\0\r\u{9b}", "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}"),
            ("ümläut ✓", "ümläut ✓"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
