//! Whom the server talks to. A page on the loopback interface is reachable by every web site that a browser on this
//! machine shows, through a name that its owner lets point to 127.0.0.1 (DNS rebinding): the name tells them apart.

use std::net::IpAddr;

/// The host names that this server answers to: its own loopback names, and that of `base-url`.
#[derive(Debug, Clone)]
pub struct Allowed {
    base: Option<String>,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Host`, or several.
    #[error("A request needs one Host header.")]
    NoHost,
    /// A name that is not ours.
    #[error("This server does not answer to that name; base-url in ci.toml sets the name it has beside localhost.")]
    Stranger,
}

impl Refusal {
    /// The status of RFC 9110.
    pub fn status(self) -> u16 {
        match self {
            Refusal::NoHost => 400,
            Refusal::Stranger => 421,
        }
    }
}

impl Allowed {
    /// The loopback names and the host of a URL.
    pub fn new(base_url: &str) -> Allowed {
        let after_scheme = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
        let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        let host = name(authority.rsplit('@').next().unwrap_or_default()).to_ascii_lowercase();
        Allowed { base: (!host.is_empty()).then_some(host) }
    }

    /// Checks the values of a request's `Host` headers.
    pub fn check(&self, hosts: &[&str]) -> Result<(), Refusal> {
        let [host] = hosts else { return Err(Refusal::NoHost) };
        let host = name(host.trim()).to_ascii_lowercase();
        let loopback = host == "localhost"
            || host.ends_with(".localhost")
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if loopback || self.base.as_deref() == Some(host.as_str()) { Ok(()) } else { Err(Refusal::Stranger) }
    }
}

/// The host without its port; an IPv6 address keeps its brackets.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names() {
        let allowed = Allowed::new("https://CI.example.org:8443/ci");
        for host in [
            "localhost",
            "localhost:8010",
            "127.0.0.1:8010",
            "127.1.2.3",
            "[::1]:8010",
            "[::1]",
            "ci.example.org",
            "ci.Example.org:443",
            "ci.localhost",
        ] {
            assert_eq!(allowed.check(&[host]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "example.org",
            "xci.example.org",
            "",
            "[::2]",
        ] {
            assert_eq!(allowed.check(&[host]), Err(Refusal::Stranger), "{host}");
        }
        assert_eq!(allowed.check(&[]), Err(Refusal::NoHost));
        assert_eq!(allowed.check(&["localhost", "localhost"]), Err(Refusal::NoHost));
        assert_eq!(Allowed::new("http://[fd00::1]:80/").check(&["[fd00::1]"]), Ok(()));
        assert_eq!(Allowed::new("").check(&[""]), Err(Refusal::Stranger));
    }
}
