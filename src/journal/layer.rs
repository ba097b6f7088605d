//! Where our messages go: decided once, when a program starts.

use anstyle::{AnsiColor, Style};
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Filtered, filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Messages cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something in this process has done it already.
    #[error("messages are set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Sends messages to the journal under `identifier` when systemd started us, else as lines to standard error, in
/// colour if that is a terminal, and without those of [`super::Priority::Debug`]. A unit that cannot reach journald's socket writes lines to its standard error, which
/// is the journal as well: without our fields, but with their priority.
pub fn init(identifier: &str) -> Result<(), InitError> {
    let registry = tracing_subscriber::registry();
    if !stderr_is_journal() {
        return Ok(registry.with(ours(Lines { identifier: identifier.to_owned(), form: Form::Person })).try_init()?);
    }
    match tracing_journald::layer() {
        Ok(layer) => {
            let layer = layer.with_field_prefix(None).with_syslog_identifier(identifier.to_owned());
            registry.with(ours(layer)).try_init()?;
        }
        Err(error) => {
            registry.with(ours(Lines { identifier: identifier.to_owned(), form: Form::Journal })).try_init()?;
            tracing::warn!(target: "unitci", "no journal socket ({error}), writing messages without fields");
        }
    }
    Ok(())
}

/// Libraries that we use have messages too, zbus one for each of its own: those stay out. Ours come from the library
/// and from the programs, whose crates are called `ci_build` and the like.
fn ours<S, L>(layer: L) -> Filtered<L, impl tracing_subscriber::layer::Filter<S>, S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S>,
{
    layer.with_filter(filter_fn(|metadata: &Metadata<'_>| {
        let target = metadata.target();
        (target.starts_with("unitci") || target.starts_with("ci_")) && *metadata.level() < Level::TRACE
    }))
}

/// `$JOURNAL_STREAM` names the device and inode of the stream that systemd connected; a person's shell may have
/// inherited the variable, but not that stream (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    match nix::sys::stat::fstat(io::stderr().as_fd()) {
        Ok(stat) => stream.to_str() == Some(&format!("{}:{}", stat.st_dev, stat.st_ino)),
        Err(_) => false,
    }
}

/// Who reads the lines.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Somebody at a terminal, or who redirected them.
    Person,
    /// journald, which takes the priority from a `<N>` at the line's beginning (sd-daemon(3)).
    Journal,
}

struct Lines {
    identifier: String,
    form: Form,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if matches!(self.form, Form::Person) && *event.metadata().level() == Level::TRACE {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let text = self.lines(*event.metadata().level(), &message.0);
        // Standard error is gone: there is nobody left to tell.
        drop(anstream::stderr().lock().write_all(text.as_bytes()));
    }
}

impl Lines {
    fn lines(&self, level: Level, message: &str) -> String {
        let mut text = String::new();
        for (n, line) in message.lines().enumerate() {
            let written = match self.form {
                Form::Journal => writeln!(text, "<{}>{line}", severity(level)),
                Form::Person if n > 0 => writeln!(text, "{:width$}  {line}", "", width = self.identifier.len()),
                Form::Person => {
                    let (word, style) = word(level);
                    writeln!(text, "{}: {style}{word}{style:#}{line}", self.identifier)
                }
            };
            written.expect("a String takes everything");
        }
        text
    }
}

fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 5,
        Level::DEBUG => 6,
        Level::TRACE => 7,
    }
}

fn word(level: Level) -> (&'static str, Style) {
    match level {
        Level::ERROR => ("error: ", AnsiColor::Red.on_default().bold()),
        Level::WARN => ("warning: ", AnsiColor::Yellow.on_default().bold()),
        Level::INFO | Level::DEBUG | Level::TRACE => ("", Style::new()),
    }
}

/// The text of an event, without its fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").expect("a String takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_a_person_and_for_journald() {
        let strip = |text: String| anstream::adapter::strip_str(&text).to_string();
        let person = Lines { identifier: "ci-poll".into(), form: Form::Person };
        let journal = Lines { identifier: "ci-poll".into(), form: Form::Journal };
        for (level, shown, sent) in [
            (Level::ERROR, "ci-poll: error: a\n         b\n", "<3>a\n<3>b\n"),
            (Level::WARN, "ci-poll: warning: a\n         b\n", "<4>a\n<4>b\n"),
            (Level::INFO, "ci-poll: a\n         b\n", "<5>a\n<5>b\n"),
            (Level::TRACE, "ci-poll: a\n         b\n", "<7>a\n<7>b\n"),
        ] {
            assert_eq!(strip(person.lines(level, "a\nb")), shown);
            assert_eq!(journal.lines(level, "a\nb"), sent);
        }
    }
}
