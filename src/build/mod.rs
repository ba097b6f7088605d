//! The verb `ci-build`: taking requests, dispatching, supervising one build; and a person's side of it.

mod account;
mod again;
mod artifacts;
mod attempt;
mod disk;
pub mod dispatch;
mod filling;
mod finish;
mod leftover;
mod log;
mod needs;
mod pipeline;
mod prepare;
mod reports;
mod rerun;
mod secrets;
mod service;
mod spec;
mod steps;
pub mod supervise;
