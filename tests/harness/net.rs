//! A machine's way out: a veth pair, and masquerading in an nftables table of its own.

use super::host;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

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
        remove_interface(&interface);
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

/// Removes what the host still knows of a machine's network; nothing if it had none. Called while a test panics,
/// so it only complains.
pub(super) fn forget(name: &str) {
    let table = table(name);
    // Adding a table that is there does nothing: so there is one to delete.
    let script = format!("add table ip {table}; delete table ip {table}");
    match host::command("nft").arg(script).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => eprintln!("harness: nft: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("harness: nft: {error}"),
    }
}

/// The kernel removes the pair of a dead machine in its own time, which may be later than the next boot.
fn remove_interface(interface: &str) {
    let here = Path::new("/sys/class/net").join(interface);
    if here.exists() {
        let output = host::command("ip").args(["link", "delete", interface]).output().expect("to start ip");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || !here.exists(), "{interface} cannot be removed: {error}");
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
