//! The secrets of a deploy's commands as its run knows them, to mask them in its log: in memory and nowhere else. The
//! commands have theirs from systemd, not from here.

use super::halt::Halt;
use super::run::Run;
use crate::config::project;
use crate::model::{Deploy, DeployState, Place, Secret};
use crate::order::Work;
use crate::output::{Masker, MaskerError};
use crate::worker::call::{Call, CallError};
use crate::worker::protocol::SecretsTask;
use std::io;
use std::os::fd::AsFd;

/// What is known of them.
#[derive(Debug)]
pub(super) struct Secrets {
    known: Vec<Secret>,
    /// Why they are not known: then no command is run.
    unknown: Option<String>,
}

/// Why they are not known, or cannot be masked.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Masker(#[from] MaskerError),
}

impl Secrets {
    /// Asks for them before anything is said; with what masks them.
    pub(super) fn ask(place: &Place, target: &project::Deploy, deploy: &Deploy) -> (Secrets, Masker) {
        let mut secrets = Secrets { known: Vec::new(), unknown: None };
        if target.secrets.is_empty() {
            return (secrets, Masker::none());
        }
        match secrets.learn(place, deploy) {
            Ok(masker) => (secrets, masker),
            Err(unknown) => {
                secrets.unknown = Some(format!("secrets: {unknown}"));
                let masker = match deploy.state {
                    DeployState::Waiting | DeployState::Finished { .. } => Masker::none(),
                    // The run before this one may have left output that is not masked yet.
                    DeployState::Running { .. } => Masker::everything(),
                };
                (secrets, masker)
            }
        }
    }

    /// Asks what they are now, beside what is known.
    fn learn(&mut self, place: &Place, deploy: &Deploy) -> Result<Masker, Unknown> {
        let job = deploy.id.to_string();
        let call = Call {
            place,
            project: &deploy.project,
            work: Work::DeploySecrets { target: deploy.target.clone() },
            job: &job,
        };
        for secret in call.make(SecretsTask {}, io::stderr().as_fd())?.secrets {
            if !self.known.contains(&secret) {
                self.known.push(secret);
            }
        }
        Ok(Masker::new(&self.known)?)
    }
}

impl Run<'_> {
    /// No command runs whose secrets could not be masked.
    pub(super) fn secrets_are_known(&self) -> Result<(), Halt> {
        match &self.secrets.unknown {
            Some(why) => Err(self.failure(why.clone())),
            None => Ok(()),
        }
    }

    /// A command has its secrets as their files were a moment ago: asked for after it was, and before anything that it
    /// says is published.
    pub(super) fn learn_secrets(&mut self) {
        if self.target.secrets.is_empty() {
            return;
        }
        let masker = self.secrets.learn(self.place, &self.deploy).unwrap_or_else(|unknown| {
            tracing::warn!("secrets: {unknown}; what the commands print from here on is not published");
            Masker::everything()
        });
        self.log.recorder.mask_with(masker);
    }
}
