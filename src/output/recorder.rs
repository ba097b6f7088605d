//! Takes a step's output in, so that no byte is lost to a kill of ours and none can be taken back by the step.

use super::checkpoint::{Checkpoint, CheckpointFile, Phase};
use super::finish::{Ended, Finished};
use super::masker::{Masker, Rest};
use super::newline::{count_newlines, newlines_in};
use super::share::{JournalBatch, Share, Shared};
use super::stem::{Stem, create};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SpliceFFlags, fallocate, fcntl, splice};
use nix::sys::stat::{Mode, fchmod};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// What is read and published at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// Most that one call takes out of a pipe, in bytes, so that its caller gets to look at other things.
const TURN: u64 = 4 << 20;
/// Consumed output is given back to the file system in pieces of this size, in bytes: mostly before it was written.
const PUNCH: u64 = 2 << 20;
/// The pipe's buffer, in bytes; what an unprivileged process may ask for by default (`fs.pipe-max-size`).
const PIPE: i32 = 1 << 20;

/// What bounds a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of output that are kept.
    pub log_max: u64,
    /// How many of the first lines go to the journal.
    pub journal_head: u32,
    /// How many of the last.
    pub journal_tail: u32,
}

/// How a call left the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeState {
    /// Empty for now.
    Drained,
    /// There is more: call again.
    More,
    /// Nobody holds its other end.
    Closed,
}

/// What there is of a log when one comes to record it.
#[derive(Debug)]
pub enum Opened {
    /// Nothing, or what an earlier recorder left in the middle.
    Recording(Box<Recorder>),
    /// All of it: an earlier recorder was killed at the very end. Finish it.
    Ended(Ended),
}

/// A pipe for a step: the reading end for the recorder (and the fd store), the writing end for the unit.
pub fn step_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    // The step is another user, and `echo >/dev/stderr` opens the pipe anew. To write, not to read back: what is in it
    // has been said. Nobody else finds the way to it, through /proc of the step's processes.
    fchmod(&write, Mode::from_bits_truncate(0o622))?;
    match fcntl(&read, FcntlArg::F_SETPIPE_SZ(PIPE)) {
        // EPERM: this user has many pipes already; a small one does as well, in smaller steps.
        Ok(_) | Err(Errno::EPERM) => Ok((read, write)),
        Err(errno) => Err(errno.into()),
    }
}

/// Records one step's output.
///
/// After an error (a full disk, say) nothing is lost and the same recorder can be used again; meanwhile the step waits
/// at its full pipe.
#[derive(Debug)]
pub struct Recorder {
    stem: Stem,
    masker: Masker,
    limits: Limits,
    raw: File,
    log: File,
    state: CheckpointFile,
    at: Checkpoint,
    share: Share,
    /// Up to here `.raw` has been filled.
    raw_end: u64,
    /// Up to here `.raw` has been given back.
    punched: u64,
    /// Takes what is over the limit.
    sink: File,
    input: Vec<u8>,
    scratch: Vec<u8>,
    last_output: Instant,
    pub(super) pipe: PipeState,
    /// How much had been thrown away when the caller was told that something was.
    pub(super) dropped_told: u64,
}

impl Recorder {
    /// Begins a log, or goes on where a killed recorder stopped. `WouldBlock` if another process is recording it.
    pub fn open(stem: &Path, masker: Masker, limits: Limits) -> io::Result<Opened> {
        let stem = Stem::new(stem);
        if stem.packed().try_exists()? {
            return Ok(Opened::Ended(Ended::packed(stem, limits)));
        }
        let state = CheckpointFile::open(&stem.state())?;
        let raw = create(&stem.raw(), 0o600)?;
        let log = create(&stem.log(), 0o640)?;
        let (log_end, raw_end) = (log.metadata()?.len(), raw.metadata()?.len());
        let at = match state.load()? {
            Some(at) if at.published <= log_end => at,
            Some(at) => after_power_cut(&log, Checkpoint { published: log_end, ..at })?,
            None => after_power_cut(&log, Checkpoint { raw: raw_end, published: log_end, ..Checkpoint::BEGIN })?,
        };
        if at.phase == Phase::Ended {
            return Ok(Opened::Ended(Ended::whole(stem, limits, log, state, at)));
        }
        log.set_len(at.published)?;
        state.save(&at)?;
        Ok(Opened::Recording(Box::new(Recorder {
            share: Share::after(at.shared, limits.journal_head.into()),
            raw_end: raw_end.max(at.raw),
            punched: at.raw,
            sink: OpenOptions::new().write(true).open("/dev/null")?,
            input: vec![0; CHUNK.max(2 * masker.longest())],
            scratch: Vec::new(),
            last_output: Instant::now(),
            pipe: PipeState::Drained,
            dropped_told: 0,
            stem,
            masker,
            limits,
            raw,
            log,
            state,
            at,
        })))
    }

    /// Masks from here on what this masker knows; what is published stays.
    pub fn mask_with(&mut self, masker: Masker) {
        self.input.resize(CHUNK.max(2 * masker.longest()), 0);
        self.masker = masker;
    }

    /// Moves what is in the pipe now, at most 4 MiB, without waiting, and publishes it. Each batch for the journal is
    /// given to `journal` before the next is made; after a kill the last one may come again.
    pub fn pump(&mut self, pipe: BorrowedFd<'_>, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<PipeState> {
        self.take(pipe, TURN, journal)
    }

    /// Moves what is in the pipe now and returns without waiting for its end, which may never come: after a unit was
    /// stopped, a process that has left it may still hold the other end, and go on writing.
    pub fn drain(&mut self, pipe: BorrowedFd<'_>, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<()> {
        let capacity = u64::try_from(fcntl(pipe, FcntlArg::F_GETPIPE_SZ)?).unwrap_or(TURN);
        self.take(pipe, capacity, journal).map(drop)
    }

    fn take(
        &mut self,
        pipe: BorrowedFd<'_>,
        most: u64,
        journal: &mut dyn FnMut(&JournalBatch<'_>),
    ) -> io::Result<PipeState> {
        // First what an earlier call or a killed recorder took in and could not publish.
        self.publish(Rest::Follows, journal)?;
        self.share_published(journal)?;
        let mut left = most;
        self.pipe = loop {
            let room = self.limits.log_max.saturating_sub(self.raw_end);
            let moved = match if room == 0 { self.discard(pipe, left) } else { self.splice(pipe, left.min(room)) } {
                Ok(0) => break PipeState::Closed,
                Ok(moved) => moved,
                Err(Errno::EAGAIN) => break PipeState::Drained,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            self.last_output = Instant::now();
            self.publish(Rest::Follows, journal)?;
            left = left.saturating_sub(moved);
            if left == 0 {
                break PipeState::More;
            }
        };
        self.flush_share(journal)?;
        self.state.save(&self.at)?;
        Ok(self.pipe)
    }

    /// A kill between two instructions here finds each byte either in the pipe or in the file: the kernel takes a page
    /// out of the pipe when it is in the file, and `raw_end` is the file's length.
    fn splice(&mut self, pipe: BorrowedFd<'_>, most: u64) -> Result<u64, Errno> {
        let mut end = i64::try_from(self.raw_end).map_err(|_| Errno::EFBIG)?;
        let most = usize::try_from(most.min(CHUNK as u64 * 4)).map_err(|_| Errno::EINVAL)?;
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        let moved = splice(pipe, None, self.raw.as_fd(), Some(&mut end), most, flags)? as u64;
        self.raw_end += moved;
        Ok(moved)
    }

    fn discard(&mut self, pipe: BorrowedFd<'_>, most: u64) -> Result<u64, Errno> {
        let most = usize::try_from(most).map_err(|_| Errno::EINVAL)?;
        let dropped = splice(pipe, None, self.sink.as_fd(), None, most, SpliceFFlags::SPLICE_F_NONBLOCK)? as u64;
        self.at.dropped += dropped;
        Ok(dropped)
    }

    /// Publishes what is in `.raw` and can be decided.
    fn publish(&mut self, rest: Rest, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<()> {
        while self.at.raw < self.raw_end {
            let want =
                usize::try_from(self.raw_end - self.at.raw).map_or(self.input.len(), |n| n.min(self.input.len()));
            let input = &mut self.input[..want];
            self.raw.read_exact_at(input, self.at.raw)?;
            let rest = if self.at.raw + want as u64 == self.raw_end { rest } else { Rest::Follows };
            let (consumed, out) = self.masker.mask(input, rest, &mut self.scratch);
            if consumed == 0 {
                break;
            }
            // At its offset, not at the file's end: a write that failed half-way is simply done again.
            self.log.write_all_at(out, self.at.published)?;
            self.at.raw += consumed as u64;
            self.at.published += out.len() as u64;
            self.at.newlines += newlines_in(out);
            self.share_published(journal)?;
            if self.at.raw - self.punched >= PUNCH {
                self.state.save(&self.at)?;
                self.punch()?;
            }
        }
        Ok(())
    }

    /// The batch that waits to be filled goes out: somebody may be reading along.
    fn flush_share(&mut self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<()> {
        let at = &mut self.at;
        self.share.flush(&mut |batch, shared| {
            journal(batch);
            at.shared = shared;
            Ok(())
        })
    }

    /// Gives the journal what has become public since the last time, or since a killed recorder's last batch.
    fn share_published(&mut self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<()> {
        let (state, published, at) = (&self.state, self.at.published, &mut self.at);
        self.share.catch_up(&self.log, published, &mut |batch, shared| {
            journal(batch);
            at.shared = shared;
            state.save(at)
        })
    }

    /// Gives the disk back what is in the log as well.
    fn punch(&mut self) -> io::Result<()> {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let range = |n: u64| i64::try_from(n).map_err(|_| Errno::EFBIG);
        match fallocate(&self.raw, flags, range(self.punched)?, range(self.at.raw - self.punched)?) {
            // Not every file system can; then the raw output stays until the end.
            Ok(()) | Err(Errno::EOPNOTSUPP) => self.punched = self.at.raw,
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// A line of our own, after all that came before it; once, however often it is asked for in a row. Only between two
    /// programs that print here: what is held back of the output is taken for whole.
    pub fn note(&mut self, line: &str, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<()> {
        self.publish(Rest::Ended, journal)?;
        let text = format!("{line}\n");
        let tail = self.tail(text.len() + 1)?;
        let open = tail.last().is_some_and(|byte| *byte != b'\n');
        if !tail.ends_with(text.as_bytes()) {
            let text = if open { format!("\n{text}") } else { text };
            self.raw.write_all_at(text.as_bytes(), self.raw_end)?;
            self.raw_end += text.len() as u64;
            self.publish(Rest::Ended, journal)?;
        }
        self.share_published(journal)?;
        self.flush_share(journal)?;
        self.state.save(&self.at)
    }

    /// The last bytes that are published.
    pub fn tail(&self, most: usize) -> io::Result<Vec<u8>> {
        let from = self.at.published.saturating_sub(most as u64);
        let mut tail = vec![0; usize::try_from(self.at.published - from).unwrap_or(most)];
        self.log.read_exact_at(&mut tail, from)?;
        Ok(tail)
    }

    /// Another program prints from now on, into another pipe.
    pub fn begin_again(&mut self) {
        self.pipe = PipeState::Drained;
        self.last_output = Instant::now();
    }

    /// Ends the log: publishes what was held back, and says how much was thrown away. Look into the pipe before, by
    /// [`Recorder::drain`].
    pub fn end(mut self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<Ended> {
        self.publish(Rest::Ended, journal)?;
        let note = self.last_words()?;
        self.log.write_all_at(note.as_bytes(), self.at.published)?;
        self.at.published += note.len() as u64;
        self.at.newlines += note.matches('\n').count() as u64;
        self.at.phase = Phase::Ended;
        self.state.save(&self.at)?;
        self.raw.set_len(0)?;
        // Only now: what the journal has had must not make a take-over count the last words as output.
        self.share_published(journal)?;
        let at = &mut self.at;
        self.share.end(&mut |batch, shared| {
            journal(batch);
            at.shared = shared;
            Ok(())
        })?;
        self.state.save(&self.at)?;
        Ok(Ended::whole(self.stem, self.limits, self.log, self.state, self.at))
    }

    /// [`Recorder::end`] and [`Ended::finish`] in one.
    pub fn finish(self, journal: &mut dyn FnMut(&JournalBatch<'_>)) -> io::Result<Finished> {
        self.end(journal)?.finish(journal)
    }

    fn last_words(&self) -> io::Result<String> {
        let Checkpoint { dropped, published, .. } = self.at;
        if dropped == 0 {
            return Ok(String::new());
        }
        let mut last = [b'\n'];
        if published > 0 {
            self.log.read_exact_at(&mut last, published - 1)?;
        }
        let newline = if last == [b'\n'] { "" } else { "\n" };
        let max = self.limits.log_max;
        Ok(format!(
            "{newline}[unitci: the log ends here: log-max is {max} bytes, {dropped} bytes more were thrown away]\n"
        ))
    }

    /// Bytes the step has printed so far, kept or not.
    pub fn bytes(&self) -> u64 {
        self.raw_end + self.at.dropped
    }

    /// Bytes thrown away because [`Limits::log_max`] was reached. After a kill in the middle of it a little less.
    pub fn dropped(&self) -> u64 {
        self.at.dropped
    }

    /// When output last came; when the recorder was opened, if none has.
    pub fn last_output(&self) -> Instant {
        self.last_output
    }
}

/// Only a power cut leaves a log without its state, or shorter than its state says. What is there stays, the rest is
/// lost (a hole full of NULs would be no better), and the journal has had its share.
fn after_power_cut(log: &File, at: Checkpoint) -> io::Result<Checkpoint> {
    let newlines = count_newlines(log)?;
    Ok(Checkpoint { newlines, shared: Shared { offset: at.published, lines: newlines }, ..at })
}
