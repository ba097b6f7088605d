//! A token reaches its own server and no other.

use super::server::{Request, Server, git_backend, write};
use super::{LONG, Repo, ask, branch};
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use unitci::config::project::Url;
use unitci::worker::protocol::{FailureKind, FetchTask, RefsTask, Remote, Resolve};

/// `bot:s3cret` in Basic's words (RFC 7617).
const BASIC: &str = "Basic Ym90OnMzY3JldA==";
const ASK: &[u8] =
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn token(repo: &Repo) -> PathBuf {
    let file = repo.place.path().join("token \\x2d$");
    fs::write(&file, "bot:s3cret\n").unwrap();
    file
}

/// Goes on with the request once the token was shown.
fn demand(request: &Request, stream: &mut TcpStream, then: impl FnOnce(&mut TcpStream)) {
    if request.headers.get("authorization").is_some_and(|shown| shown == BASIC) {
        then(stream)
    } else {
        write(stream, ASK)
    }
}

fn remote(url: String, repo: &Repo) -> Remote {
    Remote { url: Url::Http(url), credential: Some(token(repo)), known_hosts: None }
}

#[test]
fn the_token_opens_its_own_server() {
    let repo = Repo::new();
    let root = repo.place.path().to_owned();
    let server = Server::start(move |request, stream| demand(request, stream, |s| git_backend(&root, request, s)));
    let remote = remote(server.url("/repo/.git"), &repo);
    let refs = ask(RefsTask { outside: vec![], remote: remote.clone(), timeout: LONG }).unwrap();
    assert_eq!(refs.refs, [(branch("main"), repo.head())]);
    let resolve = Some(Resolve::Head);
    let fetched = ask(FetchTask {
        remote: remote.clone(),
        mirror: repo.mirror(),
        refs: vec![],
        resolve,
        outside: None,
        timeout: LONG,
    });
    assert_eq!(fetched.unwrap().resolved.unwrap().commit.id, repo.head());
    fs::write(token(&repo), "bot:wrong").unwrap();
    let wrong = repo.place.path().join("wrong");
    fs::write(&wrong, "bot:wrong").unwrap();
    for credential in [None, Some(wrong)] {
        let refused = ask(RefsTask { outside: vec![], remote: Remote { credential, ..remote.clone() }, timeout: LONG })
            .unwrap_err();
        assert_eq!(refused.kind, FailureKind::Auth, "{refused}");
        assert!(!refused.message.as_str().contains("wrong"), "{refused}");
    }
}

/// Who asks for credentials: the server that redirects, the one that it redirects to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asks {
    Neither,
    First,
    Second,
    Both,
}

#[test]
fn a_redirect_takes_no_token_along() {
    let repo = Repo::new();
    let hosts = ["localhost", "127.0.0.1"];
    let all = [Asks::Neither, Asks::First, Asks::Second, Asks::Both];
    for (host, asks) in hosts.into_iter().flat_map(|host| all.map(|asks| (host, asks))) {
        let root = repo.place.path().to_owned();
        let other = Server::start(move |request, stream| match asks {
            Asks::Second | Asks::Both => write(stream, ASK),
            Asks::Neither | Asks::First => git_backend(&root, request, stream),
        });
        let to = format!("http://{host}:{}", other.port);
        let server = Server::start(move |request, stream| {
            let head = "Content-Length: 0\r\nConnection: close";
            let answer = format!("HTTP/1.1 302 Go\r\nLocation: {to}{}\r\n{head}\r\n\r\n", request.target);
            let go = |stream: &mut TcpStream| write(stream, answer.as_bytes());
            match asks {
                Asks::First | Asks::Both => demand(request, stream, go),
                Asks::Neither | Asks::Second => go(stream),
            }
        });
        let remote = remote(server.url("/repo/.git"), &repo);
        let refs = ask(RefsTask { outside: vec![], remote: remote.clone(), timeout: LONG });
        let resolve = Some(Resolve::Head);
        let fetched =
            ask(FetchTask { remote, mirror: repo.mirror(), refs: vec![], resolve, outside: None, timeout: LONG });
        assert_eq!(other.authorizations(), [""; 0], "{host}, {asks:?}");
        // git itself does not take a redirect that comes only after the credential.
        let works = asks == Asks::Neither;
        let told = (refs.map(|refs| refs.refs.len()), fetched.map(|answer| answer.resolved.unwrap().commit.id));
        assert_eq!((told.0.is_ok(), told.1.is_ok()), (works, works), "{host}, {asks:?}: {told:?}");
    }
}

#[test]
fn a_server_that_repeats_the_token_is_not_quoted() {
    let repo = Repo::new();
    let server = Server::start(move |request, stream| {
        demand(request, stream, |stream| {
            let packet = |text: &str| format!("{:04x}{text}", text.len() + 4);
            let body =
                packet("# service=git-upload-pack\n") + "0000" + &packet("ERR I was shown s3cret and czNjcmV0\n");
            let kind = "Content-Type: application/x-git-upload-pack-advertisement";
            let head = format!("HTTP/1.1 200 Yes\r\n{kind}\r\nContent-Length: {}\r\nConnection: close", body.len());
            write(stream, format!("{head}\r\n\r\n{body}").as_bytes());
        })
    });
    let remote = remote(server.url("/repo/.git"), &repo);
    let refs = ask(RefsTask { outside: vec![], remote: remote.clone(), timeout: LONG }).unwrap_err();
    let resolve = Some(Resolve::Head);
    let fetched = ask(FetchTask { remote, mirror: repo.mirror(), refs: vec![], resolve, outside: None, timeout: LONG })
        .unwrap_err();
    for failure in [refs, fetched] {
        assert!(failure.message.as_str().contains("I was shown *** and ***"), "{failure}");
    }
}
