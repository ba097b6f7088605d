//! A machine's way out: a veth pair, and masquerading in an nftables table of its own.

use super::host;
use std::fs::{File, TryLockError};
use std::path::PathBuf;

/// Networks of four addresses in 10.213.0.0/16, which nobody else is likely to use.
const NETWORKS: u16 = 16384;

/// A network that no other machine of this host has, as long as the value lives.
#[derive(Debug)]
pub(super) struct Network {
    number: u16,
    _lock: File,
}

impl Network {
    /// The first one that is free.
    pub(super) fn claim() -> Network {
        let folder = host::test_dir().join("networks");
        host::make_dir(&folder);
        for number in 0..NETWORKS {
            let path: PathBuf = folder.join(number.to_string());
            let lock = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            match lock.try_lock() {
                Ok(()) => return Network { number, _lock: lock },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
            }
        }
        panic!("{NETWORKS} machines have a network already")
    }

    fn address(&self, host: u16) -> String {
        let low = self.number * 4 + host;
        format!("10.213.{}.{}", low >> 8, low & 0xff)
    }

    /// Connects a machine that has just booted. The pair is gone with the machine's network namespace.
    pub(super) fn attach(&self, name: &str, leader: i32) {
        let (outside, inside) = (self.address(1), self.address(2));
        // An interface's name has at most 15 characters.
        let interface = format!("unitci{}", self.number);
        let pid = leader.to_string();
        let ip = |arguments: &str| host::must("ip", arguments.split(' '));
        ip(&format!("link add {interface} type veth peer name host0 netns {pid}"));
        ip(&format!("address add {outside}/30 dev {interface}"));
        ip(&format!("link set {interface} up"));
        for step in [
            format!("address add {inside}/30 dev host0"),
            "link set host0 up".to_owned(),
            format!("route add default via {outside}"),
        ] {
            host::must("nsenter", ["--target", &pid, "--net", "ip"].into_iter().chain(step.split(' ')));
        }
        forward_packets();
        let table = table(name);
        let rules = format!(
            "table ip {table} {{ chain out {{ type nat hook postrouting priority srcnat; \
             ip saddr {inside} oifname != \"{interface}\" masquerade; }}; }}"
        );
        host::must("nft", [&rules]);
    }
}

/// Removes what the host still knows of a machine's network; nothing if it had none.
pub(super) fn forget(name: &str) {
    let table = table(name);
    let tables = host::must("nft", ["list", "tables", "ip"]);
    if tables.lines().any(|line| line == format!("table ip {table}")) {
        host::must("nft", ["delete", "table", "ip", &table]);
    }
}

fn table(name: &str) -> String {
    name.replace('-', "_")
}

/// Left on afterwards: another machine may have come to need it.
fn forward_packets() {
    let switch = "/proc/sys/net/ipv4/ip_forward";
    let now = std::fs::read_to_string(switch).unwrap_or_else(|error| panic!("{switch}: {error}"));
    if now.trim() != "1" {
        eprintln!("harness: turning on net.ipv4.ip_forward, for a machine that needs the network");
        host::write(switch.as_ref(), "1");
    }
}
