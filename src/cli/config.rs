//! The command line of `ci-config`.

use crate::model::ProjectName;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Check and show the configuration of unitci
#[derive(Parser)]
#[command(name = "ci-config", version, arg_required_else_help = true)]
pub struct Arguments {
    /// Take DIR for /
    #[arg(long, value_name = "DIR", default_value = "/", hide = true, global = true)]
    pub root: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What `ci-config` does.
#[derive(Subcommand)]
pub enum Action {
    /// Say everything that is wrong in /etc/ci, or in these files; exits 78 if anything is
    Check {
        /// ci.toml or projects' files, wherever they lie
        files: Vec<PathBuf>,
        /// Check the .ci.toml of a work tree [default: of this folder]
        #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".", conflicts_with = "files")]
        repository: Option<PathBuf>,
        /// Write one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what is in force for a project, and where each value comes from
    Show {
        /// The project's name
        project: ProjectName,
        /// Write one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Try a project's repository, users and deploy target as its units will, and name the first thing that fails
    Doctor {
        /// The project's name [default: all]
        project: Option<ProjectName>,
    },
    /// Print the names of all projects
    #[command(hide = true)]
    Names,
    /// Print the completions of all commands for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// The shells that are completed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
