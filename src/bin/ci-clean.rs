//! `ci-clean`: repair what a lost event left.

use clap::Parser;
use std::process::ExitCode;
use unitci::cli::clean::Arguments;
use unitci::model::Place;
use unitci::{clean, journal};

fn main() -> ExitCode {
    let Arguments { reconcile: true } = Arguments::parse() else { return ExitCode::from(2) };
    if let Err(error) = journal::init("ci-clean") {
        eprintln!("ci-clean: {error}");
    }
    match clean::reconcile(&Place::system()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("/run/ci/wake: {error}; systemd-tmpfiles --create makes it");
            ExitCode::FAILURE
        }
    }
}
