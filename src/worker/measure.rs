//! How much of a room a step has written: what its changed files take on the disk.

use super::protocol::{MeasureAnswer, MeasureTask};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// The unit of `st_blocks` (stat(2)).
const BLOCK: u64 = 512;
/// Left of the time for the answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What cannot be looked at, or goes meanwhile, is left out: the step goes on beside this.
pub(super) fn measure(task: &MeasureTask, deadline: Instant) -> MeasureAnswer {
    let until = deadline.checked_sub(LAST_WORDS).unwrap_or(deadline);
    let mut folders = vec![task.folder.clone()];
    let mut linked = HashSet::new();
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if bytes > task.enough || Instant::now() > until {
                return MeasureAnswer { bytes };
            }
            // Of the link itself, where it is one.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.ctime() >= task.since.as_second()
                && (about.nlink() == 1 || linked.insert((about.dev(), about.ino())))
            {
                bytes += about.blocks() * BLOCK;
            }
        }
    }
    MeasureAnswer { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{Span, Timestamp};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_changed_is_added_up_once() {
        let room = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).unwrap();
        fs::create_dir_all(room.path().join("workspace/deep")).unwrap();
        fs::write(room.path().join("workspace/deep/file"), vec![1; 256 << 10]).unwrap();
        fs::hard_link(room.path().join("workspace/deep/file"), room.path().join("again")).unwrap();
        symlink(outside.path(), room.path().join("out")).unwrap();
        symlink(room.path(), room.path().join("workspace/round")).unwrap();
        let measured = |since, enough, time: Duration| {
            let task = MeasureTask { folder: room.path().to_owned(), since, enough, timeout: time };
            measure(&task, Instant::now() + time).bytes
        };
        let (minute, before) = (Duration::from_secs(60), Timestamp::now() - Span::new().minutes(1));
        let all = measured(before, u64::MAX, minute);
        assert!((256 << 10..512 << 10).contains(&all), "{all}");
        assert_eq!(measured(before + Span::new().minutes(2), u64::MAX, minute), 0, "nothing has changed since");
        assert_eq!(measured(before, u64::MAX, Duration::ZERO), 0, "no time to look at anything");
        fs::write(room.path().join("more"), vec![1; 256 << 10]).unwrap();
        assert!(measured(before, 100 << 10, minute) > 100 << 10);
    }
}
