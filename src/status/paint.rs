//! Styled text in columns. Colours go out always; `anstream` takes them off where there is no terminal.

use crate::view::Light;
use crate::view::text::{ago, harmless, moment};
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Most columns of any cell but a row's last, on a terminal.
const CELL_MAX: usize = 28;

/// What is known of where the text goes.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    /// In columns; none in a pipe, where nothing is cut.
    pub(super) width: Option<usize>,
}

impl Screen {
    pub(super) fn ago(&self, time: Timestamp) -> String {
        ago(time, self.now)
    }

    pub(super) fn moment(&self, time: Timestamp) -> String {
        moment(time, self.now, &self.zone)
    }
}

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const PLAIN: Style = Style::new();
pub(super) const RED: Style = AnsiColor::Red.on_default();

pub(super) fn colour(light: Light) -> Style {
    match light {
        Light::Green => AnsiColor::Green.on_default(),
        Light::Yellow => AnsiColor::Yellow.on_default(),
        Light::Red => RED,
        Light::Blue => AnsiColor::Blue.on_default(),
        Light::Grey => DIM,
    }
}

/// Foreign or own text in a style, made harmless.
pub(super) fn painted(style: Style, text: &str) -> String {
    format!("{style}{}{style:#}", harmless(text))
}

/// A piece of a row.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn new(style: Style, text: impl AsRef<str>) -> Cell {
        Cell { text: harmless(text.as_ref()), style }
    }

    pub(super) fn plain(text: impl AsRef<str>) -> Cell {
        Cell::new(PLAIN, text)
    }

    pub(super) fn state(word: &str, light: Light) -> Cell {
        Cell::new(colour(light), format!("{} {word}", light.sign()))
    }
}

/// Rows in columns, with notes between them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    rows: Vec<Row>,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<Cell>),
    Note(Cell),
}

impl Columns {
    pub(super) fn head(names: &[&str]) -> Columns {
        let mut columns = Columns::default();
        columns.heading(names);
        columns
    }

    /// The names of the columns, for what comes below.
    pub(super) fn heading(&mut self, names: &[&str]) {
        self.row(names.iter().map(|name| Cell::new(DIM, name)).collect());
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row::Cells(cells));
    }

    /// A line of its own under the row before, wrapped by the terminal and never cut.
    pub(super) fn note(&mut self, style: Style, text: impl AsRef<str>) {
        self.rows.push(Row::Note(Cell::new(style, text)));
    }

    pub(super) fn render(&self, screen: &Screen) -> String {
        let cells = || {
            self.rows.iter().filter_map(|row| match row {
                Row::Cells(cells) => Some(cells),
                Row::Note(_) => None,
            })
        };
        let columns = cells().map(Vec::len).max().unwrap_or(0);
        let most = if screen.width.is_some() { CELL_MAX } else { usize::MAX };
        let widths: Vec<usize> = (0..columns)
            .map(|at| cells().filter_map(|row| row.get(at)).map(|cell| cell.text.width().min(most)).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            match row {
                Row::Note(cell) => line(&mut out, &format!("    {}{}{:#}", cell.style, cell.text, cell.style)),
                Row::Cells(cells) => line(&mut out, &cells_line(cells, &widths, screen.width)),
            }
        }
        out
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn cells_line(cells: &[Cell], widths: &[usize], screen: Option<usize>) -> String {
    let mut text = String::new();
    let mut column = 0;
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let last = at + 1 == widths.len();
        let room = match (last, screen) {
            (true, Some(screen)) => screen.saturating_sub(column).max(12),
            (true, None) => usize::MAX,
            (false, _) => *width,
        };
        let shown = clipped(&cell.text, room);
        let fill = if last { 0 } else { width - shown.width() + 2 };
        write!(text, "{}{shown}{:#}{:fill$}", cell.style, cell.style, "").expect("a String takes everything");
        column += width + 2;
    }
    text
}

/// A text in at most so many columns.
fn clipped(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_clipped_by_columns_not_characters() {
        for (text, room, shown) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("你好世界", 5, "你好…"),
            ("你好世界", 4, "你…"),
            ("", 0, ""),
        ] {
            assert_eq!(clipped(text, room), shown);
        }
    }

    #[test]
    fn columns_line_up_and_only_a_terminal_cuts() {
        let mut columns = Columns::head(&["A", "B"]);
        columns.row(vec![Cell::plain("你好"), Cell::plain("a subject that is longer than the screen")]);
        columns.note(PLAIN, "a note");
        let at = |width| Screen { now: Timestamp::UNIX_EPOCH, zone: TimeZone::UTC, width };
        let plain = |text: String| anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain(columns.render(&at(Some(24)))), "A     B\n你好  a subject that is…\n    a note\n");
        assert!(plain(columns.render(&at(None))).contains("than the screen"));
    }
}
