//! The core's side of a worker: have it started, give it the task, take a bounded answer.

use super::protocol::{ANSWER_MAX, Answer, AnswerError, Ask, Failure, Remote, Task};
use crate::config::Project;
use crate::model::{Place, ProjectName, unit};
use crate::order::{Order, OrderError, Orders, Work};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no answer of use.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The worker was not started.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// It could not do the job.
    #[error("{0}")]
    Failed(Failure),
    /// What it said is no answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Our own pipes.
    #[error("a pipe to the worker: {0}")]
    Pipe(#[from] std::io::Error),
    /// The task cannot be written.
    #[error("the worker's task: {0}")]
    Task(#[from] serde_json::Error),
    /// A stream of files broke off, or is no such stream.
    #[error("the worker's stream of files {0}")]
    Stream(&'static str),
    /// It answered something else than what was asked.
    #[error("the worker's answer lacks what was asked for")]
    Nothing,
}

/// One job for one worker.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Where `ci-launch` listens.
    pub place: &'a Place,
    /// For which project.
    pub project: &'a ProjectName,
    /// As what it runs.
    pub work: Work,
    /// Tells it from others of its kind, in the unit's name.
    pub job: &'a str,
}

impl Call<'_> {
    /// Has the job done; what the worker says on the way goes to `messages`.
    pub fn make<T: Ask>(&self, task: T, messages: BorrowedFd<'_>) -> Result<T::Answer, CallError> {
        let task: Task = task.into();
        self.begin(task.timeout(), messages)?.finish::<T>(&task)
    }

    /// Has the worker started, to wait for its task; one that is let go without leaves by itself. `timeout` is for
    /// waiting and working together.
    pub fn begin(&self, timeout: Duration, messages: BorrowedFd<'_>) -> Result<Begun, CallError> {
        let (their_task, task) = std::io::pipe()?;
        let (answer, their_answer) = std::io::pipe()?;
        let order =
            Order::Work { project: self.project.clone(), work: self.work.clone(), job: self.job.to_owned(), timeout };
        Orders::to(self.place).give(&order, &[their_task.as_fd(), their_answer.as_fd(), messages])?;
        Ok(Begun { task, answer })
    }
}

/// A worker that waits for its task.
#[derive(Debug)]
pub struct Begun {
    task: PipeWriter,
    answer: PipeReader,
}

impl Begun {
    /// Gives it the task, which was made of a `T`, and takes its answer.
    pub fn finish<T: Ask>(self, task: &Task) -> Result<T::Answer, CallError> {
        let mut talk = self.talk();
        let answer = talk.ask::<T>(task, |_| Ok(()));
        talk.end();
        answer
    }

    /// For one who has several tasks, each given when the one before is answered.
    pub fn talk(self) -> Talk {
        Talk { task: self.task, answer: BufReader::new(self.answer) }
    }

    /// Gives it its only task, for one who reads the answer as it comes.
    pub fn stream(mut self, task: &Task) -> Result<PipeReader, CallError> {
        give(&mut self.task, task, |_| Ok(()))?;
        Ok(self.answer)
    }
}

/// A worker that does one task after the other, until it fails at one or is let go.
#[derive(Debug)]
pub struct Talk {
    task: PipeWriter,
    answer: BufReader<PipeReader>,
}

impl Talk {
    /// Gives it a task, which was made of a `T` and which `more` follows, and takes its answer.
    pub fn ask<T: Ask>(
        &mut self,
        task: &Task,
        more: impl FnOnce(&mut PipeWriter) -> std::io::Result<()>,
    ) -> Result<T::Answer, CallError> {
        give(&mut self.task, task, more)?;
        let mut printed = Vec::new();
        self.answer.by_ref().take(ANSWER_MAX as u64 + 1).read_until(b'\n', &mut printed)?;
        Answer::<T::Answer>::parse(&printed)?.into_result().map_err(CallError::Failed)
    }

    /// Lets it go, and waits until it has: its unit's name is free soon after.
    pub fn end(self) {
        let Talk { task, answer } = self;
        drop(task);
        // Whatever it still says was not asked for.
        if let Err(error) = std::io::copy(&mut answer.take(ANSWER_MAX as u64), &mut std::io::sink()) {
            tracing::debug!("a worker that was let go: {error}");
        }
    }
}

fn give(
    to: &mut PipeWriter,
    task: &Task,
    more: impl FnOnce(&mut PipeWriter) -> std::io::Result<()>,
) -> Result<(), CallError> {
    let mut line = serde_json::to_vec(task)?;
    line.push(b'\n');
    match to.write_all(&line).and_then(|()| more(to)) {
        // It ended before it had read all: its answer says why.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A project's remote as its git workers see it: `ci-launch` puts the credential where systemd puts credentials.
pub fn remote(place: &Place, project: &Project, kind: &str, job: &str) -> Remote {
    let folder = PathBuf::from("/run/credentials").join(unit::worker_unit(&project.name, kind, job));
    Remote {
        url: project.source.url.clone(),
        credential: project.source.credential.as_ref().map(|_| folder.join("git")),
        known_hosts: Some(place.known_hosts()),
    }
}
