//! What the sandboxed workers do: whatever touches the outside. Each is a transient unit with one job.
//!
//! ```text
//! core ──stdin: a Task──▶ ci-worker ──stdout: its Answer──▶ core      (a deploy has several tasks for one worker)
//!                              └──stderr: what is going on, for people──▶ journal or log
//! ```
//!
//! A worker runs as the user whose place it works in and knows nothing else. `protocol` is the only part that the
//! core uses.

mod adopt;
mod artifacts;
mod cache;
pub mod call;
mod checkout;
mod collect;
mod fetch;
mod find;
mod folder;
mod health;
mod incremental;
mod junit;
mod mail;
mod measure;
mod pipeline;
pub mod processes;
pub mod protocol;
pub mod pty;
mod release;
mod release_make;
mod report;
pub mod run;
mod say;
mod secret;
mod survey;
mod sweep;
mod tally;
