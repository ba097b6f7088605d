//! The task that looks at processes.

use crate::model::Whereabouts;
use serde::{Deserialize, Serialize};

/// Say where the main processes of a deploy's services run. Which processes, and what the deploy's root is, `ci-launch`
/// says in the unit's command line: the worker has a capability, and reads no task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessesTask {}

/// Where they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessesAnswer {
    /// Each service that has a main process.
    pub seen: Vec<(String, Whereabouts)>,
}
