//! Problems with a place, and how people and programs see them.

use super::fault::Fault;
use super::file::{ConfigFile, Excerpt, Spot};
use crate::model::ProjectName;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::Style;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Longest source line that is shown under a message, in bytes.
const SHOWN_LINE_MAX: usize = 4096;

/// One thing that is wrong in one place of one file. Its `Display` is `file:line:column: message`, on one line and
/// without control characters whatever the file holds.
#[derive(Debug, Clone)]
pub struct Problem {
    spot: Spot,
    fault: Fault,
}

impl Problem {
    pub(super) fn new(spot: Spot, fault: impl Into<Fault>) -> Problem {
        Problem { spot, fault: fault.into() }
    }

    /// A problem of a file as a whole.
    pub(super) fn of_file(path: &Path, fault: impl Into<Fault>) -> Problem {
        Problem::new(Spot::start(&Arc::new(ConfigFile::without_text(path))), fault)
    }

    /// The file as it was named.
    pub fn file(&self) -> &Path {
        &self.spot.file.path
    }

    /// From 1; the column counts characters.
    pub fn line_and_column(&self) -> (usize, usize) {
        let Excerpt { line, column, text: _, span: _ } = self.spot.excerpt();
        (line, column)
    }

    /// What is wrong and, if known, what would be right.
    pub fn message(&self) -> String {
        harmless(&self.fault.to_string())
    }

    fn key(&self) -> (&Path, usize) {
        (self.file(), self.spot.span.start)
    }

    fn same_as(&self, other: &Problem) -> bool {
        self.key() == other.key() && self.message() == other.message()
    }

    /// The message with the line it is about and a caret; `style` says whether with colours.
    fn render(&self, style: Styling) -> String {
        let excerpt = self.spot.excerpt();
        let (bold, red) = match style {
            Styling::Plain => (Style::new(), Style::new()),
            Styling::Ansi => (Style::new().bold(), Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()))),
        };
        let path = harmless(&self.file().display().to_string());
        let place = format!("{bold}{path}:{}:{}:{bold:#}", excerpt.line, excerpt.column);
        let headline = format!("{place} {red}{}{red:#}\n", self.message());
        if excerpt.text.is_empty() || excerpt.text.len() > SHOWN_LINE_MAX {
            return headline;
        }
        let renderer = match style {
            Styling::Plain => Renderer::plain(),
            Styling::Ansi => Renderer::styled(),
        };
        // The renderer replaces C0; a C1 control is two bytes, and so is what stands for it here.
        let shown: String =
            excerpt.text.chars().map(|c| if ('\u{80}'..'\u{a0}').contains(&c) { '·' } else { c }).collect();
        let snippet =
            Snippet::source(shown).line_start(excerpt.line).annotation(AnnotationKind::Primary.span(excerpt.span));
        headline + &renderer.render(&[Group::with_level(Level::ERROR).element(snippet)]) + "\n"
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        let path = harmless(&self.file().display().to_string());
        write!(f, "{path}:{line}:{column}: {}", self.message())
    }
}

/// Whether a terminal does something else with a character than show it: controls, and the marks that turn the
/// direction of writing.
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes what a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a rendering carries ANSI styles; `anstream` takes them off again where there is no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Styling {
    /// Text alone.
    Plain,
    /// With colours.
    Ansi,
}

/// Whom the problems stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// One project.
    Project(ProjectName),
    /// The projects that use one template.
    Template(String),
    /// All: `ci.toml` beyond its templates holds for every project.
    Everything,
    /// Every commit that has this `.ci.toml`, or none.
    Commit,
    /// Nothing that is known: the file is no project's.
    NoProject,
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Consequence::Project(name) => write!(f, "project {name} is stopped until this is mended"),
            Consequence::Template(name) => {
                write!(f, "projects with template {name:?} are stopped until this is mended")
            }
            Consequence::Everything => f.write_str("all projects are stopped until this is mended"),
            Consequence::Commit => f.write_str("such a commit fails until this is mended and pushed"),
            Consequence::NoProject => f.write_str("this file is ignored until it is mended"),
        }
    }
}

/// All that is wrong with a file and those it builds on. `Display` shows each problem with its line and
/// caret, without colours, and ends with what happens now.
#[derive(Debug, Clone)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
    consequence: Consequence,
}

impl ConfigErrors {
    /// Sorts them and leaves out what is said twice.
    pub(super) fn of(mut problems: Vec<Problem>, consequence: Consequence) -> ConfigErrors {
        problems.sort_by(|a, b| a.key().cmp(&b.key()));
        problems.dedup_by(|a, b| a.same_as(b));
        ConfigErrors { problems, consequence }
    }

    /// Nothing is wrong, or this.
    pub(super) fn check(problems: Vec<Problem>, consequence: Consequence) -> Result<(), ConfigErrors> {
        if problems.is_empty() { Ok(()) } else { Err(ConfigErrors::of(problems, consequence)) }
    }

    /// In the order of files and lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whom they stop.
    pub fn consequence(&self) -> &Consequence {
        &self.consequence
    }

    /// Without the problems that `said` holds already, for a reader who sees both.
    pub fn except(&self, said: &[Problem]) -> Vec<Problem> {
        self.problems.iter().filter(|problem| !said.iter().any(|other| problem.same_as(other))).cloned().collect()
    }

    /// As `Display`, with or without colours.
    pub fn render(&self, style: Styling) -> String {
        format!("{}{}\n", render(&self.problems, style), self.consequence)
    }
}

/// Each problem with its line and caret.
pub fn render(problems: &[Problem], style: Styling) -> String {
    problems.iter().map(|problem| problem.render(style)).collect()
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(Styling::Plain).trim_end())
    }
}

impl std::error::Error for ConfigErrors {}
