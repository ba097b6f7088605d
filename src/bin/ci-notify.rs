//! `ci-notify`: send what is to be told.

use clap::Parser;
use std::process::ExitCode;
use unitci::model::Place;
use unitci::{journal, notify};

/// Send the mails that wait; ci-notify.service does it by itself
#[derive(Parser)]
#[command(name = "ci-notify", version)]
struct Arguments {
    /// Send what is due; run by ci-notify.service
    #[arg(long, required = true)]
    send: bool,
}

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
