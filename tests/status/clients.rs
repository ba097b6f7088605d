//! Clients of all kinds.

use crate::server::{Server, listen};
use crate::system::every_state;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn only_get_and_head_of_our_own_names() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let server = Server::start(root.path(), 15);
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "x".repeat(5000));
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        ("HEAD /p/shop/3/log/2.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\nHost: [::1]:8010\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 400),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b", 405),
        ("DELETE /p/gkp/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (long.as_str(), 414),
        ("garbage\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon here\r\n\r\n", 400),
    ] {
        let answer = server.ask(request);
        assert_eq!(answer.status, status, "{request:.80}\n{answer:?}");
        if request.starts_with("HEAD") {
            assert_eq!(answer.body, "", "{request:.80}");
            assert!(answer.header("content-length").is_some_and(|length| length != "0"), "{answer:?}");
        }
    }
}

#[test]
fn every_answer_forbids_what_it_does_not_need() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let server = Server::start(root.path(), 15);
    for path in ["/", "/p/shop/3/log/2.txt", "/nosuch"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-cache"),
            ("server", "unitci"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}

#[test]
fn a_log_comes_whole_whatever_version_asks() {
    let root = tempfile::tempdir().unwrap();
    let system = every_state(root.path());
    let server = Server::start(root.path(), 15);
    let log = system.place.build(&"shop:3".parse().unwrap()).join("2.log");
    let log = std::fs::read_to_string(log).unwrap();
    for version in ["1.0", "1.1"] {
        let answer = server
            .ask(&format!("GET /p/shop/3/log/2.txt HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(answer.body == log, "HTTP/{version}: {} of {} bytes", answer.body.len(), log.len());
    }
}

#[test]
fn a_huge_body_is_refused_and_nothing_else_notices() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let mut server = Server::start(root.path(), 15);
    let mut stream = server.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775807\r\n\r\nabc").unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(server.get("/").status, 200);
    assert!(server.is_running());
}

#[test]
fn three_hundred_half_requests_hold_nobody_up() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let mut server = Server::start(root.path(), 15);
    let held: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
            stream
        })
        .collect();
    assert_eq!(server.get("/p/gkp/").status, 200);
    assert!(server.is_running());
    drop(held);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn out_of_descriptors_it_leaves_in_order_and_the_next_one_answers() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let listener = listen();
    // Two descriptors a connection: with one limit accepting fails, with the next the duplicate does.
    for files in [40, 41] {
        let mut server = Server::on(&listener, root.path(), 15, files);
        let held: Vec<TcpStream> = (0..60).map(|_| server.connect()).collect();
        let left = server.left().code();
        assert!(matches!(left, Some(0 | 75)), "{left:?}");
        drop(held);
    }
    let next = Server::on(&listener, root.path(), 15, 1024);
    assert_eq!(next.get("/").status, 200);
}

#[test]
fn idle_it_leaves_without_waking_its_successor_and_a_slow_client_is_let_go() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let listener = listen();
    let mut server = Server::on(&listener, root.path(), 1, 1024);
    assert_eq!(server.get("/").status, 200);
    let mut slow = server.connect();
    slow.write_all(b"GET / HT").unwrap();
    let mut answer = Vec::new();
    // Closed without an answer; a reset says the same.
    assert!(slow.read_to_end(&mut answer).is_err() || answer.is_empty());
    assert_eq!(server.left().code(), Some(0));
    listener.set_nonblocking(true).unwrap();
    let waiting = listener.accept();
    assert!(
        waiting.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock),
        "somebody connected: {waiting:?}"
    );
}
