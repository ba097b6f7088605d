//! What a step prints: from its pipe into a log that outlives us, and out of it again.
//!
//! ```text
//! step ─▶ pipe ─splice─▶ 2.raw ─mask─▶ 2.log ─pack─▶ 2.log.zst ─▶ LogReader ─▶ terminal, page
//!                                 └──────▶ journal share (first and last lines)
//! ```
//!
//! At every instant each byte is in the pipe (which the unit's fd store keeps open), in `2.raw` or masked in `2.log`,
//! and `2.state` says how far the last two agree. So a recorder may be killed anywhere; the next one goes on.
//!
//! | on disk | a kill leaves it when | the next [`Recorder::open`] |
//! | --- | --- | --- |
//! | nothing | before the first open | begins |
//! | an empty `.state`, perhaps an empty `.raw` and `.log` | the first open was cut short | begins |
//! | `.raw .log .state` (recording) | output came in | cuts `.log` back to `.state`, goes on from there in `.raw` |
//! | `.raw .log .state` (ended), perhaps `.log.zst.new` | [`Ended::finish`] was at work | goes on with the share, packs anew |
//! | `.log.zst` and any of the others | it was renamed, not yet swept | sweeps |

mod checkpoint;
mod disguise;
mod finish;
pub mod html;
mod line;
mod masker;
mod newline;
mod reader;
mod recorder;
mod run;
mod seekable;
mod share;
mod stem;
mod style;
pub mod terminal;
#[cfg(test)]
mod tests;

pub use finish::{Ended, Finished};
pub use masker::{Masker, MaskerError};
pub use reader::{Excerpt, LogError, LogReader, LogState};
pub use recorder::{Limits, Opened, PipeState, Recorder, step_pipe};
pub use run::{Interest, Stop};
pub use share::JournalBatch;
