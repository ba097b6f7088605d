//! Deploys and the releases they made.

use super::row::{Fields, all, millis, one, to_json};
use super::{Read, Result, Tx};
use crate::model::{
    BuildId, BuildNumber, CommitId, Deploy, DeployId, DeployState, Outcome, Phase, ProjectName, ReleaseName, TargetId,
    TargetName, deploy::DeployOrigin,
};
use jiff::Timestamp;
use rusqlite::params;

/// A deploy before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeploy {
    /// Where to.
    pub target: TargetId,
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

/// A release on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// On which of its project's targets.
    pub target: TargetName,
    /// Its folder's name.
    pub name: ReleaseName,
    /// Its commit.
    pub commit: CommitId,
    /// What is known of it.
    pub standing: Standing,
    /// Since when it is live, if it is.
    pub live: Option<Timestamp>,
    /// Which deploy made it live last, if one of ours did.
    pub deploy: Option<DeployId>,
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
    Ok(ReleaseRow {
        target: row.parse("target")?,
        name: row.parse("name")?,
        commit: row.parse("sha")?,
        standing,
        live: row.time_if("live")?,
        deploy: row.get::<Option<i64>>("deploy")?.map(DeployId),
    })
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
        target: row.parse("target")?,
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
    pub fn release(&self, target: &TargetId, name: &ReleaseName) -> Result<Option<ReleaseRow>> {
        let sql = "SELECT * FROM target_release WHERE project = ?1 AND target = ?2 AND name = ?3";
        one(self.0, sql, params![target.project.as_str(), target.target.as_str(), name.as_str()], release)
    }

    /// A target's deploys that are not over, in their order: the running one first, then by id.
    pub fn unfinished_deploys(&self, target: &TargetId) -> Result<Vec<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE project = ?1 AND target = ?2 AND state <> 'finished' ORDER BY state, id";
        all(self.0, sql, [target.project.as_str(), target.target.as_str()], deploy)
    }

    /// The targets that have something to deploy.
    pub fn targets_to_deploy(&self) -> Result<Vec<TargetId>> {
        all(self.0, "SELECT DISTINCT project, target FROM deploy WHERE state <> 'finished'", [], target_id)
    }

    /// A project's newest deploys, newest first.
    pub fn deploys(&self, project: &ProjectName, most: u32) -> Result<Vec<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE project = ?1 ORDER BY id DESC LIMIT ?2";
        all(self.0, sql, params![project.as_str(), most], deploy)
    }

    /// A target's newest deploys, newest first.
    pub fn deploys_to(&self, target: &TargetId, most: u32) -> Result<Vec<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE project = ?1 AND target = ?2 ORDER BY id DESC LIMIT ?3";
        all(self.0, sql, params![target.project.as_str(), target.target.as_str(), most], deploy)
    }

    /// The newest deploy of a build to each target that it was deployed to, newest first.
    pub fn deploys_of(&self, build: &BuildId) -> Result<Vec<Deploy>> {
        let sql = "SELECT * FROM deploy WHERE id IN
                     (SELECT max(id) FROM deploy WHERE project = ?1 AND number = ?2 GROUP BY target)
                   ORDER BY id DESC";
        all(self.0, sql, params![build.project.as_str(), build.number.0], deploy)
    }

    /// A project's releases that still have a folder, on all targets, newest first.
    pub fn releases(&self, project: &ProjectName) -> Result<Vec<ReleaseRow>> {
        let sql = "SELECT * FROM target_release WHERE project = ?1 ORDER BY number DESC, target";
        all(self.0, sql, [project.as_str()], release)
    }

    /// The commits that a person rolled back from.
    pub fn left_commits(&self, target: &TargetId) -> Result<Vec<CommitId>> {
        let sql = "SELECT sha FROM left_commit WHERE project = ?1 AND target = ?2";
        all(self.0, sql, [target.project.as_str(), target.target.as_str()], |row| row.parse("sha"))
    }

    /// A target's releases that still have a folder, newest first.
    pub fn releases_on(&self, target: &TargetId) -> Result<Vec<ReleaseRow>> {
        let sql = "SELECT * FROM target_release WHERE project = ?1 AND target = ?2 ORDER BY number DESC";
        all(self.0, sql, [target.project.as_str(), target.target.as_str()], release)
    }

    /// What is live.
    pub fn live(&self, target: &TargetId) -> Result<Option<ReleaseRow>> {
        let sql = "SELECT * FROM target_release WHERE project = ?1 AND target = ?2 AND live IS NOT NULL";
        one(self.0, sql, [target.project.as_str(), target.target.as_str()], release)
    }
}

pub(super) fn target_id(row: &Fields<'_>) -> Result<TargetId> {
    Ok(TargetId { project: row.parse("project")?, target: row.parse("target")? })
}

impl Tx<'_> {
    /// Queues a deploy.
    pub fn queue_deploy(&self, new: &NewDeploy, now: Timestamp) -> Result<DeployId> {
        self.0.execute(
            "INSERT INTO deploy (project, target, number, sha, origin, reason, created, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'waiting')",
            params![
                new.target.project.as_str(),
                new.target.target.as_str(),
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
        target: &TargetId,
        name: &ReleaseName,
        commit: &CommitId,
        standing: Standing,
    ) -> Result<()> {
        let TargetId { project, target } = target;
        self.0.execute(
            "INSERT INTO target_release (project, target, name, number, sha, standing) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (project, target, name) DO UPDATE SET standing = ?6",
            params![
                project.as_str(),
                target.as_str(),
                name.as_str(),
                name.number().0,
                commit.as_str(),
                standing.as_str()
            ],
        )?;
        Ok(())
    }

    /// A commit does not deploy by itself from here on.
    pub fn leave(&self, target: &TargetId, commit: &CommitId) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO left_commit (project, target, sha) VALUES (?1, ?2, ?3)";
        self.0.execute(sql, params![target.project.as_str(), target.target.as_str(), commit.as_str()])?;
        Ok(())
    }

    /// It may again.
    pub fn come_back_to(&self, target: &TargetId, commit: &CommitId) -> Result<()> {
        let sql = "DELETE FROM left_commit WHERE project = ?1 AND target = ?2 AND sha = ?3";
        self.0.execute(sql, params![target.project.as_str(), target.target.as_str(), commit.as_str()])?;
        Ok(())
    }

    /// This release is live now and no other on its target, by this deploy, or none if it was adopted; done again it
    /// changes nothing.
    pub fn set_live(
        &self,
        target: &TargetId,
        name: &ReleaseName,
        deploy: impl Into<Option<DeployId>>,
        now: Timestamp,
    ) -> Result<()> {
        let TargetId { project, target } = target;
        self.0.execute(
            "UPDATE target_release SET live = NULL WHERE project = ?1 AND target = ?2 AND name <> ?3",
            params![project.as_str(), target.as_str(), name.as_str()],
        )?;
        self.0.execute(
            "UPDATE target_release SET live = ?4, deploy = ?5
             WHERE project = ?1 AND target = ?2 AND name = ?3 AND live IS NULL",
            params![project.as_str(), target.as_str(), name.as_str(), millis(now), deploy.into().map(|id| id.0)],
        )?;
        Ok(())
    }

    /// A release's folder is gone.
    pub fn forget_release(&self, target: &TargetId, name: &ReleaseName) -> Result<()> {
        self.0.execute(
            "DELETE FROM target_release WHERE project = ?1 AND target = ?2 AND name = ?3",
            [target.project.as_str(), target.target.as_str(), name.as_str()],
        )?;
        Ok(())
    }
}
