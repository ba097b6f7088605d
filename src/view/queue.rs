//! What each waiting request waits for, as the dispatcher decides it.

use super::Configured;
use crate::config::order::Rules;
use crate::model::{ProjectName, RequestId};
use crate::plan::queue::{Queue, Turn, Why, decide};
use crate::store::{Read, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Of all projects: what one waits for may be another's.
pub(super) fn waits(configured: &Configured, read: Read<'_>) -> Result<BTreeMap<RequestId, Why>> {
    let waiting = read.waiting()?;
    if waiting.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (unfinished, hold) = (read.unfinished_builds()?, read.hold()?);
    let rules = |(name, project): (&ProjectName, &std::result::Result<crate::config::Project, String>)| {
        Some((name.clone(), project.as_ref().ok()?.rules.clone()))
    };
    let rules: BTreeMap<ProjectName, Rules> = configured.projects.iter().filter_map(rules).collect();
    let queue = Queue {
        waiting: &waiting,
        unfinished: &unfinished,
        rules: &rules,
        bounds: &configured.site.queue,
        short: hold.as_ref().map(|hold| hold.what.as_str()),
        now: Timestamp::now(),
    };
    let reason = |(id, turn)| match turn {
        Turn::Starts(_) => None,
        Turn::Waits(why) => Some((id, why)),
    };
    Ok(decide(&queue).into_iter().filter_map(reason).collect())
}
