//! Asking once how a site is: a page and what it must be like, or a connection.

use super::protocol::{HealthAnswer, HealthTask, Line, Question};
use crate::config::probe::{Http, Tcp};
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Error};

/// How much of a body is looked at, in bytes.
const BODY_MAX: u64 = 1 << 20;
const REDIRECTS_MAX: u32 = 3;

pub(super) fn check(task: &HealthTask) -> HealthAnswer {
    let asked = match &task.question {
        Question::Http(http) => ask(http, task.timeout),
        Question::Tcp(tcp) => connect(tcp, task.timeout),
    };
    match asked {
        Ok(()) => HealthAnswer::Healthy,
        Err(seen) => HealthAnswer::Sick { seen: Line::cut(&seen) },
    }
}

fn agent(http: &Http, timeout: Duration) -> Agent {
    // ureq takes rustls unless told, and its own list of authorities. The system's list is also where an administrator
    // puts an authority of the house (update-ca-certificates(8)).
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    // Who expects a redirect wants to see it.
    let follow = if (300..400).contains(&http.status) { 0 } else { REDIRECTS_MAX };
    Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(follow)
        .max_redirects_will_error(follow > 0)
        .timeout_global(Some(timeout))
        .user_agent("unitci")
        .build()
        .into()
}

/// The error is what was seen instead of what was expected.
fn ask(http: &Http, timeout: Duration) -> Result<(), String> {
    let mut response = agent(http, timeout).get(&http.url).call().map_err(|error| describe(&error, timeout))?;
    if response.status().as_u16() != http.status {
        return Err(response.status().to_string());
    }
    http.header.iter().try_for_each(|(name, wanted)| has_header(response.headers(), name, wanted))?;
    let Some(wanted) = &http.contains else { return Ok(()) };
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(BODY_MAX).read_to_end(&mut body);
    read.map_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut { late(timeout) } else { format!("the answer breaks off: {error}") }
    })?;
    if is_in(&body, wanted) { Ok(()) } else { Err(format!("the body does not contain {wanted:?}")) }
}

fn has_header(headers: &HeaderMap, name: &str, wanted: &str) -> Result<(), String> {
    let mut values = headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return Err(format!("there is no header {name}"));
    }
    let found = values.any(|value| is_in(value.as_bytes(), wanted));
    if found { Ok(()) } else { Err(format!("the header {name} does not contain {wanted:?}")) }
}

fn is_in(text: &[u8], wanted: &str) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|part| part == wanted.as_bytes())
}

fn connect(tcp: &Tcp, timeout: Duration) -> Result<(), String> {
    let deadline = Instant::now() + timeout;
    let addresses = (tcp.host.as_str(), tcp.port).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut seen = "the name has no address".to_owned();
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(timeout));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) => seen = of_connecting(&error, timeout),
        }
    }
    Err(seen)
}

fn late(timeout: Duration) -> String {
    format!("no answer within {timeout:?}")
}

fn of_connecting(error: &io::Error, timeout: Duration) -> String {
    if error.kind() == io::ErrorKind::TimedOut {
        late(timeout)
    } else if error.kind() == io::ErrorKind::ConnectionRefused {
        "connection refused".to_owned()
    } else {
        error.to_string()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "ureq's errors; they are its words then")]
fn describe(error: &Error, timeout: Duration) -> String {
    match error {
        Error::Timeout(_) => late(timeout),
        Error::Io(error) => of_connecting(error, timeout),
        Error::TooManyRedirects => format!("more than {REDIRECTS_MAX} redirects"),
        other => other.to_string(),
    }
}
