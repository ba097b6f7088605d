//! `ci-poll`: look at the git repositories now.

use clap::Parser;
use std::process::ExitCode;
use unitci::cli::poll::Arguments;
use unitci::config::Config;
use unitci::model::Place;
use unitci::{journal, person, poll};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::system();
    if arguments.due {
        return unit(&place);
    }
    let mut projects = arguments.projects;
    if projects.is_empty() {
        projects = Config::load(&place).projects.into_iter().filter(|(_, p)| p.is_ok()).map(|(name, _)| name).collect();
    }
    match person::look_and_tell(&place, &projects, &mut anstream::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("ci-poll: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn unit(place: &Place) -> ExitCode {
    if let Err(error) = journal::init("ci-poll") {
        eprintln!("ci-poll: {error}");
    }
    match poll::poll_due(place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}; trying again at the next poll");
            ExitCode::FAILURE
        }
    }
}
