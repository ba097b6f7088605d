//! A hostile repository: each promise of SECURITY.md, tried by a step that wants to break it.

use crate::harness::Suite;
use crate::story::{Team, step};
use std::collections::BTreeSet;

const REACH: &str = include_str!("attacks/reach.py");
const WRITE: &str = include_str!("attacks/write.py");
const PRINT: &str = include_str!("attacks/print.py");
const LEAVE: &str = include_str!("attacks/leave.py");
const LOOK: &str = include_str!("attacks/look.sh");

const SHUT: &str = "[build]\nnetwork = \"none\"\n";

/// What an attempt prints: `got …` or `refused …`, then its name up to the colon.
fn names(said: &str, word: &str) -> BTreeSet<String> {
    let lines = said.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    lines.map(|line| line.split(": ").next().unwrap_or(line).to_owned()).collect()
}

/// A machine with something to steal: another project with a build behind it, a service with a secret, people's homes,
/// something that listens.
fn full_house(suite: Suite) -> Team {
    let team = Team::start(suite);
    team.machine.write_file("/etc/ci/credentials/victim", "ada:secret\n");
    team.machine.sh("chmod 600 /etc/ci/credentials/victim");
    let leave = "echo secret | tee $CI_CACHE/kept | tee $HOME/kept >kept";
    team.project("victim", &step("test", leave));
    team.build("victim", 1).is_green();
    team.machine.sh("chmod a+x /home/anna; echo secret >/home/anna/notes; echo secret >/root/notes");
    team.machine.write_file(
        "/root/listen.py",
        "import socket, time\na = socket.socket(socket.AF_UNIX); a.bind('\\0unitci-test'); a.listen()\n\
         s = socket.create_server(('127.0.0.1', 5432))\nopen('/run/listening', 'w')\ntime.sleep(9999)\n",
    );
    team.machine.sh(
        "systemd-run --quiet --unit=holder -p LoadCredential=key:/etc/ci/credentials/victim -p Environment=SECRET=1 \
         python3 /root/listen.py; until test -e /run/listening; do sleep 0.05; done
         systemctl start ci-request.service ci-launch.service ci-status.service || true",
    );
    team
}

/// Everything there is to be reached: a line each, as reach.py takes them.
fn treasures(team: &Team) -> (Vec<String>, Vec<String>) {
    let files = [
        "/var/cache/ci/victim/workspace/kept",
        "/var/cache/ci/victim/home/kept",
        "/var/cache/ci/victim/cache/kept",
        "/var/lib/ci/builds/victim/1/1.log.zst",
        "/var/lib/ci/git/victim.git/HEAD",
        "/var/lib/ci/store/ci.sqlite",
        "/etc/ci/ci.toml",
        "/etc/ci/projects.d/victim.toml",
        "/etc/ci/credentials/victim",
        "/run/credentials/holder.service/key",
        "/home/anna/notes",
        "/root/notes",
        "/etc/shadow",
    ];
    let folders =
        ["/var/cache/ci/victim", "/var/lib/ci/builds", "/etc/ci/credentials", "/run/credentials", "/home", "/root"];
    let processes = ["list", "environment", "root", "descriptors", "memory", "signal", "signal-to-1"];
    let sockets = team.machine.sh("find /run -type s -not -path '/run/host/inaccessible/*'; readlink -f /dev/log; readlink -f /var/run/dbus/system_bus_socket");
    let of = |kind: &str, list: &[&str]| list.iter().map(|what| format!("{kind} {what}")).collect::<Vec<_>>();
    let mut hidden = of("file", &files);
    hidden.extend(of("folder", &folders));
    hidden.extend(of("process", &processes));
    hidden.extend(sockets.lines().map(|path| format!("socket {path}")));
    let machines = ["port 5432", "port 8010", "abstract unitci-test"].map(str::to_owned);
    (hidden, machines.to_vec())
}

#[test]
fn a_hostile_step_reaches_nothing_of_others() {
    for suite in Suite::every() {
        let team = full_house(suite);
        let (hidden, machines) = treasures(&team);
        let all = hidden.join("\n") + "\n" + &machines.join("\n") + "\n";
        team.machine.write_file("/root/reach.py", REACH);
        team.machine.write_file("/root/list", &all);
        // Root without walls gets all of it: what is refused below is not refused by a mistake of the list.
        let free = team.machine.sh("python3 /root/reach.py /root/list");
        assert_eq!(names(&free, "refused"), BTreeSet::new(), "{free}");

        for (project, build, reached) in [("open", "", &machines[..]), ("shut", SHUT, &[])] {
            team.project(project, &(build.to_owned() + &step("reach", "python3 reach.py list")));
            team.push(project, "attempts", &[("reach.py", REACH), ("list", &all)]);
            let said = team.build(project, 1).is_green().text("reach");
            assert_eq!(names(&said, "got"), reached.iter().cloned().collect(), "{said}");
            let tried: BTreeSet<_> = all.lines().collect();
            assert_eq!(names(&said, "refused").len(), tried.len() - reached.len(), "{said}");
        }
    }
}

/// What a step finds writable besides its own folders: devices that keep nothing, and places of its own unit.
fn is_its_own(path: &str) -> bool {
    let devices = ["/dev/urandom", "/dev/random", "/dev/full", "/dev/zero", "/dev/null", "/dev/tty", "/dev/pts/ptmx"];
    // A message queue goes with the step's own IPC namespace; what systemd 254 and later lets a unit ask to be told of.
    devices.contains(&path)
        || path == "/dev/mqueue"
        || (path.contains("/ci-step-") && path.ends_with("/memory.pressure"))
}

/// What root of a container, or this kernel, does not get either: that a step does not get it says little here.
const NOBODYS: [&str; 10] = [
    "crypto socket",
    "bluetooth socket",
    "clock",
    "kernel module",
    "kernel log",
    "kexec",
    "swap",
    "bpf",
    "performance counters",
    "kernel key",
];

#[test]
fn a_hostile_step_changes_nothing_of_the_machine() {
    for suite in Suite::every() {
        let team = full_house(suite);
        let program = "/usr/local/bin/id-of-root";
        team.machine.sh(&format!("cp /usr/bin/id {program}; chmod 4755 {program}; mkdir /root/x"));
        team.machine.write_file("/root/write.py", WRITE);
        // With mounts of its own, so that what it gets does the machine no harm.
        let free = "systemd-run --quiet --pipe --wait -p PrivateMounts=yes python3 /root/write.py calls";
        let free = team.machine.sh(free);
        let nobodys = NOBODYS.map(str::to_owned).into();
        let refused: Vec<_> = names(&free, "refused").difference(&nobodys).cloned().collect();
        assert_eq!(refused, Vec::<String>::new(), "root without walls gets it:\n{free}");
        for (project, build) in [("open", ""), ("shut", SHUT)] {
            team.project(project, &(build.to_owned() + &step("write", "python3 write.py")));
            team.push(project, "attempts", &[("write.py", WRITE)]);
            let said = team.build(project, 1).is_green().text("write");
            assert_eq!(names(&said, "got"), BTreeSet::new(), "{said}");
            assert!(names(&said, "refused").len() > 30, "{said}");
            let writable: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("writable ")).collect();
            assert!(writable.contains(&"/dev/null"), "it has looked: {said}");
            let others: Vec<_> = writable.into_iter().filter(|path| !is_its_own(path)).collect();
            assert_eq!(others, Vec::<&str>::new(), "{said}");
        }
    }
}

#[test]
fn a_hostile_step_cannot_take_back_what_it_printed() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("hostile", &step("print", "exec python3 print.py"));
        team.push("hostile", "attempts", &[("print.py", PRINT)]);
        let build = team.build("hostile", 1);
        // Whatever it prints: the exit code is the result.
        build.is("failure", "print: exit code 3");
        let said = build.text("print");
        assert_eq!(names(&said, "got"), BTreeSet::new(), "{said}");
        assert_eq!(names(&said, "refused").len(), 8, "{said}");
        for line in ["the first line", "as it was given", "the last line", "by its name", "by its other name"] {
            assert!(said.contains(&format!("{line}\n")) || said.contains(&format!("{line}.")), "{line} in {said}");
        }
        assert!(said.starts_with("the first line\n") && !said.contains("as it was changed"), "{said}");
        // A line of output that reads like a field of the journal is text there, in an entry of ours.
        let forged = team.machine.journal(&["MESSAGE_ID=903f27b590f245ddbd2f116f0dcaad54", "CI_PROJECT=hostile"]);
        let [finished] = &forged[..] else { panic!("{forged:?}") };
        assert_eq!(finished.field("CI_VERDICT"), "failure");
    }
}

/// What builds leave, several of leave.py's ways at once; a swap of folders per build.
const WAYS: [&str; 5] = [
    "git shells tree memory processes",
    "inodes",
    "home-to-workspace cache-is-a-file workspace-is-a-fifo modes",
    "workspace-to-home",
    "tmp-to-run tmp-to-var workspace-to-etc",
];

#[test]
fn nothing_that_a_build_leaves_changes_the_next() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("mount -t tmpfs -o mode=755,nr_inodes=60000 tmpfs /var/cache/ci");
        let again = step("again", "ls -A /tmp /run; echo again") + "shell = \"bash\"\nwhen = \"always\"\n";
        team.project("hostile", &("[build]\nstop-grace = \"1s\"\n".to_owned() + &step("run", "sh run.sh") + &again));
        team.push("hostile", "honest", &[("run.sh", LOOK)]);
        let honest = team.build("hostile", 1).is_green().text("run");
        for (ways, number) in WAYS.into_iter().zip((2..).step_by(2)) {
            let branch = ways.replace(' ', "-");
            team.git("hostile", &format!("checkout --quiet -b {branch} main"));
            let leave = format!("python3 leave.py {ways}");
            team.push("hostile", ways, &[("leave.py", LEAVE), ("run.sh", &leave)]);
            team.anna(&format!("ci-build --force hostile -b {branch}")).expect_success();
            let hostile = team.wait_build("hostile", number);
            let left = hostile.text("run");
            assert_eq!(hostile.step("run"), "success", "{ways}: {left}");
            if ways.contains("tmp-to") {
                assert_eq!(left.matches("Device or resource busy").count(), 2, "{left}");
                assert_eq!(hostile.text("again"), "/run:\nsystemd\n\n/tmp:\nagain\n");
            } else if ways.contains("-to-") {
                assert_eq!(left.matches("swapped").count() + left.matches("modes").count(), ways.split(' ').count());
            }

            team.anna("ci-build --force hostile -b main").expect_success();
            let next = team.wait_build("hostile", number + 1);
            assert_eq!(next.is_green().text("run"), honest, "after {ways}");
            assert!(!team.machine.exists(team.cache("hostile", "trapped")), "nothing of {ways} has run");
        }
    }
}
