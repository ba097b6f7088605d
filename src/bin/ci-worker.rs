//! `ci-worker`: does one job for the core, in a unit that `ci-launch` made for it; or gives a step's program a terminal,
//! or looks at the processes that `ci-launch` names.
//! Not for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((word, command)) if word == "pty" => unitci::worker::pty::main(command),
        Some((word, processes)) if word == "processes" => unitci::worker::processes::main(processes),
        Some(_) | None => unitci::worker::run::main(),
    }
}
