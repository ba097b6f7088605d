//! What HOME and cache of a room hold, entry by entry. Builds may run meanwhile: nothing is changed, and what goes while
//! it is looked at is left out.
//!
//! A step has made all of it, and may have meant that nobody can say how much it is: what cannot be added up, for whatever
//! reason, is [shut](Entry::shut), and so goes first. An error here would mean that nothing ever goes.

use super::protocol::{ENTRIES_TOLD, SurveyAnswer, SurveyTask};
use crate::model::cache::{Entry, EntryName, Shelf};
use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The unit of `st_blocks` (stat(2)).
const BLOCK: u64 = 512;
/// How many files with several names are remembered; those beyond count once for each name.
const LINKED_MAX: usize = 1 << 20;
/// How long the paths of folders may be, together, that are still to be looked into.
const AHEAD_MAX: usize = 32 << 20;

pub(super) fn survey(task: &SurveyTask, deadline: Instant) -> SurveyAnswer {
    let mut looker = Looker { linked: HashSet::new(), deadline };
    let mut answer = SurveyAnswer::default();
    'all: for shelf in Shelf::ALL {
        let Some(folder) = real(&task.folder, shelf) else { continue };
        let Ok(found) = fs::read_dir(&folder) else { continue };
        for found in found.flatten() {
            if shelf == Shelf::Home
                && found.file_name() == Shelf::DOT_CACHE
                && found.file_type().is_ok_and(|t| t.is_dir())
            {
                continue;
            }
            let at = EntryName { shelf, name: found.file_name() };
            let Some(entry) = looker.entry(at, &found.path()) else { continue };
            answer.bytes += entry.bytes;
            answer.entries.push(entry);
            if answer.entries.len() >= 2 * ENTRIES_TOLD {
                keep_oldest(&mut answer.entries);
            }
            if looker.is_late() {
                // The next look begins without what took so long.
                break 'all;
            }
        }
    }
    keep_oldest(&mut answer.entries);
    answer
}

/// Those that are most likely to go.
fn keep_oldest(entries: &mut Vec<Entry>) {
    entries.sort_by_key(|entry| (!entry.shut, entry.used));
    entries.truncate(ENTRIES_TOLD);
}

/// The shelf's folder, if a step has left it there and put no link in its way.
fn real(room: &Path, shelf: Shelf) -> Option<PathBuf> {
    let mut folder = room.to_owned();
    for name in shelf.path() {
        folder.push(name);
        if !fs::symlink_metadata(&folder).ok()?.is_dir() {
            return None;
        }
    }
    Some(folder)
}

struct Looker {
    /// Files with several names that have been counted.
    linked: HashSet<(u64, u64)>,
    deadline: Instant,
}

impl Looker {
    fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }

    fn entry(&mut self, at: EntryName, path: &Path) -> Option<Entry> {
        let about = fs::symlink_metadata(path).ok()?;
        let mut entry = Entry { at, bytes: 0, used: i64::MIN, shut: false };
        self.count(&about, &mut entry);
        let made = about.mtime();
        let (mut folders, mut ahead) = (Vec::new(), 0);
        if about.is_dir() {
            folders.push(path.to_owned());
            ahead += path.as_os_str().len();
        }
        'walk: while let Some(folder) = folders.pop() {
            ahead -= folder.as_os_str().len();
            let found = match fs::read_dir(&folder) {
                Ok(found) => found,
                Err(error) => {
                    entry.shut |= is_there(&error);
                    continue;
                }
            };
            for found in found.flatten() {
                if self.is_late() {
                    entry.shut = true;
                    break 'walk;
                }
                let about = match found.metadata() {
                    Ok(about) => about,
                    Err(error) => {
                        // A folder that may be listed and not entered.
                        entry.shut |= is_there(&error);
                        continue;
                    }
                };
                self.count(&about, &mut entry);
                if about.is_dir() {
                    let below = found.path();
                    let length = below.as_os_str().len();
                    if ahead + length > AHEAD_MAX {
                        entry.shut = true;
                        continue;
                    }
                    ahead += length;
                    folders.push(below);
                }
            }
        }
        if entry.used == i64::MIN {
            entry.used = made;
        }
        Some(entry)
    }

    fn count(&mut self, about: &Metadata, entry: &mut Entry) {
        // Folders say nothing of use: their times are those of names that come and go, and of whoever looks.
        if !about.is_dir() {
            entry.used = entry.used.max(about.mtime()).max(about.atime());
            let file = (about.dev(), about.ino());
            if about.nlink() > 1 && self.linked.contains(&file) {
                return;
            }
            if about.nlink() > 1 && self.linked.len() < LINKED_MAX {
                self.linked.insert(file);
            }
        }
        entry.bytes += about.blocks() * BLOCK;
    }
}

/// Not one that has gone meanwhile: one without permissions, or deeper than a path can be long.
fn is_there(error: &io::Error) -> bool {
    error.kind() != ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::super::folder::Folder;
    use super::super::sweep;
    use super::*;
    use std::ffi::OsStr;
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    fn put(path: &Path, bytes: usize, used: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![1; bytes]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(used);
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_accessed(time).set_modified(time)).unwrap();
    }

    #[test]
    fn entries_are_added_up_where_they_lie() {
        let place = tempfile::tempdir().unwrap();
        let room = place.path().join("gkp");
        let outside = place.path().join("outside");
        put(&outside.join("big"), 5 << 20, 9);
        put(&room.join("home/.npmrc"), 1 << 10, 4_000_000_000);
        put(&room.join("home/.cache/pip/deep/wheel"), 2 << 20, 4_000_000_001);
        put(&room.join("cache/one/file"), 1 << 20, 4_000_000_002);
        fs::hard_link(room.join("cache/one/file"), room.join("cache/one/again")).unwrap();
        put(&room.join("workspace/not"), 1 << 20, 1);
        symlink(&outside, room.join("cache/link")).unwrap();
        symlink(&room, room.join("home/round")).unwrap();
        let later = Instant::now() + Duration::from_secs(60);
        let task = SurveyTask { folder: room.clone(), timeout: Duration::from_secs(60) };
        let answer = survey(&task, later);
        let told: Vec<_> = answer.entries.iter().map(|entry| entry.at.describe()).collect();
        let some = |name: &str| answer.entries.iter().find(|entry| entry.at.describe() == name).unwrap();
        assert_eq!(told.len(), 5, "{told:?}");
        assert_eq!(some("$HOME/.npmrc").used, 4_000_000_000);
        let (pip, one) = (some("$HOME/.cache/pip"), some("$CI_CACHE/one"));
        assert_eq!((pip.used, one.used), (4_000_000_001, 4_000_000_002));
        assert!((2 << 20..3 << 20).contains(&pip.bytes) && (1 << 20..2 << 20).contains(&one.bytes), "{answer:?}");
        assert!(some("$CI_CACHE/link").bytes < 1 << 20 && some("$HOME/round").bytes < 1 << 20);
        assert_eq!(answer.bytes, answer.entries.iter().map(|entry| entry.bytes).sum::<u64>());

        // A link in the place of a shelf leads nowhere.
        fs::remove_dir_all(room.join("cache")).unwrap();
        symlink(&outside, room.join("cache")).unwrap();
        assert!(survey(&task, later).entries.iter().all(|entry| entry.at.shelf != Shelf::Cache));
    }

    #[test]
    fn what_cannot_be_added_up_is_shut() {
        let room = tempfile::tempdir().unwrap();
        put(&room.path().join("cache/big/deep/file"), 1 << 10, 1);
        let task = SurveyTask { folder: room.path().to_owned(), timeout: Duration::from_secs(60) };
        let survey = |until| {
            let told = survey(&task, until).entries;
            told.into_iter().map(|entry| (entry.at.describe(), entry.shut)).collect::<Vec<_>>()
        };
        let (past, later) = (Instant::now() - Duration::from_secs(1), Instant::now() + Duration::from_secs(60));
        assert_eq!(survey(later), [("$CI_CACHE/big".to_owned(), false)]);
        // There was no time for the rest.
        assert_eq!(survey(past), [("$CI_CACHE/big".to_owned(), true)]);

        // No path is so long; a step gets there all the same, folder by folder.
        let mut here = Folder::open(&room.path().join("cache/big")).unwrap();
        for _ in 0..20 {
            here = here.make_sub(OsStr::new(&"d".repeat(250))).unwrap();
        }
        assert_eq!(survey(later), [("$CI_CACHE/big".to_owned(), true)]);
        sweep::empty(&Folder::open(room.path()).unwrap()).unwrap();
    }

    #[test]
    fn what_is_told_is_bounded_and_what_is_counted_is_not() {
        let place = tempfile::tempdir().unwrap();
        let many = 3 * ENTRIES_TOLD;
        for number in 0..many {
            put(&place.path().join(format!("cache/{number}")), 1, 4_000_000_000 - number as u64);
        }
        let task = SurveyTask { folder: place.path().to_owned(), timeout: Duration::from_secs(60) };
        let answer = survey(&task, Instant::now() + Duration::from_secs(60));
        assert_eq!(answer.entries.len(), ENTRIES_TOLD);
        assert_eq!(answer.entries[0].at.name, (many - 1).to_string().as_str());
        assert!(answer.bytes >= many as u64 * 512, "{}", answer.bytes);
    }
}
