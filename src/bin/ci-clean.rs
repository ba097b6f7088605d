//! `ci-clean`: repair what a lost event left.

use clap::Parser;
use std::process::ExitCode;
use unitci::model::Place;
use unitci::{clean, journal};

/// Repair what a lost event left; ci-clean.timer does it at boot and every five minutes
#[derive(Parser)]
#[command(name = "ci-clean", version)]
struct Arguments {
    /// Have queue, deploys and mails looked at again
    #[arg(long, required = true)]
    reconcile: bool,
}

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
