//! unitci: a CI made of systemd units.

pub mod config;
pub mod configure;
pub mod model;
