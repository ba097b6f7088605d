//! Handing artifacts over, as the user whose files they are.

use super::find::{self, Found};
use super::folder::Folder;
use super::protocol::{CollectAnswer, CollectTask, Failure, FailureKind, FileHead};
use super::say::say;
use nix::errno::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

/// Most lines that are told of what is not handed over.
const TOLD_MAX: u32 = 20;

/// Writes the files to standard output; the answer comes after them.
pub(super) fn collect(task: &CollectTask, deadline: Instant) -> Result<CollectAnswer, Failure> {
    let mut answer = CollectAnswer::default();
    let folder = match Folder::open(&task.folder) {
        Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(answer),
        folder => folder?,
    };
    // Not through `Stdout`, which looks for newlines in all that is written.
    let out = io::stdout().as_fd().try_clone_to_owned().map_err(|e| broken(&e))?;
    let (mut out, mut files, mut bytes) = (File::from(out), 0, 0);
    find::each(&folder, &task.patterns, deadline, &mut |found| {
        let (path, file) = match found {
            Found::File { path, file } => (path, file),
            Found::Refused { path, why } => {
                answer.refused += 1;
                if answer.refused <= TOLD_MAX {
                    say!("artifacts: {path} {why}: not collected");
                }
                return Ok(());
            }
        };
        let metadata = file.metadata().map_err(|e| broken(&e))?;
        let (size, executable) = (metadata.len(), metadata.mode() & 0o100 != 0);
        files += 1;
        bytes += size;
        let too_large = |says: String| Err(Failure::new(FailureKind::TooLarge, &says));
        if files > task.files_max {
            return too_large(format!("more than {} files; the limit is for a build", task.files_max));
        }
        if bytes > task.bytes_max {
            return too_large(format!("{path} would make it {bytes} bytes, and {} are left", task.bytes_max));
        }
        if Instant::now() > deadline {
            return Err(Failure::new(FailureKind::Timeout, "collecting took too long"));
        }
        let Ok(name) = path.parse() else {
            return too_large(format!("the path of {} is too long", crate::model::Line::cut(&path)));
        };
        hand_over(&mut out, &FileHead { file: name, size, executable }, file)
    })?;
    if answer.refused > TOLD_MAX {
        say!("artifacts: and {} more", answer.refused - TOLD_MAX);
    }
    Ok(answer)
}

fn hand_over(out: &mut File, head: &FileHead, file: File) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(head).map_err(|e| Failure::new(FailureKind::Internal, &e.to_string()))?;
    line.push(b'\n');
    out.write_all(&line).map_err(|e| broken(&e))?;
    let written = io::copy(&mut file.take(head.size), out).map_err(|e| broken(&e))?;
    if written == head.size {
        return Ok(());
    }
    // What was promised cannot be kept, and no answer may follow: whoever reads sees the stream break off.
    say!("artifacts: {} became shorter while it was read; does something still write to it?", head.file);
    std::process::exit(1)
}

fn broken(error: &io::Error) -> Failure {
    Failure::new(FailureKind::Disk, &format!("artifacts: {error}"))
}
