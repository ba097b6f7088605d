//! A deploy target: looking at it, switching it, cleaning it. All of it is done as the user who owns it.
//!
//! What a kill leaves: a hidden `releases/.NAME.tmp` (half made) or `.NAME.gone` (half removed), which the next run
//! of the same task or a removal sweeps; a hidden link `.current.tmp`, which the next switch replaces. A release
//! with its own name is whole.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{
    Failure, FailureKind, Missing, Release, ReleaseCheckAnswer, ReleaseCheckTask, ReleaseListAnswer, ReleaseListTask,
    ReleaseRemoveAnswer, ReleaseRemoveTask, ReleaseSwitchAnswer, ReleaseSwitchTask,
};
use super::say::say;
use super::sweep;
use crate::model::ReleaseName;
use nix::unistd::{AccessFlags, access};
use std::ffi::{OsStr, OsString};
use std::path::Path;

pub(super) const RELEASES: &str = "releases";
pub(super) const SHARED: &str = "shared";
pub(super) const REVISION: &str = "REVISION";
const CURRENT: &str = "current";
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

/// The release that `current` names.
fn current(root: &Folder) -> Result<Option<ReleaseName>, FolderError> {
    let target = root.link_target(OsStr::new(CURRENT))?;
    Ok(target.as_deref().and_then(|target| {
        let ours = target.parent().is_some_and(|parent| parent.ends_with(RELEASES));
        if ours { target.file_name()?.to_str()?.parse().ok() } else { None }
    }))
}

pub(super) fn check(task: &ReleaseCheckTask) -> Result<ReleaseCheckAnswer, Failure> {
    if !task.root.is_dir() {
        return Ok(ReleaseCheckAnswer { missing: vec![Missing::Root(task.root.clone())], current: None });
    }
    let root = Folder::open(&task.root)?;
    let mut missing = Vec::new();
    if root.kind(OsStr::new(CURRENT))?.is_some_and(|kind| kind != Kind::Link) {
        missing.push(Missing::Current(task.root.join(CURRENT)));
    }
    let mut needed = vec![task.root.clone()];
    for name in [RELEASES, SHARED] {
        match root.kind(OsStr::new(name))? {
            None => {}
            Some(Kind::Folder) => needed.push(task.root.join(name)),
            Some(Kind::Link | Kind::Other) => missing.push(Missing::Folder(task.root.join(name))),
        }
    }
    let locked = needed.into_iter().filter(|path| access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_err());
    missing.extend(locked.map(Missing::Writable));
    let shared = task.shared.iter().map(|path| task.root.join(SHARED).join(path));
    missing.extend(shared.filter(|path| !path.exists()).map(Missing::Shared));
    Ok(ReleaseCheckAnswer { missing, current: current(&root)? })
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

pub(super) fn list(task: &ReleaseListTask) -> Result<ReleaseListAnswer, Failure> {
    let root = Folder::open(&task.root)?;
    let current = current(&root)?;
    if root.kind(OsStr::new(RELEASES))?.is_none() {
        return Ok(ReleaseListAnswer { releases: Vec::new(), current });
    }
    let folder = root.sub(OsStr::new(RELEASES))?;
    let mut releases = Vec::new();
    for file in folder.names(usize::MAX)? {
        let Some(name) = file.to_str().and_then(|name| name.parse::<ReleaseName>().ok()) else { continue };
        if folder.kind(&file)? == Some(Kind::Folder) {
            let revision = folder.sub(&file)?.read(OsStr::new(REVISION), REVISION_MAX)?;
            let commit = revision.and_then(|text| text.trim_end().parse().ok());
            releases.push(Release { name, commit });
        }
    }
    releases.sort_by_key(|release| release.name.clone());
    Ok(ReleaseListAnswer { releases, current })
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
