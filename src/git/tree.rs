//! Exactly one commit, in an empty folder.

use super::failure::GitError;
use super::history::{self, Commit};
use super::program::Git;
use super::scratch::ObjectFormat;
use crate::model::{CommitId, FailureKind};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What a folder was filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Files and symbolic links.
    pub files: u32,
    /// Whose tree it is.
    pub commit: Commit,
}

/// Fills the empty folder `target` with a commit out of a mirror that may belong to somebody else.
///
/// Only the mirror's objects are read. `read-tree` with a fresh index takes attributes from the commit itself, knows
/// no filter, leaves no `.git`, and refuses names that would leave the folder. `git` must be borrowing.
pub fn fill(git: &Git<'_>, mirror: &Path, commit: &CommitId, target: &Path) -> Result<Filled, GitError> {
    git.scratch().borrow(Some(mirror), ObjectFormat::of(commit.as_str()))?;
    if history::exists(git, commit.as_str())?.as_ref() != Some(commit) {
        let says = format!("commit {commit} is not in the mirror {}", mirror.display());
        return Err(GitError::said(FailureKind::NoSuchCommit, says));
    }
    let index = git.scratch().index();
    let mut command = git.command(["read-tree", "--reset", "-u", commit.as_str()]);
    command.env("GIT_WORK_TREE", target).env("GIT_INDEX_FILE", &index);
    git.print_from(command)?;
    let files = entries(&index).map_err(|source| GitError::Io { doing: "read", path: index, source })?;
    Ok(Filled { files, commit: history::commit(git, commit)? })
}

/// The number of entries of an index: its third word, by gitformat-index(5).
fn entries(index: &Path) -> io::Result<u32> {
    let mut header = [0; 12];
    File::open(index)?.read_exact(&mut header)?;
    let [_, _, _, _, _, _, _, _, count @ ..] = header;
    Ok(u32::from_be_bytes(count))
}
