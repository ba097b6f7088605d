//! unitci: a CI made of systemd units.

pub mod child;
pub mod config;
pub mod git;
pub mod model;
pub mod worker;
