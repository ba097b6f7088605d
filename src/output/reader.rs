//! Reading a log, whether it still grows or is finished, without holding more than a piece of it.

use super::newline::start_of_last_lines;
use super::seekable::Seekable;
use super::stem::Stem;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much [`LogReader::copy_to`] moves at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The step has not printed yet, or its log has been cleaned away.
    #[error("there is no log")]
    Missing,
    /// The file is not what we wrote.
    #[error("the log is damaged: {0}")]
    Damaged(&'static str),
    /// The system refused.
    #[error("cannot read the log: {0}")]
    Io(#[from] io::Error),
}

impl LogError {
    pub(super) fn into_io(self) -> io::Error {
        match self {
            LogError::Missing => io::Error::new(io::ErrorKind::NotFound, self),
            LogError::Damaged(_) => io::Error::new(io::ErrorKind::InvalidData, self),
            LogError::Io(error) => error,
        }
    }
}

/// Whether a log may still grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogState {
    /// It may.
    Running,
    /// It is whole.
    Finished,
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Where in the log it begins, in bytes.
    pub offset: u64,
    /// It.
    pub bytes: Vec<u8>,
}

/// An open log. Offsets are those of the published text, the same before and after it was packed.
pub struct LogReader {
    stem: Stem,
    source: Source,
}

enum Source {
    Growing(File),
    Packed(Box<Seekable>),
}

impl LogReader {
    /// Opens the log of a stem such as `/var/lib/ci/builds/gkp/42/2`.
    pub fn open(stem: &Path) -> Result<LogReader, LogError> {
        LogReader::of(Stem::new(stem))
    }

    pub(super) fn of(stem: Stem) -> Result<LogReader, LogError> {
        // The packed one a second time: it may have taken the other's place between the two looks.
        let source = match packed(&stem)? {
            Some(source) => Some(source),
            None => match present(File::open(stem.log()))? {
                Some(file) => Some(Source::Growing(file)),
                None => packed(&stem)?,
            },
        };
        Ok(LogReader { source: source.ok_or(LogError::Missing)?, stem })
    }

    /// Bytes there are now.
    pub fn len(&self) -> Result<u64, LogError> {
        match &self.source {
            Source::Growing(file) => Ok(file.metadata()?.len()),
            Source::Packed(seekable) => Ok(seekable.len()),
        }
    }

    /// Whether there is nothing in it now.
    pub fn is_empty(&self) -> Result<bool, LogError> {
        Ok(self.len()? == 0)
    }

    /// Looks whether the log has been finished meanwhile. To follow a log, read until 0 bytes come, then ask: if it
    /// is `Running`, wait a little and read on; once `Finished`, read until 0 bytes come for the last time.
    /// [`LogError::Missing`] if it has been cleaned away.
    pub fn refresh(&mut self) -> Result<LogState, LogError> {
        if let Source::Packed(_) = &self.source {
            return Ok(LogState::Finished);
        }
        // In this order: the growing one goes only when the packed one is there.
        let growing = self.stem.log().try_exists()?;
        match packed(&self.stem)? {
            Some(source) => {
                self.source = source;
                Ok(LogState::Finished)
            }
            None if growing => Ok(LogState::Running),
            None => Err(LogError::Missing),
        }
    }

    /// Reads what there is from `offset` on, as much as fits or less; 0 bytes mean that nothing is there (yet).
    pub fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, LogError> {
        match &mut self.source {
            Source::Growing(file) => Ok(file.read_at(buffer, offset)?),
            Source::Packed(seekable) => seekable.read_at(buffer, offset),
        }
    }

    /// Up to `most` bytes from `offset` on, fewer only at the end.
    pub fn read_range(&mut self, offset: u64, most: usize) -> Result<Excerpt, LogError> {
        let there = self.len()?.saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(there).map_or(most, |there| there.min(most))];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        bytes.truncate(filled);
        Ok(Excerpt { offset, bytes })
    }

    /// The first `lines` lines, cut after `most` bytes.
    pub fn lines_head(&mut self, lines: usize, most: usize) -> Result<Excerpt, LogError> {
        let mut excerpt = self.read_range(0, most)?;
        let newlines = excerpt.bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
        let end = match lines.checked_sub(1) {
            Some(before) => newlines.map(|(at, _)| at + 1).nth(before).unwrap_or(excerpt.bytes.len()),
            None => 0,
        };
        excerpt.bytes.truncate(end);
        Ok(excerpt)
    }

    /// The last `lines` lines; if they are longer than `most` bytes, the last of those.
    pub fn lines_tail(&mut self, lines: u64, most: usize) -> Result<Excerpt, LogError> {
        let end = self.len()?;
        let floor = end.saturating_sub(most as u64);
        let read_at = |buffer: &mut [u8], offset| {
            let got = self.read_range(offset, buffer.len())?.bytes;
            // A taken-over log may shrink for a moment between two looks.
            buffer.fill(0);
            buffer[..got.len()].copy_from_slice(&got);
            Ok::<(), LogError>(())
        };
        let start = start_of_last_lines(floor, end, lines, read_at)?;
        self.read_range(start, (end - start) as usize)
    }

    /// Writes the log from `offset` on to its present end; says where that is.
    pub fn copy_to(&mut self, mut offset: u64, writer: &mut dyn Write) -> Result<u64, LogError> {
        let mut buffer = vec![0; PIECE];
        loop {
            let n = self.read_at(&mut buffer, offset)?;
            if n == 0 {
                return Ok(offset);
            }
            writer.write_all(&buffer[..n])?;
            offset += n as u64;
        }
    }
}

fn packed(stem: &Stem) -> Result<Option<Source>, LogError> {
    let Some(file) = present(File::open(stem.packed()))? else { return Ok(None) };
    Ok(Some(Source::Packed(Box::new(Seekable::open(file)?))))
}

fn present(opened: io::Result<File>) -> io::Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
