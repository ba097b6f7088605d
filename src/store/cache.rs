//! How much projects keep from build to build.

use super::row::{Fields, all, millis, one};
use super::{Read, Result, Tx};
use crate::model::cache::CacheSize;
use crate::model::{BuildNumber, ProjectName};
use jiff::Timestamp;
use rusqlite::params;

fn size(row: &Fields<'_>) -> Result<CacheSize> {
    Ok(CacheSize { bytes: row.get("bytes")?, measured: row.time("measured")? })
}

impl Read<'_> {
    /// What HOME and cache of a project took when they were last looked at.
    pub fn cache(&self, project: &ProjectName) -> Result<Option<CacheSize>> {
        one(self.0, "SELECT * FROM cache WHERE project = ?1", [project.as_str()], size)
    }

    /// The same for all projects.
    pub fn caches(&self) -> Result<Vec<(ProjectName, CacheSize)>> {
        all(self.0, "SELECT * FROM cache", [], |row| Ok((row.parse("project")?, size(row)?)))
    }

    /// The newest build of a project that is over, if HOME and cache have not been looked at since.
    pub fn unmeasured(&self, project: &ProjectName) -> Result<Option<BuildNumber>> {
        let sql = "SELECT number FROM build WHERE project = ?1 AND state = 'finished'
                     AND number > coalesce((SELECT number FROM cache WHERE project = ?1), 0)
                   ORDER BY number DESC LIMIT 1";
        one(self.0, sql, [project.as_str()], |row| Ok(BuildNumber(row.get("number")?)))
    }
}

impl Tx<'_> {
    /// HOME and cache of a project have been looked at, after its builds up to this one.
    pub fn cache_measured(
        &self,
        project: &ProjectName,
        bytes: u64,
        after: Option<BuildNumber>,
        now: Timestamp,
    ) -> Result<()> {
        self.0.execute(
            "INSERT INTO cache (project, bytes, measured, number) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (project) DO UPDATE SET bytes = excluded.bytes, measured = excluded.measured,
               number = max(number, excluded.number)",
            params![project.as_str(), bytes, millis(now), after.map_or(0, |number| number.0)],
        )?;
        Ok(())
    }
}
