//! What the audience sees: headings, sentences, commands as a person types them with what they really print, timings.

use crate::harness::Machine;
use crate::interrupt::{Interrupt, Interrupted};
use anstyle::{AnsiColor, Style};
use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

const HEADING: Style = Style::new().bold();
const COMMAND: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Cyan)));
const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));

/// Who types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The administrator; the prompt is `#`.
    Root,
    /// The developer, in the clone of the repository; the prompt is `$`.
    Dev,
}

/// One line of the summary.
#[derive(Debug)]
struct Mark {
    what: &'static str,
    took: Duration,
}

/// The machine, and what is told about it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) machine: Machine,
    interrupt: Interrupt,
    began: Instant,
    chapters: u32,
    marks: Vec<Mark>,
}

impl Stage {
    /// `began` is when the clock of the whole demonstration started.
    pub(crate) fn new(machine: Machine, interrupt: Interrupt, began: Instant) -> Stage {
        Stage { machine, interrupt, began, chapters: 0, marks: Vec::new() }
    }

    /// A heading, with a number and the time since the beginning.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<(), Interrupted> {
        self.interrupt.check()?;
        self.chapters += 1;
        let clock = self.began.elapsed().as_secs();
        let heading = format!("{}. {title}", self.chapters);
        anstream::println!("\n{HEADING}{heading:<70}{HEADING:#} {:>2}:{:02}", clock / 60, clock % 60);
        Ok(())
    }

    /// Plain sentences.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            anstream::println!("{}", line.trim_start());
        }
    }

    /// Runs what a person types, shows it and what it prints; panics if it does not exit with 0.
    pub(crate) fn run(&self, who: Who, command: &str) -> Result<String, Interrupted> {
        let (status, output) = self.try_run(who, command)?;
        assert!(status.success(), "`{command}`: {status}");
        Ok(output)
    }

    /// Runs what a person types, shows it and what it prints, whatever comes of it.
    pub(crate) fn try_run(&self, who: Who, command: &str) -> Result<(ExitStatus, String), Interrupted> {
        self.interrupt.check()?;
        let prompt = match who {
            Who::Root => '#',
            Who::Dev => '$',
        };
        prompted(prompt, command);
        // What is piped to us looks as on the terminal that we are on.
        let color = if std::io::stdout().is_terminal() { "export CLICOLOR_FORCE=1; " } else { "" };
        let script = |folder: &str| format!("{color}cd {folder}; exec 2>&1; {command}");
        let mut started = match who {
            Who::Root => self.machine.command(["sh", "-euc", &script("/root")]),
            Who::Dev => self.machine.command_as("dev", ["sh", "-euc", &script("/home/dev/shop")]),
        };
        let mut child = started.stdout(Stdio::piped()).spawn().expect("to run a command in the machine");
        let mut all = String::new();
        for line in BufReader::new(child.stdout.take().expect("its stdout")).split(b'\n') {
            let line = line.expect("what the command prints");
            let line = String::from_utf8_lossy(&line);
            printed(&line);
            all.push_str(&line);
            all.push('\n');
        }
        let status = child.wait().expect("the command to end");
        self.interrupt.check()?;
        Ok((status, all))
    }

    /// Says that something came out as it should, having checked it.
    #[track_caller]
    pub(crate) fn check(&self, holds: bool, what: &str) {
        assert!(holds, "it should be so, and is not: {what}");
        anstream::println!("{GOOD}✓{GOOD:#} {what}");
    }

    /// Keeps a timing for the summary.
    pub(crate) fn mark(&mut self, what: &'static str, took: Duration) {
        self.marks.push(Mark { what, took });
    }

    /// Whoever waits for something asks this in between.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The timings, and the time of the whole.
    pub(crate) fn summary(&self) {
        let whole = Mark { what: "the whole demonstration", took: self.began.elapsed() };
        anstream::println!("\n{HEADING}What it took{HEADING:#}");
        for Mark { what, took } in self.marks.iter().chain([&whole]) {
            anstream::println!("  {what:<62} {:>6.1} s", took.as_secs_f64());
        }
    }
}

/// A command behind its prompt.
pub(crate) fn prompted(prompt: char, command: &str) {
    anstream::println!("{COMMAND}{prompt} {command}{COMMAND:#}");
}

/// A line that a command printed.
pub(crate) fn printed(line: &str) {
    anstream::println!("  {line}");
}
