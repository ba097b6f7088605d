//! The task that tells a supervisor what it has to mask.

use crate::model::Secret;
use serde::{Deserialize, Serialize};

/// Say what the credentials hold that systemd gave to this worker: `ci-launch` has chosen them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsTask {}

/// What they hold; by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsAnswer {
    /// Each of them.
    pub secrets: Vec<Secret>,
}
