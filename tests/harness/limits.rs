//! Booting without nspawn, where the host's controllers are version 1: nspawn mounts those read-only, so that
//! `MemoryMax=`, `TasksMax=` and `CPUQuota=` would do nothing.

use super::blueprint::Blueprint;
use super::cgroup;
use super::disk::Disk;
use super::host;
use std::process::Command;

/// Makes what nspawn makes, with the controllers writable, and becomes PID 1. The notify socket comes in as a bind.
const BOOT: &str = r#"
set -e
root=$1 name=$2 controllers=$3 socket=$4
shift 4
mount --rbind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
    touch dev/$node
    mount --bind /dev/$node dev/$node
done
mkdir dev/shm dev/pts run/boot
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for fd in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${fd%:*}" "dev/${fd#*:}"; done
touch run/boot/notify
mount --bind "$socket" run/boot/notify
for bind in "$@"; do
    inside=${bind#*:}
    if [ -d "${bind%%:*}" ]; then
        mkdir -p ".${inside%:ro}"
    else
        mkdir -p "$(dirname ".$inside")"
        touch ".${inside%:ro}"
    fi
    mount --rbind "${bind%%:*}" ".${inside%:ro}"
    case $inside in *:ro) mount -o remount,bind,ro ".${inside%:ro}" ;; esac
done
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
for controller in $controllers; do
    mkdir "sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "sys/fs/cgroup/$controller"
done
mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
ip link set lo up
hostname "$name"
mkdir -p .old
pivot_root . .old
umount -l .old
# systemd does this itself only outside of containers; without it no credential reaches its unit.
mount --make-rshared /
exec env -i container=machine PATH=/usr/sbin:/usr/bin:/sbin:/bin NOTIFY_SOCKET=/run/boot/notify \
    SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 \
    "SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" \
    /lib/systemd/systemd --log-target=journal systemd.unit=multi-user.target
"#;

/// The command that boots `disk` and lives as long as the machine; its only child is the machine's PID 1.
pub(super) fn command(name: &str, disk: &Disk, blueprint: &Blueprint) -> Command {
    let mut command = host::command("unshare");
    command.args(["--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]);
    command.args(["--propagation", "private", "bash", "-c", BOOT, "boot"]);
    command.arg(disk.root()).args([name, &cgroup::v1_controllers().join(" ")]).arg(disk.notify_socket());
    command.args(blueprint.binds().iter().map(|bind| format!("{}{}", bind.spec(), bind.access.limits_suffix())));
    command
}
