//! A service that goes on with the release before is found out, by a worker that can do nothing but look.

use super::*;

/// What the worker may not do is tried inside its unit, before it begins; each success is a line on stderr, and so in
/// the deploy's log. `sys.argv[1]` is the main process of the site's service.
const TRIES: &str = r#"
import ctypes, os, socket, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def reads(path):
    with open(path, "rb") as file: file.seek(0x400000 if path.endswith("mem") else 0); file.read(1)
def call(*words):
    if libc.syscall(*words) < 0: raise OSError(ctypes.get_errno(), "")
def writes(path):
    with open(path, "w"): pass
tries = {
    "memory": lambda: reads(f"/proc/{pid}/mem"), "memory of init": lambda: reads("/proc/1/mem"),
    "environment": lambda: reads(f"/proc/{pid}/environ"), "environment of init": lambda: reads("/proc/1/environ"),
    "descriptors": lambda: os.listdir(f"/proc/{pid}/fd"), "descriptors of init": lambda: os.listdir("/proc/1/fd"),
    "its secrets": lambda: reads("/etc/ci/credentials/secret"), "shadow": lambda: reads("/etc/shadow"),
    "shadow by another root": lambda: reads("/proc/1/root/etc/shadow"),
    "credentials by another root": lambda: reads("/proc/1/root/etc/ci/credentials/secret"),
    "signals": lambda: os.kill(pid, 0), "ptrace": lambda: call(101, 16, pid, 0, 0),
    "process_vm_readv": lambda: call(310, pid, 0, 0, 0, 0, 0), "kcmp": lambda: call(312, os.getpid(), pid, 0, 0, 0),
    "pidfd_getfd": lambda: call(438, os.pidfd_open(pid), 0, 0),
    "namespaces": lambda: call(308, os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), 0),
    "the network": lambda: socket.create_connection(("127.0.0.1", 8080), 1),
    "the bus by another root": lambda: socket.socket(socket.AF_UNIX).connect("/proc/1/root/run/dbus/system_bus_socket"),
    "the bus": lambda: socket.socket(socket.AF_UNIX).connect("/run/dbus/system_bus_socket"),
    "the site": lambda: writes("/srv/gkp/releases/x"), "orders": lambda: reads("/run/ci/launch.sock"),
}
for what, attempt in tries.items():
    try: attempt()
    except Exception: continue
    print("COULD:", what, file=sys.stderr)
os.readlink(f"/proc/{pid}/cwd"), os.readlink("/proc/1/exe")
print("LOOKED", file=sys.stderr)
"#;

/// A server's script that does on SIGHUP what `reload` says.
fn serve(reload: &str) -> String {
    format!("trap '{reload}' HUP; touch ../../shared/media/up; while :; do sleep 0.05; done\n")
}

impl Shop {
    /// `gkp.service` runs this as `user`, and the project does no more with units than `units` says.
    fn serving(&self, exec: &str, user: &str, folder: &str, units: &str) {
        let unit = format!(
            "[Service]\nType=exec\n{user}\nWorkingDirectory={folder}\nExecStart={exec}\nExecReload=/bin/kill -HUP $MAINPID\n"
        );
        self.machine.write_file("/etc/systemd/system/gkp.service", unit);
        self.machine.sh("systemctl daemon-reload; systemctl stop gkp.service");
        self.machine.write_file(
            "/etc/ci/projects.d/gkp.toml",
            format!(
                "[source]\nurl = \"/srv/git/gkp.git\"\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\nsettle = \"0s\"\nkeep-releases = 9\n{units}\n"
            ),
        );
    }

    #[track_caller]
    fn goes(&self, build: u64, outcome: &str, why: &str) {
        self.machine.run(["ci-deploy", &format!("gkp:{build}")]);
        self.expect(build, outcome, why);
    }
}

#[test]
fn a_service_that_goes_on_with_another_release_is_found_out() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        // A program in the release that waits, whatever its working directory.
        machine.sh("mkdir /root/gkp/bin; cp /bin/sleep /root/gkp/bin/wait");
        shop.serving("/bin/sh ./serve", "User=gkp", "/srv/gkp/current", "");
        let one = shop.push(&[("serve", &serve("")), ("text", "one\n")]);
        shop.expect(one, "deployed", "");
        let two = shop.push(&[("text", "two\n")]);
        shop.expect(two, "deployed", "");
        let reload = "reload = [\"gkp.service\"]";
        let folder =
            |build: u64| format!("gkp.service: still the old release: its working directory is in releases/{build}-");

        // Its reload leaves it where it is: whoever it is, and in both directions.
        for user in
            ["User=gkp", "User=root", "DynamicUser=yes\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nPrivateUsers=no"]
        {
            shop.serving("/bin/sh ./serve", user, "/srv/gkp/current", reload);
            machine.sh("systemctl start gkp.service");
            shop.goes(one, "rolled-back", &folder(two));
            assert_eq!(shop.standing(one).as_deref(), Some("bad"));
        }
        shop.serving("/srv/gkp/current/bin/wait inf", "User=gkp", "/", "start = [\"gkp.service\"]");
        machine.sh("systemctl start gkp.service");
        shop.goes(one, "rolled-back", "gkp.service: still the old release: its program is in releases/2-");
        // One that a socket has started is not named, and belongs to it all the same.
        shop.serving("/bin/sh ./serve", "User=gkp", "/srv/gkp/current", "start = [\"gkp.socket\"]");
        machine.write_file("/etc/systemd/system/gkp.socket", "[Socket]\nListenStream=/run/gkp.sock\n");
        machine.sh("systemctl daemon-reload; systemctl start gkp.socket gkp.service");
        shop.goes(one, "rolled-back", &folder(two));
        machine.sh("systemctl stop gkp.socket gkp.service");

        // It may take its time, as one does that puts itself into its own place.
        shop.serving("/bin/sh ./serve", "User=gkp", "/srv/gkp/current", "restart = [\"gkp.service\"]");
        let moves = serve("sleep 1; cd /srv/gkp/current; exec sh ./serve");
        let three = shop.push(&[("serve", &moves), ("text", "three\n")]);
        shop.expect(three, "deployed", "");
        shop.serving("/bin/sh ./serve", "User=gkp", "/srv/gkp/current", reload);
        machine.sh("systemctl start gkp.service");
        let four = shop.push(&[("text", "four\n")]);
        shop.expect(four, "deployed", "");
        shop.goes(three, "deployed", "");
        let log = shop.newest_log(three);
        assert!(!log.contains("cannot be looked at"), "{log}");

        // What it runs out of is gone, but for the service that holds it.
        let up = "/srv/gkp/shared/media/up";
        machine.sh(&format!("systemctl stop gkp.service; cd /srv/gkp; ln -sfn releases/2-* current; rm {up}; systemctl start gkp.service"));
        machine.wait_until("it has read all that it needs", SOON, || machine.exists(up));
        machine.sh("rm -r /srv/gkp/releases/2-*");
        shop.goes(three, "down", "still the old release: its working directory is in releases/2-");
    }
}

#[test]
fn a_worker_that_looks_at_processes_can_do_nothing_else() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        machine.write_file("/etc/ci/credentials/secret", "x");
        machine.write_file("/usr/local/lib/tries.py", TRIES);
        shop.serving("/bin/sh ./serve", "User=gkp", "/srv/gkp/current", "start = [\"gkp.service\"]");
        let build = shop.push(&[("serve", &serve(""))]);
        shop.expect(build, "deployed", "");
        let pid = shop.show("MainPID", "gkp.service");
        machine.write_file(
            "/etc/systemd/system/ci-work-gkp-processes-.service.d/tries.conf",
            format!("[Service]\nExecStartPre=/bin/sh -c 'exec python3 /usr/local/lib/tries.py {pid} >&2'\n"),
        );
        machine.sh("systemctl daemon-reload");
        shop.goes(build, "deployed", "");
        let log = shop.newest_log(build);
        assert!(log.contains("LOOKED") && !log.contains("COULD"), "{}: {log}", suite.debian());

        // The core chooses neither the processes nor the job.
        let task = r#"{"task":"release-list","root":"/"}"#;
        let order = r#"{"order":"work","project":"gkp","work":{"processes":{"target":"default"}},"job":"1","timeout":{"secs":60,"nanos":0}}"#;
        let ask = format!(
            "import array, os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('/run/ci/launch.sock')
theirs, task = os.pipe(); answer, theirs_too = os.pipe()
s.sendmsg([b'{order}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [theirs, theirs_too, 2]))])
s.recv(99999); os.write(task, b'{task}'); os.close(task); os.close(theirs_too)
print(open(answer).read())"
        );
        let answer = machine.run_as("unitci", ["python3", "-c", &ask]).expect_success().stdout;
        let answer: Value = serde_json::from_str(&answer).expect("an answer");
        assert_eq!(answer["ok"]["seen"][0][0], "gkp.service", "{answer}");
    }
}
