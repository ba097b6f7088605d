//! `ci-config show`

use super::{Format, write_json};
use crate::config::{Entry, Header, LoadError, explain, is_obeyed};
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
        Format::Json => write_json(&entries, out)?,
    }
    Ok(())
}

fn text(project: &ProjectName, entries: &[Entry]) -> String {
    /// Where the origins stand, unless a value is longer.
    const ORIGIN_COLUMN: usize = 40;
    let mut text = format!("# what is in force for {project}\n");
    let mut current = ("", None);
    for entry in entries {
        let is_unset_table = entry.key.is_empty();
        if current != (entry.table.as_str(), entry.index) {
            current = (entry.table.as_str(), entry.index);
            text += &match (is_unset_table, entry.index) {
                (true, _) => "\n".to_owned(),
                (false, _) => format!("\n{}\n", header(entry)),
            };
        }
        let assignment = match &entry.value {
            None if is_unset_table => format!("# {} is not set", header(entry)),
            None => format!("# {} is not set", entry.key),
            // A template is part of what is shown; naming it again would lay it over what replaced it.
            Some(value) if entry.table.is_empty() && entry.key == "template" => {
                format!("# template = {}", visible(value))
            }
            Some(value) => format!("{} = {}", entry.key, visible(value)),
        };
        text += &format!("{assignment:<ORIGIN_COLUMN$} # {}\n", entry.from);
    }
    text
}

fn header(entry: &Entry) -> String {
    match entry.header {
        Header::One => format!("[{}]", entry.table),
        Header::Many => format!("[[{}]]", entry.table),
    }
}

/// TOML, without the characters that TOML lets through and a terminal would obey.
fn visible(value: &toml::Value) -> String {
    let shown = |c| if is_obeyed(c) && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    value.to_string().chars().map(shown).collect()
}
