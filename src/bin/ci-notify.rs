//! `ci-notify`: send what is to be told.

use clap::Parser;
use std::process::ExitCode;
use unitci::cli::notify::Arguments;
use unitci::model::Place;
use unitci::{journal, notify};

fn main() -> ExitCode {
    let Arguments { send: true } = Arguments::parse() else { return ExitCode::from(2) };
    if let Err(error) = journal::init("ci-notify") {
        eprintln!("ci-notify: {error}");
    }
    match notify::send_due(&Place::system()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
