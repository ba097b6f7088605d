//! Emptying what a project keeps from build to build. First all of it goes out of the way in a moment, while no build can
//! begin; then it is removed, however long that takes.

use super::folder::{Folder, FolderError, Kind};
use super::protocol::{Failure, FailureKind, Left, SetAside, SetAsideTask, SweepAnswer, SweepTask};
use super::sweep;
use crate::model::Room;
use crate::model::cache::EntryName;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where it goes out of the way: in the room, so that a rename does it.
pub(super) const ASIDE: &str = ".aside";
/// How many names are looked at in one turn.
const BATCH: usize = 4096;
/// How deep sizes are added up; what lies deeper is removed and not counted.
const DEPTH_MAX: usize = 64;

/// The core holds the store's write lock meanwhile, and a step has made what is moved: nothing here may take longer because
/// of what it finds.
pub(super) fn set_aside(task: &SetAsideTask, deadline: Instant) -> Result<(), Failure> {
    let folder = Folder::reclaim(&task.folder)?;
    if matches!(folder.kind(OsStr::new(ASIDE))?, Some(Kind::Link | Kind::Other)) {
        folder.unlink(OsStr::new(ASIDE))?;
    }
    let aside = folder.make_sub(OsStr::new(ASIDE))?;
    match &task.what {
        SetAside::All => {
            [Room::HOME, Room::CACHE].iter().try_for_each(|kept| out(&folder, OsStr::new(kept), &aside))?
        }
        SetAside::Entries(entries) => {
            for entry in entries {
                if Instant::now() > deadline {
                    return Err(Failure::new(FailureKind::Timeout, "not all of it is out of the way in time"));
                }
                entry_out(&folder, entry, &aside)?;
            }
        }
    }
    Ok(())
}

fn entry_out(folder: &Folder, entry: &EntryName, aside: &Folder) -> Result<(), FolderError> {
    let (top, below) = match entry.shelf.path() {
        [] => return Ok(()),
        [top, below @ ..] => (OsStr::new(top), below),
    };
    if folder.kind(top)? != Some(Kind::Folder) {
        return Ok(());
    }
    let mut shelf = folder.sub(top)?;
    for name in below {
        if shelf.kind(OsStr::new(name))? != Some(Kind::Folder) {
            return Ok(());
        }
        shelf = shelf.sub(OsStr::new(name))?;
    }
    out(&shelf, &entry.name, aside)
}

/// Moves one thing, if it is there.
fn out(from: &Folder, name: &OsStr, aside: &Folder) -> Result<(), FolderError> {
    match from.kind(name)? {
        None => return Ok(()),
        // To move a folder is to change its "..": opening it gives us the permission.
        Some(Kind::Folder) => drop(from.sub(name)?),
        Some(Kind::Link | Kind::Other) => {}
    }
    // Steps can write there too. Numbers from 1 they could have taken, and had us try each; the time of this moment not.
    let mut number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    loop {
        number += 1;
        match from.rename(name, aside, &OsString::from(format!("{number}"))) {
            Err(e) if matches!(e.errno(), Some(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR | Errno::EISDIR)) => {}
            done => return done,
        }
    }
}

pub(super) fn remove(task: &SweepTask, deadline: Instant) -> Result<SweepAnswer, Failure> {
    let folder = Folder::reclaim(&task.folder)?;
    let mut answer = SweepAnswer::default();
    if folder.kind(OsStr::new(ASIDE))?.is_none() {
        return Ok(answer);
    }
    let aside = folder.sub(OsStr::new(ASIDE))?;
    // Second level entries, so that there is a moment to look at the clock.
    for top in aside.names(BATCH)? {
        if aside.kind(&top)? == Some(Kind::Folder) {
            let kept = aside.sub(&top)?;
            while let names @ [_, ..] = kept.names(BATCH)?.as_slice() {
                for name in names {
                    if Instant::now() > deadline {
                        return Ok(SweepAnswer { left: Left::Some, ..answer });
                    }
                    answer.bytes = answer.bytes.saturating_add(size(&kept, name, 0)?);
                    sweep::remove(&kept, name)?;
                }
            }
        }
        sweep::remove(&aside, &top)?;
    }
    sweep::remove(&folder, OsStr::new(ASIDE))?;
    Ok(answer)
}

/// What a name and all below it takes on the disk.
fn size(folder: &Folder, name: &OsStr, depth: usize) -> Result<u64, FolderError> {
    let mut bytes = folder.bytes_on_disk(name)?;
    if depth < DEPTH_MAX && folder.kind(name)? == Some(Kind::Folder) {
        let sub = folder.sub(name)?;
        for below in sub.names(usize::MAX)? {
            bytes = bytes.saturating_add(size(&sub, &below, depth + 1)?);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cache::Shelf;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn home_and_cache_go_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let room: PathBuf = place.path().join("gkp");
        for path in ["home/.cargo/x", "cache/pip/y", "workspace/z", "home/locked/deep"] {
            fs::create_dir_all(room.join(path).parent().unwrap()).unwrap();
            fs::write(room.join(path), vec![1; 100_000]).unwrap();
        }
        std::os::unix::fs::symlink("../workspace", room.join("cache/link")).unwrap();
        let later = Instant::now() + Duration::from_secs(60);
        let sweep = SweepTask { folder: room.clone(), timeout: Duration::from_secs(60) };
        assert_eq!(remove(&sweep, later).unwrap(), SweepAnswer::default());
        let all = SetAsideTask { folder: room.clone(), what: SetAside::All };
        set_aside(&all, later).unwrap();
        assert!(!room.join("home").exists() && !room.join("cache").exists());
        // A build made new ones, and they go too, before the first are removed.
        fs::create_dir_all(room.join("home/new")).unwrap();
        set_aside(&all, later).unwrap();
        let late = remove(&sweep, Instant::now() - Duration::from_secs(1)).unwrap();
        assert_eq!(late, SweepAnswer { bytes: 0, left: Left::Some });
        let removed = remove(&sweep, later).unwrap();
        assert!(removed.bytes >= 300_000 && removed.left == Left::Nothing, "{removed:?}");
        let left: Vec<_> = fs::read_dir(&room).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["workspace"]);
        assert!(room.join("workspace/z").exists());
    }

    #[test]
    fn single_entries_go_and_their_neighbours_stay() {
        let place = tempfile::tempdir().unwrap();
        let room: PathBuf = place.path().join("gkp");
        let outside = place.path().join("outside");
        let gone = ["home/.cache/pip/x", "home/.cargo/x", "cache/old/x", "cache/file"];
        let kept = ["home/.cache/npm/x", "home/.npmrc", "cache/new/x", "cache/file-too", "../outside/x"];
        for path in gone.iter().chain(&kept) {
            fs::create_dir_all(room.join(path).parent().unwrap()).unwrap();
            fs::write(room.join(path), path).unwrap();
        }
        // A step has been there before.
        fs::create_dir_all(room.join(".aside/1/x")).unwrap();
        fs::set_permissions(room.join("cache/old"), fs::Permissions::from_mode(0o555)).unwrap();
        std::os::unix::fs::symlink(&outside, room.join("cache/link")).unwrap();
        let entry = |shelf, name: &str| EntryName { shelf, name: name.into() };
        let entries = vec![
            entry(Shelf::HomeCache, "pip"),
            entry(Shelf::Home, ".cargo"),
            entry(Shelf::Cache, "old"),
            entry(Shelf::Cache, "file"),
            entry(Shelf::Cache, "link"),
            entry(Shelf::Cache, "not there"),
        ];
        let task = SetAsideTask { folder: room.clone(), what: SetAside::Entries(entries) };
        let later = Instant::now() + Duration::from_secs(60);
        let late = set_aside(&task, Instant::now() - Duration::from_secs(1)).unwrap_err();
        assert_eq!(late.kind, FailureKind::Timeout);
        set_aside(&task, later).unwrap();
        set_aside(&task, later).unwrap();
        let sweep = SweepTask { folder: room.clone(), timeout: Duration::from_secs(60) };
        assert_eq!(remove(&sweep, later).unwrap().left, Left::Nothing);
        for path in gone {
            assert!(!room.join(path).exists(), "{path}");
        }
        for path in kept {
            assert!(room.join(path).exists(), "{path}");
        }
        assert!(fs::symlink_metadata(room.join("cache/link")).is_err() && !room.join(ASIDE).exists());
    }
}
