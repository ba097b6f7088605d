//! Tests on booted machines: everything that says "systemd". Run as root, by `make check` or
//! `cargo test --test machine`; `SUITE=bookworm|trixie|all` chooses where.

#[path = "../harness/mod.rs"]
mod harness;

mod bad_input;
mod builds;
mod deploy;
mod harness_works;
mod installation;
mod pipeline;
mod polling;
mod remotes;
mod secrets;
mod source;
mod steps;
mod stopping;
mod story;
mod survival;
mod systemd_seam;
