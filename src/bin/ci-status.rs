//! Show projects, builds, their steps and logs; see ci-status(1).

use clap::Parser;
use std::process::ExitCode;
use unitci::status::{Args, run};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            if code != 0 {
                anstream::eprintln!("ci-status: {error}");
            }
            ExitCode::from(code)
        }
    }
}
