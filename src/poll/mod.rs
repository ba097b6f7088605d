//! The verb `ci-poll`: look at the repositories that are due, and queue what has changed.

mod look;

pub use look::{PollError, poll_due};
