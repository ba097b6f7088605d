//! Lines: how many there are, and where the last ones begin.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read at once, in bytes.
const BLOCK: u64 = 64 * 1024;

/// The offset where the last `lines` lines before `end` begin; not before `floor`. A newline at `end` ends the last
/// line and begins none. `read_at` fills its buffer from an offset.
pub(super) fn start_of_last_lines<E, R: FnMut(&mut [u8], u64) -> Result<(), E>>(
    floor: u64,
    end: u64,
    lines: u64,
    mut read_at: R,
) -> Result<u64, E> {
    if lines == 0 {
        return Ok(end);
    }
    let mut buffer = Vec::new();
    let mut found = 0;
    let mut to = end.saturating_sub(1).max(floor);
    while to > floor {
        let from = to.saturating_sub(BLOCK).max(floor);
        buffer.resize((to - from) as usize, 0);
        read_at(&mut buffer, from)?;
        for (at, _) in buffer.iter().enumerate().rev().filter(|(_, b)| **b == b'\n') {
            found += 1;
            if found == lines {
                return Ok(from + at as u64 + 1);
            }
        }
        to = from;
    }
    Ok(floor)
}

/// Newlines in a whole file.
pub(super) fn count_newlines(log: &File) -> io::Result<u64> {
    let mut buffer = vec![0; BLOCK as usize];
    let (mut offset, mut newlines) = (0, 0);
    loop {
        let n = log.read_at(&mut buffer, offset)?;
        if n == 0 {
            return Ok(newlines);
        }
        newlines += newlines_in(&buffer[..n]);
        offset += n as u64;
    }
}

/// Newlines in a piece of text.
pub(super) fn newlines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines() {
        let long = format!("first\n{}\nlast\n", "x".repeat(200_000));
        for (text, floor, lines, expected) in [
            ("", 0, 3, ""),
            ("one", 0, 1, "one"),
            ("one\n", 0, 1, "one\n"),
            ("one\ntwo", 0, 1, "two"),
            ("one\ntwo\n", 0, 2, "one\ntwo\n"),
            ("one\ntwo\nthree\n", 0, 2, "two\nthree\n"),
            ("one\ntwo\nthree\n", 0, 0, ""),
            ("one\ntwo\nthree\n", 6, 9, "o\nthree\n"),
            ("\n\n\n", 0, 2, "\n\n"),
            (&long, 0, 2, &long[6..]),
            (&long, 0, 3, &long),
        ] {
            let read = |buffer: &mut [u8], offset: u64| {
                buffer.copy_from_slice(&text.as_bytes()[offset as usize..][..buffer.len()]);
                Ok::<(), std::convert::Infallible>(())
            };
            let start = start_of_last_lines(floor, text.len() as u64, lines, read).unwrap();
            assert_eq!(&text[start as usize..], expected, "{lines} of {:.20?} above {floor}", text);
        }
    }
}
