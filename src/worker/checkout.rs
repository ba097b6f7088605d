//! Filling a workspace with exactly one commit.

use super::cache;
use super::folder::{Folder, FolderError, Kind};
use super::incremental::{self, Updated};
use super::pipeline;
use super::protocol::{CheckoutAnswer, CheckoutTask, Failure, FailureKind, Keep};
use super::say::say;
use super::sweep;
use crate::git::{Git, Scratch, changed, disposable, tree};
use crate::model::{Room, Slot, Trust};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::thread;
use std::time::Instant;

/// Where the workspace of the build before is while it is being removed.
const OLD: &str = ".old";
/// How many names are looked at in one turn.
const BATCH: usize = 4096;
/// More builds of a project than these never run at once (`max-builds`).
const SLOTS: u16 = 64;

pub(super) fn checkout(task: &CheckoutTask, deadline: Instant) -> Result<CheckoutAnswer, Failure> {
    match make(task, deadline) {
        // A build may have left a full disk. What it left is removed by now, or will be before anything is made.
        Err(failure) if failure.kind == FailureKind::Disk => {
            say!("{failure}; once more, without what the build before has left");
            make(task, deadline)
        }
        done => done,
    }
}

fn make(task: &CheckoutTask, deadline: Instant) -> Result<CheckoutAnswer, Failure> {
    let folder = Folder::reclaim(&task.folder)?;
    match task.trust {
        Trust::Inside => remove_strays(&folder, task.slot)?,
        Trust::Outside => sweep::empty(&folder)?,
    }
    if !matches!(task.keep, Keep::Untracked { .. }) {
        put_out_of_the_way(&folder, task)?;
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
        Keep::Homes | Keep::Nothing => fill_while_sweeping(task, &git, &folder)?,
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

/// Removes what has no place in the room: a step can write there too, and nobody would ever count or remove it. What
/// cannot be removed is in nobody's way; a build of another slot may be at it.
fn remove_strays(folder: &Folder, slot: Slot) -> Result<(), FolderError> {
    loop {
        let mut removed = 0;
        for name in folder.names(BATCH)?.iter().filter(|name| is_stray(name, slot)) {
            match sweep::remove(folder, name) {
                Ok(()) => removed += 1,
                Err(error) => say!("{error}; it is tried again"),
            }
        }
        if removed == 0 {
            return Ok(());
        }
    }
}

/// Whether a build in this slot may remove that name of its room. What other slots have stays: a build may be in it.
fn is_stray(name: &OsStr, slot: Slot) -> bool {
    let Some(name) = name.to_str() else { return true };
    let of_slot = name.rsplit_once('-').and_then(|(base, number)| Some((base, number.parse().ok()?)));
    let (base, number) = of_slot.unwrap_or((name, 0));
    if number >= SLOTS || Room::of_slot(base, Slot(number)) != name {
        return true;
    }
    match base {
        Room::WORKSPACE | Room::ARTIFACTS | Room::TMP => false,
        Room::HOME | Room::CACHE | cache::ASIDE => number != 0,
        OLD | incremental::STAGED => number == slot.0,
        _ => true,
    }
}

/// Moves what the build before has left where it can be removed while the next tree is made. What cannot be moved stays,
/// to be emptied in its place.
fn put_out_of_the_way(folder: &Folder, task: &CheckoutTask) -> Result<(), FolderError> {
    let (workspace, old) = (own(task, Room::WORKSPACE), own(task, OLD));
    // Only a checkout that was killed leaves it.
    sweep::remove(folder, old.as_ref())?;
    if folder.kind(workspace.as_ref())? != Some(Kind::Folder) {
        return Ok(());
    }
    match folder.rename(workspace.as_ref(), folder, old.as_ref()) {
        Err(e) if stays(&e) => Ok(()),
        done => done,
    }
}

/// Removes the old tree and makes the new one, side by side.
fn fill_while_sweeping(task: &CheckoutTask, git: &Git<'_>, folder: &Folder) -> Result<tree::Filled, Failure> {
    let old = own(task, OLD);
    let (filled, swept) = thread::scope(|threads| {
        let sweeper = threads.spawn(|| sweep::remove(folder, old.as_ref()));
        let filled = fill(task, git, folder);
        (filled, sweeper.join())
    });
    match swept {
        Ok(swept) => swept?,
        Err(_) => return Err(Failure::new(FailureKind::Internal, "removing the old workspace broke; see the journal")),
    }
    filled
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
        Err(e) if stays(&e) => Ok(emptied),
        Err(e) => Err(e),
    }
}

/// Whether a folder could not be moved or removed because its parent is not ours, or the unit has mounted something on it.
fn stays(error: &FolderError) -> bool {
    matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EBUSY | Errno::EROFS | Errno::EXDEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_place_in_a_room_is_a_stray() {
        // (name, to a build in slot 0, to one in slot 1)
        let table = [
            ("home", false, false),
            ("cache", false, false),
            (".aside", false, false),
            ("workspace", false, false),
            ("workspace-1", false, false),
            ("artifacts-63", false, false),
            ("tmp", false, false),
            // One's own is left from a checkout that was killed.
            (".old", true, false),
            (".staged-1", false, true),
            ("workspace-64", true, true),
            ("workspace-01", true, true),
            ("workspace-0", true, true),
            ("home-1", true, true),
            ("anything", true, true),
            ("", true, true),
        ];
        for (name, first, second) in table {
            let name = OsStr::new(name);
            assert_eq!((is_stray(name, Slot(0)), is_stray(name, Slot(1))), (first, second), "{name:?}");
        }
    }
    #[test]
    fn strays_go_however_many_they_are() {
        let room = tempfile::tempdir().unwrap();
        for kept in ["home/x", "cache/x", "workspace-1/x", ".old-1/x"] {
            std::fs::create_dir_all(room.path().join(kept)).unwrap();
        }
        for number in 0..=BATCH {
            std::fs::write(room.path().join(format!("stray{number}")), "").unwrap();
        }
        std::fs::create_dir_all(room.path().join("deep/er")).unwrap();
        let folder = Folder::open(room.path()).unwrap();
        remove_strays(&folder, Slot(0)).unwrap();
        let mut left = folder.names(usize::MAX).unwrap();
        left.sort();
        assert_eq!(left, [".old-1", "cache", "home", "workspace-1"]);
    }
}
