//! Asking a site how it is (Dokku's checks: attempts, timeout, interval, expected content).

use super::protocol::{Failure, HealthAnswer, HealthTask, Line};
use super::say::say;
use crate::config::project::Health;
use std::io::{self, Read};
use std::thread;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Error};

/// How much of a body is looked at, in bytes.
const BODY_MAX: u64 = 1 << 20;
const REDIRECTS_MAX: u32 = 3;

pub(super) fn check(task: &HealthTask) -> Result<HealthAnswer, Failure> {
    let health = &task.health;
    let agent = agent(health);
    let mut seen = String::from("no attempt was made");
    for attempt in 1..=health.attempts {
        if attempt > 1 {
            thread::sleep(health.interval);
        }
        match ask(&agent, health) {
            Ok(()) => return Ok(HealthAnswer::Healthy { attempt }),
            Err(what) => seen = what,
        }
        say!("{}: {}; attempt {attempt} of {}", health.url, Line::cut(&seen), health.attempts);
    }
    Ok(HealthAnswer::Sick { seen: Line::cut(&seen) })
}

fn agent(health: &Health) -> Agent {
    // ureq takes rustls unless told, and its own list of authorities.
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    // Who expects a redirect wants to see it.
    let follow = if (300..400).contains(&health.status) { 0 } else { REDIRECTS_MAX };
    Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(follow)
        .max_redirects_will_error(follow > 0)
        .timeout_global(Some(health.timeout))
        .user_agent("unitci")
        .build()
        .into()
}

/// One attempt; the error is what was seen instead of what was expected.
fn ask(agent: &Agent, health: &Health) -> Result<(), String> {
    let mut response = agent.get(&health.url).call().map_err(|e| describe(&e, health))?;
    if response.status().as_u16() != health.status {
        return Err(response.status().to_string());
    }
    let Some(wanted) = &health.contains else { return Ok(()) };
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(BODY_MAX).read_to_end(&mut body);
    read.map_err(|e| {
        if e.kind() == io::ErrorKind::TimedOut { late(health) } else { format!("the answer breaks off: {e}") }
    })?;
    let found = wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted.as_bytes());
    if found { Ok(()) } else { Err(format!("the body does not contain {wanted:?}")) }
}

fn late(health: &Health) -> String {
    format!("no answer within {:?}", health.timeout)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "ureq's errors; they are its words then")]
fn describe(error: &Error, health: &Health) -> String {
    match error {
        Error::Timeout(_) => late(health),
        Error::Io(e) if e.kind() == io::ErrorKind::TimedOut => late(health),
        Error::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        Error::TooManyRedirects => format!("more than {REDIRECTS_MAX} redirects"),
        other => other.to_string(),
    }
}
