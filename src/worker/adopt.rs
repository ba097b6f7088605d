//! Adopting an instance that was there before unitci: the real folder in the place of `current` becomes a release, and
//! what all releases share moves out of it.
//!
//! It serves meanwhile. A link is put where a thing is to go, saying what it has to say where the thing is now; then the
//! two names are exchanged, so that at no moment there is neither. What a kill leaves is such a link, and the next run
//! finds it.

use super::folder::{Folder, Kind};
use super::protocol::{Failure, FailureKind, ReleaseAdoptAnswer, ReleaseAdoptTask};
use super::release::{CURRENT, RELEASES, SHARED, current};
use super::release_make::{descend, link_to, names_of};
use crate::model::{BuildNumber, CommitId, ReleaseName};
use std::ffi::OsStr;
use std::path::Path;

fn refused(says: &str) -> Failure {
    Failure::new(FailureKind::Refused, says)
}

pub(super) fn adopt(task: &ReleaseAdoptTask) -> Result<ReleaseAdoptAnswer, Failure> {
    let root = Folder::open(&task.root)?;
    let name = ReleaseName::new(BuildNumber(0), &CommitId::none());
    let at = task.root.join(CURRENT);
    match root.kind(OsStr::new(CURRENT))? {
        Some(Kind::Folder) => {
            let releases = root.make_sub(OsStr::new(RELEASES))?;
            let link = Path::new(RELEASES).join(name.as_str());
            exchange(&root, OsStr::new(CURRENT), &releases, OsStr::new(name.as_str()), &link)?;
        }
        // A run before this one was killed.
        Some(Kind::Link) if current(&root)?.as_ref() == Some(&name) => {}
        Some(Kind::Link) => return Err(refused(&format!("{} is a link already: nothing to adopt", at.display()))),
        Some(Kind::Other) => return Err(refused(&format!("{} is no folder; move it away", at.display()))),
        None => return Err(refused(&format!("{} is not there: nothing to adopt", at.display()))),
    }
    let release = root.sub(OsStr::new(RELEASES))?.sub(OsStr::new(name.as_str()))?;
    let shared = root.make_sub(OsStr::new(SHARED))?;
    let mut moved = Vec::new();
    for path in &task.shared {
        if share(&release, &shared, path)? {
            moved.push(path.clone());
        }
    }
    Ok(ReleaseAdoptAnswer { release: name, shared: moved })
}

/// Moves a path to what is shared, if it is there and not shared yet; says whether it did.
fn share(release: &Folder, shared: &Folder, path: &Path) -> Result<bool, Failure> {
    let names = names_of(path).ok_or_else(|| refused(&format!("shared path {} leads elsewhere", path.display())))?;
    let Some((last, parents)) = names.split_last() else { return Ok(false) };
    let mut from = release.again()?;
    for name in parents {
        match from.kind(name)? {
            Some(Kind::Folder) => from = from.sub(name)?,
            Some(Kind::Link | Kind::Other) | None => return Ok(false),
        }
    }
    match from.kind(last)? {
        Some(Kind::Folder | Kind::Other) => {}
        Some(Kind::Link) | None => return Ok(false),
    }
    let to = descend(shared, parents)?;
    let to = to.ok_or_else(|| refused(&format!("shared path {}: a part of it is no folder", path.display())))?;
    let link = link_to(path, names.len());
    if to.kind(last)?.is_some() && to.link_target(last)?.as_ref() != Some(&link) {
        // Both are there: whose is the right one is for a person to say.
        return Ok(false);
    }
    exchange(&from, last, &to, last, &link)?;
    Ok(true)
}

fn exchange(from: &Folder, name: &OsStr, to: &Folder, new: &OsStr, link: &Path) -> Result<(), Failure> {
    match to.kind(new)? {
        None => to.symlink(link, new)?,
        Some(Kind::Link) if to.link_target(new)?.as_deref() == Some(link) => {}
        Some(Kind::Folder | Kind::Link | Kind::Other) => {
            return Err(refused(&format!("{} is there already", to.path().join(new).display())));
        }
    }
    from.exchange(name, to, new)?;
    to.sync()?;
    Ok(from.sync()?)
}
