//! The `git` program in a surrounding where only we say what it does.

use super::access::Access;
use super::failure::GitError;
use super::scratch::Scratch;
use crate::child::{self, Finished};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Most bytes that one git may print for us to read.
const OUTPUT_MAX: usize = 16 << 20;

/// The same for a list of all files of a commit: a million names of 80 bytes.
const LISTING_MAX: usize = 128 << 20;

/// What of our own environment a proxy or a private certificate authority needs; a drop-in of `ci-work-` units
/// sets it.
const PASSED_ON: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
];

/// Runs git: one git dir, one deadline.
#[derive(Debug)]
pub struct Git<'a> {
    scratch: &'a Scratch,
    access: Option<&'a Access>,
    git_dir: PathBuf,
    deadline: Instant,
}

impl<'a> Git<'a> {
    /// Git on the scratch's own git dir.
    pub fn borrowing(scratch: &'a Scratch, access: Option<&'a Access>, deadline: Instant) -> Git<'a> {
        Git { scratch, access, git_dir: scratch.git_dir(), deadline }
    }

    /// Git on a repository that is the caller's own.
    pub fn owning(&self, git_dir: &Path) -> Git<'a> {
        Git { git_dir: git_dir.to_owned(), ..*self }
    }

    /// Where it works.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The folder beside it.
    pub(super) fn scratch(&self) -> &'a Scratch {
        self.scratch
    }

    /// Until when.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// A git with nothing of ours in its environment, and no arguments yet.
    pub(super) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in PASSED_ON {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", "/nonexistent")
            .env("GIT_DIR", &self.git_dir)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.scratch.configuration())
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "/bin/false")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_ALLOW_PROTOCOL", "none")
            .envs(self.access.map(Access::environment).unwrap_or_default())
            .current_dir(self.scratch.git_dir())
            .args(arguments);
        command
    }

    /// Runs it; whether it succeeded is for the caller to see.
    pub(super) fn finish(&self, command: Command) -> Result<Finished, GitError> {
        Ok(child::run(command, Vec::new(), OUTPUT_MAX, self.deadline)?)
    }

    /// Runs it and takes what it printed; any failure is an error.
    pub(super) fn print<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String, GitError> {
        self.print_from(self.command(arguments))
    }

    /// The same for a command with something added.
    pub(super) fn print_from(&self, command: Command) -> Result<String, GitError> {
        let done = self.finish(command)?;
        if !done.status.success() {
            return Err(GitError::of_program(&done));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Runs it and takes the list that it printed, which is as long as a tree has files.
    pub(super) fn listing(&self, command: Command) -> Result<Vec<u8>, GitError> {
        self.answer(command, Vec::new())
    }

    /// The same for one that is told on its standard input what to list.
    pub(super) fn answer(&self, command: Command, told: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let done = child::run(command, told, LISTING_MAX, self.deadline)?;
        if done.status.success() { Ok(done.stdout) } else { Err(GitError::of_program(&done)) }
    }

    /// Runs it and takes what it printed; to fail is to answer no.
    pub(super) fn try_print<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Option<String>, GitError> {
        let done = self.finish(self.command(arguments))?;
        Ok(done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned()))
    }
}
