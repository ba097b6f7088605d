//! What a step's tests said: its reports are read by a worker as the step's own user, and compared with the build before.

use super::prepare::Trouble;
use super::spec::StepSpec;
use super::supervise::{SuperviseError, Supervisor};
use crate::model::report::{TestName, TestReport};
use crate::model::{BuildNumber, RefName, StepIndex, StepRow, StepState, Verdict};
use crate::order::Work;
use crate::output::{Opened, Recorder};
use crate::plan::report::{self, Earlier, Reading};
use crate::store::TestedStep;
use crate::worker::protocol::{ReportTask, TESTS_ASKED};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long reading the reports of a step may take.
const READING: Duration = Duration::from_secs(60);

/// The recorder of a log that is still open.
pub(super) fn recorder(log: &mut Opened) -> Option<&mut Recorder> {
    match log {
        Opened::Recording(recorder) => Some(recorder),
        Opened::Ended(_) => None,
    }
}

impl Supervisor<'_> {
    /// Reads the results of a step that ended by itself, and says what they make of its verdict; nothing when the
    /// supervisor is to leave. Its unit is still there: whoever takes over from here does the same again.
    pub(super) fn results(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        log: &mut Opened,
        (verdict, outcome): (Verdict, String),
    ) -> Result<Option<(Verdict, String)>, SuperviseError> {
        if spec.junit.is_empty() || verdict == Verdict::Skipped {
            return Ok(Some((verdict, outcome)));
        }
        match self.read_reports(step, spec, log)? {
            Ok(reading) => {
                self.write_tests(step, &reading)?;
                Ok(Some(report::judge(verdict, &outcome, &reading)))
            }
            Err(Trouble::Leave) => Ok(None),
            Err(Trouble::Stopped) => Ok(Some((Verdict::Cancelled, "stopped".to_owned()))),
            Err(Trouble::Call(error)) => {
                Ok(Some(report::judge(verdict, &outcome, &Reading::Trouble(error.to_string()))))
            }
        }
    }

    /// Reads the reports of a step that we had to stop, for want of time, say: its verdict stands, and what its tests
    /// had said by then is still worth knowing.
    pub(super) fn report_afterwards(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        log: &mut Opened,
    ) -> Result<(), SuperviseError> {
        if spec.junit.is_empty() || self.stopping || self.store.read().is_reported(&self.id, step.index)? {
            return Ok(());
        }
        let over = self.row(step.index)?.is_some_and(|row| match row.state {
            StepState::Finished { started, verdict, .. } => started.is_some() && verdict == Verdict::Failure,
            StepState::Pending | StepState::Running { .. } => false,
        });
        if !over {
            return Ok(());
        }
        match self.read_reports(step, spec, log)? {
            Ok(reading) => self.write_tests(step, &reading),
            // The next supervisor finds the step finished and its log open, and comes here again.
            Err(Trouble::Leave | Trouble::Stopped) => Ok(()),
            Err(Trouble::Call(error)) => {
                tracing::warn!("the test reports of {} were not read: {error}", step.name);
                Ok(())
            }
        }
    }

    fn row(&self, index: StepIndex) -> Result<Option<StepRow>, SuperviseError> {
        Ok(self.store.read().steps(&self.id)?.into_iter().find(|row| row.index == index))
    }

    /// Keeps which tests failed in an attempt that another will follow, to tell those that pass in it; says why the step
    /// cannot go on, if so.
    pub(super) fn results_of_attempt(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        log: &mut Opened,
    ) -> Result<Result<(), Trouble>, SuperviseError> {
        if spec.junit.is_empty() {
            return Ok(Ok(()));
        }
        match self.read_reports(step, spec, log)? {
            Ok(Reading::Read { report, .. }) => {
                let (id, index) = (self.id.clone(), step.index);
                self.store.write_patiently(|tx| tx.attempt_failed(&id, index, &report.failing))?;
            }
            Ok(Reading::Trouble(_)) => {}
            Err(trouble @ (Trouble::Leave | Trouble::Stopped)) => return Ok(Err(trouble)),
            Err(Trouble::Call(error)) => {
                tracing::warn!("the test reports of an attempt of {} were not read: {error}", step.name);
            }
        }
        Ok(Ok(()))
    }

    fn read_reports(
        &mut self,
        step: &StepRow,
        spec: &StepSpec,
        log: &mut Opened,
    ) -> Result<Result<Reading, Trouble>, SuperviseError> {
        let before = self.failing_before(step)?.map(|(_, before)| before).unwrap_or_default();
        let earlier = self.store.read().failed_attempts(&self.id, step.index)?;
        let asked = earlier.into_iter().map(|test| test.name).chain(before.into_keys());
        let task = ReportTask {
            workspace: self.room.workspace(self.place),
            patterns: spec.junit.clone(),
            attempt: step.attempts,
            since: self.store.read().attempt_began(&self.id, step.index)?.unwrap_or(Timestamp::UNIX_EPOCH),
            asked: asked.take(TESTS_ASKED).collect(),
            timeout: READING,
        };
        let work = Work::Results { trust: self.room.trust, slot: self.room.slot };
        let answer = self.call(step, work, None, task, recorder(log))?;
        let masker = self.secrets.masker();
        Ok(answer.map(|answer| Reading::Read {
            report: answer.report.kept(&|text| masker.cover(text)),
            passed: answer.passed,
            stale: answer.stale,
            unreadable: answer.unreadable,
        }))
    }

    /// The tests of this step that failed in the build before of the same ref; nothing for a commit without a ref.
    fn failing_before(
        &self,
        step: &StepRow,
    ) -> Result<Option<(RefName, BTreeMap<TestName, BuildNumber>)>, SuperviseError> {
        let Some(reference) = self.build()?.reference else { return Ok(None) };
        let of = TestedStep { project: &self.id.project, reference: &reference, step: &step.name };
        let before = self.store.read().failing_tests(&of)?;
        Ok(Some((reference, before)))
    }

    /// Writes down what the reports say, unless a supervisor before us has.
    fn write_tests(&mut self, step: &StepRow, reading: &Reading) -> Result<(), SuperviseError> {
        let Reading::Read { report, passed, .. } = reading else { return Ok(()) };
        let before = self.failing_before(step)?;
        let failed = self.store.read().failed_attempts(&self.id, step.index)?;
        let earlier = Earlier { attempt: step.attempts, failed: &failed };
        let last = before.as_ref().map(|(_, before)| before);
        let compared = report::compare(self.id.number, report, passed, last, earlier);
        let report = &TestReport { counts: compared.counts, ..report.clone() };
        let (id, index) = (self.id.clone(), step.index);
        self.store.write_patiently(|tx| {
            if tx.read().is_reported(&id, index)? {
                return Ok(());
            }
            tx.report_tests(&id, index, report, &compared.rows)?;
            match &before {
                Some((reference, _)) => {
                    let of = TestedStep { project: &id.project, reference, step: &step.name };
                    tx.set_failing_tests(&of, id.number, &compared.failing)
                }
                None => Ok(()),
            }
        })?;
        Ok(())
    }
}
