//! unitci: a CI made of systemd units.

pub mod config;
pub mod journal;
pub mod model;
pub mod order;
pub mod output;
pub mod plan;
pub mod store;
pub mod systemd;
