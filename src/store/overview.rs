//! All projects at once, in a fixed number of queries whose cost grows with projects and not with history.

use super::build::{build, step};
use super::deploy::{deploy, release};
use super::row::{Fields, all};
use super::{Read, ReleaseRow, Result, Store};
use crate::model::{Build, BuildId, BuildNumber, Deploy, ProjectName, StepRow};

/// Every project that has a row in `build`, found by one index seek each: `SELECT DISTINCT` would walk all builds.
const PROJECTS: &str = "WITH RECURSIVE p (project) AS (
    SELECT min(project) FROM build
    UNION ALL
    SELECT (SELECT min(project) FROM build WHERE project > p.project) FROM p WHERE p.project IS NOT NULL)";

/// Every target that has had a deploy, likewise.
const TARGETS: &str = "WITH RECURSIVE t (project, target) AS (
    SELECT * FROM (SELECT project, target FROM deploy ORDER BY project, target LIMIT 1)
    UNION ALL
    SELECT d.project, d.target FROM t JOIN deploy d ON d.id = (SELECT id FROM deploy
      WHERE (project, target) > (t.project, t.target) ORDER BY project, target, id LIMIT 1))";

fn project_and<T>(make: impl Fn(&Fields<'_>) -> Result<T>) -> impl Fn(&Fields<'_>) -> Result<(ProjectName, T)> {
    move |row| Ok((row.parse("project")?, make(row)?))
}

impl super::StoreError {
    /// Whether the same may well work in a moment: somebody else holds a lock.
    pub fn is_temporary(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        match self {
            super::StoreError::Sqlite(error) => {
                matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
            }
            super::StoreError::Missing(_)
            | super::StoreError::Denied(_)
            | super::StoreError::Newer { .. }
            | super::StoreError::Damaged(_)
            | super::StoreError::Io { .. } => false,
        }
    }
}

impl Store {
    /// Reads all of `work` as of one moment.
    pub fn snapshot<T, E: From<super::StoreError>>(
        &self,
        work: impl FnOnce(Read<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let transaction = self.connection.unchecked_transaction().map_err(super::StoreError::from)?;
        work(Read(&transaction))
    }
}

impl Read<'_> {
    /// The newest finished build of every project. What strangers push says nothing of it.
    pub fn last_builds(&self) -> Result<Vec<Build>> {
        let sql = format!(
            "{PROJECTS} SELECT b.* FROM p JOIN build b ON b.project = p.project AND b.number =
               (SELECT number FROM build WHERE project = p.project AND state = 'finished' AND NOT outside ORDER BY number DESC LIMIT 1)"
        );
        all(self.0, &sql, [], build)
    }

    /// A project's newest finished build, but for those of refs from outside.
    pub fn last_build(&self, project: &ProjectName) -> Result<Option<Build>> {
        let sql = "SELECT * FROM build WHERE project = ?1 AND state = 'finished' AND NOT outside
                   ORDER BY number DESC LIMIT 1";
        super::row::one(self.0, sql, [project.as_str()], build)
    }

    /// The newest deploy to every target.
    pub fn last_deploys(&self) -> Result<Vec<Deploy>> {
        let sql = format!(
            "{TARGETS} SELECT d.* FROM t JOIN deploy d ON d.id =
               (SELECT max(id) FROM deploy WHERE project = t.project AND target = t.target)"
        );
        all(self.0, &sql, [], deploy)
    }

    /// The newest deploy to every target that is over and was not skipped.
    pub fn last_ended_deploys(&self) -> Result<Vec<Deploy>> {
        let sql = format!(
            "{TARGETS} SELECT d.* FROM t JOIN deploy d ON d.id =
               (SELECT id FROM deploy WHERE project = t.project AND target = t.target
                  AND state = 'finished' AND outcome <> 'superseded' ORDER BY id DESC LIMIT 1)"
        );
        all(self.0, &sql, [], deploy)
    }

    /// What is live, on every target.
    pub fn live_releases(&self) -> Result<Vec<(ProjectName, ReleaseRow)>> {
        all(self.0, "SELECT * FROM target_release WHERE live IS NOT NULL", [], project_and(release))
    }

    /// The builds from which the live releases were made, as far as they are still kept.
    pub fn live_builds(&self) -> Result<Vec<Build>> {
        let sql = "SELECT b.* FROM target_release r JOIN build b ON b.project = r.project AND b.number = r.number
                   WHERE r.live IS NOT NULL";
        all(self.0, sql, [], build)
    }

    /// The deploys that made live what is live, as far as they are still kept.
    pub fn live_deploys(&self) -> Result<Vec<Deploy>> {
        let sql = "SELECT d.* FROM target_release r JOIN deploy d ON d.id = r.deploy WHERE r.live IS NOT NULL";
        all(self.0, sql, [], deploy)
    }

    /// The steps that run now.
    pub fn running_steps(&self) -> Result<Vec<(BuildId, StepRow)>> {
        let sql = "SELECT s.* FROM build b JOIN step s ON s.project = b.project AND s.number = b.number
                   WHERE b.state <> 'finished' AND s.state = 'running' AND s.role = 'step'
                   ORDER BY s.idx";
        all(self.0, sql, [], |row| {
            let id = BuildId { project: row.parse("project")?, number: BuildNumber(row.get("number")?) };
            Ok((id, step(row)?))
        })
    }
}
