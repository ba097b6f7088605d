//! From a whole log to the finished one: the journal's last lines, packing, sweeping. Can be repeated from any point.

use super::checkpoint::{Checkpoint, CheckpointFile};
use super::newline::{newlines_in, start_of_last_lines};
use super::reader::{LogError, LogReader};
use super::recorder::Limits;
use super::seekable;
use super::share::{JournalBatch, Share, Shared};
use super::stem::{Stem, create};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A log that is whole and not finished yet.
#[derive(Debug)]
pub struct Ended {
    stem: Stem,
    limits: Limits,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// In `.log`; the journal may have had its last lines, and a packed copy may be half there.
    Whole { log: File, state: CheckpointFile, at: Checkpoint },
    /// In `.log.zst`; other files may be left.
    Packed,
}

/// What a finished log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Its size before packing, in bytes.
    pub bytes: u64,
    /// Its lines, an unended last one included.
    pub lines: u64,
}

impl Ended {
    pub(super) fn packed(stem: Stem, limits: Limits) -> Ended {
        Ended { stem, limits, stage: Stage::Packed }
    }

    pub(super) fn whole(stem: Stem, limits: Limits, log: File, state: CheckpointFile, at: Checkpoint) -> Ended {
        Ended { stem, limits, stage: Stage::Whole { log, state, at } }
    }

    /// Gives the journal the last lines, packs the log and removes everything else. After an error or a kill open the
    /// log again and repeat: the journal may then have one entry twice.
    pub fn finish(mut self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<Finished> {
        let finished = match &mut self.stage {
            Stage::Whole { log, state, at } => {
                let finished = Finished { bytes: at.published, lines: lines(log, at)? };
                share_rest(log, state, at, finished.lines, self.limits.journal_tail.into(), journal)?;
                pack(&self.stem, log)?;
                finished
            }
            Stage::Packed => measure(&self.stem)?,
        };
        self.stem.sweep()?;
        Ok(finished)
    }
}

fn lines(log: &File, at: &Checkpoint) -> io::Result<u64> {
    let mut last = [b'\n'];
    if at.published > 0 {
        log.read_exact_at(&mut last, at.published - 1)?;
    }
    Ok(at.newlines + u64::from(last != [b'\n']))
}

/// What is left if it is at most `tail` lines; else a word about the middle and the last `tail`.
fn share_rest(
    log: &File,
    state: &CheckpointFile,
    at: &mut Checkpoint,
    lines: u64,
    tail: u64,
    journal: &mut dyn FnMut(&JournalBatch<'_>),
) -> io::Result<()> {
    let left = lines.saturating_sub(at.shared.lines);
    if left > tail {
        let read_at = |buffer: &mut [u8], offset| log.read_exact_at(buffer, offset);
        let offset = start_of_last_lines(at.shared.offset, at.published, tail, read_at)?;
        journal(&JournalBatch::LeftOut { lines: left - tail });
        at.shared = Shared { offset, lines: lines - tail };
        state.save(at)?;
    }
    let published = at.published;
    let mut share = Share::after(at.shared, u64::MAX);
    let mut hand = |batch: &JournalBatch<'_>, shared| {
        journal(batch);
        at.shared = shared;
        state.save(at)
    };
    share.catch_up(log, published, &mut hand)?;
    share.end(&mut hand)
}

fn pack(stem: &Stem, log: &File) -> io::Result<()> {
    let packing = create(&stem.packing(), 0o640)?;
    packing.set_len(0)?;
    seekable::pack(log, &packing)?;
    packing.sync_all()?;
    std::fs::rename(stem.packing(), stem.packed())?;
    stem.sync_folder()
}

/// What [`Finished`] says, from the packed log: the checkpoint may have been swept already.
fn measure(stem: &Stem) -> io::Result<Finished> {
    let mut reader = LogReader::of(stem.clone()).map_err(LogError::into_io)?;
    let (mut finished, mut last) = (Finished { bytes: 0, lines: 0 }, b'\n');
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = reader.read_at(&mut buffer, finished.bytes).map_err(LogError::into_io)?;
        if n == 0 {
            finished.lines += u64::from(last != b'\n');
            return Ok(finished);
        }
        finished.bytes += n as u64;
        finished.lines += newlines_in(&buffer[..n]);
        last = buffer[n - 1];
    }
}
