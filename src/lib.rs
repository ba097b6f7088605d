//! unitci: a CI made of systemd units.

pub mod config;
pub mod configure;
pub mod intake;
pub mod journal;
pub mod launch;
pub mod model;
pub mod order;
pub mod output;
pub mod plan;
pub mod store;
pub mod systemd;
pub mod wake;
