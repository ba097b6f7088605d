//! What a worker says on the way: lines on standard error, for a log or the journal.

/// Says a line. `eprintln!` would panic where nobody reads any more: whoever had this worker started may be dead.
macro_rules! say {
    ($($arg:tt)*) => {
        $crate::worker::say::line(format_args!($($arg)*))
    };
}

pub(super) use say;

pub(super) fn line(text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Then nobody is told, and the answer, if somebody waits for that, is as good.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
