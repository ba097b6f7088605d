//! Logs on standard output: whole, or as they grow.

use super::paint::{DIM, Screen, painted};
use super::{StatusError, seen, table};
use crate::model::{BuildId, BuildSpec, Place, StepRow, StepState};
use crate::output::terminal::{Cleaner, Look};
use crate::output::{LogError, LogReader};
use crate::store::Store;
use crate::view::{Configured, began};
use anstream::ColorChoice;
use anstream::stream::IsTerminal;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, Write};
use std::time::Duration;

/// How often a followed build is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How much of a log is moved at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Prints the log of one step, or of all.
pub(super) fn print(
    place: &Place,
    configured: &Configured,
    store: Option<&Store>,
    what: &BuildSpec,
    step: Option<&str>,
) -> Result<(), StatusError> {
    let view = seen::named_build(configured, store, what)?;
    let id = &view.build.id;
    let mut paper = Paper::stdout();
    match step {
        Some(named) => {
            let number = named.parse().ok();
            let found = view.steps.iter().find(|step| step.name.as_str() == named || Some(step.index.0) == number);
            let step = found.ok_or_else(|| StatusError::NoStep {
                id: id.clone(),
                step: named.chars().take(80).collect(),
                there: view.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", "),
            })?;
            let mut log = Growing::of(place, id, step);
            log.pass_on(&mut paper)?;
            if log.reader.is_none() {
                return Err(log.trouble(LogError::Missing));
            }
            paper.end()
        }
        None => {
            for step in view.steps.iter().filter(|step| began(step).is_some()) {
                paper.heading(step)?;
                Growing::of(place, id, step).pass_on(&mut paper)?;
                paper.end()?;
            }
            Ok(())
        }
    }
}

/// Prints the logs of a build, step after step, until it is over.
pub(super) fn follow(
    place: &Place,
    configured: &Configured,
    store: Option<&Store>,
    what: &BuildSpec,
) -> Result<(), StatusError> {
    let id = seen::named_build(configured, store, what)?.build.id;
    let mut paper = Paper::stdout();
    let mut at = 0;
    let mut open: Option<Growing<'_>> = None;
    loop {
        // The rows first: what a finished step has printed was in its log before its row said so.
        let view =
            seen::named_build(configured, store, &BuildSpec { project: id.project.clone(), number: Some(id.number) })?;
        while let Some(step) = view.steps.get(at) {
            if began(step).is_some() {
                if open.is_none() {
                    paper.heading(step)?;
                }
                open.get_or_insert_with(|| Growing::of(place, &id, step)).pass_on(&mut paper)?;
            }
            match step.state {
                StepState::Pending | StepState::Running { .. } => break,
                StepState::Finished { .. } => {
                    if open.take().is_some() {
                        paper.end()?;
                    }
                    at += 1;
                }
            }
        }
        if view.build.state.verdict().is_some() {
            let screen = Screen { now: Timestamp::now(), zone: TimeZone::system(), width: None };
            // The result is for people: whoever reads a pipe wants the log.
            anstream::stderr().write_all(table::ending(&view.build, &screen).as_bytes())?;
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// A step's log, passed on from where it was left.
struct Growing<'a> {
    place: &'a Place,
    id: BuildId,
    step: StepRow,
    reader: Option<LogReader>,
    offset: u64,
}

impl Growing<'_> {
    fn of<'a>(place: &'a Place, id: &BuildId, step: &StepRow) -> Growing<'a> {
        Growing { place, id: id.clone(), step: step.clone(), reader: None, offset: 0 }
    }

    fn trouble(&self, source: LogError) -> StatusError {
        StatusError::Log { id: self.id.clone(), step: self.step.name.to_string(), source }
    }

    /// Passes on what there is now; a log that is not there yet is an empty one.
    fn pass_on(&mut self, paper: &mut Paper) -> Result<(), StatusError> {
        if self.reader.is_none() {
            match LogReader::open(&self.place.step_log(&self.id, self.step.index)) {
                Ok(reader) => self.reader = Some(reader),
                Err(LogError::Missing) => return Ok(()),
                Err(error) => return Err(self.trouble(error)),
            }
        }
        let mut buffer = vec![0; PIECE];
        while let Some(reader) = &mut self.reader {
            // A finished log takes the growing one's place under the same offsets.
            let read = reader.refresh().and_then(|_| reader.read_at(&mut buffer, self.offset));
            match read.map_err(|error| self.trouble(error))? {
                0 => break,
                n => {
                    paper.write(&buffer[..n])?;
                    self.offset += n as u64;
                }
            }
        }
        Ok(())
    }
}

/// Standard output: a terminal gets clean lines, anything else the bytes as they are.
enum Paper {
    Terminal { cleaner: Box<Cleaner>, look: Look },
    Pipe,
}

impl Paper {
    fn stdout() -> Paper {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Paper::Pipe;
        }
        let look = match anstream::AutoStream::choice(&stdout) {
            ColorChoice::Never => Look::Plain,
            ColorChoice::Auto | ColorChoice::Always | ColorChoice::AlwaysAnsi => Look::Colour,
        };
        Paper::Terminal { cleaner: Box::new(Cleaner::new(look)), look }
    }

    fn heading(&mut self, step: &StepRow) -> io::Result<()> {
        match self {
            Paper::Terminal { .. } => {
                anstream::stdout().write_all(format!("{}\n", painted(DIM, &format!("── {} ──", step.name))).as_bytes())
            }
            Paper::Pipe => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Paper::Terminal { cleaner, .. } => {
                let mut shown = String::new();
                cleaner.push(bytes, &mut shown);
                anstream::stdout().write_all(shown.as_bytes())
            }
            Paper::Pipe => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
        }
    }

    /// A log is over: what is left of its last line.
    fn end(&mut self) -> Result<(), StatusError> {
        if let Paper::Terminal { cleaner, look } = self {
            let mut shown = String::new();
            std::mem::replace(&mut **cleaner, Cleaner::new(*look)).end(&mut shown);
            if !shown.is_empty() && !shown.ends_with('\n') {
                shown.push('\n');
            }
            anstream::stdout().write_all(shown.as_bytes())?;
        }
        Ok(())
    }
}
