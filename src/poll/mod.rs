//! The verb `ci-poll`: look at the repositories that are due, and queue what has changed.

pub mod look;
pub mod person;
