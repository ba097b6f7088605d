//! Hostile bytes turned into lines of visible text with looks: what a terminal would finally show of each.

use super::style;
use anstyle::Style;
use vte::{Params, Parser, Perform};

/// A longer line is shown in parts, in bytes.
const LINE_BYTES: usize = 64 * 1024;
/// So is one that changes its looks more often.
const LINE_RUNS: usize = 4096;
/// What is interpreted between two looks at those bounds, in bytes.
const SLICE: usize = 4096;

/// What comes after a piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// A newline.
    Newline,
    /// More of the same line, or the end of the text.
    Open,
}

/// A line, or a part of a very long one.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: String,
    /// Where each look begins in `text`, ascending.
    looks: Vec<(usize, Style)>,
}

impl Line {
    /// Its text in pieces of one look.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Style, &str)> {
        let ends = self.looks.iter().skip(1).map(|look| look.0).chain([self.text.len()]);
        self.looks.iter().zip(ends).map(|((start, style), end)| (*style, &self.text[*start..end]))
    }

    fn is_full(&self) -> bool {
        self.text.len() >= LINE_BYTES || self.looks.len() >= LINE_RUNS
    }

    fn clear(&mut self) {
        self.text.clear();
        self.looks.clear();
    }

    fn push(&mut self, style: Style, c: char) {
        if self.looks.last().is_none_or(|look| look.1 != style) {
            self.looks.push((self.text.len(), style));
        }
        push_visible(&mut self.text, c);
    }

    fn backspace(&mut self) {
        self.text.pop();
        let len = self.text.len();
        self.looks.retain(|look| look.0 < len);
    }
}

/// Where the next character goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    AtEnd,
    /// A carriage return has come: the next character begins the line anew, as progress bars do.
    AtStart,
}

/// The line being written, as the escape sequences leave it.
#[derive(Debug)]
struct Screen {
    line: Line,
    style: Style,
    cursor: Cursor,
}

impl Perform for Screen {
    fn print(&mut self, c: char) {
        if self.cursor == Cursor::AtStart {
            self.line.clear();
            self.cursor = Cursor::AtEnd;
        }
        self.line.push(self.style, c);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.cursor = Cursor::AtStart,
            0x08 => self.line.backspace(),
            // The bell, and the shifts that `tput sgr0` prints on some terminals.
            0x07 | 0x0e | 0x0f => {}
            _ => self.print(char::from(byte)),
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _ignore: bool, action: char) {
        let first = params.iter().next().and_then(|param| param.first()).copied().unwrap_or(0);
        match (action, intermediates) {
            ('m', []) => self.style = style::select(self.style, params),
            // Erase in Line, and Cursor Horizontal Absolute: the other way of drawing progress.
            ('K', []) if first > 0 || self.cursor == Cursor::AtStart => self.line.clear(),
            ('G', []) if first <= 1 => self.cursor = Cursor::AtStart,
            _ => {}
        }
    }
}

/// Cuts a stream into lines.
pub(super) struct Lines {
    parser: Parser,
    screen: Screen,
}

impl Lines {
    pub(super) fn new() -> Lines {
        let screen = Screen { line: Line::default(), style: Style::new(), cursor: Cursor::AtEnd };
        Lines { parser: Parser::new(), screen }
    }

    /// Takes the next bytes and hands on the lines that they end.
    pub(super) fn push(&mut self, bytes: &[u8], hand: &mut dyn FnMut(&Line, LineEnd)) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, end) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, LineEnd::Newline),
                None => (piece, LineEnd::Open),
            };
            for slice in text.chunks(SLICE) {
                self.parser.advance(&mut self.screen, slice);
                if self.screen.line.is_full() {
                    self.hand_on(LineEnd::Open, hand);
                }
            }
            if end == LineEnd::Newline {
                // A sequence that does not end within its line is cut there, else it would swallow the rest.
                self.parser = Parser::new();
                self.hand_on(LineEnd::Newline, hand);
                self.screen.cursor = Cursor::AtEnd;
            }
        }
    }

    /// Hands on what is left without a newline.
    pub(super) fn end(mut self, hand: &mut dyn FnMut(&Line, LineEnd)) {
        if !self.screen.line.text.is_empty() {
            self.hand_on(LineEnd::Open, hand);
        }
    }

    fn hand_on(&mut self, end: LineEnd, hand: &mut dyn FnMut(&Line, LineEnd)) {
        hand(&self.screen.line, end);
        self.screen.line.clear();
    }
}

/// Appends a character, or what stands for it if it is invisible or turns the text around (Trojan Source,
/// CVE-2021-42574). Joiners and variation selectors stay: scripts and emoji are written with them.
fn push_visible(text: &mut String, c: char) {
    match c {
        '\t' => text.push(c),
        // The pictures of the control characters: NUL is ␀, DEL is ␡.
        '\0'..='\x1f' => text.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or(c)),
        '\x7f' => text.push('␡'),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => {
            text.push_str(&format!("<U+{:04X}>", u32::from(c)));
        }
        _ => text.push(c),
    }
}
