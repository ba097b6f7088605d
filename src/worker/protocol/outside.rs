//! Tasks that meet the rest of the world: a site's health, a mail.

use crate::config::probe::{Http, Tcp};
use crate::model::Line;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Ask once how something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthTask {
    /// What to ask and expect; `%{…}` in it is already filled in.
    pub question: Question,
    /// For how long at most.
    pub timeout: Duration,
}

/// What is asked over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// For a page.
    Http(Http),
    /// For a connection.
    Tcp(Tcp),
}

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthAnswer {
    /// As expected.
    Healthy,
    /// Not as expected.
    Sick {
        /// What was seen: `503 Service Unavailable`.
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
