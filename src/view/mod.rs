//! What there is to see: rows of the store and configuration, put together for people. Terminal, page and JSON show
//! the same values; none of them asks the store itself.

mod build;
mod overview;
mod project;
pub mod text;
mod trouble;

pub use build::{BuildView, began, standing, step_standing, step_took, took, when};
pub use overview::{Activity, Light, Line, Live, Overview, Running, Setup};
pub use project::ProjectView;
pub use trouble::Trouble;

use crate::config::{Project, Site};
use crate::model::{Build, ProjectName};
use std::collections::BTreeMap;

/// The configuration as far as it can be used, and in words what cannot.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// `ci.toml`, or its defaults when it is broken.
    pub site: Site,
    /// What is wrong in `ci.toml`, as `file:line:column: message`.
    pub site_error: Option<String>,
    /// Each project's file: what it says, or the first error in it.
    pub projects: BTreeMap<ProjectName, Result<Project, String>>,
    /// Files in `projects.d` whose names make no project: name and why.
    pub strays: Vec<(String, String)>,
}

/// The first line of the message of a build's commit, if the build's changes tell it.
pub fn subject(build: &Build) -> Option<&str> {
    let commit = build.commit.as_ref()?;
    build.changes.iter().find(|change| change.commit == *commit).map(|change| change.subject.as_str())
}
