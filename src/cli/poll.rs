//! The command line of `ci-poll`.

use crate::model::ProjectName;
use clap::Parser;

/// Look at git repositories now, whatever their interval
#[derive(Parser)]
#[command(name = "ci-poll", version)]
pub struct Arguments {
    /// The projects to look at [default: all]
    pub projects: Vec<ProjectName>,
    /// Look at what is due; run by ci-poll.service
    #[arg(long, hide = true)]
    pub due: bool,
}
