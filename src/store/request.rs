//! The queue.

use super::row::{Fields, all, millis, one, to_json};
use super::{Read, Result, Tx};
use crate::model::{
    Approval, BuildNumber, NewRequest, Origin, ProjectName, RefName, Request, RequestId, RequestState, Target, Trust,
};
use jiff::Timestamp;
use rusqlite::params;

/// Most commits that a request lists; older ones are in the history of the repository.
const MOST_CHANGES: usize = 50;

/// What became of a wish to queue a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queued {
    /// It is new; the ones it replaced.
    New(RequestId, Vec<RequestId>),
    /// The same token was there already: this is that request.
    Already(RequestId),
}

impl Queued {
    /// Its id either way.
    pub fn id(&self) -> RequestId {
        match self {
            Queued::New(id, _) | Queued::Already(id) => *id,
        }
    }
}

pub(super) fn trust(row: &Fields<'_>) -> Result<Trust> {
    Ok(if row.get::<bool>("outside")? { Trust::Outside } else { Trust::Inside })
}

fn request(row: &Fields<'_>) -> Result<Request> {
    let state: String = row.get("state")?;
    let state = match state.as_str() {
        "waiting" => RequestState::Waiting,
        "started" => RequestState::Started(BuildNumber(row.needed("build")?)),
        "replaced" => RequestState::Replaced(RequestId(row.needed("replaced")?)),
        "dropped" => RequestState::Dropped(row.needed("dropped")?),
        other => return row.unknown("state", other),
    };
    Ok(Request {
        id: RequestId(row.get("id")?),
        ask: NewRequest {
            project: row.parse("project")?,
            reference: row.parse_if("ref")?,
            target: row.json("target")?,
            origin: row.json("origin")?,
            trust: trust(row)?,
            reason: row.get("reason")?,
            changes: row.json("changes")?,
            not_before: row.time_if("not_before")?,
            token: row.get("token")?,
        },
        approval: match row.get::<Option<String>>("approval")? {
            Some(_) => row.json("approval")?,
            None => Approval::NotNeeded,
        },
        created: row.time("created")?,
        first: row.time("first")?,
        state,
    })
}

impl Read<'_> {
    /// One request.
    pub fn request(&self, id: RequestId) -> Result<Option<Request>> {
        one(self.0, "SELECT * FROM request WHERE id = ?1", [id.0], request)
    }

    /// The queue, oldest first.
    pub fn waiting(&self) -> Result<Vec<Request>> {
        all(self.0, "SELECT * FROM request WHERE state = 'waiting' ORDER BY id", [], request)
    }

    /// A project's newest request.
    pub fn newest_request(&self, project: &ProjectName) -> Result<Option<Request>> {
        let sql = "SELECT * FROM request WHERE project = ?1 ORDER BY id DESC LIMIT 1";
        one(self.0, sql, [project.as_str()], request)
    }

    /// The request that this one became, through all that replaced it.
    pub fn follow_request(&self, id: RequestId) -> Result<Option<Request>> {
        let mut found = self.request(id)?;
        while let Some(Request { state: RequestState::Replaced(next), .. }) = &found {
            found = self.request(*next)?;
        }
        Ok(found)
    }
}

/// The requests that a new one makes superfluous: those that wait for the same ref of the same project. A bare revision,
/// or a build done again, replaces and is replaced by nothing.
pub fn collapses(ask: &NewRequest, waiting: &Request) -> bool {
    let revision = |target: &Target| matches!(target, Target::Revision { .. });
    let again = |origin: &Origin| matches!(origin, Origin::Retry { .. });
    waiting.ask.project == ask.project
        && !again(&ask.origin)
        && !again(&waiting.ask.origin)
        && waiting.ask.reference == ask.reference
        && waiting.ask.trust == ask.trust
        && !revision(&ask.target)
        && !revision(&waiting.ask.target)
}

impl Tx<'_> {
    /// Queues a request; it takes over the commits of those that wait for the same ref, and their place in the
    /// order of `first`. What somebody has forced stays so when a poll finds newer commits while it waits.
    pub fn queue(&self, mut ask: NewRequest, now: Timestamp) -> Result<Queued> {
        if let Some(token) = &ask.token {
            let sql = "SELECT * FROM request WHERE token = ?1";
            if let Some(known) = one(&self.0, sql, [token], request)? {
                return Ok(Queued::Already(known.id));
            }
        }
        let replaced: Vec<Request> =
            self.read().waiting()?.into_iter().filter(|waiting| collapses(&ask, waiting)).collect();
        let first = replaced.iter().map(|r| r.first).min().unwrap_or(now);
        for old in replaced.iter().rev() {
            let known: Vec<_> = ask.changes.iter().map(|c| c.commit.clone()).collect();
            ask.changes.extend(old.ask.changes.iter().filter(|c| !known.contains(&c.commit)).cloned());
        }
        if let (false, Some(forced)) = (ask.origin.goes_first(), replaced.iter().find(|r| r.ask.origin.goes_first())) {
            ask.origin = forced.ask.origin.clone();
            ask.reason = forced.ask.reason.clone();
            ask.not_before = None;
        }
        ask.changes.truncate(MOST_CHANGES);
        self.0.execute(
            "INSERT INTO request (project, ref, target, origin, outside, reason, changes, not_before, token,
               created, first, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'waiting')",
            params![
                ask.project.as_str(),
                ask.reference.as_ref().map(RefName::as_str),
                to_json(&ask.target)?,
                to_json(&ask.origin)?,
                ask.trust == Trust::Outside,
                ask.reason,
                to_json(&ask.changes)?,
                ask.not_before.map(millis),
                ask.token,
                millis(now),
                millis(first),
            ],
        )?;
        let id = RequestId(self.0.last_insert_rowid());
        for old in &replaced {
            self.0.execute(
                "UPDATE request SET state = 'replaced', replaced = ?2 WHERE id = ?1",
                params![old.id.0, id.0],
            )?;
        }
        Ok(Queued::New(id, replaced.iter().map(|r| r.id).collect()))
    }

    /// A person has to agree before this request becomes a build. Call it in the transaction that queues it.
    pub fn ask_approval(&self, id: RequestId) -> Result<()> {
        let sql = "UPDATE request SET approval = ?2 WHERE id = ?1";
        self.0.execute(sql, params![id.0, to_json(&Approval::Needed)?])?;
        Ok(())
    }

    /// A person agrees; false if the request is not waiting for that any more.
    pub fn approve(&self, id: RequestId, by: &str) -> Result<bool> {
        let sql = "UPDATE request SET approval = ?3 WHERE id = ?1 AND approval = ?2 AND state = 'waiting'";
        let given = Approval::Given { by: by.to_owned() };
        Ok(self.0.execute(sql, params![id.0, to_json(&Approval::Needed)?, to_json(&given)?])? == 1)
    }

    /// Takes a waiting request out of the queue; false if it was not waiting any more.
    pub fn drop_request(&self, id: RequestId, why: &str) -> Result<bool> {
        let sql = "UPDATE request SET state = 'dropped', dropped = ?2 WHERE id = ?1 AND state = 'waiting'";
        Ok(self.0.execute(sql, params![id.0, why])? == 1)
    }

    /// Takes what waits for a ref out of the queue.
    pub fn drop_requests_of(&self, project: &ProjectName, reference: &RefName, why: &str) -> Result<usize> {
        let sql = "UPDATE request SET state = 'dropped', dropped = ?3
                   WHERE project = ?1 AND ref = ?2 AND state = 'waiting'";
        Ok(self.0.execute(sql, params![project.as_str(), reference.as_str(), why])?)
    }
}
