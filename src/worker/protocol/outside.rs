//! Tasks that meet the rest of the world: a site's health, a mail.

use crate::config::project::Health;
use crate::model::Line;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Ask a site how it is, as often as its configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthTask {
    /// What to ask and expect; `%{…}` in `contains` is already replaced.
    pub health: Health,
}

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthAnswer {
    /// As expected.
    Healthy {
        /// At which attempt, from 1.
        attempt: u32,
    },
    /// Never as expected.
    Sick {
        /// What was seen at the last attempt: `503 Service Unavailable`.
        seen: Line,
    },
}

/// Hand a message to sendmail, called with `-t -oi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTask {
    /// The program.
    pub sendmail: PathBuf,
    /// Headers, an empty line, the body; lines end with LF.
    pub message: String,
    /// For how long at most.
    pub timeout: Duration,
}

/// What sendmail made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailAnswer {
    /// It took it over.
    Sent,
    /// It did not.
    Rejected {
        /// Its exit status in the terms of sysexits.h (75 is "try again"); none when a signal ended it.
        status: Option<i32>,
        /// The end of what it said.
        said: Line,
    },
}
