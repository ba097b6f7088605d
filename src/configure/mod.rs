//! The verb `ci-config`: what is wrong in `/etc/ci`, and what is in force.

use crate::config::is_obeyed;

mod check;
mod credentials;
mod show;

pub use check::{Checked, check};
pub use show::{ShowError, show};

use serde::Serialize;
use std::io::{self, Write};

/// Writes one JSON value; what a terminal would obey and JSON lets through is escaped.
fn write_json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let mut escaped = String::new();
    for c in serde_json::to_string_pretty(value)?.chars() {
        if c == '\n' || !is_obeyed(c) {
            escaped.push(c);
        } else {
            escaped += &format!("\\u{:04x}", u32::from(c));
        }
    }
    writeln!(out, "{escaped}")
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text, coloured where the output is a terminal.
    Text,
    /// One JSON value.
    Json,
}
