//! A workspace that keeps what a build made: the commit is laid over it.
//!
//! Nothing that a step could write says what is to be done: the commit is checked out beside the workspace, into a
//! folder of its own, and what differs from it byte by byte is replaced. Which tracked files an older commit left behind
//! follows from the older commit itself, whose name is the core's word.

use super::checkout::{fresh, own, real_folder};
use super::folder::{Folder, FolderError, Kind};
use super::protocol::{CheckoutTask, Failure};
use super::sweep;
use crate::git::Git;
use crate::git::tree::{self, Filled, Gone};
use crate::model::{CommitId, Room};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

/// Where the commit lies until it is in the workspace; a step can write it, so it is made anew each time.
pub(super) const STAGED: &str = ".staged";
/// The mode of a folder that git makes.
const FOLDER: u32 = 0o755;

/// Whether a workspace could be brought up to date.
pub(super) enum Updated {
    /// It is its commit, and what steps made.
    Done(Filled),
    /// Nobody knows any more what it was filled with.
    TooOld,
}

pub(super) fn update(
    folder: &Folder,
    git: &Git<'_>,
    task: &CheckoutTask,
    previous: &[CommitId],
) -> Result<Updated, Failure> {
    tree::borrow(git, &task.mirror, &task.commit)?;
    let mut gone = Vec::new();
    for old in previous {
        match tree::gone(git, old, &task.commit)? {
            Some(paths) => gone.extend(paths),
            None => return Ok(Updated::TooOld),
        }
    }
    if previous.is_empty() {
        return Ok(Updated::TooOld);
    }
    let staging = own(task, STAGED);
    let staged = fresh(folder, staging.as_ref())?;
    let filled = tree::fill(git, &task.mirror, &task.commit, &task.shape, staged.path())?;
    let workspace = real_folder(folder, own(task, Room::WORKSPACE).as_ref())?;
    workspace.set_mode(FOLDER)?;
    sweep::remove(&workspace, OsStr::new(".git"))?;
    for path in &gone {
        match path {
            Gone::File(path) => remove(&workspace, path, What::File)?,
            Gone::Module(path) => remove(&workspace, path, What::Everything)?,
        }
    }
    lay_over(&staged, &workspace)?;
    sweep::remove(folder, staging.as_ref())?;
    Ok(Updated::Done(filled))
}

#[derive(Clone, Copy)]
enum What {
    File,
    Everything,
}

/// Removes what a path of an older tree stands for, and the folders that are empty then. What a step has put in the
/// place of a folder on the way is not followed.
fn remove(top: &Folder, path: &Path, what: What) -> Result<(), FolderError> {
    let names: Option<Vec<&OsStr>> = path.components().map(normal).collect();
    let Some((last, parents)) = names.as_deref().and_then(|names| names.split_last()) else { return Ok(()) };
    let mut way: Vec<Folder> = Vec::new();
    for name in parents {
        let here = way.last().unwrap_or(top);
        match here.kind(name)? {
            Some(Kind::Folder) => way.push(here.sub(name)?),
            Some(Kind::Link | Kind::Other) | None => return Ok(()),
        }
    }
    let here = way.last().unwrap_or(top);
    match (here.kind(last)?, what) {
        (None, _) | (Some(Kind::Folder), What::File) => {}
        (Some(Kind::Link | Kind::Other), _) => here.unlink(last)?,
        (Some(Kind::Folder), What::Everything) => sweep::remove(here, last)?,
    }
    for (depth, name) in parents.iter().enumerate().rev() {
        way.truncate(depth);
        match way.last().unwrap_or(top).rmdir(name) {
            Ok(()) => {}
            Err(e) if matches!(e.errno(), Some(Errno::ENOTEMPTY | Errno::EEXIST)) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn normal(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    }
}

/// Moves what is new or different from one folder into another; whatever else is in the way there goes.
fn lay_over(from: &Folder, into: &Folder) -> Result<(), FolderError> {
    for name in from.names(usize::MAX)? {
        match from.kind(&name)? {
            None => {}
            Some(Kind::Folder) => {
                let sub = real_folder(into, &name)?;
                sub.set_mode(FOLDER)?;
                lay_over(&from.sub(&name)?, &sub)?;
            }
            Some(kind @ (Kind::Link | Kind::Other)) if !is_same(from, into, &name, kind)? => {
                sweep::remove(into, &name)?;
                from.rename(&name, into, &name)?;
            }
            Some(Kind::Link | Kind::Other) => {}
        }
    }
    Ok(())
}

/// Whether a name stands for the same in both: the same link; the same bytes and mode in a file of its own.
fn is_same(from: &Folder, into: &Folder, name: &OsStr, kind: Kind) -> Result<bool, FolderError> {
    if into.kind(name)? != Some(kind) {
        return Ok(false);
    }
    if kind == Kind::Link {
        return Ok(from.link_target(name)? == into.link_target(name)?);
    }
    let ours = from.open_file(name)?;
    // What we may not read is different enough.
    let Ok(theirs) = into.open_file(name) else { return Ok(false) };
    is_same_file(ours, theirs).map_err(|source| into.unread(name, source))
}

fn is_same_file(mut ours: File, mut theirs: File) -> io::Result<bool> {
    let (a, b) = (ours.metadata()?, theirs.metadata()?);
    if !b.is_file() || (a.mode(), a.len(), a.uid()) != (b.mode(), b.len(), b.uid()) || b.nlink() != 1 {
        return Ok(false);
    }
    let (mut one, mut other) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let count = ours.read(&mut one)?;
        if count == 0 {
            return Ok(theirs.read(&mut other)? == 0);
        }
        match theirs.read_exact(&mut other[..count]) {
            Ok(()) if one[..count] == other[..count] => {}
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(e),
        }
    }
}
