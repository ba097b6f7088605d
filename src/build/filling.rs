//! What a checkout may leave in a workspace, by what the store knows of it.

use crate::config::project::Mode;
use crate::model::CommitId;
use crate::store::{Store, StoreError};
use crate::worker::protocol::Keep;
use std::path::Path;

/// After as many checkouts that were broken off, one from the beginning is cheaper.
const PREVIOUS_MAX: usize = 16;

/// Before a workspace is touched: what stays in it. From here until [`end`] it may have files of this commit, too.
pub(super) fn begin(store: &mut Store, folder: &Path, mode: Mode, commit: &CommitId) -> Result<Keep, StoreError> {
    let known = store.read().workspace(folder)?;
    let keep = match mode {
        Mode::Clean => Keep::Homes,
        Mode::Fresh => Keep::Nothing,
        Mode::Incremental => {
            let previous = known.clone().filter(|known| known.len() < PREVIOUS_MAX).unwrap_or_default();
            if previous.last().is_some_and(|last| last != commit) {
                let both = [&previous[..], std::slice::from_ref(commit)].concat();
                store.write_patiently(|tx| tx.workspace_has(folder, &both))?;
            }
            return Ok(Keep::Untracked { previous });
        }
    };
    if known.is_some() {
        store.write_patiently(|tx| tx.workspace_unknown(folder))?;
    }
    Ok(keep)
}

/// After it is filled.
pub(super) fn end(store: &mut Store, folder: &Path, keep: &Keep, commit: &CommitId) -> Result<(), StoreError> {
    match keep {
        Keep::Homes | Keep::Nothing => Ok(()),
        Keep::Untracked { previous } if previous.as_slice() == std::slice::from_ref(commit) => Ok(()),
        Keep::Untracked { previous: _ } => {
            store.write_patiently(|tx| tx.workspace_has(folder, std::slice::from_ref(commit)))
        }
    }
}
