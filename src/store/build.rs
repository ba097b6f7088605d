//! Builds and their steps.

use super::request::trust;
use super::row::{Fields, all, millis, one, to_json};
use super::{Read, Result, StoreError, Tx};
use crate::config::project::StepsFrom;
use crate::model::build::{Again, LogSize, Role, StepWords, Usage};
use crate::model::{
    Build, BuildId, BuildNumber, BuildState, CommitId, Holds, ProjectName, RefName, Request, SecretName, Slot,
    StepIndex, StepName, StepRow, StepState, Stop, Trust, Verdict,
};
use jiff::Timestamp;
use rusqlite::params;
use std::collections::BTreeMap;

/// A step as its build begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStep {
    /// Its name.
    pub name: StepName,
    /// Step or service.
    pub role: Role,
    /// What it says of itself.
    pub words: StepWords,
    /// What it runs, as JSON, so that whoever takes the build over runs the same; none for the checkout.
    pub spec: Option<String>,
}

impl NewStep {
    /// Step 0.
    pub fn checkout() -> NewStep {
        match "checkout".parse() {
            Ok(name) => NewStep { name, words: StepWords::default(), role: Role::Step, spec: None },
            Err(_) => unreachable!("a word of letters is a step's name"),
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// What it contributes to the build.
    pub verdict: Verdict,
    /// In words.
    pub outcome: String,
    /// What it used.
    pub usage: Usage,
}

pub(super) fn build(row: &Fields<'_>) -> Result<Build> {
    let state: String = row.get("state")?;
    let state = match state.as_str() {
        "starting" => BuildState::Starting,
        "running" => BuildState::Running { started: row.time("started")?, boot: row.needed("boot")? },
        "finished" => BuildState::Finished {
            started: row.time_if("started")?,
            finished: row.time("finished")?,
            verdict: row.parse("verdict")?,
            summary: row.get::<Option<String>>("summary")?.unwrap_or_default(),
        },
        other => return row.unknown("state", other),
    };
    Ok(Build {
        id: BuildId { project: row.parse("project")?, number: BuildNumber(row.get("number")?) },
        request: crate::model::RequestId(row.get("request")?),
        reference: row.parse_if("ref")?,
        target: row.json("target")?,
        commit: row.parse_if("sha")?,
        trust: trust(row)?,
        origin: row.json("origin")?,
        reason: row.get("reason")?,
        changes: row.json("changes")?,
        queued: row.time("queued")?,
        created: row.time("created")?,
        state,
        stop: row.json_if("stop")?,
        holds: Holds { slot: Slot(row.get("slot")?), locks: row.json("locks")? },
    })
}

pub(super) fn step(row: &Fields<'_>) -> Result<StepRow> {
    let state: String = row.get("state")?;
    let state = match state.as_str() {
        "pending" => StepState::Pending,
        "running" => StepState::Running { started: row.time("started")? },
        "finished" => StepState::Finished {
            started: row.time_if("started")?,
            finished: row.time("finished")?,
            verdict: row.parse("verdict")?,
            outcome: row.get::<Option<String>>("outcome")?.unwrap_or_default(),
        },
        other => return row.unknown("state", other),
    };
    let (bytes, lines) = (row.get::<Option<u64>>("log_bytes")?, row.get::<Option<u64>>("log_lines")?);
    Ok(StepRow {
        index: StepIndex(row.get("idx")?),
        name: row.parse("name")?,
        role: match row.get::<String>("role")?.as_str() {
            "step" => Role::Step,
            "service" => Role::Service,
            other => return row.unknown("role", other),
        },
        words: StepWords { description: row.get("description")?, done: row.get("done")? },
        unneeded: row.get("unneeded")?,
        state,
        attempts: row.get("attempts")?,
        again: match row.time_if("again")? {
            Some(due) => Some(Again { due, outcome: row.get::<Option<String>>("outcome")?.unwrap_or_default() }),
            None => None,
        },
        usage: Usage {
            cpu_usec: row.get("cpu_usec")?,
            memory_peak: row.get("memory_peak")?,
            io_read: row.get("io_read")?,
            io_written: row.get("io_written")?,
        },
        log: bytes.zip(lines).map(|(bytes, lines)| LogSize { bytes, lines }),
    })
}

impl Read<'_> {
    /// One build.
    pub fn build(&self, id: &BuildId) -> Result<Option<Build>> {
        let sql = "SELECT * FROM build WHERE project = ?1 AND number = ?2";
        one(self.0, sql, params![id.project.as_str(), id.number.0], build)
    }

    /// A project's newest builds below a number (or all), newest first.
    pub fn builds(&self, project: &ProjectName, below: Option<BuildNumber>, most: u32) -> Result<Vec<Build>> {
        let sql = "SELECT * FROM build WHERE project = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
        let below = below.map_or(i64::MAX, |n| i64::from(n.0));
        all(self.0, sql, params![project.as_str(), below, most], build)
    }

    /// A project's newest build.
    pub fn latest_build(&self, project: &ProjectName) -> Result<Option<Build>> {
        Ok(self.builds(project, None, 1)?.pop())
    }

    /// The newest finished build before this one of the same ref: what "turned red" compares with. Builds that the
    /// CI itself broke or a person stopped say nothing of the project.
    pub fn previous_of_ref(&self, of: &Build) -> Result<Option<Build>> {
        let sql = "SELECT * FROM build WHERE project = ?1 AND ref IS ?2 AND number < ?3 AND state = 'finished'
                   AND verdict IN ('success', 'warnings', 'failure') ORDER BY number DESC LIMIT 1";
        let reference = of.reference.as_ref().map(RefName::as_str);
        one(self.0, sql, params![of.id.project.as_str(), reference, of.id.number.0], build)
    }

    /// The newest build of a commit that the project itself decided: finished and not broken off.
    pub fn built_already(&self, project: &ProjectName, sha: &CommitId, trust: Trust) -> Result<Option<Build>> {
        // What was built with less reach says nothing of what would be built with more.
        let sql = "SELECT * FROM build WHERE project = ?1 AND sha = ?2 AND outside = ?3
                   AND (state <> 'finished' OR verdict IN ('success', 'warnings', 'failure'))
                   ORDER BY number DESC LIMIT 1";
        one(self.0, sql, params![project.as_str(), sha.as_str(), trust == Trust::Outside], build)
    }

    /// All builds that are not over, oldest first.
    pub fn unfinished_builds(&self) -> Result<Vec<Build>> {
        all(self.0, "SELECT * FROM build WHERE state <> 'finished' ORDER BY created, project", [], build)
    }

    /// All projects that have ever been built.
    pub fn built_projects(&self) -> Result<Vec<ProjectName>> {
        all(self.0, "SELECT DISTINCT project FROM build", [], |row| row.parse("project"))
    }

    /// A build's steps, in order.
    pub fn steps(&self, id: &BuildId) -> Result<Vec<StepRow>> {
        let sql = "SELECT * FROM step WHERE project = ?1 AND number = ?2 ORDER BY idx";
        all(self.0, sql, params![id.project.as_str(), id.number.0], step)
    }

    /// One step of a build.
    pub fn step(&self, id: &BuildId, index: StepIndex) -> Result<Option<StepRow>> {
        let sql = "SELECT * FROM step WHERE project = ?1 AND number = ?2 AND idx = ?3";
        one(self.0, sql, params![id.project.as_str(), id.number.0, index.0], step)
    }

    /// Where the steps of a build stood.
    pub fn steps_from(&self, id: &BuildId) -> Result<StepsFrom> {
        let sql = "SELECT pipeline FROM build WHERE project = ?1 AND number = ?2";
        let found = one(self.0, sql, params![id.project.as_str(), id.number.0], |row| {
            Ok(match row.get::<Option<String>>("pipeline")?.as_deref() {
                None => StepsFrom::Project,
                Some("repository") => StepsFrom::Repository,
                Some(other) => return row.unknown("pipeline", other),
            })
        })?;
        Ok(found.unwrap_or(StepsFrom::Project))
    }

    /// Which secrets the steps of a build have been given that have begun, by name; those without any are left out.
    pub fn secrets_given(&self, id: &BuildId) -> Result<BTreeMap<StepIndex, Vec<SecretName>>> {
        let sql = "SELECT idx, json_extract(spec, '$.secrets') AS secrets FROM step
                   WHERE project = ?1 AND number = ?2 AND started IS NOT NULL
                     AND coalesce(json_array_length(spec, '$.secrets'), 0) > 0";
        let given = all(self.0, sql, params![id.project.as_str(), id.number.0], |row| {
            Ok((StepIndex(row.get("idx")?), row.json("secrets")?))
        })?;
        Ok(given.into_iter().collect())
    }

    /// When the last attempt of a step began; none if none has.
    pub fn attempt_began(&self, id: &BuildId, index: StepIndex) -> Result<Option<Timestamp>> {
        let sql = "SELECT coalesce(attempt_began, started) AS began FROM step
                   WHERE project = ?1 AND number = ?2 AND idx = ?3";
        let key = params![id.project.as_str(), id.number.0, index.0];
        Ok(one(self.0, sql, key, |row| row.time_if("began"))?.flatten())
    }

    /// The newest green build before this one of the same ref; none for a build of no ref.
    pub fn last_green(&self, of: &Build) -> Result<Option<Build>> {
        let sql = "SELECT * FROM build WHERE project = ?1 AND ref = ?2 AND number < ?3 AND state = 'finished'
                   AND verdict IN ('success', 'warnings') AND sha IS NOT NULL ORDER BY number DESC LIMIT 1";
        let reference = of.reference.as_ref().map(RefName::as_str);
        one(self.0, sql, params![of.id.project.as_str(), reference, of.id.number.0], build)
    }

    /// What a build's steps ran, and how they ended, for one that is done again.
    pub fn steps_and_specs(&self, id: &BuildId) -> Result<Vec<(StepRow, Option<String>)>> {
        let steps = self.steps(id)?.into_iter().map(|row| {
            let spec = self.step_spec(id, row.index)?;
            Ok((row, spec))
        });
        steps.collect()
    }

    /// What a step runs, as it was fixed when the build began.
    pub fn step_spec(&self, id: &BuildId, index: StepIndex) -> Result<Option<String>> {
        let sql = "SELECT spec FROM step WHERE project = ?1 AND number = ?2 AND idx = ?3";
        let spec = one(self.0, sql, params![id.project.as_str(), id.number.0, index.0], |row| row.get("spec"))?;
        Ok(spec.flatten())
    }
}

impl Tx<'_> {
    /// Makes a build of a waiting request; its number is above `floor` and above every build in the store.
    pub fn start_build(&self, request: &Request, floor: u32, now: Timestamp) -> Result<BuildId> {
        let ask = &request.ask;
        let sql = "SELECT coalesce(max(number), 0) FROM build WHERE project = ?1";
        let highest: u32 = self.0.query_row(sql, [ask.project.as_str()], |row| row.get(0))?;
        let number = BuildNumber(highest.max(floor) + 1);
        let commit = match &ask.target {
            crate::model::Target::Commit { commit } => Some(commit.as_str()),
            crate::model::Target::Tip | crate::model::Target::Revision { .. } => None,
        };
        self.0.execute(
            "INSERT INTO build (project, number, request, ref, target, sha, outside, origin, reason, changes, queued,
               created, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'starting')",
            params![
                ask.project.as_str(),
                number.0,
                request.id.0,
                ask.reference.as_ref().map(RefName::as_str),
                to_json(&ask.target)?,
                commit,
                ask.trust == Trust::Outside,
                to_json(&ask.origin)?,
                ask.reason,
                to_json(&ask.changes)?,
                millis(request.created),
                millis(now),
            ],
        )?;
        let sql = "UPDATE request SET state = 'started', build = ?2 WHERE id = ?1 AND state = 'waiting'";
        if self.0.execute(sql, params![request.id.0, number.0])? != 1 {
            return Err(StoreError::Damaged(format!("request {} was not waiting", request.id)));
        }
        Ok(BuildId { project: ask.project.clone(), number })
    }

    /// A supervisor takes a build: for the first time, which fixes its steps, or from one that died.
    pub fn take_build(&self, id: &BuildId, boot: &str, steps: &[NewStep], now: Timestamp) -> Result<()> {
        let key = params![id.project.as_str(), id.number.0, boot, millis(now)];
        let first = self.0.execute(
            "UPDATE build SET state = 'running', boot = ?3, started = ?4
             WHERE project = ?1 AND number = ?2 AND state = 'starting'",
            key,
        )?;
        if first == 0 {
            let sql = "UPDATE build SET takeovers = takeovers + 1
                       WHERE project = ?1 AND number = ?2 AND state = 'running'";
            self.0.execute(sql, params![id.project.as_str(), id.number.0])?;
            return Ok(());
        }
        self.insert_steps(id, 0, steps)
    }

    /// The steps of this build stand in its commit.
    pub fn steps_from_commit(&self, id: &BuildId) -> Result<()> {
        let sql = "UPDATE build SET pipeline = 'repository' WHERE project = ?1 AND number = ?2";
        self.0.execute(sql, params![id.project.as_str(), id.number.0])?;
        Ok(())
    }

    /// The checkout told which steps follow it. The first to be told is kept: a checkout that is done again adds nothing.
    pub fn add_steps(&self, id: &BuildId, steps: &[NewStep]) -> Result<()> {
        let sql = "SELECT count(*) FROM step WHERE project = ?1 AND number = ?2 AND idx > 0";
        let there: u32 = self.0.query_row(sql, params![id.project.as_str(), id.number.0], |row| row.get(0))?;
        if there > 0 { Ok(()) } else { self.insert_steps(id, 1, steps) }
    }

    fn insert_steps(&self, id: &BuildId, first: usize, steps: &[NewStep]) -> Result<()> {
        for (index, step) in (first..).zip(steps) {
            self.0.execute(
                "INSERT INTO step (project, number, idx, name, spec, state, description, done, role)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, ?7, ?8)",
                params![
                    id.project.as_str(),
                    id.number.0,
                    index,
                    step.name.as_str(),
                    step.spec,
                    step.words.description,
                    step.words.done,
                    step.role.as_str(),
                ],
            )?;
        }
        Ok(())
    }

    /// How often the build has been taken over from a supervisor that died.
    pub fn takeovers(&self, id: &BuildId) -> Result<u32> {
        let sql = "SELECT takeovers FROM build WHERE project = ?1 AND number = ?2";
        Ok(self.0.query_row(sql, params![id.project.as_str(), id.number.0], |row| row.get(0))?)
    }

    /// The fetch told which commit, of which ref, with which changes.
    pub fn pin(
        &self,
        id: &BuildId,
        reference: Option<&RefName>,
        commit: &CommitId,
        changes: &[crate::model::Change],
    ) -> Result<()> {
        self.0.execute(
            "UPDATE build SET ref = coalesce(?3, ref), sha = ?4, changes = ?5 WHERE project = ?1 AND number = ?2",
            params![
                id.project.as_str(),
                id.number.0,
                reference.map(RefName::as_str),
                commit.as_str(),
                to_json(&changes)?
            ],
        )?;
        Ok(())
    }

    /// A step that has not begun will not be needed, and why.
    pub fn step_unneeded(&self, id: &BuildId, index: StepIndex, why: &str) -> Result<()> {
        let sql = "UPDATE step SET unneeded = ?4
                   WHERE project = ?1 AND number = ?2 AND idx = ?3 AND state = 'pending'";
        self.0.execute(sql, params![id.project.as_str(), id.number.0, index.0, why])?;
        Ok(())
    }

    /// The commit is of no branch or tag: the build has the reach of refs from outside. There is no way back.
    pub fn found_outside(&self, id: &BuildId) -> Result<()> {
        let sql = "UPDATE build SET outside = 1 WHERE project = ?1 AND number = ?2";
        self.0.execute(sql, params![id.project.as_str(), id.number.0])?;
        Ok(())
    }

    /// A step's unit is about to be asked for.
    pub fn step_started(&self, id: &BuildId, index: StepIndex, now: Timestamp) -> Result<()> {
        self.0.execute(
            "UPDATE step SET state = 'running', started = ?4, attempts = 1
             WHERE project = ?1 AND number = ?2 AND idx = ?3 AND state = 'pending'",
            params![id.project.as_str(), id.number.0, index.0, millis(now)],
        )?;
        Ok(())
    }

    /// An attempt of a step is over: how, what it and those before used, and when the next is due.
    pub fn step_again(&self, id: &BuildId, index: StepIndex, again: &Again, usage: Usage) -> Result<()> {
        let sql = "UPDATE step SET again = ?4, outcome = ?5, cpu_usec = ?6, memory_peak = ?7, io_read = ?8,
                     io_written = ?9
                   WHERE project = ?1 AND number = ?2 AND idx = ?3 AND state = 'running'";
        self.0.execute(
            sql,
            params![
                id.project.as_str(),
                id.number.0,
                index.0,
                millis(again.due),
                again.outcome,
                usage.cpu_usec,
                usage.memory_peak,
                usage.io_read,
                usage.io_written,
            ],
        )?;
        Ok(())
    }

    /// The next attempt's unit is about to be asked for.
    pub fn step_attempt(&self, id: &BuildId, index: StepIndex, now: Timestamp) -> Result<()> {
        let sql = "UPDATE step SET attempts = max(attempts, 1) + 1, attempt_began = ?4, again = NULL, outcome = NULL
                   WHERE project = ?1 AND number = ?2 AND idx = ?3 AND state = 'running' AND again IS NOT NULL";
        self.0.execute(sql, params![id.project.as_str(), id.number.0, index.0, millis(now)])?;
        Ok(())
    }

    /// A step is over, or was never begun.
    pub fn step_finished(&self, id: &BuildId, index: StepIndex, end: &StepEnd, now: Timestamp) -> Result<()> {
        self.0.execute(
            "UPDATE step SET state = 'finished', finished = ?4, verdict = ?5, outcome = ?6, cpu_usec = ?7,
               memory_peak = ?8, io_read = ?9, io_written = ?10, again = NULL
             WHERE project = ?1 AND number = ?2 AND idx = ?3 AND state <> 'finished'",
            params![
                id.project.as_str(),
                id.number.0,
                index.0,
                millis(now),
                end.verdict.as_str(),
                end.outcome,
                end.usage.cpu_usec,
                end.usage.memory_peak,
                end.usage.io_read,
                end.usage.io_written,
            ],
        )?;
        Ok(())
    }

    /// A step's log is packed.
    pub fn step_logged(&self, id: &BuildId, index: StepIndex, log: LogSize) -> Result<()> {
        self.0.execute(
            "UPDATE step SET log_bytes = ?4, log_lines = ?5 WHERE project = ?1 AND number = ?2 AND idx = ?3",
            params![id.project.as_str(), id.number.0, index.0, log.bytes, log.lines],
        )?;
        Ok(())
    }

    /// The build is over. Exactly one call per build has an effect; true for that one.
    pub fn finish_build(&self, id: &BuildId, verdict: Verdict, summary: &str, now: Timestamp) -> Result<bool> {
        let changed = self.0.execute(
            "UPDATE build SET state = 'finished', finished = ?3, verdict = ?4, summary = ?5
             WHERE project = ?1 AND number = ?2 AND state <> 'finished'",
            params![id.project.as_str(), id.number.0, millis(now), verdict.as_str(), summary],
        )?;
        if changed == 1 {
            self.0.execute(
                "UPDATE step SET state = 'finished', again = NULL, finished = ?3, verdict = iif(state = 'pending', 'skipped', ?4),
                   outcome = iif(state = 'pending', '', ?5)
                 WHERE project = ?1 AND number = ?2 AND state <> 'finished'",
                params![id.project.as_str(), id.number.0, millis(now), verdict.as_str(), summary],
            )?;
        }
        Ok(changed == 1)
    }

    /// Somebody wants it stopped; the first to say so is kept. False if it is over already.
    pub fn ask_stop(&self, id: &BuildId, stop: &Stop) -> Result<bool> {
        let changed = self.0.execute(
            "UPDATE build SET stop = coalesce(stop, ?3) WHERE project = ?1 AND number = ?2 AND state <> 'finished'",
            params![id.project.as_str(), id.number.0, to_json(stop)?],
        )?;
        Ok(changed == 1)
    }
}
