//! `journalctl -f CI_PROJECT=shop`, shown live until the story that it tells is over.

use crate::interrupt::Interrupted;
use crate::stage::{Stage, printed, prompted};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use unitci::journal::Event;
use unitci::model::Verdict;

/// A person waits no longer; it takes seconds.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks whether somebody pressed Ctrl-C.
const TICK: Duration = Duration::from_millis(100);

/// How a push can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The build is not green.
    Red,
    /// It is live.
    Live,
    /// It was live for a moment.
    TakenBack,
    /// It never was; what was there before still is.
    NotDeployed,
    /// It does not run, and neither does what was there before.
    Down,
}

/// The journal of the project, from a moment on.
#[derive(Debug)]
pub(crate) struct Journal {
    journalctl: Child,
    entries: Receiver<String>,
}

/// What the journal told.
#[derive(Debug)]
pub(crate) struct Told {
    /// `CI_BUILD=` of the entry that ended it.
    pub(crate) build: String,
    /// Everything that was shown.
    pub(crate) text: String,
}

impl Journal {
    /// Begins to read, so that nothing of what follows is missed.
    pub(crate) fn follow(stage: &Stage) -> Journal {
        let now = stage.machine.sh("date +@%s.%6N");
        let since = format!("--since={}", now.trim());
        let argv = ["journalctl", "--follow", "--lines=all", "--all", "--output=json", &since, "CI_PROJECT=shop"];
        let mut command = stage.machine.command(argv);
        let mut journalctl = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("to start journalctl");
        let lines = BufReader::new(journalctl.stdout.take().expect("its stdout")).lines();
        let (sender, entries) = mpsc::channel();
        // It ends when nobody listens any more, or with journalctl.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Journal { journalctl, entries }
    }

    /// Shows what is said as `journalctl -o cat` does, to the end of the story; panics if that is not `expected`.
    #[track_caller]
    pub(crate) fn show_until(self, stage: &Stage, expected: End) -> Result<Told, Interrupted> {
        prompted('$', "journalctl -f -o cat CI_PROJECT=shop");
        let began = Instant::now();
        let mut text = String::new();
        loop {
            stage.interrupt().check()?;
            assert!(began.elapsed() < PATIENCE, "after {PATIENCE:?} the journal does not say: {expected:?}");
            let line = match self.entries.recv_timeout(TICK) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => panic!("journalctl ended"),
            };
            let entry: Value = serde_json::from_str(&line).expect("an entry of the journal");
            let message = message(&entry);
            message.lines().for_each(printed);
            text.push_str(&message);
            text.push('\n');
            if let Some(end) = end(&entry) {
                assert_eq!(end, expected, "how it ended");
                let build = entry["CI_BUILD"].as_str().unwrap_or_else(|| panic!("CI_BUILD in {entry}")).to_owned();
                return Ok(Told { build, text });
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.journalctl.kill().and_then(|()| self.journalctl.wait()) {
            eprintln!("demo: journalctl: {error}");
        }
    }
}

/// Text, or bytes where it is not printable.
fn message(entry: &Value) -> String {
    let message = &entry["MESSAGE"];
    if let Some(text) = message.as_str() {
        return text.to_owned();
    }
    let bytes = message.as_array().unwrap_or_else(|| panic!("MESSAGE={message}"));
    let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn end(entry: &Value) -> Option<End> {
    let verdict = || entry["CI_VERDICT"].as_str()?.parse::<Verdict>().ok();
    let event = Event::ALL.iter().find(|event| entry["MESSAGE_ID"] == event.message_id())?;
    [
        (Event::Deployed, End::Live),
        (Event::RolledBack, End::TakenBack),
        (Event::DeployFailed, End::NotDeployed),
        (Event::DeployFailedDown, End::Down),
    ]
    .into_iter()
    .chain(verdict().filter(|verdict| !verdict.is_green()).map(|_| (Event::BuildFinished, End::Red)))
    .find_map(|(ending, end)| (ending == *event).then_some(end))
}
