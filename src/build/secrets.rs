//! The secrets of a build as its supervisor knows them, to mask them: in memory and nowhere else. Steps have theirs from
//! systemd, not from here.
//!
//! | when | what is asked for |
//! | --- | --- |
//! | the build begins | all of the project: one that is missing or cannot be masked ends the build before its first step |
//! | a step has been given some | all again: a file may have changed since; what was known before stays known |
//! | a supervisor takes over | what the one before knew, from the fd store; all again if that is gone |

use super::spec::StepSpec;
use super::supervise::{SuperviseError, Supervisor};
use crate::model::{Secret, SecretName, StepIndex, StepRow, StepState, Trust};
use crate::order::Work;
use crate::output::{Masker, MaskerError};
use crate::systemd::{Notifier, PassedFds};
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::SecretsTask;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The name of what is kept in the fd store.
const KEPT: &str = "secrets";
/// How long the manager may take to put it there.
const STORE: Duration = Duration::from_secs(30);

/// What is known, and how it is masked.
#[derive(Debug)]
pub(super) struct Secrets {
    known: Vec<Secret>,
    masker: Masker,
}

/// Why the secrets are not known, or cannot be masked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Masker(#[from] MaskerError),
}

impl Secrets {
    /// What a supervisor before us has left in the fd store.
    pub(super) fn kept(passed: &mut PassedFds) -> io::Result<Secrets> {
        let mut known = Vec::new();
        while let Some(fd) = passed.take(KEPT) {
            known.extend(read_kept(fd)?);
        }
        let masker = Masker::new(&known).map_err(io::Error::other)?;
        Ok(Secrets { known, masker })
    }

    /// For logs.
    pub(super) fn masker(&self) -> Masker {
        self.masker.clone()
    }

    /// Takes in what is new of these; says what that is.
    fn take(&mut self, told: Vec<Secret>) -> Result<Vec<Secret>, MaskerError> {
        let news: Vec<Secret> = told.into_iter().filter(|secret| !self.known.contains(secret)).collect();
        if !news.is_empty() {
            let all = [self.known.as_slice(), &news].concat();
            self.masker = Masker::new(&all)?;
            self.known = all;
        }
        Ok(news)
    }
}

/// Memory of nobody's file system, which outlives the process that made it as long as somebody holds it.
fn keep(news: &[Secret], notifier: &Notifier) -> Result<(), SuperviseError> {
    let failed = |source: io::Error| SuperviseError::Io { path: format!("memfd:{KEPT}").into(), source };
    let text = serde_json::to_vec(news).map_err(|e| failed(e.into()))?;
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(KEPT, flags).map_err(|e| failed(e.into()))?);
    file.write_all(&text).map_err(failed)?;
    let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|e| failed(e.into()))?;
    Ok(notifier.store(KEPT, file.as_fd(), STORE)?)
}

fn read_kept(fd: OwnedFd) -> io::Result<Vec<Secret>> {
    let file = File::from(fd);
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut text = vec![0; length];
    file.read_exact_at(&mut text, 0)?;
    Ok(serde_json::from_slice(&text)?)
}

impl Supervisor<'_> {
    /// Knows the secrets before any step runs; says why not, when the build cannot go on.
    pub(super) fn prepare_secrets(&mut self) -> Result<Option<Unknown>, SuperviseError> {
        let steps = self.store.read().steps(&self.id)?;
        let mut any = false;
        for step in &steps {
            any |= self.spec(step.index)?.is_some_and(|spec| !self.given(&spec).is_empty());
        }
        if !any || !self.secrets.known.is_empty() {
            return Ok(None);
        }
        let fresh = |step: &StepRow| step.index == StepIndex::CHECKOUT || step.state == StepState::Pending;
        match self.learn()? {
            Ok(()) => Ok(None),
            Err(why) if steps.iter().all(fresh) => Ok(Some(why)),
            Err(why) => {
                // A step has run with secrets that nobody can tell any more; its output may have them.
                tracing::warn!("{}: {why}; what its steps print from here on is not published", self.id);
                self.secrets.masker = Masker::everything();
                Ok(None)
            }
        }
    }

    /// Asks what the secrets are now, beside what is known.
    fn learn(&mut self) -> Result<Result<(), Unknown>, SuperviseError> {
        let job = self.id.number.to_string();
        let call = Call { place: self.place, project: &self.id.project, work: Work::Secrets, job: &job };
        let told = match call.make(SecretsTask {}, io::stderr().as_fd()) {
            Ok(answer) => answer.secrets,
            Err(error) => return Ok(Err(error.into())),
        };
        match self.secrets.take(told) {
            Ok(news) if news.is_empty() => Ok(Ok(())),
            Ok(news) => keep(&news, &self.notifier).map(Ok),
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// A step's secrets: none where strangers' commits are built, whatever its row says.
    pub(super) fn given(&self, spec: &StepSpec) -> Vec<SecretName> {
        match self.room.trust {
            Trust::Inside => spec.secrets.clone(),
            Trust::Outside => Vec::new(),
        }
    }

    /// What a step may print that has just been given its secrets: it has the files as they were a moment ago, so they
    /// are asked for after it was, and before anything of its output is published.
    pub(super) fn learn_of(&mut self, spec: &StepSpec) -> Result<Result<Masker, Unknown>, SuperviseError> {
        if self.given(spec).is_empty() {
            return Ok(Ok(self.secrets.masker()));
        }
        Ok(self.learn()?.map(|()| self.secrets.masker()))
    }
}
