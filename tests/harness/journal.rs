//! A machine's journal: as entries to test, as text for whoever reads a failed test.

use super::host;
use super::machine::Machine;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Lines shown of a failed test's machine.
const SHOWN: &str = "150";

/// One entry: its fields by name.
#[derive(Debug, Clone)]
pub(crate) struct Entry(Value);

impl Entry {
    /// A field's text; panics, with the whole entry, if it is not there or not text.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no text {name} in {:#}", self.0))
    }

    /// A field's text, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn parse(line: &str) -> Entry {
        Entry(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in an entry of the journal: {line}")))
    }
}

impl Machine {
    /// All entries that match, of all boots, oldest first; `matches` are `FIELD=value` or options of journalctl.
    #[track_caller]
    pub(crate) fn journal(&self, matches: &[&str]) -> Vec<Entry> {
        let said = self.run([&["journalctl", "--all", "--output=json"], matches].concat()).expect_success();
        said.stdout.lines().map(Entry::parse).collect()
    }

    /// The first entry of this boot that matches, waiting for it if it is not there yet.
    #[track_caller]
    pub(crate) fn wait_journal(&self, matches: &[&str], timeout: Duration) -> Entry {
        let follow = ["journalctl", "--boot", "--follow", "--lines=all", "--all", "--output=json"];
        let mut command = self.command([&follow, matches].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("to start journalctl");
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        let (sender, first) = mpsc::channel();
        // journalctl ends when nobody reads it any more, which is when this thread has its line.
        let reader = std::thread::spawn(move || {
            if let Some(Ok(line)) = lines.next() {
                sender.send(line).unwrap_or_else(|late| eprintln!("harness: too late: {late}"));
            }
        });
        match first.recv_timeout(timeout) {
            Ok(line) => {
                reader.join().expect("the reader to end");
                child.wait().expect("journalctl to end");
                Entry::parse(&line)
            }
            Err(RecvTimeoutError::Timeout) => panic!("waited {timeout:?} on {} for the entry {matches:?}", self.name()),
            Err(RecvTimeoutError::Disconnected) => panic!("journalctl ended without the entry {matches:?}"),
        }
    }

    /// The end of its journal and its failed units, on stderr.
    pub(super) fn print_journal(&self) {
        let title = format!("{} on {}", self.name(), self.suite().debian());
        if self.is_on() {
            let failed = self.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout;
            let journal = self.run(["journalctl", "--boot", "--no-pager", "--output=short-precise", "-n", SHOWN]);
            eprintln!("--- failed units of {title}:\n{failed}--- end of its journal:\n{}---", journal.stdout);
            return;
        }
        // Its own journalctl, as the host's may be older than what wrote the files.
        let read = ["journalctl", "--directory=/var/log/journal", "--no-pager", "--output=short-precise", "-n", SHOWN];
        match host::command("chroot").arg(self.disk_root()).args(read).output() {
            Ok(output) => {
                eprintln!("--- {title}, which is off; its journal:\n{}---", String::from_utf8_lossy(&output.stdout));
            }
            Err(error) => eprintln!("harness: no journal of {title}: {error}"),
        }
    }
}
