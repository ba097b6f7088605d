//! The verb `ci-build`: taking requests, dispatching, supervising one build; and a person's side of it.

pub mod dispatch;
mod filling;
mod finish;
mod log;
mod needs;
mod pipeline;
mod prepare;
mod secrets;
mod spec;
mod steps;
pub mod supervise;
