//! One worker from its first to its last byte.

use super::protocol::{ANSWER_MAX, Answer, Ask, Failure, FailureKind, TASK_MAX, Task};
use super::say::say;
use super::{
    adopt, cache, checkout, collect, fetch, health, mail, measure, processes, release, release_make, report, secret,
    survey,
};
use crate::worker::protocol::{
    CheckoutTask, CollectTask, FetchTask, HealthTask, MailTask, MeasureTask, ProcessesTask, RefsTask, ReleaseAdoptTask,
    ReleaseCheckTask, ReleaseMakeTask, ReleaseRemoveTask, ReleaseSwitchTask, ReportTask, SecretsTask, SetAsideTask,
    SurveyTask, SweepTask, TidyTask,
};
use nix::sys::stat::{Mode, umask};
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What the job has after its deadline to say itself that it was late.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Reads a task, does it and writes the answer, a line each; then the next one, unless it failed. Exits with 0 when all
/// answers were written.
///
/// The job has a thread of its own: libgit2 in a read that drips cannot be stopped, but it can be left behind.
pub fn main() -> ExitCode {
    loop {
        let said = match task() {
            Ok(Some(task)) => watch(task),
            Ok(None) => return ExitCode::SUCCESS,
            Err(failure) => failed(failure),
        };
        match (give(&said), said) {
            (Ok(()), Said::Done(_)) => {}
            (Ok(()), Said::Failed(_)) => return ExitCode::SUCCESS,
            (Err(e), _) => {
                say!("the answer cannot be written: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
}

/// An answer as it is written.
pub(super) enum Said {
    Done(Vec<u8>),
    Failed(Vec<u8>),
}

/// Writes an answer.
pub(super) fn give(said: &Said) -> io::Result<()> {
    let (Said::Done(line) | Said::Failed(line)) = said;
    let mut out = io::stdout().lock();
    out.write_all(line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The next task; none when there are no more.
fn task() -> Result<Option<Task>, Failure> {
    let internal = |says: String| Failure::new(FailureKind::Internal, &says);
    let mut text = Vec::new();
    let read = io::stdin().lock().take(TASK_MAX as u64 + 1).read_until(b'\n', &mut text);
    read.map_err(|e| internal(format!("the task cannot be read: {e}")))?;
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > TASK_MAX {
        return Err(Failure::new(FailureKind::TooLarge, &format!("the task is longer than {TASK_MAX} bytes")));
    }
    serde_json::from_slice(&text).map(Some).map_err(|e| internal(format!("this is no task: {e}")))
}

fn watch(task: Task) -> Said {
    let timeout = task.timeout();
    let (tell, told) = channel();
    thread::spawn(move || {
        // Nobody listens any more once the time is over.
        drop(tell.send(perform(task, Instant::now() + timeout)));
    });
    told.recv_timeout(timeout.saturating_add(LAST_WORDS)).unwrap_or_else(|e| {
        failed(match e {
            RecvTimeoutError::Timeout => Failure::new(FailureKind::Timeout, &format!("not done within {timeout:?}")),
            RecvTimeoutError::Disconnected => Failure::new(FailureKind::Internal, "the worker broke; see its journal"),
        })
    })
}

fn perform(task: Task, deadline: Instant) -> Said {
    // A mirror is for its group; what is checked out is for everybody whom the folders around it let in.
    let mask = if matches!(task, Task::Fetch(_) | Task::Tidy(_)) { 0o027 } else { 0o022 };
    umask(Mode::from_bits_truncate(mask));
    match task {
        Task::Refs(task) => said::<RefsTask>(fetch::refs(&task, deadline)),
        Task::Fetch(task) => said::<FetchTask>(fetch::fetch(&task, deadline)),
        Task::Tidy(task) => said::<TidyTask>(fetch::tidy(&task, deadline)),
        Task::Checkout(task) => said::<CheckoutTask>(checkout::checkout(&task, deadline)),
        Task::Secrets(SecretsTask {}) => said::<SecretsTask>(secret::read()),
        Task::ReleaseCheck(task) => said::<ReleaseCheckTask>(release::check(&task)),
        Task::ReleaseMake(task) => {
            said::<ReleaseMakeTask>(release_make::make(&task, &mut io::stdin().lock(), deadline))
        }
        Task::ReleaseAdopt(task) => said::<ReleaseAdoptTask>(adopt::adopt(&task)),
        Task::ReleaseSwitch(task) => said::<ReleaseSwitchTask>(release::switch(&task)),
        Task::ReleaseRemove(task) => said::<ReleaseRemoveTask>(release::remove(&task)),
        Task::Processes(ProcessesTask {}) => said::<ProcessesTask>(Err(processes::not_here())),
        Task::Health(task) => said::<HealthTask>(Ok(health::check(&task))),
        Task::Mail(task) => said::<MailTask>(mail::send(&task, deadline)),
        Task::Collect(task) => said::<CollectTask>(collect::collect(&task, deadline)),
        Task::Survey(task) => said::<SurveyTask>(Ok(survey::survey(&task, deadline))),
        Task::SetAside(task) => said::<SetAsideTask>(cache::set_aside(&task, deadline)),
        Task::Sweep(task) => said::<SweepTask>(cache::remove(&task, deadline)),
        Task::Report(task) => said::<ReportTask>(report::read(&task, deadline)),
        Task::Measure(task) => said::<MeasureTask>(Ok(measure::measure(&task, deadline))),
    }
}

pub(super) fn said<T: Ask>(done: Result<T::Answer, Failure>) -> Said {
    let answer = match done {
        Ok(answer) => Answer::Ok(answer),
        Err(failure) => return failed(failure),
    };
    match serde_json::to_vec(&answer) {
        Ok(text) if text.len() < ANSWER_MAX => Said::Done(text),
        Ok(_) => failed(Failure::new(FailureKind::TooLarge, &format!("the answer is longer than {ANSWER_MAX} bytes"))),
        Err(e) => failed(Failure::new(FailureKind::Internal, &format!("the answer cannot be written: {e}"))),
    }
}

fn failed(failure: Failure) -> Said {
    say!("{failure}");
    match serde_json::to_vec(&Answer::<()>::Failed(failure)) {
        Ok(text) => Said::Failed(text),
        Err(_) => unreachable!("a kind and a line are always valid JSON"),
    }
}
