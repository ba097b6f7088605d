//! The verb `ci-config`: what is wrong in `/etc/ci`, and what is in force.

mod check;
mod show;

pub use check::{Checked, check};
pub use show::{ShowError, show};

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text, coloured where the output is a terminal.
    Text,
    /// One JSON value.
    Json,
}
