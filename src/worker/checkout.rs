//! Filling a workspace with exactly one commit.

use super::cache;
use super::folder::{Folder, FolderError, Kind};
use super::incremental::{self, Updated};
use super::pipeline;
use super::protocol::{CheckoutAnswer, CheckoutTask, Failure, Keep};
use super::say::say;
use super::sweep;
use crate::git::{Git, Scratch, changed, disposable, tree};
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
    if !matches!(task.keep, Keep::Untracked { .. }) {
        fresh(&folder, own(task, Room::WORKSPACE).as_ref())?;
    }
    fresh(&folder, own(task, Room::ARTIFACTS).as_ref())?;
    fresh(&folder, own(task, Room::TMP).as_ref())?;
    // What `ci-clean --cache` had no time for. It is in nobody's way.
    if let Err(error) = sweep::remove(&folder, OsStr::new(cache::ASIDE)) {
        say!("{error}; it is tried again");
    }
    for name in [Room::HOME, Room::CACHE].map(OsStr::new) {
        match task.keep {
            Keep::Nothing => drop(fresh(&folder, name)?),
            Keep::Homes | Keep::Untracked { .. } => drop(real_folder(&folder, name)?),
        }
    }
    let scratch = Scratch::new(None)?;
    let git = Git::borrowing(&scratch, None, deadline);
    // A commit whose steps nobody can tell costs no more than this.
    let pipeline = match &task.pipeline {
        Some(project) => Some(pipeline::of_commit(&git, task, project)?),
        None => None,
    };
    let filled = match &task.keep {
        Keep::Homes | Keep::Nothing => fill(task, &git, &folder)?,
        Keep::Untracked { previous } => match incremental::update(&folder, &git, task, previous)? {
            Updated::Done(filled) => filled,
            Updated::TooOld => fill(task, &git, &folder)?,
        },
    };
    if let Some(wanted) = &task.git_dir {
        let workspace = task.folder.join(own(task, Room::WORKSPACE));
        disposable::make(&git, &task.mirror, &task.commit, wanted.branch.as_ref(), wanted.depth, &workspace)?;
    }
    let changed = task.since.as_ref().map(|since| changed::paths(&git, since, &task.commit)).transpose()?;
    Ok(CheckoutAnswer { files: filled.files, commit: filled.commit, changed: changed.flatten(), pipeline })
}

fn fill(task: &CheckoutTask, git: &Git<'_>, folder: &Folder) -> Result<tree::Filled, Failure> {
    let workspace = fresh(folder, own(task, Room::WORKSPACE).as_ref())?;
    Ok(tree::fill(git, &task.mirror, &task.commit, &task.shape, workspace.path())?)
}

/// The folder of that kind which builds at the same time do not share.
pub(super) fn own(task: &CheckoutTask, base: &str) -> String {
    Room::of_slot(base, task.slot)
}

/// A folder that is no link, made if need be.
pub(super) fn real_folder(folder: &Folder, name: &OsStr) -> Result<Folder, FolderError> {
    match folder.kind(name)? {
        Some(Kind::Link | Kind::Other) => folder.unlink(name)?,
        Some(Kind::Folder) | None => {}
    }
    folder.make_sub(name)
}

/// An empty folder; where that is possible a new one, since a step can give the old one a mode and an ACL that the
/// files in it inherit.
pub(super) fn fresh(folder: &Folder, name: &OsStr) -> Result<Folder, FolderError> {
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
