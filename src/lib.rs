//! unitci: a CI made of systemd units.

pub mod attend;
pub mod boot;
pub mod build;
pub mod child;
pub mod clean;
pub mod config;
pub mod configure;
pub mod deploy;
pub mod git;
pub mod intake;
pub mod journal;
pub mod launch;
pub mod model;
pub mod notify;
pub mod order;
pub mod output;
pub mod plan;
pub mod poll;
pub mod store;
pub mod systemd;
pub mod tell;
pub mod wake;
pub mod worker;
