//! The verb `ci-poll`: look at the repositories that are due, and queue what has changed.

mod look;
mod outside;

pub use look::{PollError, poll_due};
