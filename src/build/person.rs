//! What a person's `ci-build` does: ask, and if wanted wait, reading the store like anybody.

use super::take::short;
use crate::intake::{Answer, Ask, AskError, BuildAsk, Refusal, What, ask};
use crate::model::{BuildId, BuildNumber, BuildSpec, Place, ProjectName, RefName, RequestId, RequestState, Verdict};
use crate::output::terminal::{Cleaner, Look};
use crate::output::{LogError, LogReader};
use crate::store::{Store, StoreError};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How often the store is looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(50);

/// Why a wish could not be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The socket.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It was refused.
    #[error("{message}")]
    Refused {
        /// Whose turn it is.
        refusal: Refusal,
        /// Why.
        message: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A log.
    #[error("{0}")]
    Log(#[from] LogError),
    /// Standard output.
    #[error("standard output: {0}")]
    Write(#[from] std::io::Error),
    /// The answer is to another question.
    #[error("the core answered something else than what was asked: is it of another version?")]
    Confused,
    /// The request was taken out of the queue.
    #[error("not built: {0}")]
    Dropped(String),
    /// The last poll failed, so the tip is not known.
    #[error("{project} could not be polled: {trouble}")]
    NoTip {
        /// Whose.
        project: ProjectName,
        /// Why.
        trouble: String,
    },
    /// No such branch.
    #[error("{project} has no branch {branch} that it watches; ci-build --force {project} -b {branch} builds any")]
    NotWatched {
        /// Whose.
        project: ProjectName,
        /// Which.
        branch: String,
    },
}

impl WishError {
    /// What an answer means that is not the one that was hoped for.
    pub fn of(answer: Answer) -> WishError {
        match answer {
            Answer::Refused { refusal, message } => WishError::Refused { refusal, message },
            Answer::Queued { .. } | Answer::Stopping { .. } | Answer::Looking | Answer::Deploying { .. } => {
                WishError::Confused
            }
        }
    }

    /// The exit code (STYLE: 1 failed, 2 usage, 75 try again, 78 configuration).
    pub fn exit_code(&self) -> u8 {
        match self {
            WishError::Ask(_) | WishError::NoTip { .. } => 75,
            WishError::Refused { refusal: Refusal::TryAgain, .. } => 75,
            WishError::Refused { refusal: Refusal::Configuration, .. } => 78,
            WishError::Refused { refusal: Refusal::Stranger | Refusal::Garbage | Refusal::NoSuchThing, .. }
            | WishError::Store(_)
            | WishError::Log(_)
            | WishError::Write(_)
            | WishError::Confused
            | WishError::Dropped(_)
            | WishError::NotWatched { .. } => 1,
        }
    }
}

/// What `ci-build PROJECT` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wished {
    /// It is queued.
    Queued(RequestId),
    /// The tip is built, or being built, already.
    Built(BuildId, Option<Verdict>),
}

/// The wish for a build.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Whose.
    pub project: ProjectName,
    /// Of which branch; none is the remote's HEAD.
    pub branch: Option<RefName>,
    /// A revision instead.
    pub revision: Option<String>,
    /// Now, and first in the queue.
    pub force: bool,
    /// Why.
    pub reason: Option<String>,
}

/// A token that nobody else chooses: the kernel makes it.
fn token() -> Result<String, std::io::Error> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

/// Asks for a build.
pub fn wish(place: &Place, wish: &Wish) -> Result<Wished, WishError> {
    let what = match (&wish.revision, wish.force) {
        (Some(revision), _) => What::Revision { revision: revision.clone() },
        (None, true) => What::Force,
        (None, false) => match seen_tip(place, wish)? {
            Ok(commit) => What::Seen { commit },
            Err(wished) => return Ok(wished),
        },
    };
    let question = Ask::Build(BuildAsk {
        project: wish.project.clone(),
        reference: wish.branch.clone(),
        what,
        reason: wish.reason.as_deref().map(short),
        token: token()?,
    });
    match ask(place, &question)? {
        Answer::Queued { request } => Ok(Wished::Queued(request)),
        answer @ (Answer::Refused { .. } | Answer::Stopping { .. } | Answer::Looking | Answer::Deploying { .. }) => {
            Err(WishError::of(answer))
        }
    }
}

/// Has the repository looked at, and says its tip; or that there is nothing to ask for.
fn seen_tip(place: &Place, wish: &Wish) -> Result<Result<crate::model::CommitId, Wished>, WishError> {
    crate::poll::person::look(place, std::slice::from_ref(&wish.project))?;
    let store = Store::open_read_only(place)?;
    let read = store.read();
    let source = read.source(&wish.project)?;
    if let Some((trouble, _)) = source.as_ref().and_then(|s| s.trouble.clone()) {
        return Err(WishError::NoTip { project: wish.project.clone(), trouble });
    }
    let reference = wish.branch.clone().or_else(|| source.and_then(|s| s.head));
    let Some(reference) = reference else {
        let trouble = "the repository is empty".to_owned();
        return Err(WishError::NoTip { project: wish.project.clone(), trouble });
    };
    let waiting = read
        .waiting()?
        .into_iter()
        .find(|request| request.ask.project == wish.project && request.ask.reference.as_ref() == Some(&reference));
    if let Some(request) = waiting {
        return Ok(Err(Wished::Queued(request.id)));
    }
    let Some(commit) = read.tips(&wish.project)?.remove(&reference) else {
        return Err(WishError::NotWatched { project: wish.project.clone(), branch: reference.short().to_owned() });
    };
    Ok(match read.built_already(&wish.project, &commit)? {
        Some(build) => Err(Wished::Built(build.id.clone(), build.state.verdict())),
        None => Ok(commit),
    })
}

/// Asks for a build, or a whole project, to be stopped.
pub fn stop(
    place: &Place,
    project: &ProjectName,
    number: Option<BuildNumber>,
    reason: Option<String>,
) -> Result<(Vec<BuildId>, Vec<RequestId>), WishError> {
    match ask(place, &Ask::Stop { project: project.clone(), number, reason })? {
        Answer::Stopping { builds, dropped } => Ok((builds, dropped)),
        answer @ (Answer::Refused { .. } | Answer::Queued { .. } | Answer::Looking | Answer::Deploying { .. }) => {
            Err(WishError::of(answer))
        }
    }
}

/// Waits until something was committed, or a moment has passed.
fn news(store: &Store, last: &mut i64) -> Result<(), StoreError> {
    // Ten looks are cheap and make half a second; longer than that nobody relies on the version.
    for _ in 0..10 {
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
                crate::model::BuildState::Finished { summary, .. } => summary,
                crate::model::BuildState::Starting | crate::model::BuildState::Running { .. } => String::new(),
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
        use crate::model::{StepIndex, StepState};
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

/// Stops, and says what will stop.
pub fn stop_and_tell(place: &Place, spec: &BuildSpec, reason: Option<String>) -> Result<(), WishError> {
    let (builds, dropped) = stop(place, &spec.project, spec.number, reason)?;
    let mut out = anstream::stdout();
    for build in builds {
        writeln!(out, "{build} is being stopped")?;
    }
    for request in dropped {
        writeln!(out, "request {request} is taken out of the queue")?;
    }
    Ok(())
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
