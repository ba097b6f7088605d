//! The verb `ci-clean`: the net under lost events, and the bounds of what projects keep.

use crate::caches::{CacheError, keep_within};
use crate::config::Config;
use crate::model::Place;
use crate::store::{Store, StoreError};
use crate::wake::Wake;

/// Why not all was done.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// A wake could not be made.
    #[error("/run/ci/wake: {0}; systemd-tmpfiles --create makes it")]
    Wake(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Wakes all that look at the store: whatever a lost wake, a kill or a power cut has left is then found and repaired.
pub fn reconcile(place: &Place) -> Result<(), CleanError> {
    [Wake::Build, Wake::Deploy, Wake::Notify].into_iter().try_for_each(|wake| wake.up(place))?;
    bound_caches(place)
}

/// Looks at HOME and cache of the projects that have been built since the last time.
fn bound_caches(place: &Place) -> Result<(), CleanError> {
    let mut store = Store::open(place)?;
    for (name, project) in Config::load(place).projects {
        // What cannot be read says no bound; ci-poll tells of it.
        let Ok(project) = project else { continue };
        if store.read().unmeasured(&name)?.is_none() {
            continue;
        }
        match keep_within(place, &mut store, &project, None) {
            Ok(()) => {}
            Err(CacheError::Store(error)) => return Err(error.into()),
            Err(error @ CacheError::Call(_)) => {
                tracing::warn!("HOME and cache of {name} were not measured: {error}; trying again in five minutes");
            }
        }
    }
    Ok(())
}
