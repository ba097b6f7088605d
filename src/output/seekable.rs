//! The Zstandard Seekable Format (`contrib/seekable_format` of the zstd sources, version 0.1.0): independent frames,
//! and a table of their sizes in a skippable frame at the end. `zstdcat` reads it like any other.
//!
//! Written here because the crates for it bring an encoder of their own for what is a table of pairs.

use super::reader::LogError;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound};

/// Text in one frame, in bytes: twice what `zstd -3` looks back over. To `zstd -3` of the whole, frames of 128 KiB packed
/// a compiler's output 1.17 times as large and counted numbers 1.74 times; these 1.00 and 0.97 times.
const FRAME: usize = 4 * 1024 * 1024;
/// Level 6 packed lists of files 0.86 times as large, but counted numbers 1.06 times, and took twice as long.
const LEVEL: i32 = 4;

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
const ENTRY: usize = 8;
const FOOTER: usize = 9;
/// `Skippable_Magic_Number` and `Frame_Size`.
const HEADER: usize = 8;

/// Packs all of `input`.
pub(super) fn pack(input: &File, mut output: impl Write) -> io::Result<()> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    let mut plain = vec![0; FRAME];
    let mut packed = vec![0; compress_bound(FRAME)];
    let mut table = Vec::new();
    let mut offset = 0;
    loop {
        let n = fill(input, &mut plain, offset)?;
        if n == 0 {
            break;
        }
        let size = compressor.compress_to_buffer(&plain[..n], &mut packed[..])?;
        output.write_all(&packed[..size])?;
        table.extend([size, n].iter().flat_map(|&n| (n as u32).to_le_bytes()));
        offset += n as u64;
    }
    let mut end = Vec::with_capacity(HEADER + table.len() + FOOTER);
    end.extend(SKIPPABLE_MAGIC.to_le_bytes());
    end.extend(((table.len() + FOOTER) as u32).to_le_bytes());
    end.extend_from_slice(&table);
    end.extend(((table.len() / ENTRY) as u32).to_le_bytes());
    end.push(0);
    end.extend(SEEKABLE_MAGIC.to_le_bytes());
    output.write_all(&end)
}

fn fill(input: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read_at(&mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// A packed log, readable at any offset; holds one frame in memory.
pub(super) struct Seekable {
    file: File,
    /// Where each frame begins, packed and plain, and at the end where the last one ends.
    starts: Vec<(u64, u64)>,
    decompressor: Decompressor<'static>,
    packed: Vec<u8>,
    /// The frame that `plain` has.
    cached: Option<usize>,
    plain: Vec<u8>,
}

impl Seekable {
    pub(super) fn open(mut file: File) -> Result<Seekable, LogError> {
        let starts = read_table(&mut file)?;
        Ok(Seekable {
            file,
            starts,
            decompressor: Decompressor::new()?,
            packed: Vec::new(),
            cached: None,
            plain: vec![0; FRAME],
        })
    }

    /// Bytes of text.
    pub(super) fn len(&self) -> u64 {
        self.starts.last().map_or(0, |end| end.1)
    }

    /// Reads at most to the end of the frame that has `offset`; 0 at the end of the text.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, LogError> {
        if offset >= self.len() {
            return Ok(0);
        }
        let frame = self.starts.partition_point(|start| start.1 <= offset) - 1;
        self.load(frame)?;
        let (from, to) = (self.starts[frame].1, self.starts[frame + 1].1);
        let text = &self.plain[(offset - from) as usize..(to - from) as usize];
        let n = text.len().min(buffer.len());
        buffer[..n].copy_from_slice(&text[..n]);
        Ok(n)
    }

    fn load(&mut self, frame: usize) -> Result<(), LogError> {
        if self.cached == Some(frame) {
            return Ok(());
        }
        self.cached = None;
        let ((from, plain_from), (to, plain_to)) = (self.starts[frame], self.starts[frame + 1]);
        self.packed.resize((to - from) as usize, 0);
        self.file.read_exact_at(&mut self.packed, from)?;
        let unpacked = self.decompressor.decompress_to_buffer(&self.packed, &mut self.plain[..]);
        if unpacked.map_err(|_| LogError::Damaged("a frame does not unpack"))? as u64 != plain_to - plain_from {
            return Err(LogError::Damaged("a frame is not as long as its table says"));
        }
        self.cached = Some(frame);
        Ok(())
    }
}

fn read_table(file: &mut File) -> Result<Vec<(u64, u64)>, LogError> {
    let size = file.metadata()?.len();
    let mut footer = [0; FOOTER];
    let footer_at = size.checked_sub(FOOTER as u64).ok_or(LogError::Damaged("it is too short"))?;
    file.read_exact_at(&mut footer, footer_at)?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, &b| value << 8 | u64::from(b));
    if word(&footer[5..]) != u64::from(SEEKABLE_MAGIC) || footer[4] != 0 {
        return Err(LogError::Damaged("it has no seek table of ours at its end"));
    }
    let entries = word(&footer[..4]) * ENTRY as u64;
    let table_at = footer_at.checked_sub(entries + HEADER as u64).ok_or(LogError::Damaged("its seek table is cut"))?;
    let mut table = vec![0; entries as usize];
    file.read_exact_at(&mut table, table_at + HEADER as u64)?;
    let mut starts = vec![(0, 0)];
    let (mut packed, mut plain) = (0, 0);
    for entry in table.chunks_exact(ENTRY) {
        let (packed_size, plain_size) = (word(&entry[..4]), word(&entry[4..]));
        if plain_size > FRAME as u64 || packed_size > compress_bound(FRAME) as u64 {
            return Err(LogError::Damaged("a frame is larger than we write them"));
        }
        (packed, plain) = (packed + packed_size, plain + plain_size);
        starts.push((packed, plain));
    }
    if packed != table_at {
        return Err(LogError::Damaged("its frames are not where its table says"));
    }
    Ok(starts)
}
