//! The deploy target, through workers: what is on it is the target's user's, and never touched by us.

use super::artifacts::send;
use super::halt::Halt;
use super::log::to_journal;
use super::run::Run;
use crate::model::artifact::Artifact;
use crate::model::{BuildId, CommitId, Line, ReleaseName};
use crate::order::{Order, Work};
use crate::output::{Interest, Stop};
use crate::worker::call::{Call, CallError, Talk};
use crate::worker::protocol::{
    AnswerError, Ask, ReleaseCheckAnswer, ReleaseCheckTask, ReleaseMakeAnswer, ReleaseMakeTask, ReleaseRemoveTask,
    ReleaseSwitchTask, Task,
};
use std::io::PipeWriter;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long making or removing releases may take.
const FILES: Duration = Duration::from_secs(900);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Run<'_> {
    pub(super) fn look_at_target(&mut self) -> Result<ReleaseCheckAnswer, Halt> {
        let task = ReleaseCheckTask { root: self.target.root.clone(), shared: self.target.shared.clone() };
        self.call(self.release_work(), task)
    }

    /// Makes the release, if the target lacks nothing. Without its artifacts it must be there: of no commit none is made.
    pub(super) fn make_release(&mut self, artifacts: Option<Vec<Artifact>>) -> Result<ReleaseMakeAnswer, Halt> {
        let commit = if artifacts.is_some() { self.deploy.commit.clone() } else { CommitId::none() };
        let artifacts = artifacts.unwrap_or_default();
        let task = ReleaseMakeTask {
            root: self.target.root.clone(),
            name: self.deploy.release(),
            commit,
            mirror: self.place.mirror(&self.project.name),
            shape: self.project.source.shape.clone(),
            shared: self.target.shared.clone(),
            artifacts: artifacts.len(),
            timeout: FILES,
        };
        let (place, build) = (self.place, self.deploy.build());
        self.feed(self.release_work(), task, move |to| send(place, &build, &artifacts, to))
    }

    /// `current` becomes a link to this release.
    pub(super) fn point_to(&mut self, release: &ReleaseName, who: &str) -> Result<(), Halt> {
        let task = ReleaseSwitchTask {
            root: self.target.root.clone(),
            name: release.clone(),
            build: BuildId { project: self.project.name.clone(), number: release.number() },
            who: Line::cut(who),
        };
        let switched = self.call(self.release_work(), task)?;
        let before = switched.previous.as_ref().filter(|previous| *previous != release);
        let before = before.map(|previous| format!(", was {previous}")).unwrap_or_default();
        self.say(&format!("current is {release}{before}"))
    }

    /// Removes releases, and forgets them.
    pub(super) fn remove(&mut self, names: Vec<ReleaseName>) -> Result<(), Halt> {
        let task = ReleaseRemoveTask { root: self.target.root.clone(), names, timeout: FILES };
        let removed = self.call(self.release_work(), task)?.removed;
        let target = self.deploy.target_id();
        self.store.write(|tx| removed.iter().try_for_each(|name| tx.forget_release(&target, name)))?;
        let names: Vec<&str> = removed.iter().map(ReleaseName::as_str).collect();
        self.say(&format!("removed: {}", names.join(" ")))
    }

    fn release_work(&self) -> Work {
        Work::Release { target: self.deploy.target.clone() }
    }

    /// Has a worker do a task; what it says on the way goes into the log. SIGTERM ends it.
    pub(super) fn call<T>(&mut self, work: Work, task: T) -> Result<T::Answer, Halt>
    where
        T: Ask,
        T::Answer: Send,
    {
        self.feed(work, task, |_| Ok(()))
    }

    /// The same for a task that `more` follows.
    ///
    /// The worker on the target is one for all phases, which saves a unit's start at each: it waits for the next task
    /// while commands run. One that was lost meanwhile is replaced.
    fn feed<T>(
        &mut self,
        work: Work,
        task: T,
        more: impl Fn(&mut PipeWriter) -> std::io::Result<()> + Sync,
    ) -> Result<T::Answer, Halt>
    where
        T: Ask,
        T::Answer: Send,
    {
        // One name for all of a deploy's workers of a kind: a worker that a killed run left ends before the next begins.
        let job = self.deploy.id.to_string();
        let call = Call { place: self.place, project: &self.project.name, work: work.clone(), job: &job };
        let task: Task = task.into();
        let stays = matches!(work, Work::Release { .. });
        let kept = if stays { self.on_target.take() } else { None };
        let timeout = if stays { self.longest() } else { task.timeout() };
        let (bell, done) = (self.bell, Mutex::new(None));
        let mut journal = to_journal(&self.deploy);
        let messages = self.log.writer().try_clone_to_owned().map_err(|source| self.log.error(source))?;
        let pumped = std::thread::scope(|threads| {
            threads.spawn(|| {
                let anew = || Ok(call.begin(timeout, messages.as_fd())?.talk());
                let answer = match kept {
                    Some(mut talk) => match talk.ask::<T>(&task, &more) {
                        Err(CallError::Answer(AnswerError::Silent)) if !bell.is_terminated() => {
                            asked::<T>(anew(), &task, &more)
                        }
                        answer => answer.map(|answer| (talk, answer)),
                    },
                    None => asked::<T>(anew(), &task, &more),
                };
                *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                bell.ring();
            });
            let mut told_to_stop = false;
            loop {
                let interest = Interest { call: bell.fd(), silence: None, until: None };
                match self.log.recorder.run(self.log.pipe.as_fd(), &interest, &mut journal)? {
                    Stop::Called => bell.quiet(),
                    Stop::Silent | Stop::Late | Stop::Full | Stop::Closed => continue,
                }
                if done.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                    return self.log.recorder.drain(self.log.pipe.as_fd(), &mut journal);
                }
                if bell.is_terminated() && !told_to_stop {
                    told_to_stop = true;
                    let (project, work) = (self.project.name.clone(), work.clone());
                    let stop = Order::StopWork { project, work, job: job.clone() };
                    if let Err(error) = self.orders.give(&stop, &[]) {
                        tracing::warn!("{error}; the worker ends at its own time limit");
                    }
                }
            }
        });
        pumped.map_err(|source| self.log.error(source))?;
        match done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Ok((talk, answer))) => {
                if stays {
                    self.on_target = Some(talk);
                } else {
                    talk.end();
                }
                Ok(answer)
            }
            Some(Err(CallError::Order(error))) => Err(self.order_failure(error)),
            Some(Err(error)) => Err(self.failure(error.to_string())),
            None => Err(self.failure(CallError::Nothing.to_string())),
        }
    }

    /// How long the worker on the target may be there: it waits for the commands as well.
    fn longest(&self) -> Duration {
        let commands = self.target.prepare.len() + self.target.migrate.len() + self.target.finish.len();
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        FILES.saturating_mul(3).saturating_add(self.target.timeout.saturating_mul(commands)).min(DAY)
    }
}

fn asked<T: Ask>(
    begun: Result<Talk, CallError>,
    task: &Task,
    more: impl Fn(&mut PipeWriter) -> std::io::Result<()>,
) -> Result<(Talk, T::Answer), CallError> {
    let mut talk = begun?;
    let answer = talk.ask::<T>(task, more)?;
    Ok((talk, answer))
}
