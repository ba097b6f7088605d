//! Waiting for a build, and reading along.

use super::WishError;
use crate::model::{BuildId, BuildState, Place, RequestId, RequestState, StepIndex, StepState, Verdict};
use crate::output::terminal::{Cleaner, Look};
use crate::output::{LogError, LogReader};
use crate::store::{Store, StoreError};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How often the store is looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(3);

/// Waits until something was committed, or a moment has passed.
fn news(store: &Store, last: &mut i64) -> Result<(), StoreError> {
    // Asking for the version is cheap. After half a second of it the rows are read all the same.
    for _ in 0..150 {
        std::thread::sleep(LOOK);
        let version = store.data_version()?;
        if version != *last {
            *last = version;
            break;
        }
    }
    Ok(())
}

/// Waits until a request is a build.
pub fn wait_for_build(place: &Place, request: RequestId) -> Result<BuildId, WishError> {
    let store = Store::open_read_only(place)?;
    let mut version = store.data_version()?;
    loop {
        if let Some(found) = store.read().follow_request(request)? {
            match found.state {
                RequestState::Started(number) => return Ok(BuildId { project: found.ask.project, number }),
                RequestState::Dropped(why) => return Err(WishError::Dropped(why)),
                RequestState::Waiting | RequestState::Replaced(_) => {}
            }
        }
        news(&store, &mut version)?;
    }
}

/// Waits until a build has its verdict. What its steps print goes to `out` on the way, if there is one.
pub fn wait_for_verdict(
    place: &Place,
    id: &BuildId,
    mut out: Option<&mut dyn Write>,
) -> Result<(Verdict, String), WishError> {
    let store = Store::open_read_only(place)?;
    let mut version = store.data_version()?;
    let mut shown = Shown::default();
    loop {
        let build = store.read().build(id)?;
        let verdict = build.as_ref().and_then(|b| b.state.verdict());
        if let Some(out) = out.as_deref_mut() {
            shown.catch_up(place, &store, id, out)?;
        }
        if let (Some(verdict), Some(build)) = (verdict, build) {
            let summary = match build.state {
                BuildState::Finished { summary, .. } => summary,
                BuildState::Starting | BuildState::Running { .. } => String::new(),
            };
            return Ok((verdict, summary));
        }
        news(&store, &mut version)?;
    }
}

/// How much of a build's logs has been shown.
#[derive(Debug, Default)]
struct Shown {
    step: u16,
    offset: u64,
    headed: bool,
}

impl Shown {
    fn catch_up(&mut self, place: &Place, store: &Store, id: &BuildId, out: &mut dyn Write) -> Result<(), WishError> {
        for step in store.read().steps(id)?.into_iter().skip(usize::from(self.step)) {
            if step.state == StepState::Pending {
                return Ok(());
            }
            if !self.headed {
                writeln!(out, "── {}", step.name)?;
                self.headed = true;
            }
            match LogReader::open(&place.step_log(id, StepIndex(self.step))) {
                Ok(mut log) => self.offset = log.copy_to(self.offset, out)?,
                Err(LogError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
            match step.state {
                StepState::Finished { .. } => *self = Shown { step: self.step + 1, ..Shown::default() },
                StepState::Pending | StepState::Running { .. } => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Waits for a verdict and says it; a build that is not green is exit code 1.
pub fn wait_and_tell(place: &Place, build: &BuildId, follow: bool) -> Result<ExitCode, WishError> {
    let stdout = std::io::stdout();
    let mut out: Box<dyn Write> = if stdout.is_terminal() {
        Box::new(Harmless { out: stdout, cleaner: Cleaner::new(Look::Colour) })
    } else {
        Box::new(stdout)
    };
    let (verdict, summary) = wait_for_verdict(place, build, follow.then_some(&mut *out as &mut dyn Write))?;
    out.flush()?;
    drop(out);
    let tail = if summary.is_empty() { String::new() } else { format!(": {summary}") };
    anstream::eprintln!("{build} {}{verdict}{}{tail}", colour(verdict).render(), anstyle::Reset.render());
    Ok(if verdict.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn colour(verdict: Verdict) -> anstyle::Style {
    use anstyle::AnsiColor::{Green, Magenta, Red, Yellow};
    let colour = match verdict {
        Verdict::Success => Green,
        Verdict::Warnings | Verdict::Skipped => Yellow,
        Verdict::Failure => Red,
        Verdict::Exception | Verdict::Retry | Verdict::Cancelled => Magenta,
    };
    anstyle::Style::new().bold().fg_color(Some(colour.into()))
}

/// A terminal that gets what a step prints without what could harm it.
struct Harmless {
    out: std::io::Stdout,
    cleaner: Cleaner,
}

impl Write for Harmless {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut clean = String::new();
        self.cleaner.push(bytes, &mut clean);
        self.out.write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
