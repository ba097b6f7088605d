//! What is wrong, strange or hostile: a clear message, and nothing else is lost.

use crate::harness::{Machine, Output, Suite};
use crate::story::{HOLD, SOON, Team, step};

const CONFIG_BROKEN: &str = "MESSAGE_ID=d7e85bc5112d4186a3f760780be1b0ec";

/// Says on the request socket what comes on stdin, and prints what is answered. `half` closes without waiting.
const TALK: &str = r#"
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect('/run/ci/request.sock')
said = sys.stdin.buffer.read()
try:
    s.sendall(said)
    if sys.argv[1] == 'whole':
        s.shutdown(socket.SHUT_WR)
except BrokenPipeError:
    pass
if sys.argv[1] != 'leave':
    print(s.recv(1 << 20).decode(), end='')
"#;

fn talk(team: &Team, user: &str, how: &str, text: &[u8]) -> String {
    team.machine.write_file("/tmp/said", text);
    team.machine.write_file("/usr/local/bin/talk", format!("#!/usr/bin/python3\n{TALK}"));
    team.machine.sh("chmod a+rx /usr/local/bin/talk; chmod a+r /tmp/said");
    team.machine.sh_as(user, &format!("talk {how} </tmp/said"))
}

fn asking(project: &str, token: &str) -> String {
    format!(
        r#"{{"ask":"build","project":"{project}","reference":null,"what":{{"what":"force"}},"reason":null,"token":"{token}"}}"#
    ) + "\n"
}

#[test]
fn a_typo_stops_its_own_project_and_says_where_it_is() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &step("test", "true"));
        team.project("shop", &step("test", "true"));
        team.project_file("shop", "[source]\nurl = \"/srv/git/shop.git\"\n\n[build]\ntimeuot = \"5min\"\n");
        team.push("gkp", "a change", &[]);
        team.push("shop", "a change", &[]);
        team.poll("").expect_success();
        team.wait_build("gkp", 1).is_green();
        assert_eq!(team.builds("shop"), 0);

        let place = "/etc/ci/projects.d/shop.toml:5:1";
        let told = team.machine.wait_journal(&[CONFIG_BROKEN, "CI_PROJECT=shop"], SOON);
        let told = told.field("MESSAGE");
        assert!(told.contains(place) && told.contains("timeuot") && told.contains("timeout"), "{told}");
        let check = team.anna("ci-config check").expect_code(78);
        let said = check.stdout.clone() + &check.stderr;
        for part in [place, "timeuot = \"5min\"", "^^^", "timeout"] {
            assert!(said.contains(part), "{part} in {}", check.story());
        }
        for refused in ["ci-build --force shop", "ci-poll shop", "ci-build shop"] {
            let said = team.anna(refused).expect_code(78);
            assert!(said.stderr.contains("shop.toml:5:1"), "{}", said.story());
        }
        // Mended, it goes on as if nothing had been; what was pushed meanwhile is built.
        team.project_file("shop", &format!("[source]\nurl = \"/srv/git/shop.git\"\n{}", step("test", "true")));
        team.anna("ci-config check").expect_success();
        team.poll("shop").expect_success();
        team.wait_build("shop", 1).is_green();
    }
}

#[test]
fn a_typo_made_during_a_build_leaves_nothing_running() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", HOLD));
    team.force("gkp");
    team.wait_held("gkp");
    team.project_file("gkp", "[source]\nulr = \"/srv/git/gkp.git\"\n");
    team.machine.sh("systemctl restart ci-build@gkp:1.service");
    team.wait_build("gkp", 1).is("exception", "gkp.toml");
    team.no_unit_left("gkp");
    team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", step("test", "true")));
    team.build("gkp", 2).is_green();
}

#[test]
fn a_file_that_is_no_projects_name_is_told_and_left() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "true"));
    let long = "a".repeat(80);
    let names = ["with.dot", "Shop", &long, "-dash", "1st", "ü", "a b"];
    for name in names {
        team.machine.write_file(
            format!("/etc/ci/projects.d/{name}.toml"),
            format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", step("test", "true")),
        );
    }
    // What editors and packages leave is nobody's project.
    for name in [".gkp.toml.swp", "gkp.toml~", "gkp.toml.dpkg-old", "README"] {
        team.machine.write_file(format!("/etc/ci/projects.d/{name}"), "not TOML {");
    }
    let check = team.anna("ci-config check").expect_code(78);
    let said = check.stdout.clone() + &check.stderr;
    for name in names {
        assert!(said.contains(&format!("{name}.toml")), "{name} in {}", check.story());
    }
    team.poll("gkp").expect_success();
    let told = team.machine.journal(&[CONFIG_BROKEN]);
    for name in names {
        let told = told.iter().any(|entry| entry.field("MESSAGE").contains(&format!("{name}.toml")));
        assert!(told, "{name} in the journal");
    }
    team.build("gkp", 1).is_green();
    for wrong in ["../x", "Shop", "with.dot", "gkp:x", "gkp:0", &long, ""] {
        let said = team.anna(&format!("ci-build --force '{wrong}'"));
        assert!(said.code() == 2 && !said.stderr.contains("panicked"), "{}", said.story());
    }
    assert_eq!(team.count("build"), 1);
}

#[test]
fn nonsense_on_the_socket_is_answered_and_forgotten() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &step("test", "true"));
        let huge = "x".repeat(10_000_000);
        let nameless = asking("../x", "t");
        let half = &asking("gkp", "half").trim_end()[..40].to_owned();
        let table: [(&str, &[u8], &str); 8] = [
            ("garbage", b"\0\xff\x01GET / HTTP/1.1\r\n\r\n", "not understood"),
            ("empty", b"", "ends in the middle"),
            ("a line of nothing", b"\n", "not understood"),
            ("another word", b"{\"ask\":\"world-peace\"}\n", "not understood"),
            ("half", half.as_bytes(), "ends in the middle"),
            ("huge", huge.as_bytes(), "longer than 65536 bytes"),
            ("deep", &b"[".repeat(60_000), "the question ends in the middle"),
            ("no such name", nameless.as_bytes(), "not understood"),
        ];
        for (what, text, answer) in table {
            let said = talk(&team, "anna", "whole", text);
            assert!(said.contains("\"answer\":\"refused\"") && said.contains(answer), "{what}: {said}");
            assert!(said.len() < 2000, "{what}: {} bytes", said.len());
        }
        // Who says half and waits is not waited for long, and who leaves leaves nothing.
        let said = talk(&team, "anna", "wait", half.as_bytes());
        assert!(said.contains("refused"), "{said}");
        talk(&team, "anna", "leave", half.as_bytes());
        assert_eq!(team.count("request"), 0);

        let stranger = talk(&team, "otto", "whole", asking("gkp", "o").as_bytes());
        assert!(stranger.contains("\"refusal\":\"stranger\"") && stranger.contains("ci-users"), "{stranger}");
        let said = team.machine.run_as("otto", ["ci-build", "--force", "gkp"]).expect_code(1);
        assert!(said.stderr.contains("otto is not in the group ci-users"), "{}", said.story());
        assert_eq!(team.count("request"), 0);

        // The same token is the same request, however often it comes; and one whose client has left is there.
        let first = talk(&team, "anna", "whole", asking("gkp", "one").as_bytes());
        assert_eq!(talk(&team, "anna", "whole", asking("gkp", "one").as_bytes()), first);
        talk(&team, "anna", "leave", asking("gkp", "two").as_bytes());
        team.machine.wait_until("what was said whole", SOON, || team.count("request WHERE token = 'two'") == 1);
        assert_eq!(team.count("request"), 2);
        assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
    }
}

#[test]
fn two_hundred_clients_at_once_are_all_answered() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &step("test", HOLD));
        team.project("shop", &step("test", "true"));
        team.force("gkp");
        team.wait_held("gkp");
        let crowd = "for i in $(seq 200); do ci-build --force gkp -m \"client $i\" >>out 2>&1 & done; wait";
        let said = team.anna(&format!("cd; {crowd}; grep -c 'queued as request' out; sort -u out | wc -l"));
        assert_eq!(said.stdout, "200\n200\n", "{}", said.story());
        assert_eq!(team.count("request WHERE reason LIKE 'client %'"), 200);
        assert_eq!(team.count("request WHERE state = 'waiting'"), 1);
        assert_eq!(team.count("request WHERE state = 'replaced'"), 199);
        team.release("gkp");
        team.wait_build("gkp", 2).is_green();
        team.build("shop", 1).is_green();
        assert_eq!(team.builds("gkp"), 2);
        assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
    }
}

#[test]
fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "true"));
    let idle = "import socket, time\nall = []\nfor i in range(200):\n s = socket.socket(socket.AF_UNIX); s.connect('/run/ci/request.sock'); all.append(s)\nopen('/home/otto/here', 'w')\ntime.sleep(600)";
    team.machine.write_file("/root/idle.py", idle);
    team.machine.sh("cp /root/idle.py /home/otto; systemd-run --quiet --uid=otto python3 /home/otto/idle.py");
    team.machine.wait_until("200 to be connected", SOON, || team.machine.exists("/home/otto/here"));
    team.build("gkp", 1).is_green();
}

/// `/var/lib/ci` on a disk of its own, of this many megabytes.
fn on_a_small_disk(megabytes: u32) -> Team {
    let machine = Machine::boot(Suite::usual()[0]);
    machine.sh(&format!("mkdir -p /var/lib/ci; mount -t tmpfs -o mode=755,size={megabytes}m tmpfs /var/lib/ci"));
    Team::on(machine)
}

fn fill(team: &Team) {
    // Until the last byte; dd says that there is no room, which is what it is for.
    team.machine.try_sh("dd if=/dev/zero of=/var/lib/ci/filler bs=4k 2>&1");
}

fn make_room(team: &Team) {
    team.machine.sh("rm /var/lib/ci/filler");
}

#[test]
fn a_full_disk_ends_nothing_that_was_and_all_goes_on_after_it() {
    let team = on_a_small_disk(16);
    team.project("gkp", &(step("test", &format!("echo before; {HOLD}; echo after")) + &step("next", "echo next")));
    team.project("shop", &step("test", "echo shop"));
    team.build("shop", 1).is_green();
    team.force("gkp");
    team.wait_held("gkp");
    fill(&team);

    // A wish that cannot be kept is refused, and says why.
    let refused: Output = team.anna("ci-build --force shop").expect_code(75);
    assert!(refused.stderr.contains("full"), "{}", refused.story());
    team.release("gkp");
    assert_eq!(team.wait_build("shop", 1).verdict(), "success", "what was is still readable");

    team.machine.wait_unit("ci-step-gkp-1-1.service", "active", SOON);
    make_room(&team);
    let build = team.wait_build("gkp", 1);
    build.is_green();
    assert_eq!((build.text("test").as_str(), build.text("next").as_str()), ("before\nafter\n", "next\n"));
    assert_eq!(team.wait_build("shop", 1).text("test"), "shop\n");
    team.build("shop", 2).is_green();
    assert_eq!(team.value("PRAGMA integrity_check"), "ok");
}

#[test]
fn a_step_that_fills_the_disk_waits_for_room_and_says_so() {
    let team = on_a_small_disk(64);
    let print = "head -c 12000000 /dev/urandom | tee $CI_CACHE/printed";
    team.project("gkp", &step("test", print));
    team.project("shop", &step("test", "touch $CI_CACHE/here; sleep 1000"));
    team.machine.sh("head -c 58000000 /dev/zero >/var/lib/ci/filler");
    team.force("gkp");
    let told = team.machine.wait_journal(&["_SYSTEMD_UNIT=ci-build@gkp:1.service", "PRIORITY=4"], SOON);
    let told = told.field("MESSAGE");
    assert!(told.contains("no room for the output") && told.contains("it waits until there is some"), "{told}");
    make_room(&team);
    let build = team.wait_build("gkp", 1);
    build.is_green();
    team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
    let compare = format!("zstdcat {} | cmp - {}", build.log_path("test"), team.cache("gkp", "printed"));
    team.machine.sh(&compare);

    // A stop that cannot be written down is kept until it can.
    team.force("shop");
    team.wait_held("shop");
    fill(&team);
    team.machine.sh("systemctl stop --no-block ci-build@shop:1.service");
    team.machine.wait_unit("ci-build@shop:1.service", "deactivating", SOON);
    make_room(&team);
    team.wait_build("shop", 1).is("cancelled", "stopped by");
    team.no_unit_left("shop");
}

#[test]
fn a_store_that_cannot_be_used_refuses_whoever_asks_once() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "true"));
    team.machine.wait_unit("ci-request.service", "inactive", SOON);
    team.machine.sh("sqlite3 /var/lib/ci/store/ci.sqlite 'PRAGMA user_version = 999'");
    let refused = team.anna("ci-build --force gkp").expect_code(75);
    assert!(refused.stderr.contains("schema 999"), "{}", refused.story());
    team.machine.wait_unit("ci-request.service", "inactive", SOON);
    let starts = team.machine.sh("systemctl show --value -p NRestarts ci-request.service");
    assert_eq!(starts.trim(), "0");
}
