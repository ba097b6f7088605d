//! `ci-clean`: repair what a lost event left; empty caches.

use clap::Parser;
use std::process::ExitCode;
use unitci::cli::clean::Arguments;
use unitci::model::Place;
use unitci::{clean, journal, person};

fn main() -> ExitCode {
    let place = Place::system();
    if let Arguments { cache: Some(project), .. } = Arguments::parse() {
        return match person::empty_and_tell(&place, &project) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                anstream::eprintln!("ci-clean: {error}");
                ExitCode::from(error.exit_code())
            }
        };
    }
    if let Err(error) = journal::init("ci-clean") {
        eprintln!("ci-clean: {error}");
    }
    match clean::reconcile(&place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
