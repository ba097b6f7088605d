//! The decisions: pure functions from what is known to what is to be done, with the reason. No I/O, no clock.

pub mod artifacts;
pub mod cache;
pub mod check;
pub mod conditions;
pub mod deploy;
pub mod dispatch;
pub mod due;
pub mod freeze;
pub mod hint;
pub mod notify;
pub mod outline;
pub mod queue;
pub mod report;
pub mod rerun;
pub mod result;
pub mod retry;
pub mod service;
pub mod supersede;
pub mod target;
pub mod tips;
pub mod turn;
