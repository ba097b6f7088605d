//! The build's artifacts on their way into a release: bytes from the core, put where their names say and nowhere else.

use super::folder::{Folder, Kind};
use super::protocol::{ArtifactHead, Failure, FailureKind, HEAD_MAX};
use super::release_make::descend;
use crate::model::Line;
use crate::model::artifact::Sha256;
use sha2::Digest;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::time::Instant;

/// Puts as many as were announced, each over what the commit has at its path.
pub(super) fn put(release: &Folder, count: usize, from: &mut impl BufRead, deadline: Instant) -> Result<(), Failure> {
    for _ in 0..count {
        if Instant::now() > deadline {
            return Err(Failure::new(FailureKind::Timeout, "putting the artifacts into the release took too long"));
        }
        let head = head(from)?;
        let refused = |says: &str| Failure::new(FailureKind::Refused, &format!("artifact {}: {says}", head.file));
        let names: Vec<&OsStr> = head.file.as_str().split('/').map(OsStr::new).collect();
        let Some((last, parents)) = names.split_last() else { return Err(refused("it has no name")) };
        let folder = descend(release, parents)?;
        let folder = folder.ok_or_else(|| refused("a part of its path is no folder in this commit"))?;
        match folder.kind(last)? {
            None => {}
            Some(Kind::Link | Kind::Other) => folder.unlink(last)?,
            Some(Kind::Folder) => return Err(refused("it is a folder in this commit")),
        }
        let file = folder.new_file(last, if head.executable { 0o777 } else { 0o666 })?;
        let sum =
            copy(from, file, head.size).map_err(|e| Failure::new(FailureKind::Disk, &format!("{}: {e}", head.file)))?;
        if sum != head.sha256 {
            return Err(Failure::new(FailureKind::Disk, &format!("artifact {} is not what was collected", head.file)));
        }
    }
    Ok(())
}

/// Passes over as many: what comes after them is the next task.
pub(super) fn skip(count: usize, from: &mut impl BufRead) -> Result<(), Failure> {
    for _ in 0..count {
        let head = head(from)?;
        let skipped = io::copy(&mut from.take(head.size), &mut io::sink());
        skipped.map_err(|e| Failure::new(FailureKind::Internal, &format!("{}: {e}", head.file)))?;
    }
    Ok(())
}

fn head(from: &mut impl BufRead) -> Result<ArtifactHead, Failure> {
    let broken = |says: String| Failure::new(FailureKind::Internal, &format!("the stream of artifacts {says}"));
    let mut line = Vec::new();
    let read = from.take(HEAD_MAX as u64 + 1).read_until(b'\n', &mut line);
    read.map_err(|e| broken(format!("cannot be read: {e}")))?;
    serde_json::from_slice(&line)
        .map_err(|e| broken(format!("has no head where one should be: {}", Line::cut(&e.to_string()))))
}

fn copy(from: &mut impl BufRead, mut file: File, size: u64) -> io::Result<Sha256> {
    let (mut sum, mut left) = (sha2::Sha256::new(), size);
    while left > 0 {
        let bytes = from.fill_buf()?;
        let some = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if some == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&bytes[..some])?;
        sum.update(&bytes[..some]);
        from.consume(some);
        left -= some as u64;
    }
    Ok(Sha256::of_sum(sum.finalize().into()))
}
