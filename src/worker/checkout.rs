//! Filling a workspace with exactly one commit.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{CheckoutAnswer, CheckoutTask, Failure};
use super::sweep;
use crate::git::{Git, Scratch, changed, tree};
use crate::model::{Room, Trust};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::time::Instant;

pub(super) fn checkout(task: &CheckoutTask, deadline: Instant) -> Result<CheckoutAnswer, Failure> {
    let folder = Folder::reclaim(&task.folder)?;
    match task.trust {
        Trust::Inside => {}
        Trust::Outside => sweep::empty(&folder)?,
    }
    // What takes most room first: a build may have left a full disk.
    let own = |base| Room::of_slot(base, task.slot);
    let workspace = fresh(&folder, own(Room::WORKSPACE).as_ref())?;
    fresh(&folder, own(Room::ARTIFACTS).as_ref())?;
    fresh(&folder, own(Room::TMP).as_ref())?;
    for name in [Room::HOME, Room::CACHE] {
        real_folder(&folder, OsStr::new(name))?;
    }
    let scratch = Scratch::new(None)?;
    let git = Git::borrowing(&scratch, None, deadline);
    let filled = tree::fill(&git, &task.mirror, &task.commit, workspace.path())?;
    let changed = task.since.as_ref().map(|since| changed::paths(&git, since, &task.commit)).transpose()?;
    Ok(CheckoutAnswer { files: filled.files, commit: filled.commit, changed: changed.flatten() })
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
