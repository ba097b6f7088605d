//! Deploys and the releases they made.

use super::row::{Fields, all, millis, one, to_json};
use super::{Read, Result, Tx};
use crate::model::{
    BuildNumber, CommitId, Deploy, DeployId, DeployState, Outcome, Phase, ProjectName, ReleaseName,
    deploy::DeployOrigin,
};
use jiff::Timestamp;
use rusqlite::params;

/// A deploy before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeploy {
    /// Whose.
    pub project: ProjectName,
    /// The build that goes live.
    pub number: BuildNumber,
    /// Its commit.
    pub commit: CommitId,
    /// What made it happen.
    pub origin: DeployOrigin,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
}

/// What is known of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its folder is there; it was never live.
    Made,
    /// It was live and well.
    Good,
    /// It failed after the switch; rollback skips it.
    Bad,
    /// A person rolled back from it: it does not deploy by itself again.
    Left,
}

impl Standing {
    /// Whether it has been live and well: it is whole, and its `prepare` and `migrate` have run.
    pub fn was_well(self) -> bool {
        match self {
            Standing::Good | Standing::Left => true,
            Standing::Made | Standing::Bad => false,
        }
    }

    /// The word for it in store, JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Made => "made",
            Standing::Good => "good",
            Standing::Bad => "bad",
            Standing::Left => "left",
        }
    }
}

/// A release of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its folder's name.
    pub name: ReleaseName,
    /// Its commit.
    pub commit: CommitId,
    /// What is known of it.
    pub standing: Standing,
    /// Since when it is live, if it is.
    pub live: Option<Timestamp>,
}

pub(super) fn release(row: &Fields<'_>) -> Result<ReleaseRow> {
    let standing: String = row.get("standing")?;
    let standing = match standing.as_str() {
        "made" => Standing::Made,
        "good" => Standing::Good,
        "bad" => Standing::Bad,
        "left" => Standing::Left,
        other => return row.unknown("standing", other),
    };
    Ok(ReleaseRow { name: row.parse("name")?, commit: row.parse("sha")?, standing, live: row.time_if("live")? })
}

pub(super) fn deploy(row: &Fields<'_>) -> Result<Deploy> {
    let state: String = row.get("state")?;
    let state = match state.as_str() {
        "waiting" => DeployState::Waiting,
        "running" => {
            let word: String = row.needed("phase")?;
            match Phase::ALL.into_iter().find(|p| p.as_str() == word) {
                Some(phase) => DeployState::Running { started: row.time("started")?, phase },
                None => return row.unknown("phase", &word),
            }
        }
        "finished" => {
            let word: String = row.needed("outcome")?;
            match Outcome::ALL.into_iter().find(|o| o.as_str() == word) {
                Some(outcome) => DeployState::Finished {
                    started: row.time_if("started")?,
                    finished: row.time("finished")?,
                    outcome,
                    summary: row.get::<Option<String>>("summary")?.unwrap_or_default(),
                },
                None => return row.unknown("outcome", &word),
            }
        }
        other => return row.unknown("state", other),
    };
    Ok(Deploy {
        id: DeployId(row.get("id")?),
        project: row.parse("project")?,
        number: BuildNumber(row.get("number")?),
        commit: row.parse("sha")?,
        origin: row.json("origin")?,
        reason: row.get("reason")?,
        created: row.time("created")?,
        previous: row.parse_if("previous")?,
        state,
    })
}

impl Read<'_> {
    /// One deploy.
    pub fn deploy(&self, id: DeployId) -> Result<Option<Deploy>> {
        one(self.0, "SELECT * FROM deploy WHERE id = ?1", [id.0], deploy)
    }

    /// Why a deploy is being undone, or what its end was.
    pub fn deploy_summary(&self, id: DeployId) -> Result<Option<String>> {
        Ok(one(self.0, "SELECT summary FROM deploy WHERE id = ?1", [id.0], |row| row.get("summary"))?.flatten())
    }

    /// A release that still has a folder.
    pub fn release(&self, project: &ProjectName, name: &ReleaseName) -> Result<Option<ReleaseRow>> {
        let sql = "SELECT * FROM release WHERE project = ?1 AND name = ?2";
        one(self.0, sql, params![project.as_str(), name.to_string()], release)
    }

    /// A project's deploys that are not over, in their order: the running one first, then by id.
    pub fn unfinished_deploys(&self, project: &ProjectName) -> Result<Vec<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE project = ?1 AND state <> 'finished' ORDER BY state, id";
        all(self.0, sql, [project.as_str()], deploy)
    }

    /// The projects that have something to deploy.
    pub fn projects_to_deploy(&self) -> Result<Vec<ProjectName>> {
        all(self.0, "SELECT DISTINCT project FROM deploy WHERE state <> 'finished'", [], |row| row.parse("project"))
    }

    /// A project's newest deploys, newest first.
    pub fn deploys(&self, project: &ProjectName, most: u32) -> Result<Vec<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE project = ?1 ORDER BY id DESC LIMIT ?2";
        all(self.0, sql, params![project.as_str(), most], deploy)
    }

    /// The newest deploy of a build.
    pub fn deploy_of(&self, project: &ProjectName, number: BuildNumber) -> Result<Option<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE project = ?1 AND number = ?2 ORDER BY id DESC LIMIT 1";
        one(self.0, sql, params![project.as_str(), number.0], deploy)
    }

    /// The project's releases that still have a folder, newest first.
    pub fn releases(&self, project: &ProjectName) -> Result<Vec<ReleaseRow>> {
        let sql = "SELECT * FROM release WHERE project = ?1 ORDER BY number DESC";
        all(self.0, sql, [project.as_str()], release)
    }

    /// The commits that a person rolled back from.
    pub fn left_commits(&self, project: &ProjectName) -> Result<Vec<CommitId>> {
        let sql = "SELECT sha FROM left_commit WHERE project = ?1";
        all(self.0, sql, [project.as_str()], |row| row.parse("sha"))
    }

    /// What is live.
    pub fn live(&self, project: &ProjectName) -> Result<Option<ReleaseRow>> {
        let sql = "SELECT * FROM release WHERE project = ?1 AND live IS NOT NULL";
        one(self.0, sql, [project.as_str()], release)
    }
}

impl Tx<'_> {
    /// Queues a deploy.
    pub fn queue_deploy(&self, new: &NewDeploy, now: Timestamp) -> Result<DeployId> {
        self.0.execute(
            "INSERT INTO deploy (project, number, sha, origin, reason, created, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting')",
            params![
                new.project.as_str(),
                new.number.0,
                new.commit.as_str(),
                to_json(&new.origin)?,
                new.reason,
                millis(now)
            ],
        )?;
        Ok(DeployId(self.0.last_insert_rowid()))
    }

    /// A deploy comes to a phase, written before the phase's work begins.
    pub fn deploy_phase(&self, id: DeployId, phase: Phase, now: Timestamp) -> Result<()> {
        self.0.execute(
            "UPDATE deploy SET state = 'running', phase = ?2, started = coalesce(started, ?3)
             WHERE id = ?1 AND state <> 'finished'",
            params![id.0, phase.as_str(), millis(now)],
        )?;
        Ok(())
    }

    /// Which release was live before the switch; the first to be told stays, so that a second run undoes to the same.
    pub fn deploy_previous(&self, id: DeployId, previous: &ReleaseName) -> Result<()> {
        let sql = "UPDATE deploy SET previous = coalesce(previous, ?2) WHERE id = ?1";
        self.0.execute(sql, params![id.0, previous.to_string()])?;
        Ok(())
    }

    /// A deploy has failed after the switch and is to be undone; why is kept, the first reason for good.
    pub fn deploy_undo(&self, id: DeployId, why: &str) -> Result<()> {
        let sql = "UPDATE deploy SET phase = 'undo', summary = coalesce(summary, ?2)
                   WHERE id = ?1 AND state = 'running'";
        self.0.execute(sql, params![id.0, why])?;
        Ok(())
    }

    /// A deploy is over; true for the one call that ended it.
    pub fn finish_deploy(&self, id: DeployId, outcome: Outcome, summary: &str, now: Timestamp) -> Result<bool> {
        let changed = self.0.execute(
            "UPDATE deploy SET state = 'finished', phase = NULL, finished = ?2, outcome = ?3, summary = ?4
             WHERE id = ?1 AND state <> 'finished'",
            params![id.0, millis(now), outcome.as_str(), summary],
        )?;
        Ok(changed == 1)
    }

    /// A release's folder is there, or what is known of it has changed.
    pub fn set_release(
        &self,
        project: &ProjectName,
        name: &ReleaseName,
        commit: &CommitId,
        standing: Standing,
    ) -> Result<()> {
        self.0.execute(
            "INSERT INTO release (project, name, number, sha, standing) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (project, name) DO UPDATE SET standing = ?5",
            params![project.as_str(), name.to_string(), name.number().0, commit.as_str(), standing.as_str()],
        )?;
        Ok(())
    }

    /// A commit does not deploy by itself from here on.
    pub fn leave(&self, project: &ProjectName, commit: &CommitId) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO left_commit (project, sha) VALUES (?1, ?2)";
        self.0.execute(sql, params![project.as_str(), commit.as_str()])?;
        Ok(())
    }

    /// It may again.
    pub fn come_back_to(&self, project: &ProjectName, commit: &CommitId) -> Result<()> {
        let sql = "DELETE FROM left_commit WHERE project = ?1 AND sha = ?2";
        self.0.execute(sql, params![project.as_str(), commit.as_str()])?;
        Ok(())
    }

    /// This release is live now and no other.
    pub fn set_live(&self, project: &ProjectName, name: &ReleaseName, now: Timestamp) -> Result<()> {
        let key = params![project.as_str(), name.to_string()];
        self.0.execute("UPDATE release SET live = NULL WHERE project = ?1 AND name <> ?2", key)?;
        self.0.execute(
            "UPDATE release SET live = coalesce(live, ?3) WHERE project = ?1 AND name = ?2",
            params![project.as_str(), name.to_string(), millis(now)],
        )?;
        Ok(())
    }

    /// Nothing is live: a first deploy was undone.
    pub fn set_nothing_live(&self, project: &ProjectName) -> Result<()> {
        self.0.execute("UPDATE release SET live = NULL WHERE project = ?1", [project.as_str()])?;
        Ok(())
    }

    /// A release's folder is gone.
    pub fn forget_release(&self, project: &ProjectName, name: &ReleaseName) -> Result<()> {
        let key = params![project.as_str(), name.to_string()];
        self.0.execute("DELETE FROM release WHERE project = ?1 AND name = ?2", key)?;
        Ok(())
    }
}
