//! `ci-config`: checks and shows the configuration.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use unitci::config::{LoadError, Styling};
use unitci::configure::{self, Checked, Format, ShowError};
use unitci::model::{Place, ProjectName};

/// EX_CONFIG of sysexits.h: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

/// Check and show the configuration of unitci
#[derive(Parser)]
#[command(name = "ci-config", version, arg_required_else_help = true)]
struct Arguments {
    /// Take DIR for /
    #[arg(long, value_name = "DIR", default_value = "/", hide = true, global = true)]
    root: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say everything that is wrong in /etc/ci, or in these files; exits 78 if anything is
    Check {
        /// ci.toml or projects' files, wherever they lie
        files: Vec<PathBuf>,
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
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::under(&arguments.root);
    let mut out = anstream::stdout();
    match arguments.action {
        Action::Check { files, json } => match configure::check(&place, &files, format(json), &mut out) {
            Ok(Checked::Sound) => ExitCode::SUCCESS,
            Ok(Checked::Broken) => ExitCode::from(EXIT_CONFIG),
            Err(error) => failed(&ShowError::Write(error)),
        },
        Action::Show { project, json } => match configure::show(&place, &project, format(json), &mut out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
    }
}

fn format(json: bool) -> Format {
    if json { Format::Json } else { Format::Text }
}

fn failed(error: &ShowError) -> ExitCode {
    match error {
        ShowError::Load(LoadError::Site(errors) | LoadError::Project(errors)) => {
            anstream::eprint!("{}", errors.render(Styling::Ansi));
            ExitCode::from(EXIT_CONFIG)
        }
        ShowError::Load(LoadError::Unknown { .. }) => {
            anstream::eprintln!("ci-config: {error}");
            ExitCode::FAILURE
        }
        // The reader of a pipe has seen enough.
        ShowError::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        ShowError::Write(_) => {
            anstream::eprintln!("ci-config: {error}");
            ExitCode::FAILURE
        }
    }
}
