//! A deploy target: looking at it, switching it, cleaning it. All of it is done as the user who owns it.
//!
//! What a kill leaves: a hidden `releases/.NAME.tmp` (half made) or `.NAME.gone` (half removed), which the next run
//! of the same task or a removal sweeps; a hidden link `.current.tmp`, which the next switch replaces. A release
//! with its own name is whole.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{
    Failure, FailureKind, Missing, Release, ReleaseCheckAnswer, ReleaseCheckTask, ReleaseRemoveAnswer,
    ReleaseRemoveTask, ReleaseSwitchAnswer, ReleaseSwitchTask,
};
use super::say::say;
use super::sweep;
use crate::model::{CommitId, ReleaseName};
use nix::unistd::{AccessFlags, access};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub(super) const RELEASES: &str = "releases";
pub(super) const SHARED: &str = "shared";
pub(super) const REVISION: &str = "REVISION";
pub(super) const CURRENT: &str = "current";
const LOG: &str = "revisions.log";
/// The longest name of a commit and a newline.
const REVISION_MAX: u64 = 65;

/// `releases/.42-3f2a91c.tmp`, while it is being made.
pub(super) fn half_made(name: &ReleaseName) -> OsString {
    format!(".{name}.tmp").into()
}

fn half_removed(name: &ReleaseName) -> OsString {
    format!(".{name}.gone").into()
}

/// The release that `current` names, and what its `REVISION` says.
fn live(root: &Folder) -> Result<Option<Release>, FolderError> {
    let Some(name) = current(root)? else { return Ok(None) };
    let commit = match root.kind(OsStr::new(RELEASES))? {
        Some(Kind::Folder) => revision(&root.sub(OsStr::new(RELEASES))?, OsStr::new(name.as_str()))?,
        Some(Kind::Link | Kind::Other) | None => None,
    };
    Ok(Some(Release { name, commit }))
}

fn revision(releases: &Folder, name: &OsStr) -> Result<Option<CommitId>, FolderError> {
    if releases.kind(name)? != Some(Kind::Folder) {
        return Ok(None);
    }
    let text = releases.sub(name)?.read(OsStr::new(REVISION), REVISION_MAX)?;
    Ok(text.and_then(|text| text.trim_end().parse().ok()))
}

/// The name of the release that `current` names.
pub(super) fn current(root: &Folder) -> Result<Option<ReleaseName>, FolderError> {
    let target = root.link_target(OsStr::new(CURRENT))?;
    Ok(target.as_deref().and_then(|target| {
        let ours = target.parent().is_some_and(|parent| parent.ends_with(RELEASES));
        if ours { target.file_name()?.to_str()?.parse().ok() } else { None }
    }))
}

pub(super) fn check(task: &ReleaseCheckTask) -> Result<ReleaseCheckAnswer, Failure> {
    look(&task.root, &task.shared)
}

/// What a target lacks, and what is live there.
pub(super) fn look(path: &Path, shared: &[PathBuf]) -> Result<ReleaseCheckAnswer, Failure> {
    if !path.is_dir() {
        return Ok(ReleaseCheckAnswer { missing: vec![Missing::Root(path.to_owned())], current: None });
    }
    let root = Folder::open(path)?;
    let mut missing = Vec::new();
    if root.kind(OsStr::new(CURRENT))?.is_some_and(|kind| kind != Kind::Link) {
        missing.push(Missing::Current(path.join(CURRENT)));
    }
    let mut needed = vec![path.to_owned()];
    for name in [RELEASES, SHARED] {
        match root.kind(OsStr::new(name))? {
            None => {}
            Some(Kind::Folder) => needed.push(path.join(name)),
            Some(Kind::Link | Kind::Other) => missing.push(Missing::Folder(path.join(name))),
        }
    }
    let locked = needed.into_iter().filter(|path| access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_err());
    missing.extend(locked.map(Missing::Writable));
    let needed = shared.iter().map(|below| path.join(SHARED).join(below));
    missing.extend(needed.filter(|path| !path.exists()).map(Missing::Shared));
    Ok(ReleaseCheckAnswer { missing, current: live(&root)? })
}

pub(super) fn switch(task: &ReleaseSwitchTask) -> Result<ReleaseSwitchAnswer, Failure> {
    let root = Folder::open(&task.root)?;
    let releases = root.sub(OsStr::new(RELEASES))?;
    if releases.kind(OsStr::new(task.name.as_str()))? != Some(Kind::Folder) {
        return Err(Failure::new(FailureKind::Refused, &format!("there is no release {}", task.name)));
    }
    if root.kind(OsStr::new(CURRENT))?.is_some_and(|kind| kind != Kind::Link) {
        let says = Missing::Current(task.root.join(CURRENT)).to_string();
        return Err(Failure::new(FailureKind::Refused, &says));
    }
    let previous = current(&root)?;
    if previous.as_ref() == Some(&task.name) {
        return Ok(ReleaseSwitchAnswer { previous });
    }
    let (made, link) = (OsStr::new(".current.tmp"), OsStr::new(CURRENT));
    sweep::remove(&root, made)?;
    root.symlink(&Path::new(RELEASES).join(task.name.as_str()), made)?;
    root.rename(made, &root, link)?;
    root.sync()?;
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let line = format!("{time} {} {} {}\n", task.name, task.build, task.who);
    if let Err(error) = root.append(OsStr::new(LOG), &line) {
        // The release is current: to call that a failure would undo what is well.
        say!("{error}; the switch is not in {LOG}");
    }
    Ok(ReleaseSwitchAnswer { previous })
}

pub(super) fn remove(task: &ReleaseRemoveTask) -> Result<ReleaseRemoveAnswer, Failure> {
    let root = Folder::open(&task.root)?;
    let releases = root.sub(OsStr::new(RELEASES))?;
    let current = current(&root)?;
    let removed: Vec<ReleaseName> = task.names.iter().filter(|name| Some(*name) != current.as_ref()).cloned().collect();
    for name in &removed {
        let name_now = OsStr::new(name.as_str());
        // Out of sight with one rename, so that a half-removed release never looks like one.
        if releases.kind(name_now)?.is_some() {
            sweep::remove(&releases, &half_removed(name))?;
            releases.rename(name_now, &releases, &half_removed(name))?;
        }
    }
    for file in releases.names(usize::MAX)? {
        let left = file.to_str().and_then(|name| name.strip_prefix('.'));
        let left = left.and_then(|name| name.strip_suffix(".gone").or_else(|| name.strip_suffix(".tmp")));
        if left.is_some_and(|name| name.parse::<ReleaseName>().is_ok()) {
            sweep::remove(&releases, &file)?;
        }
    }
    Ok(ReleaseRemoveAnswer { removed })
}
