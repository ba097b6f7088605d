//! How a deploy asks whether its release is well.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One check: `[deploy.health]`, or one of `[[deploy.check]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How often.
    pub tries: Tries,
}

/// How often something is asked, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// `attempts`; default 3 (Dokku's).
    pub attempts: u32,
    /// `timeout` of one attempt; default 5 s.
    pub timeout: Duration,
    /// `interval` between two; default 5 s.
    pub interval: Duration,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `url` and what the answer must be like.
    Http(Http),
    /// `tcp`: somebody takes a connection.
    Tcp(Tcp),
    /// `command`: run in the release as the deploy's user, it exits with 0.
    Command(String),
    /// `unit`: systemd has it active.
    Unit(String),
}

/// A page and what it must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// `url`
    pub url: String,
    /// `status`; default 200.
    pub status: u16,
    /// `contains`: a text that the body must have; `%{commit}` is the full commit, `%{build}` the number.
    pub contains: Option<String>,
    /// `header`: headers that the answer must have, and the text in each; the same is filled in.
    pub header: BTreeMap<String, String>,
}

/// Where somebody listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// A name or an address.
    pub host: String,
    /// From 1.
    pub port: u16,
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Probe {
    /// As it stands in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Probe::Http(http) => f.write_str(&http.url),
            Probe::Tcp(tcp) => write!(f, "tcp {tcp}"),
            Probe::Command(line) => write!(f, "`{line}`"),
            Probe::Unit(unit) => f.write_str(unit),
        }
    }
}
