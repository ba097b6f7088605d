//! Exactly one commit, in an empty folder; one file of it; and what the folder of an older one has too much.

use super::failure::GitError;
use super::history::{self, Commit};
use super::program::Git;
use super::scratch::ObjectFormat;
use super::{lfs, modules};
use crate::config::project::Shape;
use crate::model::{CommitId, FailureKind};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

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
pub fn fill(git: &Git<'_>, mirror: &Path, commit: &CommitId, shape: &Shape, target: &Path) -> Result<Filled, GitError> {
    lend(git, mirror, commit)?;
    thread::scope(|threads| {
        let told = threads.spawn(|| history::commit(git, commit));
        let files = fill_files(git, mirror, commit, shape, target);
        match told.join().unwrap_or_else(|broken| panic::resume_unwind(broken)) {
            Ok(commit) => Ok(Filled { files: files?, commit }),
            // To ask first would be one process more for each checkout.
            Err(error) => Err(missing(git, mirror, commit)?.unwrap_or(error)),
        }
    })
}

fn fill_files(git: &Git<'_>, mirror: &Path, commit: &CommitId, shape: &Shape, target: &Path) -> Result<u32, GitError> {
    let index = git.scratch().index();
    let sparse = !shape.sparse.is_empty();
    if sparse {
        git.scratch().leave_out(&shape.sparse)?;
    }
    let setting = format!("core.sparseCheckout={sparse}");
    // As many workers as there are processors, where there are many files.
    let workers = "checkout.workers=0";
    let mut command = git.command(["-c", &setting, "-c", workers, "read-tree", "--reset", "-u", commit.as_str()]);
    command.env("GIT_WORK_TREE", target).env("GIT_INDEX_FILE", &index);
    git.print_from(command)?;
    let mut files = if sparse {
        entries_of(git, &index)?.filter(|(tag, _)| *tag == Tag::There).count() as u32
    } else {
        count(&index).map_err(|source| GitError::Io { doing: "read", path: index.clone(), source })?
    };
    if shape.lfs {
        lfs::smudge(git, mirror, &index, target)?;
    }
    if shape.submodules {
        files += fill_modules(git, &index, target)?;
    }
    Ok(files)
}

/// Fills the folders of all submodules of a tree, and theirs; says with how many files.
fn fill_modules(git: &Git<'_>, index: &Path, target: &Path) -> Result<u32, GitError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| GitError::Io { doing: "look at", path, source }
    };
    let top = target.canonicalize().map_err(at(target))?;
    let mut left = links(git, index, target, 1)?;
    let (mut files, mut done) = (0, 0);
    while let Some((path, commit, depth)) = left.pop() {
        done += 1;
        let name = || path.strip_prefix(target).unwrap_or(&path).display().to_string();
        if done > modules::MODULES_MAX || depth > modules::DEPTH_MAX {
            return Err(GitError::said(FailureKind::Commit, "the commit has too many submodules"));
        }
        if history::exists(git, commit.as_str())?.as_ref() != Some(&commit) {
            let says = format!("submodule {}: commit {commit} is not beside the mirror", name());
            return Err(GitError::said(FailureKind::NoSuchCommit, says));
        }
        // Nothing that git has just made leads elsewhere; if it did, this would not follow.
        let real = path.canonicalize().map_err(at(&path))?;
        if !real.starts_with(&top) || real != top.join(path.strip_prefix(target).unwrap_or(&path)) {
            return Err(GitError::said(FailureKind::Commit, format!("submodule {} is no folder", name())));
        }
        let index = index.with_extension(done.to_string());
        let mut command =
            git.command(["-c", "core.sparseCheckout=false", "read-tree", "--reset", "-u", commit.as_str()]);
        command.env("GIT_WORK_TREE", &real).env("GIT_INDEX_FILE", &index);
        git.print_from(command)?;
        files += count(&index).map_err(|source| GitError::Io { doing: "read", path: index.clone(), source })?;
        left.extend(links(git, &index, &path, depth + 1)?);
    }
    Ok(files)
}

/// The submodules of an index that are in the folder filled from it.
fn links(
    git: &Git<'_>,
    index: &Path,
    target: &Path,
    depth: usize,
) -> Result<Vec<(PathBuf, CommitId, usize)>, GitError> {
    let mut links = Vec::new();
    for (tag, entry) in entries_of(git, index)? {
        let Some(rest) = entry.strip_prefix(b"160000 ") else { continue };
        let (meta, path) = rest.split_at(rest.iter().position(|byte| *byte == b'\t').unwrap_or(rest.len()));
        let commit = String::from_utf8_lossy(meta).split(' ').next().unwrap_or_default().parse::<CommitId>();
        if let (Tag::There, Ok(commit), Some((_, path))) = (tag, commit, path.split_first()) {
            links.push((target.join(OsStr::from_bytes(path)), commit, depth));
        }
    }
    Ok(links)
}

/// Whether an entry of an index is in the folder.
#[derive(Clone, Copy, PartialEq)]
enum Tag {
    There,
    LeftOut,
}

/// `MODE OID STAGE<tab>PATH` of all entries of an index.
fn entries_of(git: &Git<'_>, index: &Path) -> Result<impl Iterator<Item = (Tag, Vec<u8>)>, GitError> {
    let mut command = git.command(["ls-files", "-t", "--stage", "-z"]);
    command.env("GIT_INDEX_FILE", index);
    let listed = git.listing(command)?;
    let entry = |entry: &[u8]| match entry {
        [b'S', b' ', rest @ ..] => Some((Tag::LeftOut, rest.to_vec())),
        [_, b' ', rest @ ..] => Some((Tag::There, rest.to_vec())),
        _ => None,
    };
    Ok(listed.split(|byte| *byte == 0).filter_map(entry).collect::<Vec<_>>().into_iter())
}

/// Lets `git` read the mirror's objects, in which the commit must be.
pub fn borrow(git: &Git<'_>, mirror: &Path, commit: &CommitId) -> Result<(), GitError> {
    lend(git, mirror, commit)?;
    missing(git, mirror, commit)?.map_or(Ok(()), Err)
}

fn lend(git: &Git<'_>, mirror: &Path, commit: &CommitId) -> Result<(), GitError> {
    git.scratch().borrow(Some(mirror), ObjectFormat::of(commit.as_str()))
}

/// The error for a commit that the mirror has not; nothing if it has it.
fn missing(git: &Git<'_>, mirror: &Path, commit: &CommitId) -> Result<Option<GitError>, GitError> {
    let there = history::exists(git, commit.as_str())?.as_ref() == Some(commit);
    let says = || format!("commit {commit} is not in the mirror {}", mirror.display());
    Ok((!there).then(|| GitError::said(FailureKind::NoSuchCommit, says())))
}

/// What a path of a commit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// Nothing.
    Absent,
    /// A file with these bytes.
    Content(Vec<u8>),
    /// Something else than a file (its size is 0), or one that is too long.
    Unfit {
        /// In bytes.
        size: u64,
    },
}

/// Reads a file of a commit that `git` borrows; at most `max` bytes of it.
pub fn file(git: &Git<'_>, commit: &CommitId, path: &str, max: u64) -> Result<File, GitError> {
    let listed = git.print(["ls-tree", "-z", "--long", "--full-tree", commit.as_str(), "--", path])?;
    // `MODE blob OID SIZE<tab>PATH`; see git-ls-tree(1), "OUTPUT FORMAT".
    let mut words = listed.split('\t').next().unwrap_or_default().split_whitespace();
    let (Some(mode), Some(_), Some(object), Some(size)) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Ok(File::Absent);
    };
    match size.parse::<u64>() {
        Ok(size) if mode.starts_with("100") && size <= max => {
            Ok(File::Content(git.listing(git.command(["cat-file", "blob", object]))?))
        }
        Ok(size) if mode.starts_with("100") => Ok(File::Unfit { size }),
        Ok(_) | Err(_) => Ok(File::Unfit { size: 0 }),
    }
}

/// What an older tree has and a newer one has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// A file or link.
    File(PathBuf),
    /// A submodule that is gone, or is at another commit now: all of its folder.
    Module(PathBuf),
}

/// What is to be removed from a folder with the tree of `old` before it can become that of `new`; none when the old
/// commit is not known any more.
pub fn gone(git: &Git<'_>, old: &CommitId, new: &CommitId) -> Result<Option<Vec<Gone>>, GitError> {
    if history::exists(git, old.as_str())?.is_none() {
        return Ok(None);
    }
    let command = git.command(["diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", "--diff-filter=DMT"]);
    let mut command = command;
    command.args([old.as_str(), new.as_str(), "--"]);
    let listed = git.listing(command)?;
    let mut fields = listed.split(|byte| *byte == 0);
    let mut gone = Vec::new();
    // `:100644 000000 OID OID D`, then the path; see git-diff-tree(1), "RAW OUTPUT FORMAT".
    while let (Some(meta), Some(path)) = (fields.next().filter(|meta| !meta.is_empty()), fields.next()) {
        let path = PathBuf::from(OsStr::from_bytes(path));
        if meta.starts_with(b":160000 ") {
            gone.push(Gone::Module(path));
        } else if meta.ends_with(b" D") {
            gone.push(Gone::File(path));
        }
    }
    Ok(Some(gone))
}

/// The number of entries of an index: its third word, by gitformat-index(5).
fn count(index: &Path) -> io::Result<u32> {
    let mut header = [0; 12];
    fs::File::open(index)?.read_exact(&mut header)?;
    let [_, _, _, _, _, _, _, _, count @ ..] = header;
    Ok(u32::from_be_bytes(count))
}
