//! The usual way of booting: systemd-nspawn, alone, without the host's systemd or machined.

use super::blueprint::Blueprint;
use super::cgroup::Layout;
use super::disk::Disk;
use super::host;
use super::root::Suite;
use std::process::Command;

/// What nspawn exits with when the machine asked for a reboot and `--keep-unit` leaves that to its caller.
pub(super) const REBOOT: i32 = 133;

/// The command that boots `disk` and lives as long as the machine.
pub(super) fn command(name: &str, disk: &Disk, blueprint: &Blueprint) -> Command {
    let mut command = host::command("systemd-nspawn");
    command.args(["--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe", "--notify-ready=yes"]);
    command.args(["--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--machine", name]);
    command.arg("--directory").arg(disk.root());
    for bind in blueprint.binds() {
        command.arg(format!("--bind{}={}", bind.access.nspawn_suffix(), bind.spec()));
    }
    // Where the host has version 1 too, nspawn gives the machine what the host has; trixie runs on 2 alone.
    match (Layout::of_host(), blueprint.suite()) {
        (Layout::Hybrid, Suite::Trixie) => command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"),
        (Layout::Hybrid, Suite::Bookworm) | (Layout::Unified, Suite::Bookworm | Suite::Trixie) => &mut command,
    };
    command
}
