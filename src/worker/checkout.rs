//! Filling a workspace with exactly one commit.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{CheckoutAnswer, CheckoutTask, Failure};
use super::sweep;
use crate::git::{Git, Scratch, tree};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::time::Instant;

/// What steps build in; filled anew for every build.
const WORKSPACE: &str = "workspace";
/// The steps' `/tmp`; emptied for every build.
const TMP: &str = "tmp";
/// Kept from build to build.
const KEPT: [&str; 2] = ["home", "cache"];

pub(super) fn checkout(task: &CheckoutTask, deadline: Instant) -> Result<CheckoutAnswer, Failure> {
    let folder = Folder::reclaim(&task.folder)?;
    // What takes most room first: a build may have left a full disk.
    let workspace = fresh(&folder, OsStr::new(WORKSPACE))?;
    fresh(&folder, OsStr::new(TMP))?;
    for name in KEPT {
        real_folder(&folder, OsStr::new(name))?;
    }
    let scratch = Scratch::new(None)?;
    let git = Git::borrowing(&scratch, None, deadline);
    let filled = tree::fill(&git, &task.mirror, &task.commit, workspace.path())?;
    Ok(CheckoutAnswer { files: filled.files, commit: filled.commit })
}

/// A folder that is no link, made if need be.
fn real_folder(folder: &Folder, name: &OsStr) -> Result<Folder, FolderError> {
    match folder.kind(name)? {
        Some(Kind::Link | Kind::Other) => folder.unlink(name)?,
        Some(Kind::Folder) | None => {}
    }
    folder.make_sub(name)
}

/// An empty folder; where that is possible a new one, since a step can give the old one a mode and an ACL that the
/// files in it inherit.
fn fresh(folder: &Folder, name: &OsStr) -> Result<Folder, FolderError> {
    let emptied = real_folder(folder, name)?;
    sweep::empty(&emptied)?;
    match folder.rmdir(name) {
        Ok(()) => {
            // Held open it still has its inode, perhaps the last one.
            drop(emptied);
            folder.make_sub(name)
        }
        // The parent is not ours, or the unit has mounted something here.
        Err(e) if matches!(e.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EBUSY | Errno::EROFS)) => Ok(emptied),
        Err(e) => Err(e),
    }
}
