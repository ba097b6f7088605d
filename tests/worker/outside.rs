//! Health checks and mail.

use super::server::{Server, write};
use super::{LONG, ask, kind};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;
use unitci::config::probe::{Http, Tcp};
use unitci::worker::protocol::{FailureKind, HealthAnswer, HealthTask, Line, MailAnswer, MailTask, Question};

const TIMEOUT: Duration = Duration::from_millis(800);

fn check(question: Question) -> HealthAnswer {
    ask(HealthTask { question, timeout: TIMEOUT }).unwrap()
}

fn sick(seen: &str) -> HealthAnswer {
    HealthAnswer::Sick { seen: Line::cut(seen) }
}

#[test]
fn what_a_site_shows() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fine = Server::saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Release: 7\r\nX-Release: 3f2a91c\r\nConnection: close\r\n\r\nlive 3f2a91c",
    );
    let busy = Server::saying("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let round = Server::saying("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let silent = Server::start(|_, _| thread::park());
    let breaks = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nlive");
    let endless = Server::start(|_, stream| {
        write(stream, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        write(stream, &vec![b'x'; 3 << 20]);
    });
    let http = |url: String, status, contains: Option<&str>, header: Option<(&str, &str)>| {
        let contains = contains.map(str::to_owned);
        let header = header.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        Question::Http(Http { url, status, contains, header })
    };
    for (question, expected) in [
        (http(fine.url("/"), 200, Some("3f2a91c"), None), HealthAnswer::Healthy),
        (http(fine.url("/"), 200, Some("other"), None), sick("the body does not contain \"other\"")),
        (http(fine.url("/"), 204, None, None), sick("200 OK")),
        (http(fine.url("/"), 200, None, Some(("x-release", "3f2a"))), HealthAnswer::Healthy),
        (
            http(fine.url("/"), 200, None, Some(("X-Release", "other"))),
            sick("the header X-Release does not contain \"other\""),
        ),
        (http(fine.url("/"), 200, None, Some(("X-Other", ""))), sick("there is no header X-Other")),
        (http(busy.url("/"), 200, None, None), sick("503 Service Unavailable")),
        (http(busy.url("/"), 503, None, None), HealthAnswer::Healthy),
        (http(round.url("/"), 200, None, None), sick("more than 3 redirects")),
        (http(round.url("/"), 302, None, None), HealthAnswer::Healthy),
        (http(silent.url("/"), 200, None, None), sick("no answer within 800ms")),
        (http(endless.url("/"), 200, Some("y"), None), sick("the body does not contain \"y\"")),
        (http(format!("http://{closed}/"), 200, None, None), sick("connection refused")),
    ] {
        assert_eq!(check(question.clone()), expected, "{question:?}");
    }
    let HealthAnswer::Sick { seen } = check(http(breaks.url("/"), 200, Some("y"), None)) else { panic!() };
    assert!(seen.as_str().starts_with("the answer breaks off"), "{seen}");
}

#[test]
fn who_takes_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = |host: &str, port| check(Question::Tcp(Tcp { host: host.to_owned(), port }));
    let port = listener.local_addr().unwrap().port();
    assert_eq!(tcp("127.0.0.1", port), HealthAnswer::Healthy);
    // The name may have an address of each kind, and one of them is enough.
    assert_eq!(tcp("localhost", port), HealthAnswer::Healthy);
    drop(listener);
    assert_eq!(tcp("127.0.0.1", port), sick("connection refused"));
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
