//! How far a recording is, in one small write that a kill cannot tear.

use super::share::Shared;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `unitci` and the version of this layout.
const MAGIC: u64 = u64::from_be_bytes(*b"unitci\0\x01");
const WORDS: usize = 8;

/// What becomes of further output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is taken.
    Recording,
    /// The log is whole; nothing comes any more.
    Ended,
}

/// Where a recording stands. All offsets and sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) phase: Phase,
    /// Up to here `.raw` is in the log.
    pub(super) raw: u64,
    /// Up to here the log is good.
    pub(super) published: u64,
    /// Newlines in the log.
    pub(super) newlines: u64,
    /// Up to here the journal has had its share.
    pub(super) shared: Shared,
    /// Output thrown away because the limit was reached.
    pub(super) dropped: u64,
}

impl Checkpoint {
    pub(super) const BEGIN: Checkpoint = Checkpoint {
        phase: Phase::Recording,
        raw: 0,
        published: 0,
        newlines: 0,
        shared: Shared { offset: 0, lines: 0 },
        dropped: 0,
    };

    fn words(&self) -> [u64; WORDS] {
        let phase = match self.phase {
            Phase::Recording => 0,
            Phase::Ended => 1,
        };
        let Shared { offset, lines } = self.shared;
        [MAGIC, phase, self.raw, self.published, self.newlines, offset, lines, self.dropped]
    }

    fn parse(bytes: &[u8; WORDS * 8]) -> Option<Checkpoint> {
        let mut words =
            bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |value, &b| value << 8 | u64::from(b)));
        let mut next = || words.next();
        if next()? != MAGIC {
            return None;
        }
        let phase = match next()? {
            0 => Phase::Recording,
            1 => Phase::Ended,
            _ => return None,
        };
        let (raw, published, newlines) = (next()?, next()?, next()?);
        let shared = Shared { offset: next()?, lines: next()? };
        Some(Checkpoint { phase, raw, published, newlines, shared, dropped: next()? })
    }
}

/// The open `.state` file, locked: whoever has it is the log's only writer. The lock ends with the process.
#[derive(Debug)]
pub(super) struct CheckpointFile(File);

impl CheckpointFile {
    /// Opens and locks it; `WouldBlock` if another process is recording.
    pub(super) fn open(path: &Path) -> io::Result<CheckpointFile> {
        let file = super::stem::create(path, 0o600)?;
        match file.try_lock() {
            Ok(()) => Ok(CheckpointFile(file)),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, format!("{} is being recorded already", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// What it says; `None` for an empty one, or one that a power cut spoilt.
    pub(super) fn load(&self) -> io::Result<Option<Checkpoint>> {
        let mut bytes = [0; WORDS * 8];
        match self.0.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Checkpoint::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One write within one page: after a kill there is the old one or the new one.
    pub(super) fn save(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut bytes = [0; WORDS * 8];
        for (place, word) in bytes.chunks_exact_mut(8).zip(checkpoint.words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.0.write_all_at(&bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_rubbish_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2.state");
        let file = CheckpointFile::open(&path).unwrap();
        assert_eq!(file.load().unwrap(), None);
        let shared = Shared { offset: 5, lines: 6 };
        let saved = Checkpoint { phase: Phase::Ended, raw: 1 << 40, published: 3, newlines: 4, shared, dropped: 7 };
        file.save(&saved).unwrap();
        assert_eq!(file.load().unwrap(), Some(saved));
        for rubbish in [&[0; 64][..], &[0xff; 64], b"unitci"] {
            std::fs::write(&path, rubbish).unwrap();
            assert_eq!(file.load().unwrap(), None);
        }
    }

    #[test]
    fn two_recorders_of_one_log_are_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2.state");
        let first = CheckpointFile::open(&path).unwrap();
        assert_eq!(CheckpointFile::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        CheckpointFile::open(&path).unwrap();
    }
}
