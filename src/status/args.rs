//! The command line of `ci-status`.

use super::StatusError;
use crate::model::artifact::ArtifactPath;
use crate::model::{BuildSpec, ProjectName};
use std::path::PathBuf;

/// Show projects, builds, their steps and logs
///
/// Without an argument: all projects. With a project: what is live, what waits, its last builds. With a build: why it
/// ran, its changes and steps, and where its logs are.
#[derive(Debug, clap::Parser)]
#[command(name = "ci-status", version)]
pub struct Args {
    /// A project, or one of its builds: gkp, gkp:42
    #[arg(value_name = "PROJECT[:N]")]
    what: Option<BuildSpec>,
    /// With --log: the step, by name or number; without it all steps
    #[arg(requires = "log")]
    step: Option<String>,
    #[command(flatten)]
    modes: Modes,
    /// Print JSON; its fields are in ci-status(1)
    #[arg(long, conflicts_with_all = ["log", "follow", "why", "artifact"])]
    json: bool,
    /// With --serve: leave after so long without a new connection, in seconds
    #[arg(long, hide = true, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) idle: u64,
    /// Another root folder, for tests
    #[arg(long, hide = true, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Modes {
    /// Print a build's log: cleaned of escape sequences on a terminal, byte for byte in a pipe
    #[arg(long)]
    log: bool,
    /// Print a build's log as it grows, until the build is over
    #[arg(long, short)]
    follow: bool,
    /// List the artifacts of a build
    #[arg(long)]
    artifacts: bool,
    /// Print an artifact of a build
    #[arg(long, value_name = "PATH")]
    artifact: Option<ArtifactPath>,
    /// Show what runs and what waits
    #[arg(long)]
    queue: bool,
    /// Say why a project has not been built
    #[arg(long)]
    why: bool,
    /// Serve the status page on the sockets that systemd passes
    #[arg(long, hide = true)]
    serve: bool,
}

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode<'a> {
    /// All projects.
    All,
    /// A project or a build.
    One(&'a BuildSpec),
    /// A build's log.
    Log {
        /// Which build.
        what: &'a BuildSpec,
        /// Only this step's.
        step: Option<&'a str>,
    },
    /// A build's log as it grows.
    Follow {
        /// Which build.
        what: &'a BuildSpec,
    },
    /// The artifacts of a build.
    Artifacts(&'a BuildSpec),
    /// One of them.
    Artifact {
        /// Of which build.
        what: &'a BuildSpec,
        /// Which.
        path: &'a ArtifactPath,
    },
    /// What runs and waits.
    Queue,
    /// Why a project has not been built.
    Why(&'a ProjectName),
    /// The page.
    Serve,
}

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Args {
    pub(super) fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }

    pub(super) fn mode(&self) -> Result<Mode<'_>, StatusError> {
        let named = |option| self.what.as_ref().ok_or(StatusError::Usage(option));
        Ok(match &self.modes {
            Modes { log: true, .. } => {
                Mode::Log { what: named("--log needs a PROJECT or PROJECT:N")?, step: self.step.as_deref() }
            }
            Modes { follow: true, .. } => Mode::Follow { what: named("--follow needs a PROJECT or PROJECT:N")? },
            Modes { why: true, .. } => Mode::Why(&named("--why needs a PROJECT")?.project),
            Modes { artifacts: true, .. } => Mode::Artifacts(named("--artifacts needs a PROJECT or PROJECT:N")?),
            Modes { artifact: Some(path), .. } => {
                Mode::Artifact { what: named("--artifact needs a PROJECT or PROJECT:N")?, path }
            }
            Modes { queue: true, .. } => Mode::Queue,
            Modes { serve: true, .. } => Mode::Serve,
            Modes {
                log: false,
                follow: false,
                artifacts: false,
                artifact: None,
                queue: false,
                why: false,
                serve: false,
            } => match &self.what {
                Some(what) => Mode::One(what),
                None => Mode::All,
            },
        })
    }
}
