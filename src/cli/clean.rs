//! The command line of `ci-clean`.

use crate::model::ProjectName;
use clap::{ArgGroup, Parser};

/// Repair what a lost event left, which ci-clean.timer does by itself; empty the caches of a project
#[derive(Parser)]
#[command(name = "ci-clean", version)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct Arguments {
    /// Have queue, deploys and mails looked at again, and caches kept within bounds
    #[arg(long, group = "what")]
    pub reconcile: bool,
    /// Empty HOME and $CI_CACHE of a project's builds; refused while one of them runs or waits
    #[arg(long, value_name = "PROJECT", group = "what")]
    pub cache: Option<ProjectName>,
}
