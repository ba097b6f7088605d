//! Services of a build: there for its length, ready before its steps, told when they die, gone afterwards.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};

/// Answers each line with its process id; says how often it was asked, and tells by its `NAME` when it is asked to end.
const SERVER: &str = "#!/usr/bin/python3 -u
import os, signal, socket, sys, time
port, wait = int(sys.argv[1]), sys.argv[2:]
def end(*_):
    with open(os.environ['CI_CACHE'] + '/ended', 'a') as ended:
        print(os.environ['NAME'], file=ended)
    os._exit(0)
if 'NAME' in os.environ:
    signal.signal(signal.SIGTERM, end)
while wait and not os.path.exists(wait[0]):
    time.sleep(0.05)
server = socket.create_server(('127.0.0.1', port))
count = 0
while True:
    end, _ = server.accept()
    asked = end.recv(100)
    if asked == b'die':
        os._exit(7)
    if asked:
        count += 1
        print('asked', count)
        end.sendall(str(os.getpid()).encode())
    end.close()
";

/// Asks it, or only whether it is there.
const ASK: &str = "#!/usr/bin/python3
import socket, sys
end = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)
if not sys.argv[2]:
    sys.exit()
end.sendall(sys.argv[2].encode())
print('pid', end.recv(100).decode(), flush=True)
";

const SHUT: &str = "[build]\nnetwork = \"none\"\nstop-grace = \"2s\"\n";
const ALWAYS: &str = "when = \"always\"\n";

/// A service that tells when it is asked to end.
fn service(name: &str, port: u16, more: &str) -> String {
    format!(
        "[[service]]\nname = \"{name}\"\nrun = '''\n\
         echo {name} >>$CI_CACHE/begun\nNAME={name} exec python3 -u server.py {port} {more}\n'''\nready = \"python3 ask.py {port} ''\"\n"
    )
}

#[track_caller]
fn prepared(team: &Team, name: &str, rest: &str) {
    team.project(name, rest);
    team.push(name, "a server", &[("server.py", SERVER), ("ask.py", ASK)]);
}

#[track_caller]
fn nothing_is_left(team: &Team, name: &str) {
    team.no_unit_left(name);
    assert_eq!(team.machine.run(["ps", "-o", "args=", "-u", &format!("cib-{name}")]).stdout, "", "left of {name}");
}

#[test]
fn services_are_there_for_the_length_of_their_build() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        for (name, build) in [("open", ""), ("shut", SHUT)] {
            let file = build.to_owned()
                + &service("db", 5001, "")
                + &service("broker", 5002, "")
                + &step("one", "python3 ask.py 5001 x; python3 ask.py 5002 x")
                + &step("two", &format!("python3 ask.py 5001 x; {HOLD}; python3 ask.py 5001 x; cat $CI_CACHE/begun"));
            prepared(&team, name, &file);
            team.force(name);
            team.wait_held(name);
            let outside = team.machine.try_sh(&format!("python3 /root/work/{name}/ask.py 5001 x"));
            assert_eq!(outside.status.success(), build.is_empty(), "the machine's loopback: {}", outside.story());
            team.release(name);
            let done = team.wait_build(name, 1);
            done.is_green();
            let (one, two) = (done.text("one"), done.text("two"));
            assert_eq!(one.lines().next(), two.lines().next(), "the same process: {one}{two}");
            assert!(two.ends_with("db\nbroker\n"), "in their order: {two}");
            assert_eq!(team.machine.read_file(team.cache(name, "ended")), "broker\ndb\n");
            let asked = if build.is_empty() { 4 } else { 3 };
            team.machine.wait_until("its log", SOON, || team.machine.exists(done.log_path("db")));
            let expected: String = (1..=asked).map(|n| format!("asked {n}\n")).collect();
            assert_eq!(done.text("db"), expected);
            assert_eq!((done.step("db"), done.step("broker")), ("success", "success"));
            nothing_is_left(&team, name);
        }
        let said = team.anna("ci-status open:1").expect_success().stdout;
        assert!(said.contains("db (service)"), "{said}");
        let said = team.anna("ci-status --json open:1").expect_success().stdout;
        assert!(said.contains("\"role\": \"service\""), "{said}");
        assert!(team.anna("ci-status --log open:1 broker").expect_success().stdout.contains("asked 1"));
    }
}

#[test]
fn a_service_that_dies_fails_its_build_and_is_named() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let kill = "python3 ask.py 5001 die || true";
        let rest = step("after", "true") + &step("tidy", "echo tidied") + ALWAYS;
        let direct = "[[service]]\nname = \"db\"\nrun = \"exec python3 -u server.py 5001\"\nready = \"python3 ask.py 5001 ''\"\n";
        for (name, first, verdict, outcome) in [
            (
                "red",
                format!("{kill}; sleep 0.5; python3 ask.py 5001 x 2>/dev/null"),
                "failure",
                "exit code 1; service db had ended",
            ),
            ("green", kill.to_owned(), "success", ""),
        ] {
            prepared(&team, name, &(SHUT.to_owned() + direct + &step("first", &first) + &rest));
            let done = team.build(name, 1);
            done.is("failure", "service db ended: exit code 7");
            assert_eq!((done.step("first"), done.outcome("first")), (verdict, outcome), "{name}");
            assert_eq!((done.step("after"), done.step("tidy"), done.step("db")), ("skipped", "success", "failure"));
            nothing_is_left(&team, name);
        }
    }
}

#[test]
fn a_service_that_does_not_come_up_says_why() {
    let team = Team::start(Suite::usual()[0]);
    let never = "[[service]]\nname = \"db\"\nrun = \"echo here I am; exec sleep 1000\"\n\
        ready = \"echo not yet; false\"\nready-timeout = \"2s\"\n";
    let dies = "[[service]]\nname = \"db\"\nrun = \"echo no room; exit 4\"\nready = \"false\"\n";
    let background = "[[service]]\nname = \"db\"\nrun = \"sleep 1000 &\"\nready = \"true\"\n";
    let interpreter = "[[service]]\nname = \"db\"\nrun = \"#!/no/such/program\"\nready = \"false\"\n";
    for (name, text, summary, log) in [
        (
            "never",
            never,
            "service db was not ready within 2s; `ready-timeout` of the service allows more",
            "not ready: not yet",
        ),
        ("dies", dies, "service db ended: exit code 4", "no room"),
        ("back", background, "service db ended: exit code 0", ""),
        ("nothing", interpreter, "service db ended: exit code 203", ""),
    ] {
        let rest = step("test", "sleep 1; true") + &step("tidy", "echo tidied") + ALWAYS;
        team.project(name, &(text.to_owned() + &rest));
        let done = team.build(name, 1);
        done.is("failure", summary);
        assert_eq!(done.step("tidy"), "success", "{name}");
        assert!(name == "back" || done.step("test") == "skipped", "{name}");
        team.machine.wait_until("its log", SOON, || team.machine.exists(done.log_path("db")));
        assert!(done.text("db").contains(log), "{name}: {}", done.text("db"));
        nothing_is_left(&team, name);
    }
}

#[test]
fn a_killed_supervisor_leaves_services_up_and_their_logs_whole() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let file = SHUT.to_owned()
            + &service("db", 5001, "$CI_CACHE/up")
            + &step("one", &format!("python3 ask.py 5001 x; {HOLD}; python3 ask.py 5001 x"))
            + &step("two", "python3 ask.py 5001 x");
        prepared(&team, "gkp", &file);
        let kill = || {
            let pid = "systemctl show --value --property=MainPID ci-build@gkp:1.service";
            team.machine.sh(&format!("kill -9 $({pid})"));
            team.machine.wait_unit("ci-build@gkp:1.service", "active", SOON);
        };
        team.force("gkp");
        // While it is not ready …
        team.machine.wait_unit("ci-step-gkp-1-3.service", "activating", SOON);
        kill();
        team.machine.wait_unit("ci-step-gkp-1-3.service", "activating", SOON);
        team.machine.sh(&format!("touch {}", team.cache("gkp", "up")));
        // … and while a step uses it.
        team.wait_held("gkp");
        kill();
        kill();
        team.release("gkp");
        let done = team.wait_build("gkp", 1);
        done.is_green();
        let (one, two) = (done.text("one"), done.text("two"));
        let pids: Vec<&str> = one.lines().chain(two.lines()).collect();
        assert!(pids.len() == 3 && pids.iter().all(|pid| *pid == pids[0]), "one process all along: {one}{two}");
        team.machine.wait_until("its log", SOON, || team.machine.exists(done.log_path("db")));
        assert_eq!(done.text("db"), "asked 1\nasked 2\nasked 3\n");
        assert_eq!(team.machine.read_file(team.cache("gkp", "begun")), "db\n", "begun once");
        nothing_is_left(&team, "gkp");
    }
}

#[test]
fn a_stop_and_a_power_cut_end_services_too() {
    let mut team = Team::start(Suite::usual()[0]);
    let file = SHUT.to_owned()
        + &service("db", 5001, "$CI_CACHE/up")
        + &step("one", HOLD)
        + &step("tidy", "python3 ask.py 5001 x")
        + ALWAYS;
    prepared(&team, "gkp", &file);
    // In the middle of waiting for it, and in the middle of a step.
    team.force("gkp");
    team.machine.wait_unit("ci-step-gkp-1-3.service", "activating", SOON);
    team.anna("ci-build --stop gkp:1").expect_success();
    team.wait_build("gkp", 1).is("cancelled", "stopped by anna");
    nothing_is_left(&team, "gkp");

    team.machine.sh(&format!("touch {}", team.cache("gkp", "up")));
    team.force("gkp");
    team.wait_held("gkp");
    team.anna("ci-build --stop gkp:2").expect_success();
    let done = team.wait_build("gkp", 2);
    done.is("cancelled", "stopped by anna");
    assert_eq!(done.step("tidy"), "success", "it still has its service: {}", done.text("tidy"));
    nothing_is_left(&team, "gkp");

    team.force("gkp");
    team.wait_held("gkp");
    team.machine.crash();
    team.machine.boot_again();
    team.wait_build("gkp", 3).is("exception", "the machine went down");
    team.wait_held("gkp");
    team.release("gkp");
    team.wait_build("gkp", 4).is_green();
    nothing_is_left(&team, "gkp");
}

#[test]
fn a_service_has_secrets_and_limits_of_its_own() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("printf hunter2hunter2 | install -m 0600 /dev/stdin /etc/ci/credentials/db-token");
        team.machine.sh("printf other-secret1 | install -m 0600 /dev/stdin /etc/ci/credentials/other");
        let show = "ls ${CREDENTIALS_DIRECTORY:-/run/credentials} 2>&1 || true";
        let serve =
            "ls $CREDENTIALS_DIRECTORY; cat $CREDENTIALS_DIRECTORY/db-token; echo; exec python3 -u server.py 5001";
        let ready = "ready = \"python3 ask.py 5001 ''\"\n";
        let own = "secrets = [\"db-token\"]\nmemory = \"1G\"\ntasks = 50\ncpu = \"150%\"\n";
        let service = |name: &str, run: &str| step(name, run).replace("[[step]]", "[[service]]");
        let file = [
            "[build]\nsecrets = [\"other\"]\nmemory = \"2G\"\n",
            &service("db", serve),
            ready,
            own,
            &service("plain", &format!("{show}; exec sleep 1000")),
            &step("test", &format!("{show}; {HOLD}")),
            &step("bare", show),
            "secrets = []\n",
        ];
        prepared(&team, "gkp", &file.concat());
        team.force("gkp");
        team.wait_held("gkp");
        let build = team.find_build("gkp", 1).expect("a build");
        let index = |name: &str| build.steps.iter().position(|step| step["name"] == name).expect("such a step");
        let limits = |name: &str| {
            let unit = format!("ci-step-gkp-1-{}.service", index(name));
            let show = format!("systemctl show {unit} -p MemoryMax -p TasksMax -p CPUQuotaPerSecUSec");
            team.machine.sh(&format!("{show} | sort | tr '\\n' ' '"))
        };
        assert_eq!(limits("db"), "CPUQuotaPerSecUSec=1.500000s MemoryMax=1073741824 TasksMax=50 ");
        assert_eq!(limits("plain"), "CPUQuotaPerSecUSec=infinity MemoryMax=2147483648 TasksMax=4096 ");
        team.release("gkp");
        let done = team.wait_build("gkp", 1);
        done.is_green();
        let plain = || team.machine.exists(done.log_path("db")) && team.machine.exists(done.log_path("plain"));
        team.machine.wait_until("their logs", SOON, plain);
        assert!(done.text("db").starts_with("db-token\n***\n"), "{}", done.text("db"));
        let plain = done.text("plain");
        assert!(!plain.contains("other") && !plain.contains("db-token"), "{plain}");
        assert_eq!((done.text("test").as_str(), done.text("bare").contains("other")), ("other\n", false));

        // Who was given what is seen, by name.
        let said = team.anna("ci-status --json gkp:1").expect_success().stdout;
        let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let secrets = |name: &str| json["steps"][index(name)]["secrets"].to_string();
        assert_eq!([secrets("db"), secrets("test"), secrets("bare")], [r#"["db-token"]"#, r#"["other"]"#, "[]"]);
        let said = team.anna("ci-status gkp:1").expect_success().stdout;
        assert!(said.contains("test: other; db: db-token"), "{said}");
        let page = team.machine.sh("curl --silent http://localhost:8010/p/gkp/1/");
        assert!(page.contains("1 secret: db-token") && !page.contains("hunter2"), "{page}");
        nothing_is_left(&team, "gkp");
    }
}
