//! Health checks and mail.

use super::server::{Server, write};
use super::{LONG, ask, kind};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use unitci::config::project::Health;
use unitci::worker::protocol::{FailureKind, HealthAnswer, HealthTask, Line, MailAnswer, MailTask};

fn check(url: String, contains: Option<&str>, status: u16) -> HealthAnswer {
    let health = Health {
        url,
        status,
        contains: contains.map(str::to_owned),
        attempts: 3,
        timeout: Duration::from_millis(800),
        interval: Duration::from_millis(1),
    };
    ask(HealthTask { health }).unwrap()
}

fn sick(seen: &str) -> HealthAnswer {
    HealthAnswer::Sick { seen: Line::cut(seen) }
}

#[test]
fn what_a_site_shows() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fine = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nlive 3f2a91c");
    let busy = Server::saying("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let round = Server::saying("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let silent = Server::start(|_, _| thread::park());
    let breaks = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nlive");
    let endless = Server::start(|_, stream| {
        write(stream, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        write(stream, &vec![b'x'; 3 << 20]);
    });
    for (url, contains, status, expected) in [
        (fine.url("/"), Some("3f2a91c"), 200, HealthAnswer::Healthy { attempt: 1 }),
        (fine.url("/"), Some("other"), 200, sick("the body does not contain \"other\"")),
        (fine.url("/"), None, 204, sick("200 OK")),
        (busy.url("/"), None, 200, sick("503 Service Unavailable")),
        (busy.url("/"), None, 503, HealthAnswer::Healthy { attempt: 1 }),
        (round.url("/"), None, 200, sick("more than 3 redirects")),
        (round.url("/"), None, 302, HealthAnswer::Healthy { attempt: 1 }),
        (silent.url("/"), None, 200, sick("no answer within 800ms")),
        (endless.url("/"), Some("y"), 200, sick("the body does not contain \"y\"")),
        (format!("http://{closed}/"), None, 200, sick("connection refused")),
    ] {
        assert_eq!(check(url.clone(), contains, status), expected, "{url}");
    }
    let HealthAnswer::Sick { seen } = check(breaks.url("/"), Some("y"), 200) else { panic!() };
    assert!(seen.as_str().starts_with("the answer breaks off"), "{seen}");
}

#[test]
fn a_site_may_need_a_moment() {
    let count = AtomicU32::new(0);
    let server = Server::start(move |_, stream| {
        let status = if count.fetch_add(1, Ordering::SeqCst) < 2 { "502 Bad Gateway" } else { "200 OK" };
        write(stream, format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
    });
    assert_eq!(check(server.url("/"), None, 200), HealthAnswer::Healthy { attempt: 3 });
}

#[test]
fn mail_goes_to_sendmail() {
    let place = tempfile::tempdir().unwrap();
    let sendmail = place.path().join("sendmail");
    let message = "To: dev@example.org\nSubject: red\n\n.\nbody\n";
    let send = |script: &str, timeout| {
        fs::write(&sendmail, format!("#!/bin/sh\ncd {}\n{script}\n", place.path().display())).unwrap();
        fs::set_permissions(&sendmail, Permissions::from_mode(0o755)).unwrap();
        ask(MailTask { sendmail: sendmail.clone(), message: message.to_owned(), timeout })
    };
    assert_eq!(send("echo \"$@\" > arguments; cat > message", LONG), Ok(MailAnswer::Sent));
    assert_eq!(fs::read_to_string(place.path().join("arguments")).unwrap(), "-t -oi\n");
    assert_eq!(fs::read_to_string(place.path().join("message")).unwrap(), message);
    let rejected = MailAnswer::Rejected { status: Some(75), said: Line::cut("queue is full") };
    assert_eq!(send("echo trying >&2; echo queue is full >&2; exit 75", LONG), Ok(rejected));
    assert_eq!(kind(send("sleep 100", Duration::from_millis(300))), FailureKind::Timeout);
    fs::remove_file(&sendmail).unwrap();
    let absent = MailTask { sendmail, message: message.to_owned(), timeout: LONG };
    assert_eq!(kind(ask(absent)), FailureKind::Refused);
}
