//! The build's artifacts, on their way from the core's files to whoever makes the release.

use super::halt::Halt;
use super::run::Run;
use crate::model::artifact::Artifact;
use crate::model::{BuildId, Place};
use crate::plan::artifacts::wanted;
use crate::worker::protocol::ArtifactHead;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

impl Run<'_> {
    /// Those that go into the release.
    pub(super) fn artifacts(&self) -> Result<Vec<Artifact>, Halt> {
        let patterns = &self.target.artifacts;
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let build = self.deploy.build();
        let all = self.store.read().artifacts(&build)?;
        let wanted = wanted(&all, patterns).map_err(|idle| {
            self.failure(format!("no artifact of build {build} is meant by {idle} in `artifacts` of [deploy]"))
        })?;
        match wanted.iter().find(|artifact| !is_kept(self.place, &build, artifact)) {
            Some(gone) => Err(self.failure(format!("artifact {} of build {build} is not kept any more", gone.path))),
            None => Ok(wanted),
        }
    }
}

/// Whether its bytes are there; looked at before the worker waits for them, who could not be told otherwise.
fn is_kept(place: &Place, build: &BuildId, artifact: &Artifact) -> bool {
    let end = artifact.offset.saturating_add(artifact.size);
    std::fs::metadata(place.artifacts(build, artifact.step)).is_ok_and(|file| file.len() >= end)
}

/// Writes heads and bytes.
pub(super) fn send(place: &Place, build: &BuildId, artifacts: &[Artifact], to: &mut impl Write) -> io::Result<()> {
    for Artifact { path, step, offset, size, sha256, executable } in artifacts {
        let head = ArtifactHead { file: path.clone(), size: *size, sha256: sha256.clone(), executable: *executable };
        let mut line = serde_json::to_vec(&head)?;
        line.push(b'\n');
        to.write_all(&line)?;
        let mut file = File::open(place.artifacts(build, *step))?;
        file.seek(SeekFrom::Start(*offset))?;
        if io::copy(&mut file.take(*size), to)? != *size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
