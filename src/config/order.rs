//! In which order the builds of projects start, and what keeps one waiting.

use crate::model::{Lock, LockName};
use std::collections::BTreeMap;

/// What a project's file says of its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `priority`: higher goes first; −100 to 100. Each minute of waiting counts as one.
    pub priority: i32,
    /// `max-builds`: how many builds of it run at once, each in a workspace of its own.
    pub max_builds: u16,
    /// `[[lock]]`: what a build of it takes for its whole length.
    pub locks: Vec<Lock>,
    /// `cancel-superseded`: a build is stopped when a newer commit of its ref waits.
    pub cancel_superseded: bool,
}

impl Default for Rules {
    /// For a project whose file cannot be read now.
    fn default() -> Rules {
        Rules { priority: 0, max_builds: 1, locks: Vec::new(), cancel_superseded: false }
    }
}

/// What `ci.toml` says of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// `max-builds`: over all projects.
    pub max_builds: u32,
    /// `[[lock]]`: how many builds may hold each at once.
    pub locks: BTreeMap<LockName, u32>,
    /// When no build starts for want of memory.
    pub memory: MemoryBounds,
}

/// When a machine counts as short of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// `memory-pressure`: percent of the last ten seconds in which something waited for memory (`some avg10` of
    /// `/proc/pressure/memory`); 0 is never.
    pub pressure: u8,
    /// `memory-available`: fewer bytes than this (`MemAvailable` of `/proc/meminfo`); 0 is never.
    pub available: u64,
}
