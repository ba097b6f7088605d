//! unitci: a CI made of systemd units.

pub mod config;
pub mod http;
pub mod model;
pub mod page;
pub mod store;
pub mod systemd;
pub mod view;
