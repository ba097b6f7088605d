//! Which paths differ between two commits.

use super::failure::GitError;
use super::history;
use super::program::Git;
use crate::model::{CommitId, FailureKind};

/// Most paths that are told.
pub const PATHS_MAX: usize = 5000;
/// Most bytes that they may have together.
const BYTES_MAX: usize = 512 << 10;

/// The paths in which two trees differ, a renamed file by both its names; nothing if the old commit is not there any
/// more, or they are too many to tell. `git` must be borrowing from the mirror that has the new one.
pub fn paths(git: &Git<'_>, old: &CommitId, new: &CommitId) -> Result<Option<Vec<String>>, GitError> {
    if history::exists(git, old.as_str())?.as_ref() != Some(old) {
        return Ok(None);
    }
    let flags = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv"];
    let printed = match git.print(flags.into_iter().chain([old.as_str(), new.as_str(), "--"])) {
        Ok(printed) => printed,
        Err(error) if error.kind() == FailureKind::TooLarge => return Ok(None),
        Err(error) => return Err(error),
    };
    if printed.len() > BYTES_MAX {
        return Ok(None);
    }
    let paths: Vec<String> = printed.split_terminator('\0').map(str::to_owned).collect();
    Ok((paths.len() <= PATHS_MAX).then_some(paths))
}
