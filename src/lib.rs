//! unitci: a CI made of systemd units.

pub mod config;
pub mod configure;
pub mod http;
pub mod journal;
pub mod model;
pub mod output;
pub mod page;
pub mod status;
pub mod store;
pub mod systemd;
pub mod view;
