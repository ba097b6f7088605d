//! What polls have seen: one row a project, one row a ref.

use super::row::{Fields, all, millis, one};
use super::{Read, Result, Tx};
use crate::model::{CommitId, ProjectName, RefName};
use jiff::Timestamp;
use rusqlite::params;
use std::collections::BTreeMap;

/// How polling a project has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// Which project.
    pub project: ProjectName,
    /// The ref behind the remote's HEAD, once known.
    pub head: Option<RefName>,
    /// The last poll, good or bad.
    pub looked: Timestamp,
    /// The last good poll.
    pub good: Option<Timestamp>,
    /// Why the last poll failed, if it did, and since when they do.
    pub trouble: Option<(String, Timestamp)>,
    /// A person wants a look now.
    pub asked: Option<Timestamp>,
    /// Since when refs from outside are looked at; none while they are not.
    pub outside: Option<Timestamp>,
    /// How many changed refs from outside the last poll has left for a later one.
    pub outside_left: u32,
}

fn source(row: &Fields<'_>) -> Result<SourceRow> {
    let error: Option<String> = row.get("error")?;
    let since = row.time_if("error_since")?;
    Ok(SourceRow {
        project: row.parse("project")?,
        head: row.parse_if("head")?,
        looked: row.time("looked")?,
        good: row.time_if("good")?,
        trouble: error.zip(since),
        asked: row.time_if("asked")?,
        outside: row.time_if("outside")?,
        outside_left: row.get("outside_left")?,
    })
}

impl Read<'_> {
    /// One project's polling; none before its first.
    pub fn source(&self, project: &ProjectName) -> Result<Option<SourceRow>> {
        one(self.0, "SELECT * FROM source WHERE project = ?1", [project.as_str()], source)
    }

    /// All projects' polling.
    pub fn sources(&self) -> Result<Vec<SourceRow>> {
        all(self.0, "SELECT * FROM source ORDER BY project", [], source)
    }

    /// The last seen commit of each ref.
    pub fn tips(&self, project: &ProjectName) -> Result<BTreeMap<RefName, CommitId>> {
        let sql = "SELECT ref, sha FROM tip WHERE project = ?1";
        let tips = all(self.0, sql, [project.as_str()], |row| Ok((row.parse("ref")?, row.parse("sha")?)))?;
        Ok(tips.into_iter().collect())
    }
}

impl Tx<'_> {
    /// A poll went well.
    pub fn poll_succeeded(&self, project: &ProjectName, head: Option<&RefName>, now: Timestamp) -> Result<()> {
        self.0.execute(
            "INSERT INTO source (project, head, looked, good) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (project) DO UPDATE SET head = coalesce(?2, head), looked = ?3, good = ?3,
               error = NULL, error_since = NULL, asked = NULL",
            params![project.as_str(), head.map(RefName::as_str), millis(now)],
        )?;
        Ok(())
    }

    /// Whether refs from outside are looked at from now on, and how many changed ones were left. Call it after
    /// [`Tx::poll_succeeded`].
    pub fn looks_outside(&self, project: &ProjectName, looks: bool, left: usize, now: Timestamp) -> Result<()> {
        let sql = "UPDATE source SET outside = iif(?2, coalesce(outside, ?3), NULL), outside_left = ?4
                   WHERE project = ?1";
        self.0.execute(sql, params![project.as_str(), looks, millis(now), left])?;
        Ok(())
    }

    /// A poll failed; `since` keeps the first failure's time.
    pub fn poll_failed(&self, project: &ProjectName, error: &str, now: Timestamp) -> Result<()> {
        self.0.execute(
            "INSERT INTO source (project, looked, error, error_since) VALUES (?1, ?3, ?2, ?3)
             ON CONFLICT (project) DO UPDATE SET looked = ?3, error = ?2,
               error_since = coalesce(error_since, ?3), asked = NULL",
            params![project.as_str(), error, millis(now)],
        )?;
        Ok(())
    }

    /// A person wants a look now.
    pub fn poll_asked(&self, project: &ProjectName, now: Timestamp) -> Result<()> {
        self.0.execute(
            "INSERT INTO source (project, looked, asked) VALUES (?1, 0, ?2)
             ON CONFLICT (project) DO UPDATE SET asked = ?2",
            params![project.as_str(), millis(now)],
        )?;
        Ok(())
    }

    /// The remote's HEAD, told by a fetch.
    pub fn set_head(&self, project: &ProjectName, head: &RefName, now: Timestamp) -> Result<()> {
        self.0.execute(
            "INSERT INTO source (project, head, looked) VALUES (?1, ?2, ?3)
             ON CONFLICT (project) DO UPDATE SET head = ?2",
            params![project.as_str(), head.as_str(), millis(now)],
        )?;
        Ok(())
    }

    /// A ref was seen at a commit. Call it in the transaction that queues the request for it, or loses nothing.
    pub fn set_tip(&self, project: &ProjectName, reference: &RefName, sha: &CommitId, now: Timestamp) -> Result<()> {
        self.0.execute(
            "INSERT INTO tip (project, ref, sha, seen) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (project, ref) DO UPDATE SET sha = ?3, seen = ?4",
            params![project.as_str(), reference.as_str(), sha.as_str(), millis(now)],
        )?;
        Ok(())
    }

    /// A ref is gone from the remote.
    pub fn forget_tip(&self, project: &ProjectName, reference: &RefName) -> Result<()> {
        let params = params![project.as_str(), reference.as_str()];
        self.0.execute("DELETE FROM tip WHERE project = ?1 AND ref = ?2", params)?;
        Ok(())
    }
}
