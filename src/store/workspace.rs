//! What each workspace was filled with: no step can write this, as it could write anything in the workspace itself.

use super::row::{one, to_json};
use super::{Read, Result, Tx};
use crate::model::CommitId;
use rusqlite::params;
use std::path::Path;

impl Read<'_> {
    /// The commits whose tracked files may be in a workspace; none if nobody knows.
    pub fn workspace(&self, folder: &Path) -> Result<Option<Vec<CommitId>>> {
        let sql = "SELECT commits FROM workspace WHERE folder = ?1";
        one(self.0, sql, params![folder.to_string_lossy()], |row| row.json("commits"))
    }
}

impl Tx<'_> {
    /// Writes down what a workspace is about to be filled with beside what it has, or what it is filled with now.
    pub fn workspace_has(&self, folder: &Path, commits: &[CommitId]) -> Result<()> {
        self.0.execute(
            "INSERT INTO workspace (folder, commits) VALUES (?1, ?2)
             ON CONFLICT (folder) DO UPDATE SET commits = excluded.commits",
            params![folder.to_string_lossy(), to_json(&commits)?],
        )?;
        Ok(())
    }

    /// From here on nobody knows.
    pub fn workspace_unknown(&self, folder: &Path) -> Result<()> {
        self.0.execute("DELETE FROM workspace WHERE folder = ?1", params![folder.to_string_lossy()])?;
        Ok(())
    }
}
