//! The command lines of all programs, in one place for the shells' completions.

pub mod build;
pub mod clean;
pub mod config;
pub mod deploy;
pub mod notify;
pub mod poll;

use clap::{Command, CommandFactory};
use clap_complete::{generate, shells};
use config::Shell;
use std::io::Write;

/// All that people run.
pub fn commands() -> Vec<Command> {
    vec![
        build::Arguments::command(),
        clean::Arguments::command(),
        config::Arguments::command(),
        deploy::Arguments::command(),
        notify::Arguments::command(),
        poll::Arguments::command(),
        crate::status::Args::command(),
    ]
}

/// Writes the completions of all commands. `compdef` lines and functions of several commands in one zsh file need each
/// a `compdef` of their own, which the generator writes.
pub fn completions(shell: Shell, out: &mut dyn Write) -> std::io::Result<()> {
    for mut command in commands() {
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        match shell {
            Shell::Bash => generate(shells::Bash, &mut command, name, &mut script),
            Shell::Zsh => generate(shells::Zsh, &mut command, name, &mut script),
            Shell::Fish => generate(shells::Fish, &mut command, name, &mut script),
        }
        out.write_all(&script)?;
    }
    if shell == Shell::Bash {
        out.write_all(include_bytes!("projects.bash"))?;
    }
    Ok(())
}
