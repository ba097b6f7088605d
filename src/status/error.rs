//! Why `ci-status` cannot show something, and with which exit code it says so.

use crate::http::HttpError;
use crate::model::artifact::ArtifactPath;
use crate::model::{BuildId, ProjectName};
use crate::output::LogError;
use crate::store::StoreError;
use crate::systemd::ActivationError;
use crate::view::Configured;
use std::io;
use std::path::PathBuf;

/// Why it cannot.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The arguments do not go together.
    #[error("{0}; see ci-status --help")]
    Usage(&'static str),
    /// There is no such project.
    #[error("there is no project {name}; {there}")]
    NoProject {
        /// What was asked for.
        name: ProjectName,
        /// What there is.
        there: String,
    },
    /// The project has no builds.
    #[error("{0} has not been built yet; ci-status --why {0} says why, ci-build {0} builds it now")]
    NothingBuilt(ProjectName),
    /// The project has no such build.
    #[error("there is no build {id}; the latest is {latest}")]
    NoBuild {
        /// What was asked for.
        id: BuildId,
        /// What there is.
        latest: BuildId,
    },
    /// The build has no such step.
    #[error("{id} has no step {step:?}; its steps are {there}")]
    NoStep {
        /// The build.
        id: BuildId,
        /// What was asked for.
        step: String,
        /// What there is.
        there: String,
    },
    /// The step has no log.
    #[error("log of {id}, step {step}: {source}")]
    Log {
        /// The build.
        id: BuildId,
        /// The step.
        step: String,
        /// Why.
        source: LogError,
    },
    /// The build has no such artifact.
    #[error("{id} has no artifact {path}; ci-status {id} --artifacts lists them")]
    NoArtifact {
        /// The build.
        id: BuildId,
        /// What was asked for.
        path: ArtifactPath,
    },
    /// What was collected cannot be read.
    #[error("{path}: {source}")]
    Artifact {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in `/etc/ci` that is not one project's trouble. What could be shown has been.
    #[error("{}; see ci-config check", .0.join("\n"))]
    Config(Vec<String>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Standard output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// The page was to be served, and nothing was passed to serve it on.
    #[error("no socket was passed; the page is served by systemctl start ci-status.socket")]
    NoSockets,
    /// What was passed cannot be used.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The sockets cannot be served.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl StatusError {
    pub(super) fn no_project(name: &ProjectName, configured: &Configured) -> StatusError {
        let names: Vec<&str> = configured.projects.keys().map(ProjectName::as_str).collect();
        let near = names.iter().find(|known| strsim::damerau_levenshtein(known, name.as_str()) <= 2);
        let there = match (near, names.as_slice()) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, []) => "there are none yet; a project is one file in /etc/ci/projects.d".to_owned(),
            (None, names) => format!("there are {}", names.join(", ")),
        };
        StatusError::NoProject { name: name.clone(), there }
    }

    /// The exit code: 0 a reader that went away early, 1 failed, 2 usage, 75 try again (`EX_TEMPFAIL`), 78
    /// configuration (`EX_CONFIG`).
    pub fn exit_code(&self) -> u8 {
        match self {
            StatusError::Usage(_) => 2,
            StatusError::Config(_) => 78,
            StatusError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            StatusError::Store(error) if error.is_temporary() => 75,
            StatusError::Store(_)
            | StatusError::Output(_)
            | StatusError::NoProject { .. }
            | StatusError::NothingBuilt(_)
            | StatusError::NoBuild { .. }
            | StatusError::NoStep { .. }
            | StatusError::Log { .. }
            | StatusError::NoArtifact { .. }
            | StatusError::Artifact { .. }
            | StatusError::NoSockets
            | StatusError::Activation(_)
            | StatusError::Http(_) => 1,
        }
    }
}
