//! Listing what remotes have.

use super::server::{Server, git_backend, write};
use super::{Repo, ask, branch, git_in, kind};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use unitci::config::project::Url;
use unitci::worker::protocol::{Failure, FailureKind, Refs, RefsTask, Remote};

fn list(url: Url, timeout: Duration) -> Result<Refs, Failure> {
    let remote = Remote { url, credential: None, known_hosts: None };
    ask(RefsTask { outside: vec![], remote, timeout })
}

fn http(url: String) -> Result<Refs, Failure> {
    list(Url::Http(url), Duration::from_secs(30))
}

fn local(path: &Path) -> Result<Refs, Failure> {
    list(Url::Local(path.to_owned()), Duration::from_secs(60))
}

#[test]
fn branches_tags_and_head_of_every_kind_of_repository() {
    // git has reftable since 2.45; Debian 12 has 2.39.
    let help = Command::new("git").args(["init", "-h"]).output().unwrap();
    let reftable = String::from_utf8_lossy(&help.stdout).contains("--ref-format");
    let formats = [&[][..], &["--object-format=sha256"], &["--ref-format=reftable"]];
    for format in &formats[..if reftable { 3 } else { 2 }] {
        let repo = Repo::empty(format);
        let empty = local(&repo.path()).unwrap();
        assert!(empty.is_empty() && empty.refs.is_empty(), "{format:?}: {empty:?}");
        let commit = repo.commit("first", &[("a", "1")]);
        repo.git(&["branch", "release/1.0"]);
        repo.git(&["tag", "light"]);
        repo.git(&["tag", "-a", "-m", "x", "annotated"]);
        repo.git(&["update-ref", "refs/pull/1/head", "HEAD"]);
        let refs = local(&repo.path()).unwrap();
        let names: Vec<&str> = refs.refs.iter().map(|(name, _)| name.as_str()).collect();
        let all = ["refs/heads/main", "refs/heads/release/1.0", "refs/tags/annotated", "refs/tags/light"];
        assert_eq!(names, all, "{format:?}");
        assert!(refs.refs.iter().all(|(_, found)| *found == commit), "{format:?}: {refs:?}");
        assert_eq!((refs.head, refs.head_commit, refs.unusable), (Some(branch("main")), Some(commit), 0));
        repo.git(&["checkout", "--quiet", "--detach"]);
        let detached = local(&repo.path()).unwrap();
        assert_eq!((detached.head, detached.head_commit), (None, Some(repo.head())), "{format:?}");
    }
}

#[test]
fn over_http_as_well() {
    for format in [&[][..], &["--object-format=sha256"]] {
        let repo = Repo::empty(format);
        let root = repo.place.path().to_owned();
        let server = Server::start(move |request, stream| git_backend(&root, request, stream));
        assert!(http(server.url("/repo/.git")).unwrap().is_empty());
        let commit = repo.commit("first", &[("a", "1")]);
        let refs = http(server.url("/repo/.git")).unwrap();
        assert_eq!(refs.refs, [(branch("main"), commit)], "{format:?}");
        assert_eq!(refs.head, Some(branch("main")));
        assert_eq!(kind(http(server.url("/other.git"))), FailureKind::NotARepository);
    }
}

#[test]
fn what_is_no_repository_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let not_found = Server::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let page = Server::saying(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<html",
    );
    let garbage = Server::saying("\0\u{1}garbage\r\n\r\n");
    let trouble = Server::saying("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let locked = Server::saying(
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let lies = Server::saying(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n\
         001e# service=git-upload-pack\n0000zzzzgarbage",
    );
    let ssh = Url::Ssh(format!("ssh://git@127.0.0.1:{}/x", closed.port()));
    for (answer, expected, what) in [
        (http(format!("http://{closed}/x")), FailureKind::Unreachable, "closed port"),
        (http("http://no-such-host.invalid/x".into()), FailureKind::Unreachable, "no such host"),
        (http(not_found.url("/x")), FailureKind::NotARepository, "404"),
        (http(page.url("/x")), FailureKind::NotARepository, "a web page"),
        (http(lies.url("/x")), FailureKind::NotARepository, "broken packets"),
        (http(garbage.url("/x")), FailureKind::Unreachable, "no http at all"),
        (http(trouble.url("/x")), FailureKind::Unreachable, "503"),
        (http(locked.url("/x")), FailureKind::Auth, "401"),
        (local(folder.path()), FailureKind::NotARepository, "an ordinary folder"),
        (local(&folder.path().join("file")), FailureKind::NotARepository, "a file"),
        (local(&folder.path().join("absent")), FailureKind::NotARepository, "nothing"),
        (local(Path::new("relative")), FailureKind::Refused, "a relative path"),
        (list(ssh, Duration::from_secs(60)), FailureKind::Unreachable, "closed ssh port"),
        (list(Url::Ssh("-oProxyCommand=x".into()), Duration::from_secs(60)), FailureKind::Refused, "an option"),
        (http("http://\"]\n[core]/x".into()), FailureKind::Refused, "a line for git's configuration"),
    ] {
        let found = answer.as_ref().map_err(|failure| failure.kind);
        assert_eq!(found, Err(expected), "{what}: {answer:?}");
    }
}

#[test]
fn a_server_that_is_silent_or_drips_is_left_in_time() {
    let silent = Server::start(|_, _| thread::park());
    let drips = Server::start(|_, stream| {
        write(stream, b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nX: ");
        loop {
            write(stream, b"x");
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    for server in [silent, drips] {
        let started = Instant::now();
        let answer = list(Url::Http(server.url("/x")), Duration::from_millis(700));
        assert_eq!(kind(answer), FailureKind::Timeout);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn evil_names_are_left_out() {
    let repo = Repo::new();
    let commit = repo.head();
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    let evil = ["a..b", "a b", "a\u{1b}[31m", "-x.lock", ".hidden", "a@{1}", "a~1", "a\\b", &"l".repeat(500)];
    for name in evil.iter().chain(&["--upload-pack=x", "$(reboot)", "<script>", "ünï"]) {
        packed.push_str(&format!("{commit} refs/heads/{name}\n"));
    }
    fs::write(repo.path().join(".git/packed-refs"), packed).unwrap();
    let refs = local(&repo.path()).unwrap();
    let names: Vec<&str> = refs.refs.iter().map(|(name, _)| name.short()).collect();
    assert!(names.contains(&"main"), "{names:?}");
    assert!(names.iter().all(|name| !evil.contains(name)), "{names:?}");
}

#[test]
fn twenty_thousand_refs_and_no_more() {
    let repo = Repo::new();
    let commit = repo.head();
    let more = |to: usize| {
        let lines: String = (1..to).map(|n| format!("{commit} refs/tags/nightly-2026-01-01-{n:06}\n")).collect();
        fs::write(
            repo.path().join(".git/packed-refs"),
            format!("# pack-refs with: peeled fully-peeled sorted \n{lines}"),
        )
    };
    more(20_000).unwrap();
    assert_eq!(local(&repo.path()).unwrap().refs.len(), 20_000);
    more(20_001).unwrap();
    assert_eq!(kind(local(&repo.path())), FailureKind::TooLarge);
    git_in(&repo.path(), &["fsck", "--no-progress"]);
}
