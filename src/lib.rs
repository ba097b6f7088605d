//! unitci: a CI made of systemd units.

pub mod config;
pub mod journal;
pub mod model;
pub mod output;
