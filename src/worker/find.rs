//! Finding files by pattern in a workspace that a step could do anything to: no link is followed, nothing is opened but
//! plain files, and all of it is bounded.

use super::folder::{Folder, FolderError};
use super::protocol::{Failure, FailureKind};
use crate::config::WantedFiles;
use crate::config::wanted::Part;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::time::Instant;

/// Most names that are looked at.
const NAMES_MAX: usize = 500_000;
/// Deepest folder, counted from the workspace.
const DEPTH_MAX: usize = 100;

/// Something that a pattern matches.
#[derive(Debug)]
pub(super) enum Found {
    /// A plain file, open for reading.
    File {
        /// Below the workspace.
        path: String,
        /// The file.
        file: File,
    },
    /// Something that is not read, and why.
    Refused {
        /// Below the workspace, made printable.
        path: String,
        /// Why, in words that go on after the path.
        why: String,
    },
}

/// Where the match of one pattern stands: the next of its parts.
type At<'p> = (&'p [Part], usize);

struct Walk<'v> {
    names: usize,
    deadline: Instant,
    visit: &'v mut dyn FnMut(Found) -> Result<(), Failure>,
}

/// Visits all that matches, each once, in the order of the names.
pub(super) fn each(
    workspace: &Folder,
    patterns: &[WantedFiles],
    deadline: Instant,
    visit: &mut dyn FnMut(Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let start: Vec<At<'_>> = patterns.iter().map(|pattern| (pattern.parts(), 0)).collect();
    Walk { names: 0, deadline, visit }.folder(workspace, "", &start, 0)
}

/// Where the patterns stand below this name, and whether one of them ends with it.
fn step<'p>(at: &[At<'p>], name: &OsStr) -> (Vec<At<'p>>, bool) {
    let (mut below, mut ends) = (Vec::new(), false);
    let mut add = |next: At<'p>| {
        if !below.iter().any(|at: &At<'_>| std::ptr::eq(at.0, next.0) && at.1 == next.1) {
            below.push(next);
        }
    };
    for (parts, mut position) in at.iter().copied() {
        // `**` may also stand for no folder at all, so what follows it is looked at as well.
        loop {
            match parts.get(position) {
                Some(Part::Folders) => {
                    add((parts, position));
                    ends |= position + 1 == parts.len();
                    position += 1;
                }
                Some(Part::Name(glob)) => {
                    if glob.is_match(name) {
                        ends |= position + 1 == parts.len();
                        add((parts, position + 1));
                    }
                    break;
                }
                None => {
                    // A folder above was meant, and with it all that is in it.
                    add((parts, position));
                    ends = true;
                    break;
                }
            }
        }
    }
    (below, ends)
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, path: &str, at: &[At<'_>], depth: usize) -> Result<(), Failure> {
        let refused = |says: String| Failure::new(FailureKind::TooLarge, &says);
        if depth > DEPTH_MAX {
            return Err(refused(format!("folders deeper than {DEPTH_MAX} are not looked through: {path}")));
        }
        let mut names = folder.names(NAMES_MAX - self.names + 1)?;
        self.names += names.len();
        if self.names > NAMES_MAX {
            return Err(refused(format!(
                "more than {NAMES_MAX} files and folders to look through; narrow the patterns"
            )));
        }
        if Instant::now() > self.deadline {
            return Err(Failure::new(FailureKind::Timeout, "looking through the workspace took too long"));
        }
        names.sort();
        for name in names {
            let (below, ends) = step(at, &name);
            if below.is_empty() && !ends {
                continue;
            }
            self.name(folder, path, &name, &below, ends, depth)?;
        }
        Ok(())
    }

    fn name(
        &mut self,
        folder: &Folder,
        path: &str,
        name: &OsString,
        below: &[At<'_>],
        ends: bool,
        depth: usize,
    ) -> Result<(), Failure> {
        let slash = if path.is_empty() { "" } else { "/" };
        let shown = format!("{path}{slash}{}", name.to_string_lossy());
        let mut refuse = |why: &str| {
            let path = crate::model::Line::cut(&shown).to_string();
            if ends { (self.visit)(Found::Refused { path, why: why.to_owned() }) } else { Ok(()) }
        };
        match folder.enter(name) {
            Ok(sub) => {
                return match name.to_str() {
                    Some(_) => self.folder(&sub, &shown, below, depth + 1),
                    None => refuse("has a name that is not UTF-8"),
                };
            }
            Err(e) if e.errno() == Some(Errno::ENOTDIR) => {}
            Err(e) if e.errno() == Some(Errno::ELOOP) => return refuse("is a symbolic link; links are not followed"),
            Err(e) if e.errno() == Some(Errno::EACCES) => return refuse("may not be read"),
            Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        if !ends {
            return Ok(());
        }
        let file = match folder.plain_file(name) {
            Ok(Some(file)) => file,
            Ok(None) => return refuse("is no plain file"),
            Err(e) => return self.not_opened(&shown, &e),
        };
        match name.to_str().is_some() && !shown.chars().any(char::is_control) {
            true => (self.visit)(Found::File { path: shown, file }),
            false => refuse("has a name with control characters, or one that is not UTF-8"),
        }
    }

    fn not_opened(&mut self, path: &str, error: &FolderError) -> Result<(), Failure> {
        let why = match error.errno() {
            // Gone since it was listed: something is still at work in the workspace.
            Some(Errno::ENOENT) => return Ok(()),
            Some(Errno::ELOOP) => "is a symbolic link; links are not followed",
            Some(Errno::EACCES | Errno::EPERM) => "may not be read",
            Some(_) | None => "cannot be opened",
        };
        (self.visit)(Found::Refused { path: crate::model::Line::cut(path).to_string(), why: why.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    fn found(workspace: &std::path::Path, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<WantedFiles> = patterns.iter().map(|text| WantedFiles::parse(text).unwrap()).collect();
        let mut seen = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        each(&Folder::open(workspace).unwrap(), &patterns, deadline, &mut |found| {
            seen.push(match found {
                Found::File { path, .. } => path,
                Found::Refused { path, why } => format!("{path} {why}"),
            });
            Ok(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn patterns_find_plain_files_and_nothing_outside() {
        let place = tempfile::tempdir().unwrap();
        let workspace = place.path().join("workspace");
        for path in ["build/a.xml", "build/b.txt", "build/sub/c.xml", "dist/x/y.whl", "top.xml", "node_modules/p/d.xml"]
        {
            fs::create_dir_all(workspace.join(path).parent().unwrap()).unwrap();
            fs::write(workspace.join(path), "").unwrap();
        }
        fs::write(place.path().join("secret.xml"), "outside").unwrap();
        symlink("../../secret.xml", workspace.join("build/link.xml")).unwrap();
        symlink("../..", workspace.join("build/up")).unwrap();
        symlink("build", workspace.join("other")).unwrap();
        nix::unistd::mkfifo(&workspace.join("build/fifo.xml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let link = "build/link.xml is a symbolic link; links are not followed";
        let fifo = "build/fifo.xml is no plain file";
        let table: [(&[&str], &[&str]); 9] = [
            (&["build/*.xml"], &["build/a.xml", fifo, link]),
            (&["build/**/*.xml"], &["build/a.xml", fifo, link, "build/sub/c.xml"]),
            (&["*.xml", "top.*"], &["top.xml"]),
            (&["**/c.xml"], &["build/sub/c.xml"]),
            (&["dist"], &["dist/x/y.whl"]),
            (&["dist/**"], &["dist/x/y.whl"]),
            (&["other/*.xml"], &[]),
            (&["other"], &["other is a symbolic link; links are not followed"]),
            (&["none/*.xml"], &[]),
        ];
        for (patterns, expected) in table {
            assert_eq!(found(&workspace, patterns), expected, "{patterns:?}");
        }
    }
}
