//! Making a release: the commit's tree, `REVISION`, and links to what all releases share.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{Failure, FailureKind, ReleaseMakeAnswer, ReleaseMakeTask};
use super::release::{RELEASES, REVISION, SHARED, half_made};
use super::sweep;
use crate::git::{Git, Scratch, tree};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

/// Makes it under a hidden name; the rename at the end is the moment from which it exists.
pub(super) fn make(task: &ReleaseMakeTask, deadline: Instant) -> Result<ReleaseMakeAnswer, Failure> {
    let refused = |says: &str| Failure::new(FailureKind::Refused, says);
    let root = Folder::open(&task.root)?;
    let releases = root.make_sub(OsStr::new(RELEASES))?;
    root.make_sub(OsStr::new(SHARED))?;
    let name = OsStr::new(task.name.as_str());
    let revision = format!("{}\n", task.commit);
    match releases.kind(name)? {
        None => {}
        Some(Kind::Folder) => {
            let there = releases.sub(name)?.read(OsStr::new(REVISION), revision.len() as u64 + 1)?;
            return if there.as_ref() == Some(&revision) {
                Ok(ReleaseMakeAnswer::There)
            } else {
                Err(refused(&format!("release {} is there, made from another commit", task.name)))
            };
        }
        Some(Kind::Link | Kind::Other) => return Err(refused(&format!("{} is no folder", task.name))),
    }
    let hidden = half_made(&task.name);
    sweep::remove(&releases, &hidden)?;
    let release = releases.make_sub(&hidden)?;
    let scratch = Scratch::new(None)?;
    let git = Git::borrowing(&scratch, None, deadline);
    let filled = tree::fill(&git, &task.mirror, &task.commit, &task.shape, release.path())?;
    sweep::remove(&release, OsStr::new(REVISION))?;
    release.write_new(OsStr::new(REVISION), &revision)?;
    for path in &task.shared {
        share(&task.root, &release, path)?;
    }
    root.sync_all()?;
    releases.rename(&hidden, &releases, name)?;
    releases.sync()?;
    root.sync()?;
    Ok(ReleaseMakeAnswer::Made { files: filled.files })
}

/// Replaces what the commit has at `path` by a link to `shared/path`.
fn share(root: &Path, release: &Folder, path: &Path) -> Result<(), Failure> {
    let refused = |says: &str| Failure::new(FailureKind::Refused, &format!("shared path {}: {says}", path.display()));
    let names: Option<Vec<&OsStr>> = path.components().map(normal).collect();
    let names = names.ok_or_else(|| refused("it is not a path below the release"))?;
    let (last, parents) = names.split_last().ok_or_else(|| refused("it is empty"))?;
    if !root.join(SHARED).join(path).exists() {
        return Err(refused("it is not in the shared folder yet"));
    }
    let mut folder: Option<Folder> = None;
    for name in parents {
        let here = folder.as_ref().unwrap_or(release);
        match here.kind(name)? {
            Some(Kind::Folder) | None => folder = Some(here.make_sub(name)?),
            Some(Kind::Link | Kind::Other) => return Err(refused("a part of it is no folder in this commit")),
        }
    }
    // Out of the release and of `releases`, then down again; relative, so that the target can be moved as a whole.
    let up: PathBuf = std::iter::repeat_n("..", names.len() + 1).collect();
    Ok(link(folder.as_ref().unwrap_or(release), &up.join(SHARED).join(path), last)?)
}

fn normal(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    }
}

fn link(folder: &Folder, target: &Path, name: &OsStr) -> Result<(), FolderError> {
    sweep::remove(folder, name)?;
    folder.symlink(target, name)
}
