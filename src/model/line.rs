//! One line of text that somebody outside wrote: bounded, and harmless to print.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest line, in bytes.
pub const LINE_MAX: usize = 600;

/// A text from outside (a commit's subject, a server's message) without control characters, at most
/// [`LINE_MAX`] bytes. Made by cutting, and checked again by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line(String);

/// A text that was not cut as it should have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line from outside has {len} bytes or characters that do not print")]
pub struct LineError {
    len: usize,
}

/// Control characters, and those that reorder or hide what stands around them (Unicode's `Bidi_Control` and
/// zero-width ones): a terminal or page would show something else than what is there.
pub(super) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

impl Line {
    /// What is left of a text: runs of white space become one space, misleading characters go, the end is cut.
    pub fn cut(text: &str) -> Line {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let word: String = word.chars().filter(|c| !misleads(*c)).collect();
            if word.is_empty() {
                continue;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
            if line.len() > LINE_MAX {
                let ellipsis = '…';
                let room = LINE_MAX - ellipsis.len_utf8();
                let end = line.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
                line.truncate(end.unwrap_or(0));
                line.push(ellipsis);
                break;
            }
        }
        Line(line)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Line {
    type Error = LineError;
    fn try_from(text: String) -> Result<Line, LineError> {
        if text.len() <= LINE_MAX && !text.chars().any(misleads) {
            Ok(Line(text))
        } else {
            Err(LineError { len: text.len() })
        }
    }
}

impl From<Line> for String {
    fn from(line: Line) -> String {
        line.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_what_is_accepted() {
        let long = "ä".repeat(LINE_MAX);
        for (text, left) in [
            ("Fix  the\tbug\r\n", "Fix the bug"),
            ("\u{1b}[31mred\u{7}\0", "[31mred"),
            ("a\u{202e}b \u{200b} c", "ab c"),
            ("", ""),
            ("<script>", "<script>"),
        ] {
            let line = Line::cut(text);
            assert_eq!(line.as_str(), left);
            assert_eq!(Line::try_from(left.to_owned()), Ok(line));
        }
        let cut = Line::cut(&long);
        assert!(cut.as_str().ends_with('…') && cut.as_str().len() <= LINE_MAX);
        for bad in [&long, "a\u{1b}b", "a\nb", "a\u{202e}"] {
            assert!(Line::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
