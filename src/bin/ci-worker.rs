//! `ci-worker`: does one job for the core, in a unit that `ci-launch` made for it. Not for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    unitci::worker::run::main()
}
