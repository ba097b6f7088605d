//! The verb `ci-deploy`: making green builds live, one after the other, and back when they are not well; and a person's
//! side of it.
//!
//! ```text
//! wake ─▶ dispatch ─(ci-launch)▶ carry_out, in ci-deploy@P.service
//!                                   └▶ run: prepare ─▶ migrate ─▶ switch ─▶ services ─▶ checks ─▶ finish
//!                                        │ workers: target                 │ service    │ probe
//!                                        └ the project's own: command      │ stale      │
//!                                                                          └────────────┴▶ undo
//! ```
//!
//! A phase is written before its work begins, and all work can be done again: whoever comes after a kill goes on from
//! the row. SIGTERM ends a run between two pieces of work, and what was running is stopped; the row stays as it is.

mod artifacts;
pub mod carry_out;
pub mod check;
mod command;
pub mod dispatch;
pub mod dry_run;
mod finish;
mod halt;
pub mod list;
mod log;
mod probe;
mod run;
mod secrets;
mod service;
mod stale;
mod target;
mod undo;

pub use halt::{CarryError, ConfigTrouble};
