//! What there is to see: rows of the store and configuration, put together for people. Terminal, page and JSON show
//! the same values; none of them asks the store itself.

mod build;
mod overview;
mod project;
mod queue;
mod target;
pub mod text;
mod trouble;

pub use build::{BuildView, began, standing, step_standing, step_title, step_took, step_words, took, when};
pub use overview::{Activity, Light, Line, Live, Overview, Running, Setup};
pub use project::ProjectView;
pub use target::{NO_TARGET, OnTarget};
pub use trouble::Trouble;

use crate::config::{Config, ConfigErrors, Project, Site};
use crate::model::{Build, Place, ProjectName};
use std::collections::BTreeMap;

/// The configuration as far as it can be used, and in words what cannot.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// `ci.toml`, or its defaults when it is broken.
    pub site: Site,
    /// What is wrong in `ci.toml`, its templates and the folder: each as `file:line:column: message`.
    pub errors: Vec<String>,
    /// Each project's file: what it says, or the first error in it.
    pub projects: BTreeMap<ProjectName, Result<Project, String>>,
    /// Whether a project that is not among them has been retired, or may only be out of sight.
    pub folder: Folder,
}

/// What could be seen of `projects.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Folder {
    /// All of it.
    #[default]
    Seen,
    /// Nothing.
    Unreadable,
}

impl Configured {
    /// Reads `/etc/ci`.
    pub fn load(place: &Place) -> Configured {
        let config = Config::load(place);
        let first = |errors: &ConfigErrors| errors.problems().first().map(ToString::to_string).unwrap_or_default();
        let general = config.site.as_ref().err().into_iter().chain(&config.templates).chain(&config.others);
        let unreadable = config.others.iter().flat_map(ConfigErrors::problems).any(|p| p.file() == place.projects());
        Configured {
            errors: general.map(first).collect(),
            projects: config
                .projects
                .into_iter()
                .map(|(name, project)| (name, project.map_err(|errors| first(&errors))))
                .collect(),
            folder: if unreadable { Folder::Unreadable } else { Folder::Seen },
            site: config.site.unwrap_or_default(),
        }
    }
}

/// The first line of the message of a build's commit, if the build's changes tell it.
pub fn subject(build: &Build) -> Option<&str> {
    let commit = build.commit.as_ref()?;
    build.changes.iter().find(|change| change.commit == *commit).map(|change| change.subject.as_str())
}
