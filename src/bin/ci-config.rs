//! `ci-config`: checks and shows the configuration.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use unitci::cli;
use unitci::cli::config::{Action, Arguments};
use unitci::config::{Config, LoadError, Styling, pipeline};
use unitci::configure::{self, Checked, Format, ShowError};
use unitci::doctor;
use unitci::model::Place;

/// EX_CONFIG of sysexits.h: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::under(&arguments.root);
    let mut out = anstream::stdout();
    match arguments.action {
        Action::Check { files, repository, json } => match configure::check(
            &place,
            &repository.map_or(files, |folder| vec![folder.join(pipeline::FILE)]),
            format(json),
            &mut out,
        ) {
            Ok(Checked::Sound) => ExitCode::SUCCESS,
            Ok(Checked::Broken) => ExitCode::from(EXIT_CONFIG),
            Err(error) => failed(&ShowError::Write(error)),
        },
        Action::Show { project, json } => match configure::show(&place, &project, format(json), &mut out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        Action::Doctor { project } => match doctor::examine(&place, project.as_ref(), &mut out) {
            Ok(doctor::Health::Well) => ExitCode::SUCCESS,
            Ok(doctor::Health::Ill) => ExitCode::FAILURE,
            Err(error) => {
                anstream::eprintln!("ci-config: {error}");
                ExitCode::FAILURE
            }
        },
        Action::Names => written(Config::load(&place).projects.keys().try_for_each(|name| writeln!(out, "{name}"))),
        Action::Completions { shell } => written(cli::completions(shell, &mut out)),
    }
}

fn written(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&ShowError::Write(error)),
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
