//! Freezes of targets.

use super::deploy::target_id;
use super::row::{Fields, all, millis, one};
use super::{Read, Result, Tx};
use crate::model::{Freeze, TargetId};
use rusqlite::params;

fn freeze(row: &Fields<'_>) -> Result<Freeze> {
    Ok(Freeze {
        target: target_id(row)?,
        until: row.time("until")?,
        by: row.get("person")?,
        reason: row.get("reason")?,
        since: row.time("since")?,
    })
}

impl Read<'_> {
    /// A target's freeze; whether it still holds is [`Freeze::holds`]'s to say.
    pub fn freeze(&self, target: &TargetId) -> Result<Option<Freeze>> {
        let sql = "SELECT * FROM freeze WHERE project = ?1 AND target = ?2";
        one(self.0, sql, [target.project.as_str(), target.target.as_str()], freeze)
    }

    /// All of them, those that are over too.
    pub fn freezes(&self) -> Result<Vec<Freeze>> {
        all(self.0, "SELECT * FROM freeze", [], freeze)
    }
}

impl Tx<'_> {
    /// Freezes a target, in the place of an earlier freeze.
    pub fn freeze(&self, freeze: &Freeze) -> Result<()> {
        self.0.execute(
            "INSERT OR REPLACE INTO freeze (project, target, until, person, reason, since)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                freeze.target.project.as_str(),
                freeze.target.target.as_str(),
                millis(freeze.until),
                freeze.by,
                freeze.reason,
                millis(freeze.since),
            ],
        )?;
        Ok(())
    }

    /// Ends a target's freeze; false if there is none.
    pub fn thaw(&self, target: &TargetId) -> Result<bool> {
        let sql = "DELETE FROM freeze WHERE project = ?1 AND target = ?2";
        Ok(self.0.execute(sql, [target.project.as_str(), target.target.as_str()])? == 1)
    }
}
