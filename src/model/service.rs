//! What a deploy does with the units that run a site.

use super::Line;
use serde::{Deserialize, Serialize};

/// What a deploy does with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceAction {
    /// `restart`: stop it if it runs, and start it.
    Restart,
    /// `try-restart`: the same, unless somebody has stopped it.
    TryRestart,
    /// `start`: start it, unless it runs.
    Start,
    /// `reload`: have it read its configuration again.
    Reload,
}

impl ServiceAction {
    /// The key that names its units.
    pub fn key(self) -> &'static str {
        match self {
            ServiceAction::Restart => "restart",
            ServiceAction::TryRestart => "try-restart",
            ServiceAction::Start => "start",
            ServiceAction::Reload => "reload",
        }
    }

    /// What is true of a unit afterwards.
    pub fn done(self) -> &'static str {
        match self {
            ServiceAction::Restart | ServiceAction::TryRestart => "restarted",
            ServiceAction::Start => "started",
            ServiceAction::Reload => "reloaded",
        }
    }
}

/// Where the main process of a service is, seen from a deploy's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whereabouts {
    /// It was looked at.
    Seen {
        /// The folder below `releases` that its working directory lies in, if it does; with ` (deleted)` after it when
        /// that is gone.
        folder: Option<Line>,
        /// The same of the program that it runs.
        program: Option<Line>,
    },
    /// It is not there any more.
    Gone,
    /// The kernel does not let us look.
    Unseen {
        /// The kernel's word.
        why: Line,
    },
}
