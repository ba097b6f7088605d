//! What a build has to itself, and that none starts for want of memory.

use super::row::{millis, one, to_json};
use super::{Read, Result, Tx};
use crate::model::{BuildId, Holds};
use jiff::Timestamp;
use rusqlite::params;

/// Why no build starts, whatever the queue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub since: Timestamp,
    /// What is short, in words.
    pub what: String,
}

impl Read<'_> {
    /// Whether builds wait for memory.
    pub fn hold(&self) -> Result<Option<Hold>> {
        one(self.0, "SELECT since, what FROM hold", [], |row| {
            Ok(Hold { since: row.time("since")?, what: row.get("what")? })
        })
    }
}

impl Tx<'_> {
    /// A build just made has this to itself.
    pub fn give(&self, id: &BuildId, holds: &Holds) -> Result<()> {
        let sql = "UPDATE build SET slot = ?3, locks = ?4 WHERE project = ?1 AND number = ?2";
        self.0.execute(sql, params![id.project.as_str(), id.number.0, holds.slot.0, to_json(&holds.locks)?])?;
        Ok(())
    }

    /// No build starts from now on; true if that is new.
    pub fn hold_back(&self, what: &str, now: Timestamp) -> Result<bool> {
        let new = self.0.execute(
            "INSERT INTO hold (id, since, what) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
            params![millis(now), what],
        )?;
        if new == 0 {
            self.0.execute("UPDATE hold SET what = ?1", [what])?;
        }
        Ok(new == 1)
    }

    /// Builds may start again; true if that is new.
    pub fn let_go(&self) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM hold", [])? == 1)
    }
}
