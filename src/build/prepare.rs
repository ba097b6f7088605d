//! Step 0: the commit is fetched and pinned, and the workspace filled with exactly it.

use super::filling;
use super::log::to_journal;
use super::needs::Base;
use super::pipeline::PipelineError;
use super::supervise::{SuperviseError, Supervisor, Terminated};
use crate::attend::Bell;
use crate::config::project::{BuildOutside, Mode, Shape, StepsFrom};
use crate::journal::{self, Event, Priority};
use crate::model::build::Usage;
use crate::model::{Build, BuildId, Change, CommitId, RefName, StepIndex, StepRow, StepState, Target, Trust, Verdict};
use crate::order::{Order, Work};
use crate::output::{Interest, JournalBatch, Opened, Recorder, Stop, step_pipe};
use crate::worker::call::{self, Begun, Call, CallError};
use crate::worker::protocol::{
    AskedRef, CheckoutTask, Commit, Failure, FailureKind, FetchAnswer, FetchTask, GitDir, Resolve, Task,
};
use jiff::Timestamp;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long filling a workspace may take.
const CHECKOUT: Duration = Duration::from_secs(900);
/// How long a fetch may take, however long `[source] timeout` lets the server think before it answers.
const FETCH: Duration = Duration::from_secs(900);

/// Why there is no workspace to build in.
pub(super) enum Trouble {
    /// A worker could not do it.
    Call(CallError),
    /// Somebody stopped the build.
    Stopped,
    /// The supervisor is to leave.
    Leave,
}

/// A workspace that a checkout has filled.
enum Filled {
    /// With this, for people.
    With(String),
    /// With a commit whose own steps cannot be run.
    Unusable(PipelineError),
}

impl Filled {
    fn judged(self) -> (Verdict, String) {
        match self {
            Filled::With(told) => (Verdict::Success, told),
            Filled::Unusable(error) => (error.verdict(), error.to_string()),
        }
    }
}

/// A worker that is being started, and what it says.
pub(super) struct Early {
    messages: OwnedFd,
    worker: JoinHandle<Result<Begun, CallError>>,
}

impl Supervisor<'_> {
    /// Fetches, pins, checks out; nothing when the supervisor is to leave.
    pub(super) fn checkout(&mut self, step: &StepRow) -> Result<Option<Verdict>, SuperviseError> {
        let id = self.id.clone();
        if step.state == StepState::Pending {
            self.store.write_patiently(|tx| tx.step_started(&id, step.index, Timestamp::now()))?;
        }
        self.notifier.status("checkout")?;
        let mut log = self.open_log(step.index)?;
        let (verdict, outcome) = match &mut log {
            // Its log was packed and the verdict not written: nothing tells how it went, so it is done again, in silence.
            Opened::Ended(_) => match self.fill(step, None)? {
                Ok(filled) => filled.judged(),
                Err(trouble) => match self.judge_trouble(&trouble) {
                    Some(judged) => judged,
                    None => return Ok(None),
                },
            },
            Opened::Recording(recorder) => match self.fill(step, Some(recorder))? {
                Ok(filled) => filled.judged(),
                Err(trouble) => match self.judge_trouble(&trouble) {
                    Some(judged) => judged,
                    None => return Ok(None),
                },
            },
        };
        self.write_down(step, verdict, &outcome, Usage::default())?;
        self.close_log(step.index, &step.name, log)?;
        Ok(Some(verdict))
    }

    /// A checkout that was under way when the build was stopped and its supervisor died.
    pub(super) fn drop_checkout(&mut self, step: &StepRow) -> Result<Verdict, SuperviseError> {
        for work in [Work::Fetch, Work::Checkout { trust: self.room.trust }] {
            let (project, job) = (self.id.project.clone(), self.id.number.to_string());
            self.give(&Order::StopWork { project, work, job })?;
        }
        let log = self.open_log(step.index)?;
        self.write_down(step, Verdict::Cancelled, "stopped", Usage::default())?;
        self.close_log(step.index, &step.name, log)?;
        Ok(Verdict::Cancelled)
    }

    fn judge_trouble(&self, trouble: &Trouble) -> Option<(Verdict, String)> {
        match trouble {
            Trouble::Call(CallError::Failed(failure)) if failure.kind == FailureKind::Commit => {
                Some((Verdict::Failure, failure.message.to_string()))
            }
            Trouble::Leave => None,
            Trouble::Stopped => Some((Verdict::Cancelled, "stopped".to_owned())),
            Trouble::Call(error) => Some((Verdict::Exception, error.to_string())),
        }
    }

    fn fill(
        &mut self,
        step: &StepRow,
        mut recorder: Option<&mut Recorder>,
    ) -> Result<Result<Filled, Trouble>, SuperviseError> {
        let build = self.build()?;
        // A polled commit is in the mirror since the poll, but for a stranger's, which nobody has wanted before.
        let mut commit = build.commit.clone().filter(|_| build.trust == Trust::Inside);
        let mut early = None;
        let more = self.project.source.shape.has_more();
        if commit.is_none() || more {
            // Its sandbox is made while the fetch runs.
            let work = Work::Checkout { trust: self.room.trust };
            early = Some(self.begin(step.index, work, FETCH.max(self.project.source.timeout) + CHECKOUT)?);
            let pinned = match commit {
                None => match self.fetch(step, &build, recorder.as_deref_mut())? {
                    Ok(commit) => commit,
                    Err(trouble) => return Ok(Err(trouble)),
                },
                Some(commit) => commit,
            };
            if let Err(trouble) = self.fetch_more(step, &pinned, recorder.as_deref_mut())? {
                return Ok(Err(trouble));
            }
            commit = Some(pinned);
            if build.trust != self.room.trust {
                early = None;
            }
        }
        let Some(commit) = commit else {
            return Ok(Err(Trouble::Call(CallError::Nothing)));
        };
        match self.check_out_commit(step, &commit, early, recorder.as_deref_mut())? {
            Err(Trouble::Call(CallError::Failed(failure))) if failure.kind == FailureKind::NoSuchCommit => {
                // The mirror lost it, or never had it: fetch, and try once more.
                let build = Build { commit: None, ..build };
                if let Err(trouble) = self.fetch(step, &build, recorder.as_deref_mut())? {
                    return Ok(Err(trouble));
                }
                if let Err(trouble) = self.fetch_more(step, &commit, recorder.as_deref_mut())? {
                    return Ok(Err(trouble));
                }
                self.check_out_commit(step, &commit, None, recorder)
            }
            other => Ok(other),
        }
    }

    fn check_out_commit(
        &mut self,
        step: &StepRow,
        commit: &CommitId,
        early: Option<Early>,
        recorder: Option<&mut Recorder>,
    ) -> Result<Result<Filled, Trouble>, SuperviseError> {
        let build = self.build()?;
        let base = self.base(&build)?;
        let source = &self.project.source;
        let workspace = self.room.workspace(self.place);
        let (mode, shape) = match self.room.trust {
            Trust::Inside => (source.mode, source.shape.clone()),
            // Nothing of it is kept, and a stranger's word fetches nothing.
            Trust::Outside => (Mode::Clean, Shape { sparse: source.shape.sparse.clone(), ..Shape::default() }),
        };
        let task = CheckoutTask {
            mirror: self.place.mirror(&self.id.project),
            commit: commit.clone(),
            trust: self.room.trust,
            folder: self.room.folder(self.place),
            slot: self.room.slot,
            keep: filling::begin(&mut self.store, &workspace, mode, commit)?,
            shape,
            git_dir: source.git_dir.then(|| GitDir {
                branch: build.reference.clone().filter(|name| name.branch().is_some()),
                depth: source.depth,
            }),
            pipeline: match self.project.pipeline {
                StepsFrom::Project => None,
                StepsFrom::Repository => Some(self.id.project.clone()),
            },
            since: base.as_ref().map(|base| base.commit.clone()),
            timeout: CHECKOUT,
        };
        let keep = task.keep.clone();
        let done = match self.call(step, Work::Checkout { trust: self.room.trust }, early, task, recorder)? {
            Ok(done) => done,
            Err(trouble) => return Ok(Err(trouble)),
        };
        filling::end(&mut self.store, &workspace, &keep, commit)?;
        if let Err(error) = self.add_steps(&build, done.pipeline.as_ref())? {
            return Ok(Ok(Filled::Unusable(error)));
        }
        self.keep_unneeded(&Base::changed(base, done.changed))?;
        let subject = self.subject().step(&step.name).commit(commit);
        let (author, what) = (&done.commit.author, &done.commit.subject);
        let text = format!("{} at {} by {author}: {what}", self.id.project, commit.short());
        journal::emit(Event::StepStarted, &subject, Priority::Notice, &text);
        if build.changes.is_empty() {
            // Whoever asked knew the commit alone.
            let (id, changes) = (self.id.clone(), [Change::from(&done.commit)]);
            self.store.write_patiently(|tx| tx.pin(&id, None, commit, &changes))?;
        }
        Ok(Ok(Filled::With(format!("{} files at {}", done.files, commit.short()))))
    }

    /// Fetches what belongs to a commit that the mirror has. Not for a stranger's commit: what that names would be fetched
    /// with the project's credential.
    fn fetch_more(
        &mut self,
        step: &StepRow,
        commit: &CommitId,
        recorder: Option<&mut Recorder>,
    ) -> Result<Result<(), Trouble>, SuperviseError> {
        let shape = self.project.source.shape.clone();
        if self.room.trust == Trust::Outside || !shape.has_more() {
            return Ok(Ok(()));
        }
        let task = FetchTask { shape, ..self.fetch_task(Vec::new(), Resolve::Revision(commit.to_string())) };
        Ok(self.call(step, Work::Fetch, None, task, recorder)?.map(drop))
    }

    fn fetch_task(&self, refs: Vec<AskedRef>, resolve: Resolve) -> FetchTask {
        FetchTask {
            remote: call::remote(self.place, &self.project, "fetch", &self.id.number.to_string()),
            mirror: self.place.mirror(&self.id.project),
            refs,
            outside: None,
            resolve: Some(resolve),
            depth: self.project.source.depth,
            shape: Shape::default(),
            timeout: FETCH.max(self.project.source.timeout),
        }
    }

    /// Brings the mirror up to date and pins the commit that was asked for.
    fn fetch(
        &mut self,
        step: &StepRow,
        build: &Build,
        recorder: Option<&mut Recorder>,
    ) -> Result<Result<CommitId, Trouble>, SuperviseError> {
        let resolve = match (&build.target, &build.reference) {
            (Target::Commit { commit }, _) => Resolve::Revision(commit.to_string()),
            (Target::Revision { revision }, _) => Resolve::Revision(revision.clone()),
            (Target::Tip, Some(reference)) => Resolve::Branch(reference.clone()),
            (Target::Tip, None) => Resolve::Head,
        };
        let known = self.store.read().tips(&self.id.project)?;
        let outside = build.reference.clone().filter(|name| name.trust() == Trust::Outside);
        let inside = build.reference.iter().filter(|name| name.trust() == Trust::Inside);
        let refs = inside.map(|name| AskedRef { name: name.clone(), old: known.get(name).cloned() });
        let task = FetchTask { outside, ..self.fetch_task(refs.collect(), resolve.clone()) };
        let answer: FetchAnswer = match self.call(step, Work::Fetch, None, task, recorder)? {
            Ok(answer) => answer,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let Some(resolved) = answer.resolved else {
            return Ok(Err(Trouble::Call(CallError::Nothing)));
        };
        let stray = matches!(build.target, Target::Revision { .. }) && resolved.trust == Trust::Outside;
        if stray && self.project.source.build_outside == BuildOutside::Never {
            let says = format!(
                "{} is on no branch and under no tag of the repository, so it may be anybody's; `build-outside` in \
                 [source] is \"never\"",
                resolved.commit.id.short()
            );
            return Ok(Err(Trouble::Call(CallError::Failed(Failure::new(FailureKind::Refused, &says)))));
        }
        if stray && let Some(other) = self.other_stranger()? {
            let says =
                format!("a build of strangers is under way, {other}; ci-build --retry {} when it is over", self.id);
            return Ok(Err(Trouble::Call(CallError::Failed(Failure::new(FailureKind::Refused, &says)))));
        }
        let new: Vec<&Commit> = answer
            .refs
            .iter()
            .filter_map(|fetched| fetched.now.as_ref())
            .flat_map(|(_, history)| &history.commits)
            .collect();
        let commits = if new.is_empty() { vec![&resolved.commit] } else { new };
        let changes: Vec<Change> = commits.into_iter().map(Change::from).collect();
        let name: Option<RefName> = build.reference.clone().or_else(|| resolved.name.clone());
        let commit = resolved.commit.id.clone();
        let (id, now) = (self.id.clone(), Timestamp::now());
        let head = (resolve == Resolve::Head).then(|| resolved.name.clone()).flatten();
        self.store.write_patiently(|tx| {
            tx.pin(&id, name.as_ref(), &commit, &changes)?;
            if stray {
                tx.found_outside(&id)?;
            }
            // A poll that finds the same tip afterwards finds nothing new.
            if let (Target::Tip, Some(watched)) = (&build.target, name.as_ref().filter(|n| known.contains_key(n))) {
                tx.set_tip(&id.project, watched, &commit, now)?;
            }
            match &head {
                Some(head) => tx.set_head(&id.project, head, now),
                None => Ok(()),
            }
        })?;
        // As the row has it now: a commit that may be anybody's is built where those are.
        self.room = self.build()?.room();
        Ok(Ok(commit))
    }

    /// Tells the workers of this build, and of its steps, from others of their kind.
    pub(super) fn job(&self, index: StepIndex) -> String {
        match index {
            StepIndex::CHECKOUT => self.id.number.to_string(),
            StepIndex(index) => format!("{}-{index}", self.id.number),
        }
    }

    /// A build in the strangers' room, which is emptied for each: the queue sees to it that there is one at a time, and
    /// could not know that this is one.
    fn other_stranger(&self) -> Result<Option<BuildId>, SuperviseError> {
        let unfinished = self.store.read().unfinished_builds()?.into_iter().map(|build| (build.id, build.trust));
        let mut strangers = unfinished.filter(|(_, trust)| *trust == Trust::Outside).map(|(id, _)| id);
        Ok(strangers.find(|id| id.project == self.id.project && *id != self.id))
    }

    /// Has a worker started, in a thread of its own: it is awaited when its task is there.
    pub(super) fn begin(&self, index: StepIndex, work: Work, timeout: Duration) -> Result<Early, SuperviseError> {
        let (messages, to_messages) = step_pipe().map_err(|source| self.log_error(index, source))?;
        let (place, id, job) = (self.place.clone(), self.id.clone(), self.job(index));
        let worker = std::thread::spawn(move || {
            let call = Call { place: &place, project: &id.project, work, job: &job };
            call.begin(timeout, to_messages.as_fd())
        });
        Ok(Early { messages, worker })
    }

    /// Has a worker do a task; what it says on the way goes into the step's log.
    pub(super) fn call<T>(
        &mut self,
        step: &StepRow,
        work: Work,
        early: Option<Early>,
        task: T,
        recorder: Option<&mut Recorder>,
    ) -> Result<Result<T::Answer, Trouble>, SuperviseError>
    where
        T: crate::worker::protocol::Ask + Send,
        T::Answer: Send,
    {
        let task: Task = task.into();
        let worker = match early {
            Some(early) => early,
            None => self.begin(step.index, work.clone(), task.timeout())?,
        };
        self.attend_worker(step, work, worker, recorder, |begun| begun.finish::<T>(&task))
    }

    /// Waits for a worker; `take` gives it its task and takes its answer, in a thread of its own.
    pub(super) fn attend_worker<A: Send>(
        &mut self,
        step: &StepRow,
        work: Work,
        worker: Early,
        recorder: Option<&mut Recorder>,
        take: impl FnOnce(Begun) -> Result<A, CallError> + Send,
    ) -> Result<Result<A, Trouble>, SuperviseError> {
        let (id, bell, job) = (self.id.clone(), self.bell.clone(), self.job(step.index));
        let Early { messages, worker } = worker;
        let done = std::sync::Mutex::new(None);
        let attended = std::thread::scope(|threads| {
            threads.spawn(|| {
                let answer = match worker.join() {
                    Ok(begun) => begun.and_then(take),
                    Err(_) => Err(CallError::Nothing),
                };
                *done.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(answer);
                bell.ring();
            });
            let mut terminated = None;
            let mut spare = Vec::new();
            let pumped = pump(recorder, &messages, &bell, &mut to_journal(&id, &step.name), || {
                if bell.is_terminated() {
                    match self.terminated() {
                        Ok(Terminated::Leave) => terminated = Some(Ok(Trouble::Leave)),
                        Ok(Terminated::Cancel(_)) => terminated = Some(Ok(Trouble::Stopped)),
                        Err(error) => terminated = Some(Err(error)),
                    }
                    let (project, work) = (id.project.clone(), work.clone());
                    let stop = Order::StopWork { project, work, job: job.clone() };
                    if let Err(error) = self.orders.give(&stop, &[]) {
                        spare.push(error);
                    }
                }
                terminated.is_some() || done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
            });
            for error in spare {
                tracing::warn!("{error}; the worker ends at its own time limit");
            }
            pumped.map(|()| terminated)
        });
        match attended.map_err(|source| self.log_error(step.index, source))? {
            Some(Ok(trouble)) => return Ok(Err(trouble)),
            Some(Err(error)) => return Err(error),
            None => {}
        }
        match done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(answer) => Ok(answer.map_err(Trouble::Call)),
            None => Ok(Err(Trouble::Call(CallError::Nothing))),
        }
    }
}

/// Takes the worker's messages in until `done` says so; it is asked whenever the bell rings.
fn pump(
    recorder: Option<&mut Recorder>,
    messages: &OwnedFd,
    bell: &Bell,
    journal: &mut dyn FnMut(&JournalBatch<'_>),
    mut done: impl FnMut() -> bool,
) -> std::io::Result<()> {
    let Some(recorder) = recorder else {
        while !done() {
            bell.wait()?;
        }
        return Ok(());
    };
    let interest = Interest { call: bell.fd(), silence: None, until: None };
    loop {
        match recorder.run(messages.as_fd(), &interest, journal)? {
            Stop::Called => {
                bell.quiet();
                if done() {
                    return recorder.drain(messages.as_fd(), journal);
                }
            }
            Stop::Silent | Stop::Late | Stop::Full | Stop::Closed => {}
        }
    }
}
