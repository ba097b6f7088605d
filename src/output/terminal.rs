//! Step output made harmless for a person's terminal, a pipe or the journal.

use super::line::{Line, LineEnd, Lines};
use std::fmt::Write;

/// How the text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// No escape sequence at all.
    Plain,
    /// Colours and bold, each line closed with a reset.
    Colour,
}

/// Takes output in pieces, so that a log of any size can be shown. Titles, cursor movement, clipboard writes and all
/// else that escape sequences do is taken out, control characters become visible, progress lines show their last
/// state.
pub struct Cleaner {
    lines: Lines,
    look: Look,
}

impl Cleaner {
    /// At the beginning of a log.
    pub fn new(look: Look) -> Cleaner {
        Cleaner { lines: Lines::new(), look }
    }

    /// Appends to `shown` what of the log can be shown now: its finished lines, and of very long ones finished parts.
    pub fn push(&mut self, bytes: &[u8], shown: &mut String) {
        let look = self.look;
        self.lines.push(bytes, &mut |line, end| show(line, end, look, shown));
    }

    /// Appends to `shown` what is left.
    pub fn end(self, shown: &mut String) {
        let look = self.look;
        self.lines.end(&mut |line, end| show(line, end, look, shown));
    }
}

/// A whole text made harmless at once.
pub fn clean(bytes: &[u8], look: Look) -> String {
    let mut shown = String::new();
    let mut cleaner = Cleaner::new(look);
    cleaner.push(bytes, &mut shown);
    cleaner.end(&mut shown);
    shown
}

/// One line without escape sequences.
pub(super) fn plain_line(line: &[u8]) -> String {
    clean(line, Look::Plain)
}

fn show(line: &Line, end: LineEnd, look: Look, shown: &mut String) {
    for (style, text) in line.runs() {
        match look {
            Look::Plain => shown.push_str(text),
            Look::Colour if style.is_plain() => shown.push_str(text),
            Look::Colour => {
                write!(shown, "{style}{text}{style:#}").expect("a String takes everything");
            }
        }
    }
    match end {
        LineEnd::Newline => shown.push('\n'),
        LineEnd::Open => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text() {
        for (input, plain) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07a\x1b]52;c;aGk=\x1b\\b", "ab"),
            (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1b[2J\x1b[H\x1bcgone?", "gone?"),
            (b"\x1b]unended title\nnext\n", "\nnext\n"),
            (b"\x1bPdevice control\nnext", "\nnext"),
            (b"\x1b[999999999999;1;1;1mx\x1b[", "x"),
            (b"a\0b\x7f\xff\xc2\x9b31m", "a\u{2400}b\u{2421}\u{fffd}<U+009B>31m"),
            ("x\u{202e}y\u{200b}z\u{feff}".as_bytes(), "x<U+202E>y<U+200B>z<U+FEFF>"),
            ("👩\u{200d}💻 ☎\u{fe0f}".as_bytes(), "👩\u{200d}💻 ☎\u{fe0f}"),
            (b"10%\r20%\r\n", "20%\n"),
            (b"long text\rshort", "short"),
            (b"10%\x1b[2K\x1b[1G20%\x1b[2K\x1b[1Gdone", "done"),
            (b"done\x1b[K\n", "done\n"),
            (b"\r\r\r\n", "\n"),
            (b"spin |\x08/\x08-\x08ok\x08\x08\x08", "spin"),
            (b"\x08\x08", ""),
            (b"\x1b[31", ""),
            (b"<script>", "<script>"),
        ] {
            assert_eq!(clean(input, Look::Plain), plain, "{:?}", input.escape_ascii().to_string());
            let mut pieces = Cleaner::new(Look::Plain);
            let mut shown = String::new();
            input.chunks(1).for_each(|byte| pieces.push(byte, &mut shown));
            pieces.end(&mut shown);
            assert_eq!(shown, plain, "byte by byte");
        }
    }

    #[test]
    fn colour_stays_and_ends_with_its_line() {
        assert_eq!(
            clean(b"\x1b[1;31mred\nstill\x1b[8m hidden\x1b[0m plain", Look::Colour),
            "\x1b[1m\x1b[31mred\x1b[0m\n\x1b[1m\x1b[31mstill hidden\x1b[0m plain"
        );
    }

    #[test]
    fn an_endless_line_is_passed_on_in_parts() {
        let mut cleaner = Cleaner::new(Look::Plain);
        let mut shown = String::new();
        let mut longest = 0;
        let mut total = 0;
        for _ in 0..200 {
            cleaner.push(&[b'x'; 10_000], &mut shown);
            longest = longest.max(shown.len());
            total += shown.len();
            shown.clear();
        }
        cleaner.end(&mut shown);
        assert_eq!(total + shown.len(), 2_000_000);
        assert!(longest < 80_000, "{longest}");
    }
}
