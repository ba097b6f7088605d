//! What tests said.

use super::row::{Fields, all, to_json};
use super::{Read, Result, Tx};
use crate::model::report::{Fate, NAMED_MAX, RedTest, StepTests, TestCounts, TestName, TestReport, TestRow};
use crate::model::{BuildId, BuildNumber, ProjectName, RefName, StepIndex, StepName};
use rusqlite::params;
use std::collections::BTreeMap;

/// A step of a ref: what is compared from build to build.
#[derive(Debug, Clone, Copy)]
pub struct TestedStep<'a> {
    /// Whose.
    pub project: &'a ProjectName,
    /// Of which ref.
    pub reference: &'a RefName,
    /// Which step.
    pub step: &'a StepName,
}

fn step_tests(row: &Fields<'_>) -> Result<StepTests> {
    Ok(StepTests {
        step: StepIndex(row.get("idx")?),
        files: row.get("files")?,
        counts: TestCounts {
            passed: row.get("passed")?,
            failed: row.get("failed")?,
            errors: row.get("errors")?,
            skipped: row.get("skipped")?,
            flaky: row.get("flaky")?,
        },
        millis: row.get("millis")?,
        rows: Vec::new(),
        slowest: row.json("slowest")?,
    })
}

fn test_row(row: &Fields<'_>) -> Result<(StepIndex, TestRow)> {
    let since = row.get::<Option<u32>>("since")?.map(BuildNumber);
    let fate: String = row.get("fate")?;
    let fate = match (fate.as_str(), since) {
        ("failing", since) => Fate::Failing { since },
        ("flaky", _) => match row.get::<Option<u32>>("attempt")? {
            Some(attempt) => Fate::PassedOnRetry { attempt },
            None => Fate::Flaky,
        },
        ("fixed", Some(since)) => Fate::Fixed { since },
        (other, _) => return row.unknown("fate", other),
    };
    let name = row.parse("name")?;
    Ok((StepIndex(row.get("idx")?), TestRow { name, fate, message: row.parse("message")? }))
}

impl Read<'_> {
    /// What the tests of a build said, step by step.
    pub fn tests(&self, id: &BuildId) -> Result<Vec<StepTests>> {
        let key = params![id.project.as_str(), id.number.0];
        let sql = "SELECT * FROM test_report WHERE project = ?1 AND number = ?2 ORDER BY idx";
        let mut steps = all(self.0, sql, key, step_tests)?;
        if steps.is_empty() {
            return Ok(steps);
        }
        let sql = "SELECT * FROM test_row WHERE project = ?1 AND number = ?2 ORDER BY idx, seq";
        for (index, row) in all(self.0, sql, key, test_row)? {
            steps.iter_mut().filter(|step| step.step == index).for_each(|step| step.rows.push(row.clone()));
        }
        Ok(steps)
    }

    /// Whether a step's reports have been written down.
    pub fn is_reported(&self, id: &BuildId, index: StepIndex) -> Result<bool> {
        let sql = "SELECT 1 FROM test_report WHERE project = ?1 AND number = ?2 AND idx = ?3";
        let key = params![id.project.as_str(), id.number.0, index.0];
        Ok(super::row::one(self.0, sql, key, |_| Ok(()))?.is_some())
    }

    /// The tests that failed in earlier attempts of a step that is not over.
    pub fn failed_attempts(&self, id: &BuildId, index: StepIndex) -> Result<Vec<RedTest>> {
        let sql = "SELECT name, message FROM test_attempt WHERE project = ?1 AND number = ?2 AND idx = ?3 LIMIT ?4";
        let key = params![id.project.as_str(), id.number.0, index.0, NAMED_MAX];
        all(self.0, sql, key, |row| Ok(RedTest { name: row.parse("name")?, message: row.parse("message")? }))
    }

    /// The tests that failed in the newest build of a ref, and since when.
    pub fn failing_tests(&self, of: &TestedStep<'_>) -> Result<BTreeMap<TestName, BuildNumber>> {
        let sql = "SELECT name, since FROM test_failing WHERE project = ?1 AND ref = ?2 AND step = ?3";
        let key = params![of.project.as_str(), of.reference.as_str(), of.step.as_str()];
        let found = all(self.0, sql, key, |row| Ok((row.parse("name")?, BuildNumber(row.get("since")?))))?;
        Ok(found.into_iter().collect())
    }
}

impl Tx<'_> {
    /// These tests failed in an attempt of a step that will be tried again. What was known of one stays.
    pub fn attempt_failed(&self, id: &BuildId, index: StepIndex, failing: &[RedTest]) -> Result<()> {
        let sql = "INSERT INTO test_attempt (project, number, idx, name, message) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO NOTHING";
        let mut insert = self.0.prepare_cached(sql)?;
        for test in failing {
            let (name, message) = (test.name.as_str(), test.message.as_str());
            insert.execute(params![id.project.as_str(), id.number.0, index.0, name, message])?;
        }
        Ok(())
    }

    /// Writes down what a step's reports say; once for each step.
    pub fn report_tests(&self, id: &BuildId, index: StepIndex, report: &TestReport, rows: &[TestRow]) -> Result<()> {
        let counts = report.counts;
        self.0.execute(
            "INSERT INTO test_report (project, number, idx, files, passed, failed, errors, skipped, flaky, millis, slowest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                id.project.as_str(),
                id.number.0,
                index.0,
                report.files,
                counts.passed,
                counts.failed,
                counts.errors,
                counts.skipped,
                counts.flaky,
                report.millis,
                to_json(&report.slowest)?,
            ],
        )?;
        let sql = "DELETE FROM test_attempt WHERE project = ?1 AND number = ?2 AND idx = ?3";
        self.0.execute(sql, params![id.project.as_str(), id.number.0, index.0])?;
        let sql = "INSERT INTO test_row (project, number, idx, seq, name, fate, since, message, attempt)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let mut insert = self.0.prepare_cached(sql)?;
        for (seq, row) in rows.iter().enumerate() {
            let (fate, since, attempt) = match row.fate {
                Fate::Failing { since } => ("failing", since, None),
                Fate::Flaky => ("flaky", None, None),
                Fate::PassedOnRetry { attempt } => ("flaky", None, Some(attempt)),
                Fate::Fixed { since } => ("fixed", Some(since), None),
            };
            insert.execute(params![
                id.project.as_str(),
                id.number.0,
                index.0,
                seq,
                row.name.as_str(),
                fate,
                since.map(|number| number.0),
                row.message.as_str(),
                attempt,
            ])?;
        }
        Ok(())
    }

    /// What the next build of a ref is compared with; nothing happens when a newer build has been written down before.
    pub fn set_failing_tests(
        &self,
        of: &TestedStep<'_>,
        number: BuildNumber,
        failing: &BTreeMap<TestName, BuildNumber>,
    ) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM build JOIN test_report USING (project, number)
                   WHERE build.project = ?1 AND build.ref = ?2 AND build.number > ?3)";
        let key = params![of.project.as_str(), of.reference.as_str(), number.0];
        if self.0.query_row(sql, key, |row| row.get(0))? {
            return Ok(());
        }
        let key = params![of.project.as_str(), of.reference.as_str(), of.step.as_str()];
        self.0.execute("DELETE FROM test_failing WHERE project = ?1 AND ref = ?2 AND step = ?3", key)?;
        let sql = "INSERT INTO test_failing (project, ref, step, name, since) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = self.0.prepare_cached(sql)?;
        for (name, since) in failing {
            insert.execute(params![
                of.project.as_str(),
                of.reference.as_str(),
                of.step.as_str(),
                name.as_str(),
                since.0
            ])?;
        }
        Ok(())
    }
}
