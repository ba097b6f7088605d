//! `ci-config show`

use super::Format;
use crate::config::{Entry, From, LoadError, explain};
use crate::model::{Place, ProjectName};
use std::io::{self, Write};

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The project is unknown or stopped by its configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes what is in force for a project as a file of its own, with each value's origin behind it.
pub fn show(place: &Place, project: &ProjectName, format: Format, out: &mut impl Write) -> Result<(), ShowError> {
    let entries = explain(place, project)?;
    match format {
        Format::Text => out.write_all(text(project, &entries).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &entries).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

fn text(project: &ProjectName, entries: &[Entry]) -> String {
    /// Where the origins stand, unless a value is longer.
    const ORIGIN_COLUMN: usize = 40;
    let mut text = format!("# what is in force for {project}\n");
    let mut current = ("", None);
    for entry in entries {
        if current != (entry.table.as_str(), entry.index) {
            current = (entry.table.as_str(), entry.index);
            text += &match entry.index {
                Some(_) => format!("\n[[{}]]\n", entry.table),
                None => format!("\n[{}]\n", entry.table),
            };
        }
        let assignment = match (&entry.value, &entry.from) {
            // A template is part of what is shown; naming it again would lay it over what replaced it.
            (Some(value), From::File { .. }) if entry.table.is_empty() && entry.key == "template" => {
                format!("# template = {}", visible(value))
            }
            (Some(value), From::File { .. } | From::Default { .. }) => format!("{} = {}", entry.key, visible(value)),
            (None, From::File { .. } | From::Default { .. }) => format!("# {} is not set", entry.key),
        };
        text += &format!("{assignment:<ORIGIN_COLUMN$} # {}\n", entry.from);
    }
    text
}

/// TOML, without the characters that TOML lets through and a terminal would obey.
fn visible(value: &toml::Value) -> String {
    let escaped = |c: char| {
        let hidden = c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden { '\u{fffd}' } else { c }
    };
    value.to_string().chars().map(escaped).collect()
}
