//! The workers, as the core runs them: the real program, real repositories, loopback servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its fixtures too")]

mod checkouts;
mod mirrors;
mod modes;
mod modules;
mod outside;
mod redirects;
mod releases;
mod remotes;
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use unitci::config::project::{Shape, Url};
use unitci::model::{CommitId, RefName};
use unitci::worker::protocol::{
    Answer, Ask, Failure, FailureKind, FetchAnswer, FetchTask, ReleaseAdoptTask, ReleaseCheckAnswer, ReleaseCheckTask,
    Remote, Task,
};

/// Far above what anything here needs.
const LONG: Duration = Duration::from_secs(120);

/// Runs a worker as it is run in its unit.
fn run(stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ci-worker"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A worker that has read enough may close its end.
    if let Err(e) = pipe.write_all(stdin) {
        assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe);
    }
    drop(pipe);
    child.wait_with_output().unwrap()
}

/// Gives a worker a task and takes its answer.
fn ask<T: Ask>(task: T) -> Result<T::Answer, Failure> {
    let task: Task = task.into();
    let output = run(&serde_json::to_vec(&task).unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    Answer::<T::Answer>::parse(&output.stdout).unwrap().into_result()
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Failure>) -> FailureKind {
    answer.unwrap_err().kind
}

/// A place with a repository to push to, and a mirror's folder beside it.
struct Repo {
    place: TempDir,
}

impl Repo {
    fn empty(format: &[&str]) -> Repo {
        let repo = Repo { place: tempfile::tempdir().unwrap() };
        std::fs::create_dir(repo.mirror()).unwrap();
        let arguments = [&["init", "--quiet", "--initial-branch=main"], format, &["."]].concat();
        std::fs::create_dir(repo.path()).unwrap();
        repo.git(&arguments);
        repo
    }

    /// With one commit on `main`.
    fn new() -> Repo {
        let repo = Repo::empty(&[]);
        repo.commit("first", &[("README", "one\n")]);
        repo
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("repo")
    }

    fn mirror(&self) -> PathBuf {
        self.place.path().join("mirror.git")
    }

    fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.path(), arguments)
    }

    fn commit(&self, subject: &str, files: &[(&str, &str)]) -> CommitId {
        for (name, text) in files {
            let path = self.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", subject]);
        self.head()
    }

    fn head(&self) -> CommitId {
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn remote(&self) -> Remote {
        Remote { url: Url::Local(self.path()), credential: None, known_hosts: None }
    }

    fn fetch_task(&self) -> FetchTask {
        FetchTask {
            remote: self.remote(),
            mirror: self.mirror(),
            refs: vec![],
            resolve: None,
            depth: None,
            shape: Shape::default(),
            outside: None,
            timeout: LONG,
        }
    }

    /// Brings the mirror up to date.
    fn mirrored(&self) -> FetchAnswer {
        ask(self.fetch_task()).unwrap()
    }
}

fn git_in(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.org");
    }
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn branch(name: &str) -> RefName {
    RefName::of_branch(name).unwrap()
}

#[test]
fn what_is_no_task_gets_an_answer_too() {
    let huge = vec![b' '; (1 << 20) + 1];
    for (stdin, kind) in [
        (&b"{"[..], FailureKind::Internal),
        (b"\n", FailureKind::Internal),
        (br#"{"task":"reboot"}"#, FailureKind::Internal),
        (&huge, FailureKind::TooLarge),
    ] {
        let output = run(stdin);
        assert_eq!(output.status.code(), Some(0));
        let Answer::Failed(failure) = Answer::<()>::parse(&output.stdout).unwrap() else { panic!() };
        assert_eq!(failure.kind, kind, "{failure}");
    }
    // Who has nothing more to do says nothing.
    let output = run(b"");
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
}

#[test]
fn a_worker_does_one_task_after_the_other_until_it_fails_at_one() {
    let place = tempfile::tempdir().unwrap();
    let check = |root: &Path| {
        let task: Task = ReleaseCheckTask { root: root.to_owned(), shared: vec![] }.into();
        serde_json::to_string(&task).unwrap() + "\n"
    };
    let (there, absent) = (check(place.path()), check(&place.path().join("absent")));
    let adopt: Task = ReleaseAdoptTask { root: place.path().to_owned(), shared: vec![] }.into();
    let adopt = serde_json::to_string(&adopt).unwrap() + "\n";
    let output = run((there.clone() + &absent + &adopt + &there).as_bytes());
    let lines: Vec<&[u8]> = output.stdout.split(|byte| *byte == b'\n').collect();
    let missing = |line: &[u8]| match Answer::<ReleaseCheckAnswer>::parse(line).unwrap() {
        Answer::Ok(answer) => answer.missing.len(),
        Answer::Failed(failure) => panic!("{failure}"),
    };
    assert_eq!((missing(lines[0]), missing(lines[1])), (0, 1));
    assert!(
        matches!(Answer::<()>::parse(lines[2]).unwrap(), Answer::Failed(failure) if failure.message.as_str().contains("nothing to adopt"))
    );
    assert_eq!(lines[3..], [b""], "after a failure nothing more is done");
}

#[test]
fn a_worker_whose_messages_nobody_reads_answers_all_the_same() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ci-worker"));
    let (task, mut to) = std::io::pipe().unwrap();
    to.write_all(b"no task\n").unwrap();
    drop(to);
    let output = command.stdin(task).stdout(Stdio::piped()).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(matches!(Answer::<()>::parse(&output.stdout), Ok(Answer::Failed(_))));
}
