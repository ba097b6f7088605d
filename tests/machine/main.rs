//! Tests on booted machines: everything that says "systemd". Run as root, by `make check` or
//! `cargo test --test machine`; `SUITE=bookworm|trixie|all` chooses where.

#[path = "../harness/mod.rs"]
mod harness;

mod artifacts;
mod attacks;
mod bad_input;
mod build_services;
mod builds;
mod caches;
mod campaign;
mod deploy;
mod exposure;
mod harness_works;
mod installation;
mod limits;
mod order;
mod outside;
mod pipeline;
mod polling;
mod recipes;
mod relaxations;
mod remotes;
mod results;
mod secrets;
mod source;
mod steps;
mod stopping;
mod story;
mod survival;
mod systemd_seam;
