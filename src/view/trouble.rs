//! What needs somebody's attention, as one sentence that ends with what happens or helps next.

use super::text::{ago, harmless};
use crate::model::{Deploy, DeployState, Outcome};
use crate::store::SourceRow;
use jiff::Timestamp;

/// Something that is wrong beside the builds themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The project's file has errors; the first of them.
    Config(String),
    /// The repository cannot be read.
    Poll {
        /// Why, as the last poll said.
        error: String,
        /// Since when.
        since: Timestamp,
    },
    /// The newest deploy did not make its release live.
    Deploy {
        /// Which build should have gone live, and where: `gkp:42`, `gkp:42 to demo`.
        what: String,
        /// What became of it.
        outcome: Outcome,
        /// What went wrong.
        summary: String,
    },
}

impl Trouble {
    pub(super) fn of_source(source: Option<&SourceRow>) -> Option<Trouble> {
        let (error, since) = source?.trouble.clone()?;
        Some(Trouble::Poll { error, since })
    }

    /// What a deploy to a target says, if that is anything.
    pub fn of_deploy(deploy: Option<&Deploy>) -> Option<Trouble> {
        let deploy = deploy?;
        match &deploy.state {
            DeployState::Waiting | DeployState::Running { .. } => None,
            DeployState::Finished { outcome, summary, .. } => match outcome {
                Outcome::Deployed | Outcome::Superseded => None,
                Outcome::Failed | Outcome::RolledBack | Outcome::Down => {
                    Some(Trouble::Deploy { what: deploy.describe(), outcome: *outcome, summary: summary.clone() })
                }
            },
        }
    }

    /// Whether neither the new nor the old version runs.
    pub fn is_down(&self) -> bool {
        match self {
            Trouble::Deploy { outcome, .. } => *outcome == Outcome::Down,
            Trouble::Config(_) | Trouble::Poll { .. } => false,
        }
    }

    /// The sentence.
    pub fn describe(&self, now: Timestamp) -> String {
        match self {
            Trouble::Config(error) => format!("{}; see ci-config check", harmless(error)),
            Trouble::Poll { error, since } => format!(
                "cannot read the repository (since {}): {}; trying again at every poll",
                ago(*since, now),
                harmless(error)
            ),
            Trouble::Deploy { what, outcome, summary } => {
                let why = if summary.is_empty() { String::new() } else { format!(": {}", harmless(summary)) };
                format!("deploy of {what}: {}{why}", outcome.describe())
            }
        }
    }
}
