//! What a failing step may have lacked, by what it said last. A hint for people, never a verdict.

use crate::config::project::Network;
use crate::model::Verdict;

/// How much of the end of a log is looked at, in bytes.
pub const TAIL: usize = 4096;

/// What programs say that find no network, in small letters; each with who says it.
const NO_NETWORK: [&str; 11] = [
    // getaddrinfo(3) of glibc: ssh, ping, python, and whoever prints gai_strerror(3)
    "temporary failure in name resolution",
    "name or service not known",
    // connect(2): ENETUNREACH in strerror(3)'s words, and go's
    "network is unreachable",
    // curl, git, composer
    "could not resolve host",
    // wget
    "unable to resolve host address",
    // apt
    "temporary failure resolving",
    // rust: cargo, uv
    "failed to lookup address information",
    // go
    "dial tcp: lookup",
    // node: npm, yarn
    "getaddrinfo eai_again",
    "getaddrinfo enotfound",
    // java: maven, gradle
    "unknownhostexception",
];

/// What to say behind the outcome of a step that failed without network and says that it missed it; `tail` is the end of
/// its log, of any length and content.
pub fn no_network(verdict: Verdict, network: Network, tail: &[u8]) -> &'static str {
    let (Verdict::Failure, Network::None) = (verdict, network) else { return "" };
    let end = String::from_utf8_lossy(&tail[tail.len().saturating_sub(TAIL)..]).to_lowercase();
    if NO_NETWORK.iter().any(|sign| end.contains(sign)) {
        "; it had no network: `network = \"host\"` of the step allows it"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_missed_the_network() {
        let said = b"x\nsocket.gaierror: [Errno -3] Temporary failure in name resolution\n";
        for (verdict, network, tail, hint) in [
            (Verdict::Failure, Network::None, &said[..], true),
            (Verdict::Failure, Network::Host, said, false),
            (Verdict::Success, Network::None, said, false),
            (Verdict::Cancelled, Network::None, said, false),
            (Verdict::Failure, Network::None, b"curl: (6) Could not resolve host: example.org", true),
            (Verdict::Failure, Network::None, b"OSError: [Errno 101] Network is unreachable", true),
            (Verdict::Failure, Network::None, b"dial tcp: lookup proxy.golang.org on [::1]:53: read udp", true),
            (
                Verdict::Failure,
                Network::None,
                b"npm ERR! request to https://x failed, reason: getaddrinfo EAI_AGAIN x",
                true,
            ),
            (Verdict::Failure, Network::None, b"AssertionError: 1 != 2", false),
            (Verdict::Failure, Network::None, b"\xff\xfe\0", false),
            (Verdict::Failure, Network::None, b"", false),
        ] {
            let says = no_network(verdict, network, tail);
            assert_eq!(!says.is_empty(), hint, "{verdict} {network:?} {}", String::from_utf8_lossy(tail));
        }
        // Long ago is not why it failed.
        let long = [&said[..], &[b'x'; TAIL]].concat();
        assert_eq!(no_network(Verdict::Failure, Network::None, &long), "");
    }
}
