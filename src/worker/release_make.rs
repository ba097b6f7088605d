//! Making a release: the commit's tree, the build's artifacts over it, `REVISION`, and links to what all releases share.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{Failure, FailureKind, Made, ReleaseMakeAnswer, ReleaseMakeTask};
use super::release::{RELEASES, REVISION, SHARED, half_made, look};
use super::{artifacts, sweep};
use crate::git::{Git, Scratch, tree};
use std::ffi::OsStr;
use std::io::BufRead;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

/// Makes it if the target lacks nothing.
pub(super) fn make(
    task: &ReleaseMakeTask,
    stream: &mut impl BufRead,
    deadline: Instant,
) -> Result<ReleaseMakeAnswer, Failure> {
    let target = look(&task.root, &task.shared)?;
    let made = if target.missing.is_empty() { Some(release(task, stream, deadline)?) } else { None };
    match made {
        Some(Made::Anew { .. }) => {}
        Some(Made::There) | None => artifacts::skip(task.artifacts, stream)?,
    }
    Ok(ReleaseMakeAnswer { target, made })
}

/// Makes it under a hidden name; the rename at the end is the moment from which it exists.
fn release(task: &ReleaseMakeTask, stream: &mut impl BufRead, deadline: Instant) -> Result<Made, Failure> {
    let refused = |says: &str| Failure::new(FailureKind::Refused, says);
    let root = Folder::open(&task.root)?;
    let releases = root.make_sub(OsStr::new(RELEASES))?;
    root.make_sub(OsStr::new(SHARED))?;
    let name = OsStr::new(task.name.as_str());
    let revision = format!("{}\n", task.commit);
    match (releases.kind(name)?, task.commit.is_known()) {
        (None, true) => {}
        (None, false) => return Err(refused(&format!("release {} is not there any more", task.name))),
        (Some(Kind::Folder), false) => return Ok(Made::There),
        (Some(Kind::Folder), true) => {
            let there = releases.sub(name)?.read(OsStr::new(REVISION), revision.len() as u64 + 1)?;
            return if there.as_ref() == Some(&revision) {
                Ok(Made::There)
            } else {
                Err(refused(&format!("release {} is there, made from another commit", task.name)))
            };
        }
        (Some(Kind::Link | Kind::Other), _) => return Err(refused(&format!("{} is no folder", task.name))),
    }
    let hidden = half_made(&task.name);
    sweep::remove(&releases, &hidden)?;
    let release = releases.make_sub(&hidden)?;
    let scratch = Scratch::new(None)?;
    let git = Git::borrowing(&scratch, None, deadline);
    let filled = tree::fill(&git, &task.mirror, &task.commit, &task.shape, release.path())?;
    artifacts::put(&release, task.artifacts, stream, deadline)?;
    sweep::remove(&release, OsStr::new(REVISION))?;
    release.write_new(OsStr::new(REVISION), &revision)?;
    for path in &task.shared {
        share(&task.root, &release, path)?;
    }
    root.sync_all()?;
    releases.rename(&hidden, &releases, name)?;
    if !releases.has(name, &release)? {
        return Err(refused(&format!("release {} was made, and something else was put in its place", task.name)));
    }
    releases.sync()?;
    root.sync()?;
    Ok(Made::Anew { files: filled.files })
}

/// Replaces what the release has at `path` by a link to `shared/path`.
fn share(root: &Path, release: &Folder, path: &Path) -> Result<(), Failure> {
    let refused = |says: &str| Failure::new(FailureKind::Refused, &format!("shared path {}: {says}", path.display()));
    let names = names_of(path).ok_or_else(|| refused("it is not a path below the release"))?;
    let (last, parents) = names.split_last().ok_or_else(|| refused("it is empty"))?;
    let Ok(shared) = root.join(SHARED).join(path).metadata() else {
        return Err(refused("it is not in the shared folder yet"));
    };
    let folder = descend(release, parents)?.ok_or_else(|| refused("a part of it is no folder in this commit"))?;
    match (folder.kind(last)?, shared.is_dir()) {
        (Some(Kind::Folder), false) => return Err(refused("it is a folder in this commit, and a file in shared")),
        (Some(Kind::Other), true) => return Err(refused("it is a file in this commit, and a folder in shared")),
        (Some(Kind::Folder), true) | (Some(Kind::Other), false) | (Some(Kind::Link) | None, _) => {}
    }
    sweep::remove(&folder, last)?;
    Ok(folder.symlink(&link_to(path, names.len()), last)?)
}

/// The folder that these names lead to, made where it is missing; none where one of them is no folder. Links are not
/// followed, whoever made them.
pub(super) fn descend(release: &Folder, names: &[&OsStr]) -> Result<Option<Folder>, FolderError> {
    let mut folder = release.again()?;
    for name in names {
        match folder.kind(name)? {
            Some(Kind::Folder) | None => folder = folder.make_sub(name)?,
            Some(Kind::Link | Kind::Other) => return Ok(None),
        }
    }
    Ok(Some(folder))
}

/// The parts of a path that leads nowhere but down.
pub(super) fn names_of(path: &Path) -> Option<Vec<&OsStr>> {
    path.components().map(normal).collect()
}

/// What a link in a release says that leads to `shared/path`: out of the release and of `releases`, then down again.
/// Relative, so that the target can be moved as a whole.
pub(super) fn link_to(path: &Path, depth: usize) -> PathBuf {
    let up: PathBuf = std::iter::repeat_n("..", depth + 1).collect();
    up.join(SHARED).join(path)
}

fn normal(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    }
}
