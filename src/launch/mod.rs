//! Ring 1: the one program of ours that runs as root. It takes [`Order`](crate::order::Order)s from the core alone and
//! starts, stops and restarts units over D-Bus. What a unit may reach is built here from `/etc/ci`, never from the caller.

mod again;
mod allow;
mod carry;
mod command;
mod limits;
mod sandbox;
mod secret;
mod server;
mod service;
mod shell;
mod site;
mod step;
mod work;

pub use server::{ServeError, serve};
