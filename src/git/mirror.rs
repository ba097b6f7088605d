//! A project's mirror: a bare repository that follows a remote, written by one user and read by others.

use super::access::Access;
use super::failure::GitError;
use super::history::{self, Commit};
use super::program::Git;
use super::refs::{self, Refs};
use super::scratch::ObjectFormat;
use crate::model::{CommitId, FailureKind, RefName, Trust};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// What a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "name")]
pub enum Resolve {
    /// The tip of the remote's default branch.
    Head,
    /// The tip of a branch.
    Branch(RefName),
    /// A commit (whole or abbreviated), tag or branch, as typed.
    Revision(String),
}

/// What it turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The branch or tag, if it was one.
    pub name: Option<RefName>,
    /// The commit.
    pub commit: Commit,
    /// Whether a branch or tag of the repository holds it; what none does may be anybody's.
    pub trust: Trust,
}

/// The mirror, locked for as long as this lives: fetches of one project go one after the other.
#[derive(Debug)]
pub struct Mirror<'a> {
    git: Git<'a>,
    access: &'a Access,
    depth: Option<NonZeroU32>,
    /// Where refs are, as far as somebody has asked since the last fetch: each question is a process.
    tips: RefCell<BTreeMap<RefName, Option<CommitId>>>,
    _lock: Flock<File>,
}

/// Written last when a mirror is made: one without it is made again.
const COMPLETE: &str = "unitci-mirror";

impl<'a> Mirror<'a> {
    /// Opens the mirror in an existing folder, and makes it on first use.
    ///
    /// A kill in mid-fetch leaves git's lock files behind; under our lock they are nobody's, and go. With a `depth` only
    /// that many commits of each branch and tag are fetched.
    pub fn open(
        git: &Git<'a>,
        access: &'a Access,
        path: &Path,
        depth: Option<NonZeroU32>,
    ) -> Result<Mirror<'a>, GitError> {
        let at = |doing, path: PathBuf| move |source| GitError::Io { doing, path, source };
        let lock = path.join("unitci.lock");
        let file = File::create(&lock).map_err(at("make", lock.clone()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| at("lock", lock)(e.into()))?;
        for folder in [path.to_owned(), path.join("objects/info")] {
            remove_locks(&folder, Depth::Here).map_err(at("clean", folder))?;
        }
        remove_locks(&path.join("refs"), Depth::Below).map_err(at("clean", path.join("refs")))?;
        let mirror = Mirror { git: git.owning(path), access, depth, tips: RefCell::default(), _lock: lock };
        let complete = path.join(COMPLETE);
        if !complete.try_exists().map_err(at("look at", complete.clone()))? {
            let format = object_format(&refs::list(git, access, &[])?)?.as_str();
            let format = format!("--object-format={format}");
            // Not --shared: it sets the set-group-id bit on folders, which `RestrictSUIDSGID=` forbids. The umask does.
            git.owning(path).print(["init", "--quiet", "--bare", "--template=", &format])?;
            fs::write(&complete, "").map_err(at("write", complete))?;
        }
        Ok(mirror)
    }

    /// Git on the mirror.
    pub fn git(&self) -> &Git<'a> {
        &self.git
    }

    /// Takes over all branches and tags of the remote, moved, new and deleted ones.
    pub fn fetch(&self) -> Result<(), GitError> {
        self.fetch_refspecs(&["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
    }

    /// Takes over the objects of a ref that strangers write, under no name: nothing that a person says resolves to it.
    pub fn fetch_outside(&self, name: &RefName) -> Result<(), GitError> {
        self.fetch_refspecs(&[name.as_str()])
    }

    fn fetch_refspecs(&self, refspecs: &[&str]) -> Result<(), GitError> {
        self.tips.borrow_mut().clear();
        let mut command = self.git.command(["fetch", "--prune", "--force", "--no-tags", "--no-auto-maintenance"]);
        match self.depth {
            Some(depth) => drop(command.arg(format!("--depth={depth}"))),
            // It had a depth once: now the rest is wanted.
            None if self.git.git_dir().join("shallow").exists() => drop(command.arg("--unshallow")),
            None => {}
        }
        command.args(["--no-recurse-submodules", "--no-write-fetch-head", "--quiet", "--"]);
        command.arg(self.access.address()).args(refspecs);
        self.git.print_from(command).map(drop)
    }

    /// Whether a branch (none is the default one) is on the remote where the mirror has it: then there is nothing to
    /// fetch for it, and to ask that takes half the time of a fetch.
    pub fn is_current(&self, branch: Option<&RefName>) -> Result<bool, GitError> {
        let listed = refs::list(&self.git, self.access, &[])?;
        let Some(name) = branch.or(listed.head.as_ref()) else { return Ok(false) };
        // A depth that the project has no more.
        if self.depth.is_none() && self.git.git_dir().join("shallow").exists() {
            return Ok(false);
        }
        let there = listed.refs.iter().find(|(known, _)| known == name).map(|(_, commit)| commit);
        Ok(there.is_some() && self.tip(name)?.as_ref() == there)
    }

    /// Where a branch or tag of the mirror is.
    pub fn tip(&self, name: &RefName) -> Result<Option<CommitId>, GitError> {
        if let Some(known) = self.tips.borrow().get(name) {
            return Ok(known.clone());
        }
        let tip = history::exists(&self.git, name.as_str())?;
        self.tips.borrow_mut().insert(name.clone(), tip.clone());
        Ok(tip)
    }

    /// Whether what was asked is one whole commit that is here already, so that no server is needed.
    pub fn has(&self, asked: &Resolve) -> Result<bool, GitError> {
        match asked {
            Resolve::Revision(text) if text.parse::<CommitId>().is_ok() => {
                Ok(history::exists(&self.git, text)?.is_some())
            }
            Resolve::Head | Resolve::Branch(_) | Resolve::Revision(_) => Ok(false),
        }
    }

    /// Finds what a person asked for, after a fetch.
    pub fn resolve(&self, asked: &Resolve) -> Result<Resolved, GitError> {
        match asked {
            Resolve::Head => self.resolve_head(),
            Resolve::Branch(name) => {
                let missing = || GitError::said(FailureKind::NoSuchRef, format!("there is no branch {}", name.short()));
                self.resolved(Some(name.clone()), self.tip(name)?.ok_or_else(missing)?)
            }
            Resolve::Revision(text) => self.resolve_revision(text),
        }
    }

    fn resolve_head(&self) -> Result<Resolved, GitError> {
        let listed = refs::list(&self.git, self.access, &[])?;
        if let Some(head) = &listed.head
            && let Some(tip) = self.tip(head)?
        {
            return self.resolved(Some(head.clone()), tip);
        }
        if listed.is_empty() {
            return Err(empty());
        }
        let says = "the repository's HEAD names no branch that exists; name one with -b";
        let commit = listed.head_commit.ok_or_else(|| GitError::said(FailureKind::NoSuchRef, says))?;
        // A detached HEAD is the repository's own word.
        self.resolve_commit(&commit).map(|resolved| Resolved { trust: Trust::Inside, ..resolved })
    }

    fn resolve_revision(&self, text: &str) -> Result<Resolved, GitError> {
        if let Ok(commit) = text.parse::<CommitId>() {
            return self.resolve_commit(&commit);
        }
        let names = [text.to_owned(), format!("refs/tags/{text}"), format!("refs/heads/{text}")];
        for name in names.iter().filter_map(|name| name.parse::<RefName>().ok()) {
            if let Some(tip) = self.tip(&name)? {
                return self.resolved(Some(name), tip);
            }
        }
        let hex = text.bytes().all(|b| b.is_ascii_hexdigit()) && (4..=64).contains(&text.len());
        let found = if hex { history::exists(&self.git, text)? } else { None };
        let missing = || {
            let kind = if hex { FailureKind::NoSuchCommit } else { FailureKind::NoSuchRef };
            GitError::said(kind, format!("{text:?} is no tag, branch or unambiguous commit of the repository"))
        };
        self.resolved(None, found.ok_or_else(missing)?)
    }

    /// A commit that no ref holds any more is still given by many servers, when asked by its whole name.
    fn resolve_commit(&self, commit: &CommitId) -> Result<Resolved, GitError> {
        if history::exists(&self.git, commit.as_str())?.is_none() {
            self.fetch_refspecs(&[commit.as_str()])?;
        }
        self.resolved(None, commit.clone())
    }

    fn resolved(&self, name: Option<RefName>, commit: CommitId) -> Result<Resolved, GitError> {
        let trust = match &name {
            Some(_) => Trust::Inside,
            None => self.trust(&commit)?,
        };
        Ok(Resolved { name, commit: history::commit(&self.git, &commit)?, trust })
    }

    fn trust(&self, commit: &CommitId) -> Result<Trust, GitError> {
        let arguments = ["for-each-ref", "--count=1", "--contains", commit.as_str(), "refs/heads", "refs/tags"];
        let holds = self.git.print(arguments)?;
        Ok(if holds.trim().is_empty() { Trust::Outside } else { Trust::Inside })
    }

    /// Packs what has gathered and drops what nothing has held for 90 days, if git finds it time.
    pub fn tidy(&self) -> Result<(), GitError> {
        self.git.print(["gc", "--auto", "--quiet"]).map(drop)
    }
}

fn empty() -> GitError {
    GitError::said(FailureKind::Empty, "the repository has no commit yet")
}

fn object_format(refs: &Refs) -> Result<ObjectFormat, GitError> {
    let any = refs.refs.first().map(|(_, commit)| commit).or(refs.head_commit.as_ref());
    any.map(|commit| ObjectFormat::of(commit.as_str())).ok_or_else(empty)
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Here,
    Below,
}

fn remove_locks(folder: &Path, depth: Depth) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && depth == Depth::Below {
            remove_locks(&path, depth)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "lock") && !path.ends_with("unitci.lock") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
