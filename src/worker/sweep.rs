//! Emptying a folder that a step could do anything to.

use super::folder::{Folder, FolderError, Kind};
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};

/// How many names are read at a time: a folder with a million entries must not fill our memory.
const BATCH: usize = 4096;

/// Removes all that is in a folder. Links are removed, not followed; folders without permissions get them back.
///
/// Trees deeper than any path can be long, or than we may hold folders open, are no trouble: what lies two levels
/// down is lifted to the top by a rename, so that the work is never deeper than that.
pub(super) fn empty(top: &Folder) -> Result<(), FolderError> {
    let mut lifted = 0;
    loop {
        let names = top.names(BATCH)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if remove_simple(top, &name)? == Left::Folder {
                lift_contents(&top.sub(&name)?, top, &mut lifted)?;
                top.rmdir(&name)?;
            }
        }
    }
}

/// Removes one thing, whatever it is; nothing to do when it is not there.
pub(super) fn remove(folder: &Folder, name: &OsStr) -> Result<(), FolderError> {
    match folder.kind(name)? {
        None => Ok(()),
        Some(Kind::Folder) => {
            empty(&folder.sub(name)?)?;
            folder.rmdir(name)
        }
        Some(Kind::Link | Kind::Other) => folder.unlink(name),
    }
}

#[derive(PartialEq)]
enum Left {
    Nothing,
    Folder,
}

/// Removes what needs one call.
fn remove_simple(folder: &Folder, name: &OsStr) -> Result<Left, FolderError> {
    let is = |error: &FolderError, errno| error.errno() == Some(errno);
    match folder.unlink(name) {
        Ok(()) => return Ok(Left::Nothing),
        Err(e) if is(&e, Errno::ENOENT) => return Ok(Left::Nothing),
        Err(e) if is(&e, Errno::EISDIR) => {}
        Err(e) => return Err(e),
    }
    match folder.rmdir(name) {
        Ok(()) => Ok(Left::Nothing),
        Err(e) if is(&e, Errno::ENOTEMPTY) || is(&e, Errno::EEXIST) => Ok(Left::Folder),
        Err(e) => Err(e),
    }
}

fn lift_contents(folder: &Folder, top: &Folder, lifted: &mut u64) -> Result<(), FolderError> {
    loop {
        let names = folder.names(BATCH)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if remove_simple(folder, &name)? == Left::Folder {
                // To move a folder is to change its "..": opening it gives us the permission.
                folder.sub(&name)?;
                lift(folder, &name, top, lifted)?;
            }
        }
    }
}

fn lift(folder: &Folder, name: &OsStr, top: &Folder, lifted: &mut u64) -> Result<(), FolderError> {
    loop {
        *lifted += 1;
        match folder.rename(name, top, &OsString::from(format!(".lifted-{lifted}"))) {
            // A step may have made that name, too.
            Err(e) if matches!(e.errno(), Some(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR)) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn deep(folder: &Path, depth: usize) {
        let mut here = Folder::open(folder).unwrap();
        for level in 0..depth {
            here.write_new(OsStr::new("file"), "x").unwrap();
            here = here.make_sub(OsStr::new(if level % 2 == 0 { "sub" } else { ".lifted-2" })).unwrap();
        }
    }

    #[test]
    fn everything_goes_and_nothing_outside() {
        let place = tempfile::tempdir().unwrap();
        let (outside, inside) = (place.path().join("outside"), place.path().join("inside"));
        fs::create_dir_all(outside.join("kept")).unwrap();
        fs::write(outside.join("kept/file"), "kept").unwrap();
        for folder in ["locked/below", "deep", "wide", ".lifted-1/x", "nine/lives"] {
            fs::create_dir_all(inside.join(folder)).unwrap();
        }
        fs::write(inside.join(".lifted-3"), "a file with our name").unwrap();
        fs::write(inside.join("locked/below/file"), "x").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink(outside.join("kept/file"), inside.join("nine/lives/link")).unwrap();
        symlink("/nonexistent", inside.join("dangling")).unwrap();
        // 3000 levels of "sub" make a path of more than 4096 bytes, and more folders than a process may hold open.
        deep(&inside.join("deep"), 3000);
        for n in 0..BATCH + 10 {
            fs::write(inside.join(format!("wide/{n}")), "").unwrap();
        }
        for locked in ["locked/below/file", "locked/below", "locked"] {
            fs::set_permissions(inside.join(locked), Permissions::from_mode(0o000)).unwrap();
        }
        empty(&Folder::open(&inside).unwrap()).unwrap();
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(outside.join("kept/file")).unwrap(), "kept");
    }
}
