//! `ci-launch`: the only program of unitci that runs as root. It starts units for the core; not for people.

use std::process::ExitCode;
use unitci::model::Place;
use unitci::{journal, launch};

fn main() -> ExitCode {
    if let Err(error) = journal::init("ci-launch") {
        eprintln!("ci-launch: {error}");
    }
    match launch::serve(&Place::system()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
