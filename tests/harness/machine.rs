//! A machine's life: boot, power cut, boot again, reboot, end.

use super::blueprint::{Blueprint, Way};
use super::cgroup::{self, Cgroup};
use super::disk::{self, Disk};
use super::root::{Root, Suite};
use super::{carry, host, limits, net, nspawn};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A boot takes under a second; on a loaded host many of those.
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);
/// systemd itself gives stopping services 90 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(120);
/// Killing takes milliseconds; freeing a large memory, longer.
const CUT_TIMEOUT: Duration = Duration::from_secs(30);
/// Enters the control groups named before `--`, then becomes what follows it.
const ENTER: &str = r#"while [ "$1" != -- ]; do echo 0 >"$1"; shift; done; shift; exec "$@""#;

impl Blueprint {
    /// Boots it; the first machine of a suite waits for the suite's root to be built.
    #[track_caller]
    pub(crate) fn boot(self) -> Machine {
        static SWEPT: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(1);
        host::require();
        SWEPT.call_once(|| {
            disk::sweep(|name| {
                cgroup::end(name);
                net::forget(name);
            });
        });
        let root = Root::cached(self.suite(), self.packages());
        let name = format!("unitci-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let controllers = match self.way() {
            Way::Bare => cgroup::v1_controllers(),
            Way::Nspawn => Vec::new(),
        };
        let cgroup = Cgroup::new(&name, &controllers);
        let disk = Disk::new(&name, &root);
        if self.network().is_some() {
            carry::into_disk(&disk.root());
        }
        let mut machine = Machine { name, blueprint: self, power: None, cgroup, disk };
        machine.boot_again();
        machine
    }
}

/// The processes of a machine that is on.
#[derive(Debug)]
struct Power {
    /// The machine's PID 1, by the host's count.
    leader: Pid,
    /// What started it and ends with it: nspawn, or `unshare` where limits are enforced.
    supervisor: Child,
}

/// A booted machine. It ends with the value, also when the test panics; its journal is shown then.
#[derive(Debug)]
pub(crate) struct Machine {
    name: String,
    blueprint: Blueprint,
    power: Option<Power>,
    // Order of drop: all processes end before their disk goes.
    cgroup: Cgroup,
    disk: Disk,
}

impl Machine {
    /// A machine without network and with the limits that nspawn gives, booted.
    #[track_caller]
    pub(crate) fn boot(suite: Suite) -> Machine {
        Machine::on(suite).boot()
    }

    /// The blueprint of a machine, to add to before it boots.
    pub(crate) fn on(suite: Suite) -> Blueprint {
        Blueprint::new(suite)
    }

    /// Cuts the power: every process is gone at once, the disk is kept as it is.
    pub(crate) fn crash(&mut self) {
        let power = self.power.take().unwrap_or_else(|| panic!("{} is off already", self.name));
        self.cut(power);
    }

    /// Complains instead of panicking: a panic while a test panics would hide what the test has to say.
    fn cut(&self, mut power: Power) {
        match kill(power.leader, Signal::SIGKILL) {
            // It may have powered itself off.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => eprintln!("harness: killing {}: {error}", self.name),
        }
        if ended(&mut power.supervisor, CUT_TIMEOUT).is_none() {
            eprintln!("harness: {} is still there {} s after its PID 1 was killed", self.name, CUT_TIMEOUT.as_secs());
        }
        self.disconnect();
    }

    fn disconnect(&self) {
        if self.blueprint.network().is_some() {
            net::forget(&self.name);
        }
    }

    /// Boots a machine that was switched off, on the disk it had.
    #[track_caller]
    pub(crate) fn boot_again(&mut self) {
        assert!(self.power.is_none(), "{} is on already", self.name);
        let power = self.power_on();
        let leader = power.leader;
        self.power = Some(power);
        if let Some(network) = self.blueprint.network() {
            network.attach(&self.name, leader.as_raw());
        }
    }

    /// A reboot as an administrator does it: `systemctl reboot`, services stop in order, the same disk boots again.
    #[track_caller]
    pub(crate) fn reboot(&mut self) {
        let asked = Instant::now();
        let status = self.shut_down("reboot");
        let rebooting = status.code() == Some(nspawn::REBOOT) || status.signal() == Some(Signal::SIGHUP as i32);
        assert!(rebooting, "{} ended with {status} instead of rebooting", self.name);
        self.boot_again();
        eprintln!("harness: {} rebooted in {} ms", self.name, asked.elapsed().as_millis());
    }

    /// `systemctl poweroff`: services stop in order; [`Machine::boot_again`] goes on with the same disk.
    #[track_caller]
    pub(crate) fn power_off(&mut self) {
        let status = self.shut_down("poweroff");
        let off = status.success() || status.signal() == Some(Signal::SIGINT as i32);
        assert!(off, "{} ended with {status} instead of powering off", self.name);
    }

    /// Its name, which is also its host name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it runs.
    pub(crate) fn suite(&self) -> Suite {
        self.blueprint.suite()
    }

    /// Its files, as the host sees them: to look at or change while it is off, and the DESTDIR of an installation.
    /// What is mounted inside (`/run`, `/tmp`) is not here.
    pub(crate) fn disk_root(&self) -> PathBuf {
        self.disk.root()
    }

    /// Its system bus, usable from the host; another one after each boot.
    pub(crate) fn bus_address(&self) -> String {
        format!("unix:path=/proc/{}/root/run/dbus/system_bus_socket", self.leader())
    }

    /// Its PID 1, by the host's count; panics while it is off.
    #[track_caller]
    pub(crate) fn leader(&self) -> i32 {
        self.power.as_ref().unwrap_or_else(|| panic!("{} is off", self.name)).leader.as_raw()
    }

    pub(super) fn is_on(&self) -> bool {
        self.power.is_some()
    }

    #[track_caller]
    fn shut_down(&mut self, verb: &str) -> ExitStatus {
        self.run(["systemctl", "--no-block", verb]).expect_success();
        let power = self.power.as_mut().expect("a machine that is on");
        let status = ended(&mut power.supervisor, SHUTDOWN_TIMEOUT)
            .unwrap_or_else(|| panic!("{} is still on {} s after {verb}", self.name, SHUTDOWN_TIMEOUT.as_secs()));
        self.power = None;
        self.disconnect();
        status
    }

    #[track_caller]
    fn power_on(&self) -> Power {
        let path = self.disk.notify_socket();
        if path.exists() {
            std::fs::remove_file(&path).expect("to remove the notify socket of the last boot");
        }
        let socket = UnixDatagram::bind(&path).expect("a notify socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout on the notify socket");
        let boot = match self.blueprint.way() {
            Way::Bare => limits::command(&self.name, &self.disk, &self.blueprint),
            Way::Nspawn => nspawn::command(&self.name, &self.disk, &self.blueprint),
        };
        let console = File::options().create(true).append(true).open(self.disk.console()).expect("a console file");
        let mut enter = host::command("sh");
        enter.args(["-euc", ENTER, "enter"]).args(self.cgroup.doors()).arg("--").arg(boot.get_program());
        enter.args(boot.get_args()).envs(boot.get_envs().filter_map(|(key, value)| Some((key, value?))));
        enter.env("NOTIFY_SOCKET", &path);
        enter.stdout(console.try_clone().expect("a second handle of the console")).stderr(console);
        let supervisor = enter.stdin(Stdio::null()).spawn().expect("to start the machine");
        self.wait_booted(&socket, supervisor)
    }

    /// The leader is what nspawn says it is: its first child is not always the machine. Without nspawn it is the only
    /// child there is.
    #[track_caller]
    fn wait_booted(&self, socket: &UnixDatagram, mut supervisor: Child) -> Power {
        let deadline = Instant::now() + BOOT_TIMEOUT;
        let (mut leader, mut ready) = (None, false);
        let mut message = [0; 4096];
        while !ready {
            if let Ok(length) = socket.recv(&mut message) {
                for line in String::from_utf8_lossy(&message[..length]).lines() {
                    ready |= line == "READY=1";
                    leader = line.strip_prefix("X_NSPAWN_LEADER_PID=").map_or(leader, |pid| pid.parse().ok());
                }
            }
            let gone = supervisor.try_wait().expect("to look after the machine");
            if gone.is_some() || Instant::now() > deadline {
                let console = std::fs::read_to_string(self.disk.console()).unwrap_or_else(|error| error.to_string());
                panic!("{} on {} did not boot ({gone:?}):\n{console}", self.name, self.suite().debian());
            }
        }
        let leader = leader.unwrap_or_else(|| only_child(supervisor.id()));
        Power { leader: Pid::from_raw(leader), supervisor }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_journal();
        }
        if let Some(power) = self.power.take() {
            self.cut(power);
        }
    }
}

fn only_child(parent: u32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("its children");
    children.trim().parse().unwrap_or_else(|_| panic!("one child of {parent}, not {children:?}"))
}

fn ended(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait().expect("to look after the machine") {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
