//! Messages that are to leave: rows until they have.

use super::row::{Fields, all, millis, to_json};
use super::{Read, Result, Tx};
use crate::model::{BuildNumber, ProjectName};
use jiff::Timestamp;
use rusqlite::params;

/// A mail before it is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Of which project.
    pub project: ProjectName,
    /// Of which build.
    pub number: Option<BuildNumber>,
    /// To which addresses.
    pub recipients: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// A mail in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: i64,
    /// What it says.
    pub mail: NewMessage,
    /// When it was queued: the mail's date.
    pub created: Timestamp,
    /// How often sending it has failed.
    pub attempts: u32,
    /// When it is tried next.
    pub due: Timestamp,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

fn message(row: &Fields<'_>) -> Result<Message> {
    Ok(Message {
        id: row.get("id")?,
        mail: NewMessage {
            project: row.parse("project")?,
            number: row.get::<Option<u32>>("number")?.map(BuildNumber),
            recipients: row.json("recipients")?,
            subject: row.get("subject")?,
            body: row.get("body")?,
        },
        created: row.time("created")?,
        attempts: row.get("attempts")?,
        due: row.time("due")?,
        error: row.get("error")?,
    })
}

impl Read<'_> {
    /// All mails that have not left, oldest first.
    pub fn waiting_messages(&self) -> Result<Vec<Message>> {
        all(self.0, "SELECT * FROM message WHERE state = 'waiting' ORDER BY id", [], message)
    }
}

impl Tx<'_> {
    /// Queues a mail, in the transaction of what it tells.
    pub fn queue_message(&self, new: &NewMessage, now: Timestamp) -> Result<()> {
        self.0.execute(
            "INSERT INTO message (project, number, recipients, subject, body, created, state, due)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?6)",
            params![
                new.project.as_str(),
                new.number.map(|n| n.0),
                to_json(&new.recipients)?,
                new.subject,
                new.body,
                millis(now)
            ],
        )?;
        Ok(())
    }

    /// It has left.
    pub fn message_sent(&self, id: i64) -> Result<()> {
        self.0.execute("UPDATE message SET state = 'sent', error = NULL WHERE id = ?1", [id])?;
        Ok(())
    }

    /// It has not; when to try again, or never.
    pub fn message_failed(&self, id: i64, error: &str, again: Option<Timestamp>) -> Result<()> {
        self.0.execute(
            "UPDATE message SET attempts = attempts + 1, error = ?2, due = coalesce(?3, due),
               state = iif(?3 IS NULL, 'given-up', 'waiting') WHERE id = ?1",
            params![id, error, again.map(millis)],
        )?;
        Ok(())
    }
}
