//! The verb `ci-build`: taking requests, dispatching, supervising one build; and a person's side of it.

mod account;
pub mod dispatch;
mod finish;
mod log;
mod needs;
mod prepare;
mod secrets;
mod service;
mod spec;
mod steps;
pub mod supervise;
