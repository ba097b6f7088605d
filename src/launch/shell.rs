//! From what a step runs to the program and arguments that systemd executes.

use crate::config::project::{Run, Shell};

/// A program with its arguments; a script's text travels as a credential of that name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) arguments: Vec<String>,
    pub(super) script: Option<String>,
}

/// The credential that holds the text of a `#!` script. No secret's name begins with a dot.
pub(super) const SCRIPT: &str = ".script";

fn shell(shell: Shell, text: String) -> Program {
    let (path, flags): (&str, &[&str]) = match shell {
        Shell::Sh => ("/bin/sh", &["-e", "-c"]),
        Shell::Bash => ("/bin/bash", &["-eo", "pipefail", "-c"]),
    };
    let mut arguments: Vec<String> = flags.iter().map(|f| (*f).to_owned()).collect();
    arguments.push(text);
    Program { path: path.to_owned(), arguments, script: None }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Each line is echoed with `+` and run in one shell, so that a `cd` or variable lasts.
fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("printf '+ %s\\n' {}\n{line}\n", quoted(line))).collect()
}

/// `folder` is where the unit finds its credentials.
pub(super) fn program(run: &Run, folder: &str) -> Program {
    match run {
        Run::Text { text, shell: which } => shell(*which, text.clone()),
        Run::Lines { lines: list, shell: which } => shell(*which, lines(list)),
        Run::Script(text) => {
            // As the kernel reads it (execve(2)): an interpreter and at most one argument.
            let first = text.strip_prefix("#!").unwrap_or(text).lines().next().unwrap_or_default().trim();
            let (path, argument) = match first.split_once(char::is_whitespace) {
                Some((path, argument)) => (path, Some(argument.trim().to_owned())),
                None => (first, None),
            };
            let arguments = argument.into_iter().chain([format!("{folder}/{SCRIPT}")]).collect();
            Program { path: path.to_owned(), arguments, script: Some(text.clone()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed() {
        let run = Run::Text { text: "make".into(), shell: Shell::Sh };
        assert_eq!(program(&run, "/c").arguments, ["-e", "-c", "make"]);
        let run = Run::Lines { lines: vec!["echo 'a'".into(), "make".into()], shell: Shell::Bash };
        let made = program(&run, "/c");
        assert_eq!(made.path, "/bin/bash");
        assert_eq!(made.arguments[3], "printf '+ %s\\n' 'echo '\\''a'\\'''\necho 'a'\nprintf '+ %s\\n' 'make'\nmake\n");
        for (text, path, arguments) in [
            ("#!/usr/bin/python3\nprint(1)", "/usr/bin/python3", vec!["/c/.script"]),
            ("#! /usr/bin/env  python3 -u\n", "/usr/bin/env", vec!["python3 -u", "/c/.script"]),
        ] {
            let made = program(&Run::Script(text.into()), "/c");
            assert_eq!((made.path.as_str(), made.arguments), (path, arguments.iter().map(|a| a.to_string()).collect()));
            assert_eq!(made.script.as_deref(), Some(text));
        }
    }
}
