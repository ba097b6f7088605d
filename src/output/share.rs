//! The journal's share of a step's output: its first lines as they come, its last ones at the end.

use super::terminal;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Most lines in one journal entry.
const BATCH_LINES: u64 = 100;
/// Most text in one journal entry, in bytes.
const BATCH_BYTES: usize = 32 * 1024;
/// Longer lines are cut in the journal, in bytes; the log has them whole.
pub(super) const LINE_MAX: usize = 2 * 1024;

/// One entry for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalBatch<'a> {
    /// Lines of the log, without escape sequences and control characters, long ones cut; no newline at the end.
    Lines {
        /// The number of the first, from 1.
        first: u64,
        /// How many there are, 1 to 100.
        count: u64,
        /// Them.
        text: &'a str,
    },
    /// Stands for the middle of a long output.
    LeftOut {
        /// How many lines are in the log only.
        lines: u64,
    },
}

/// How much of the log the journal has had, or has been told that it will not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shared {
    /// Byte offset in the log.
    pub(super) offset: u64,
    /// Lines before that offset.
    pub(super) lines: u64,
}

/// Takes a finished batch, and how far the journal is with it.
pub(super) type Hand<'a> = dyn FnMut(&JournalBatch<'_>, Shared) -> io::Result<()> + 'a;

/// Cuts a stream of published bytes into batches.
#[derive(Debug)]
pub(super) struct Share {
    done: Shared,
    /// Most lines to give.
    limit: u64,
    text: String,
    count: u64,
    /// Bytes of the log that the waiting batch covers.
    covered: u64,
    /// The beginning of the line that has not ended, at most `LINE_MAX`.
    line: Vec<u8>,
    line_len: u64,
}

impl Share {
    /// Goes on after `done`, until `limit` lines have been given since the log's beginning.
    pub(super) fn after(done: Shared, limit: u64) -> Share {
        Share { done, limit, text: String::new(), count: 0, covered: 0, line: Vec::new(), line_len: 0 }
    }

    /// Whether all that it may give has been given.
    pub(super) fn is_satisfied(&self) -> bool {
        self.done.lines + self.count >= self.limit
    }

    /// Takes the bytes that follow in the log and hands on full batches.
    pub(super) fn feed(&mut self, mut bytes: &[u8], hand: &mut Hand<'_>) -> io::Result<()> {
        while !self.is_satisfied() && !bytes.is_empty() {
            let newline = bytes.iter().position(|&b| b == b'\n');
            let (piece, follows) = bytes.split_at(newline.map_or(bytes.len(), |at| at + 1));
            let kept = piece.len() - usize::from(newline.is_some());
            self.line.extend_from_slice(&piece[..kept.min(LINE_MAX.saturating_sub(self.line.len()) + 1)]);
            self.line_len += piece.len() as u64;
            bytes = follows;
            if newline.is_some() {
                self.end_line(hand)?;
            }
        }
        Ok(())
    }

    /// Takes what the log has up to `end` and this has not seen yet.
    pub(super) fn catch_up(&mut self, log: &File, end: u64, hand: &mut Hand<'_>) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while !self.is_satisfied() {
            let seen = self.done.offset + self.covered + self.line_len;
            let want = usize::try_from(end - seen).map_or(buffer.len(), |n| n.min(buffer.len()));
            if want == 0 {
                break;
            }
            log.read_exact_at(&mut buffer[..want], seen)?;
            self.feed(&buffer[..want], hand)?;
        }
        Ok(())
    }

    /// Hands on the lines that wait for a batch to fill.
    pub(super) fn flush(&mut self, hand: &mut Hand<'_>) -> io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let next = Shared { offset: self.done.offset + self.covered, lines: self.done.lines + self.count };
        hand(&JournalBatch::Lines { first: self.done.lines + 1, count: self.count, text: &self.text }, next)?;
        self.done = next;
        (self.count, self.covered) = (0, 0);
        self.text.clear();
        Ok(())
    }

    /// Hands on everything, an unfinished last line too.
    pub(super) fn end(&mut self, hand: &mut Hand<'_>) -> io::Result<()> {
        if self.line_len > 0 && !self.is_satisfied() {
            self.end_line(hand)?;
        }
        self.flush(hand)
    }

    fn end_line(&mut self, hand: &mut Hand<'_>) -> io::Result<()> {
        let shown = shown(&self.line);
        if self.text.len() + 1 + shown.len() > BATCH_BYTES || self.count == BATCH_LINES {
            self.flush(hand)?;
        }
        if self.count > 0 {
            self.text.push('\n');
        }
        self.text.push_str(&shown);
        self.count += 1;
        self.covered += self.line_len;
        self.line.clear();
        self.line_len = 0;
        Ok(())
    }
}

/// A line as the journal has it.
fn shown(line: &[u8]) -> String {
    let mut text = terminal::plain_line(&line[..line.len().min(LINE_MAX)]);
    if line.len() > LINE_MAX || text.len() > LINE_MAX {
        let most = (0..=LINE_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(most.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a share of `log` with `limit` lines hands on when the log comes in pieces of `size` bytes.
    fn batches(log: &[u8], limit: u64, size: usize) -> Vec<(u64, u64, String, Shared)> {
        let mut share = Share::after(Shared { offset: 0, lines: 0 }, limit);
        let mut handed = Vec::new();
        let mut hand = |batch: &JournalBatch<'_>, shared| {
            match batch {
                JournalBatch::Lines { first, count, text } => handed.push((*first, *count, (*text).to_owned(), shared)),
                JournalBatch::LeftOut { .. } => panic!("nothing is left out here"),
            }
            Ok(())
        };
        for piece in log.chunks(size) {
            share.feed(piece, &mut hand).unwrap();
        }
        share.end(&mut hand).unwrap();
        handed
    }

    #[test]
    fn batches_are_the_same_however_the_output_comes() {
        let log: String = (1..=250).map(|i| format!("line {i}\n")).collect::<String>() + "unfinished";
        let whole = batches(log.as_bytes(), 1000, log.len());
        assert_eq!(whole.iter().map(|b| (b.0, b.1)).collect::<Vec<_>>(), [(1, 100), (101, 100), (201, 51)]);
        assert_eq!(whole.iter().map(|b| b.2.as_str()).collect::<Vec<_>>().join("\n"), log);
        assert_eq!(whole[2].3, Shared { offset: log.len() as u64, lines: 251 });
        for size in [1, 7, 100] {
            assert_eq!(batches(log.as_bytes(), 1000, size), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn the_limit_counts_lines() {
        let log = "x\n".repeat(500);
        let given = batches(log.as_bytes(), 150, 64);
        assert_eq!(given.iter().map(|b| b.1).sum::<u64>(), 150);
        assert_eq!(given.last().unwrap().3, Shared { offset: 300, lines: 150 });
        assert!(batches(log.as_bytes(), 0, 64).is_empty());
    }

    #[test]
    fn long_lines_are_cut_and_entries_bounded() {
        let long = "ä".repeat(LINE_MAX / 2);
        let exact = batches(long.as_bytes(), 9, 100);
        assert_eq!(exact[0].2, long);
        let longer = batches(format!("{long}x\nnext\n").as_bytes(), 9, 100);
        assert_eq!(longer[0].2, format!("{long}…\nnext"));
        let nuls = vec![0; 10 * LINE_MAX];
        assert!(batches(&nuls, 9, 999)[0].2.len() <= LINE_MAX + '…'.len_utf8());
        let many = batches(format!("{long}\n").repeat(40).as_bytes(), 99, 4096);
        assert!(many.len() > 1 && many.iter().all(|b| b.2.len() <= BATCH_BYTES));
    }

    #[test]
    fn nothing_dangerous_is_left() {
        let hostile = b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x00\xff 10%\r20%\ndone\r\n";
        assert_eq!(batches(hostile, 9, 3)[0].2, "20%\ndone");
    }
}
