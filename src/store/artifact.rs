//! What was collected.

use super::row::{Fields, all, one};
use super::{Read, Result, Tx};
use crate::model::artifact::{Artifact, ArtifactPath};
use crate::model::{BuildId, BuildNumber, ProjectName, RefName, StepIndex};
use rusqlite::params;

/// The artifacts of a build in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArtifactSum {
    /// How many.
    pub files: u64,
    /// How large, all together.
    pub bytes: u64,
}

fn artifact(row: &Fields<'_>) -> Result<Artifact> {
    Ok(Artifact {
        path: row.parse("path")?,
        step: StepIndex(row.get("idx")?),
        offset: row.get("offset")?,
        size: row.get("size")?,
        sha256: row.parse("sha256")?,
        executable: row.get("executable")?,
    })
}

impl Read<'_> {
    /// A build's artifacts, by name.
    pub fn artifacts(&self, id: &BuildId) -> Result<Vec<Artifact>> {
        let sql = "SELECT * FROM artifact WHERE project = ?1 AND number = ?2 ORDER BY path";
        all(self.0, sql, params![id.project.as_str(), id.number.0], artifact)
    }

    /// One of them.
    pub fn artifact(&self, id: &BuildId, path: &ArtifactPath) -> Result<Option<Artifact>> {
        let sql = "SELECT * FROM artifact WHERE project = ?1 AND number = ?2 AND path = ?3";
        one(self.0, sql, params![id.project.as_str(), id.number.0, path.as_str()], artifact)
    }

    /// What a build has collected so far.
    pub fn artifact_sum(&self, id: &BuildId) -> Result<ArtifactSum> {
        let sql = "SELECT coalesce(sum(files), 0) AS files, coalesce(sum(bytes), 0) AS bytes
                   FROM artifact_set WHERE project = ?1 AND number = ?2";
        let key = params![id.project.as_str(), id.number.0];
        let sum = one(self.0, sql, key, |row| Ok(ArtifactSum { files: row.get("files")?, bytes: row.get("bytes")? }))?;
        Ok(sum.unwrap_or_default())
    }

    /// Whether what a step hands out has been collected.
    pub fn is_collected(&self, id: &BuildId, index: StepIndex) -> Result<bool> {
        let sql = "SELECT 1 FROM artifact_set WHERE project = ?1 AND number = ?2 AND idx = ?3";
        Ok(one(self.0, sql, params![id.project.as_str(), id.number.0, index.0], |_| Ok(()))?.is_some())
    }

    /// The newest green build of a ref that has artifacts.
    pub fn latest_artifacts(&self, project: &ProjectName, reference: &RefName) -> Result<Option<BuildNumber>> {
        let sql = "SELECT build.number AS number FROM artifact_set JOIN build USING (project, number)
                   WHERE artifact_set.project = ?1 AND artifact_set.files > 0
                     AND build.ref = ?2 AND build.verdict IN ('success', 'warnings')
                   ORDER BY artifact_set.number DESC LIMIT 1";
        one(self.0, sql, params![project.as_str(), reference.as_str()], |row| Ok(BuildNumber(row.get("number")?)))
    }
}

impl Tx<'_> {
    /// Writes down what a step hands out; once for each step. A name that an earlier step has handed out is this one's
    /// from here on.
    pub fn collected(&self, id: &BuildId, index: StepIndex, artifacts: &[Artifact]) -> Result<()> {
        let bytes: u64 = artifacts.iter().map(|artifact| artifact.size).sum();
        self.0.execute(
            "INSERT INTO artifact_set (project, number, idx, files, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id.project.as_str(), id.number.0, index.0, artifacts.len(), bytes],
        )?;
        let sql = "INSERT OR REPLACE INTO artifact (project, number, path, idx, offset, size, sha256, executable)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let mut insert = self.0.prepare_cached(sql)?;
        for artifact in artifacts {
            insert.execute(params![
                id.project.as_str(),
                id.number.0,
                artifact.path.as_str(),
                index.0,
                artifact.offset,
                artifact.size,
                artifact.sha256.as_str(),
                artifact.executable,
            ])?;
        }
        Ok(())
    }
}
