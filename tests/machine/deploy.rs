//! What is green goes live, and what is not well comes back.

mod checks;
mod freeze;
mod kills;
mod releases;
mod rights;
mod services;
mod setups;
mod stale;
mod targets;
mod whole;

use crate::harness::{Machine, Suite, install_into};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// A service that runs the `run` of whatever release is current. It waits before its start while a file says so, so
/// that a test can look at it in the middle of a restart.
const UNIT: &str = r#"[Service]
Type=exec
User=gkp
WorkingDirectory=/srv/gkp/current
ExecStartPre=/bin/sh -c 'while [ -e /srv/hold/start ]; do sleep 0.02; done'
ExecStart=/bin/sh ./run
Restart=on-failure
RestartSec=50ms
[Install]
WantedBy=multi-user.target
"#;

/// What the service runs when all is well: a web server, once nothing holds it.
const SERVE: &str =
    "while [ -e /srv/hold/serve ]; do sleep 0.02; done; exec python3 -m http.server --bind 127.0.0.1 8000";

/// Every phase that runs something of the project can be held.
const PROJECT: &str = r#"
[source]
url = "/srv/git/gkp.git"
[[step]]
name = "test"
run = "true"
[deploy]
root = "/srv/gkp"
user = "gkp"
shared = ["media"]
prepare = ["echo preparing $CI_RELEASE", "while [ -e /srv/hold/prepare ]; do sleep 0.02; done; test ! -e refuse"]
migrate = ["while [ -e /srv/hold/migrate ]; do sleep 0.02; done; echo $CI_RELEASE >>/srv/gkp/shared/migrations"]
finish = ["while [ -e /srv/hold/finish ]; do sleep 0.02; done; test ! -e careless"]
restart = ["gkp.service"]
reload = ["nginx.service"]
settle = "300ms"
keep-releases = 3
[deploy.health]
url = "http://127.0.0.1:8000/text"
contains = "well"
attempts = 40
timeout = "1s"
interval = "100ms"
[notify]
mail = ["dev@example.org"]
"#;

const NGINX: &str = "server { listen 8080; root /srv/gkp/current; }\n";

/// A machine with the product, a repository, and a place to deploy to.
struct Shop {
    machine: Machine,
}

impl Shop {
    fn open(suite: Suite) -> Shop {
        let machine = Machine::boot(suite);
        install_into(&machine);
        machine.write_file("/etc/systemd/system/gkp.service", UNIT);
        machine.write_file("/etc/ci/projects.d/gkp.toml", PROJECT);
        machine.write_file("/etc/nginx/conf.d/gkp.conf", NGINX);
        machine.sh(
            "useradd --system gkp; install -d -o gkp -g gkp /srv/gkp /srv/gkp/shared /srv/gkp/shared/media; mkdir /srv/hold
             git config --global user.email anna@example.org; git config --global user.name Anna
             git init -q --bare -b main /srv/git/gkp.git; git init -q -b main /root/gkp
             cd /root/gkp; git remote add origin /srv/git/gkp.git
             systemctl daemon-reload; systemctl start nginx; systemctl enable --now ci.target",
        );
        Shop { machine }
    }

    /// A commit with these files, built; says the build's number.
    fn push(&self, files: &[(&str, &str)]) -> u64 {
        for (name, text) in files {
            self.machine.write_file(format!("/root/gkp/{name}"), text);
        }
        self.machine
            .sh("cd /root/gkp; git add -A; git commit -qm change; git push -q origin main; chmod -R a+rX /srv/git");
        self.machine.sh("ci-build --wait gkp >/dev/null");
        let sql = "SELECT max(number) FROM build";
        self.machine
            .sh(&format!("sqlite3 -readonly /var/lib/ci/store/ci.sqlite '{sql}'"))
            .trim()
            .parse()
            .expect("a number")
    }

    fn push_good(&self, text: &str) -> u64 {
        self.push(&[("run", SERVE), ("text", &format!("{text}: well\n"))])
    }

    fn list(&self) -> Value {
        serde_json::from_str(&self.machine.sh("ci-deploy --list gkp --json")).expect("JSON")
    }

    /// `releases` or `deploys`, newest first.
    fn rows(&self, which: &str) -> Vec<Value> {
        self.list()[which].as_array().expect("a list").clone()
    }

    fn row(&self, which: &str, build: u64) -> Option<Value> {
        self.rows(which).into_iter().find(|row| row["build"] == build)
    }

    /// Waits for the end of this build's newest deploy.
    #[track_caller]
    fn outcome(&self, build: u64) -> (String, String) {
        self.machine.wait_for(&format!("the deploy of {build} ends"), SOON, || {
            let deploy = self.row("deploys", build)?;
            let outcome = deploy["outcome"].as_str()?.to_owned();
            Some((outcome, deploy["summary"].as_str().unwrap_or_default().to_owned()))
        })
    }

    #[track_caller]
    fn expect(&self, build: u64, outcome: &str, why: &str) {
        let (is, summary) = self.outcome(build);
        assert!(is == outcome && summary.contains(why), "build {build}: {is}: {summary}\n{}", self.log(build));
    }

    fn log(&self, build: u64) -> String {
        self.machine
            .try_sh(&format!("cd /var/lib/ci/builds/gkp/{build}; zstdcat deploy-*.log.zst; cat deploy-*.log"))
            .stdout
    }

    fn standing(&self, build: u64) -> Option<String> {
        Some(self.row("releases", build)?["standing"].as_str()?.to_owned())
    }

    /// The store, the link, the service and nginx all say that this build is live, and nothing is left running.
    #[track_caller]
    fn live(&self, build: u64, text: &str) {
        let mut live = self.rows("releases");
        live.retain(|release| !release["live_since"].is_null());
        assert_eq!(live.iter().map(|release| &release["build"]).collect::<Vec<_>>(), [build]);
        let name = live[0]["name"].as_str().expect("its name");
        assert_eq!(self.machine.sh("readlink /srv/gkp/current").trim(), format!("releases/{name}"));
        for port in [8000, 8080] {
            self.machine.wait_until(&format!("port {port} serves {text}"), SOON, || {
                self.machine.try_sh(&format!("curl -sSf http://127.0.0.1:{port}/text")).stdout
                    == format!("{text}: well\n")
            });
        }
        let inside = "readlink -f /proc/$(systemctl show -P MainPID gkp.service)/cwd";
        assert_eq!(self.machine.sh(inside).trim(), format!("/srv/gkp/releases/{name}"));
        self.machine.wait_unit("ci-deploy@gkp.service", "inactive", SOON);
        assert_eq!(self.machine.sh("systemctl list-units --plain --no-legend --all 'ci-command-*' 'ci-work-gkp-release-*' 'ci-work-gkp-health-*'"), "");
        assert_eq!(self.machine.sh("ls -A /srv/gkp/releases | grep '^[.]' || true"), "");
    }

    /// The abbreviated commit of a build.
    fn commit(&self, build: u64) -> String {
        let release = self.row("releases", build).expect("its release");
        release["commit"].as_str().expect("a commit")[..7].to_owned()
    }

    fn hold(&self, what: &str) {
        self.machine.sh(&format!("touch /srv/hold/{what}"));
    }

    fn release(&self, what: &str) {
        self.machine.sh(&format!("rm -f /srv/hold/{what}"));
    }

    #[track_caller]
    fn wait_phase(&self, phase: &str) {
        self.machine.wait_until(&format!("a deploy comes to {phase}"), SOON, || {
            self.rows("deploys").iter().any(|deploy| deploy["phase"] == phase)
        });
    }

    fn pid(&self) -> String {
        self.machine.sh("systemctl show -P MainPID ci-deploy@gkp.service").trim().to_owned()
    }

    /// `kill -9` of whoever carries out deploys; waits for the next one.
    #[track_caller]
    fn kill(&self) {
        let killed = self.pid();
        assert_ne!(killed, "0");
        self.machine.sh(&format!("kill -9 {killed}"));
        self.machine
            .wait_until("another run takes over", SOON, || ![killed.as_str(), "0"].contains(&self.pid().as_str()));
    }
}

#[test]
fn a_green_build_goes_live_and_a_red_one_does_not() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let first = shop.push_good("one");
        shop.expect(first, "deployed", "");
        shop.live(first, "one");
        let second = shop.push_good("two");
        shop.expect(second, "deployed", "");
        shop.live(second, "two");
        assert_eq!(shop.standing(first).as_deref(), Some("good"));

        let machine = &shop.machine;
        let commit = machine.sh("git -C /root/gkp rev-parse HEAD");
        assert_eq!(machine.read_file("/srv/gkp/current/REVISION"), commit);
        assert_eq!(
            machine.sh("readlink /srv/gkp/current/media; stat -c %U /srv/gkp/current/text"),
            "../../shared/media\ngkp\n"
        );
        let revisions = machine.read_file("/srv/gkp/revisions.log");
        assert_eq!(revisions.lines().count(), 2);
        assert!(revisions.contains("gkp:2 green build"), "{revisions}");
        let log = shop.log(second);
        for said in [
            "preparing 2-",
            "current is 2-",
            "gkp.service is restarted, process",
            "nginx.service is reloaded",
            "deployed",
        ] {
            assert!(log.contains(said), "{log}");
        }
        let told = machine.journal(&["MESSAGE_ID=531f13b2cc3d45e7b6274901dd624b8f", "CI_PROJECT=gkp", "CI_BUILD=2"]);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].field("CI_COMMIT"), commit.trim());

        machine.write_file("/etc/ci/projects.d/gkp.toml", PROJECT.replace("run = \"true\"", "run = \"test ! -e red\""));
        machine.write_file("/root/gkp/red", "");
        machine.sh("cd /root/gkp; git add -A; git commit -qm red; git push -q origin main; chmod -R a+rX /srv/git");
        machine.try_sh("ci-build --wait gkp").expect_code(1);
        shop.live(second, "two");
        let refused = machine.try_sh("ci-deploy gkp:3").expect_code(1);
        assert!(refused.stderr.contains("not green (failure)"), "{}", refused.story());
    }
}

#[test]
fn what_is_not_well_comes_back() {
    let shop = Shop::open(Suite::usual()[0]);
    let good = shop.push_good("one");
    shop.expect(good, "deployed", "");

    let dies = shop.push(&[("run", "exit 3")]);
    shop.expect(dies, "rolled-back", "gkp.service");
    shop.live(good, "one");
    assert_eq!(shop.standing(dies).as_deref(), Some("bad"));

    let sick = shop.push(&[("run", SERVE), ("text", "feverish\n")]);
    shop.expect(sick, "rolled-back", "does not contain");
    shop.live(good, "one");

    // Before the switch nothing is touched, and the next try begins anew.
    let process = shop.machine.sh("systemctl show -P MainPID gkp.service");
    let unready = shop.push(&[("text", "two: well\n"), ("refuse", "")]);
    shop.expect(unready, "failed", "prepare: `while");
    shop.live(good, "one");
    assert_eq!(shop.machine.sh("systemctl show -P MainPID gkp.service"), process);
    assert_eq!(shop.standing(unready), None);
    assert_eq!(shop.machine.sh(&format!("ls /srv/gkp/releases | grep -c ^{unready}- || true")), "0\n");

    // What goes wrong after the checks is told, and the release stays.
    shop.machine.sh("cd /root/gkp; git rm -q refuse");
    let careless = shop.push(&[("careless", "")]);
    shop.expect(careless, "deployed", "finish: `while");
    shop.live(careless, "two");

    let mails =
        shop.machine.sh("sqlite3 -readonly /var/lib/ci/store/ci.sqlite 'SELECT subject FROM message ORDER BY id'");
    let mails: Vec<&str> = mails.lines().collect();
    assert_eq!(mails.len(), 3, "{mails:?}");
    assert!(mails[0].contains("gkp:2 rolled back") && mails[2].contains("gkp:4 not deployed"), "{mails:?}");
}

#[test]
fn a_first_deploy_that_fails_leaves_nothing_to_go_back_to_and_the_next_one_is_as_good_as_any() {
    let shop = Shop::open(Suite::usual()[0]);
    let dies = shop.push(&[("run", "exit 3"), ("text", "x")]);
    shop.expect(dies, "down", "no good release before it");
    let told = shop.machine.journal(&["MESSAGE_ID=6793d2af00584232839998295cab3196", "PRIORITY=3"]);
    assert_eq!(told.len(), 1);
    // It is shouted.
    let sql = "SELECT subject FROM message ORDER BY id DESC LIMIT 1";
    let mail = shop.machine.sh(&format!("sqlite3 -readonly /var/lib/ci/store/ci.sqlite '{sql}'"));
    assert_eq!(mail, "[unitci] DOWN: gkp:1 failed, and the old version is down\n");
    assert!(shop.machine.sh("ci-status").trim_start().starts_with("DOWN: deploy of gkp:1: failed"));
    assert!(shop.machine.sh("curl -sSf http://localhost:8010/").contains("<h1>gkp is down</h1>"));
    let dies_too = shop.push(&[("run", "exit 4")]);
    shop.expect(dies_too, "down", "no good release before it");
    let good = shop.push_good("one");
    shop.expect(good, "deployed", "");
    shop.live(good, "one");
}

#[test]
fn a_person_goes_back_and_forth() {
    let shop = Shop::open(Suite::usual()[0]);
    let (one, two) = (shop.push_good("one"), {
        shop.outcome(1);
        shop.push_good("two")
    });
    shop.expect(two, "deployed", "");
    let machine = &shop.machine;
    let back = machine.run(["ci-deploy", "--rollback", "gkp", "-m", "client demo"]).expect_success();
    assert!(
        back.stdout.contains("queued: deploy of gkp:1") && back.stdout.ends_with("gkp:1: deployed\n"),
        "{}",
        back.story()
    );
    shop.live(one, "one");
    assert_eq!(shop.standing(two).as_deref(), Some("left"));
    assert!(machine.read_file("/srv/gkp/revisions.log").contains("gkp:1 rolled back by root: client demo"));
    // Prepared and migrated it was when it was new.
    assert_eq!(machine.sh("cat /srv/gkp/shared/migrations | wc -l"), "2\n");
    machine.run(["ci-deploy", "--rollback", "gkp"]).expect_code(1);

    // The commit that was left is built again and stays where it is, until somebody says so.
    machine.sh("ci-build --force --wait gkp");
    shop.live(one, "one");
    machine.run(["ci-deploy", "gkp:2"]).expect_success();
    shop.live(two, "two");
    assert_eq!(shop.standing(two).as_deref(), Some("good"));

    // What would happen is told, and nothing happens.
    let store = "sqlite3 -readonly /var/lib/ci/store/ci.sqlite .dump; find /srv/gkp -printf '%p %l %C@\\n'";
    let before = machine.sh(store);
    for (arguments, says) in [
        (&["--rollback"][..], "switch    /srv/gkp/current becomes a link to releases/1-"),
        (&[][..], "services  restart gkp.service"),
    ] {
        let told = machine.run([&["ci-deploy", "--dry-run", "gkp"], arguments].concat()).expect_success();
        assert!(told.stdout.contains(says) && told.stdout.contains("nothing is changed"), "{}", told.story());
    }
    machine.run(["ci-deploy", "--dry-run", "gkp:9"]).expect_code(1);
    assert_eq!(machine.sh(store), before);

    // Old releases go, the live and the last good one never.
    for text in ["three", "four", "five", "six"] {
        let build = shop.push_good(text);
        shop.expect(build, "deployed", "");
    }
    assert_eq!(shop.list()["releases"].as_array().unwrap().len(), 3);
    assert_eq!(machine.sh("ls /srv/gkp/releases | wc -l"), "3\n");

    // What was rolled back from stays left when its release is long gone.
    machine.run(["ci-deploy", "--rollback", "gkp"]).expect_success();
    let left = machine.sh("git -C /root/gkp rev-parse HEAD");
    for text in ["seven", "eight", "nine"] {
        let build = shop.push_good(text);
        shop.expect(build, "deployed", "");
    }
    assert_eq!(shop.rows("releases").iter().filter(|row| row["commit"] == left.trim()).count(), 0);
    machine.sh("cd /root/gkp; git reset -q --hard HEAD~3; git push -qf origin main; ci-build --force --wait gkp");
    machine.wait_unit("ci-deploy@gkp.service", "inactive", SOON);
    let again: u64 = machine
        .sh("sqlite3 -readonly /var/lib/ci/store/ci.sqlite 'SELECT max(number) FROM build'")
        .trim()
        .parse()
        .unwrap();
    assert!(shop.row("deploys", again).is_none(), "{}", shop.list());
    machine.run(["ci-deploy", &format!("gkp:{again}")]).expect_success();
    shop.live(again, "six");
}

#[test]
fn a_red_build_goes_live_only_if_somebody_says_why_and_that_is_shown() {
    let shop = Shop::open(Suite::usual()[0]);
    let machine = &shop.machine;
    machine.write_file("/etc/ci/projects.d/gkp.toml", PROJECT.replace("run = \"true\"", "run = \"false\""));
    for (name, text) in [("run", SERVE), ("text", "one: well\n")] {
        machine.write_file(format!("/root/gkp/{name}"), text);
    }
    machine.sh("cd /root/gkp; git add -A; git commit -qm red; git push -q origin main; chmod -R a+rX /srv/git");
    machine.try_sh("ci-build --wait gkp").expect_code(1);
    let refused = machine.run(["ci-deploy", "gkp:1"]).expect_code(1);
    assert!(refused.stderr.contains("--even-if-red -m REASON"), "{}", refused.story());
    machine.run(["ci-deploy", "--even-if-red", "gkp:1"]).expect_code(2);
    machine.run(["ci-deploy", "--even-if-red", "-m", "the client waits", "gkp:1"]).expect_success();
    shop.live(1, "one");
    let deploy = shop.row("deploys", 1).unwrap();
    assert_eq!(
        (&deploy["origin"]["red"], &deploy["reason"]),
        (&Value::from("failure"), &Value::from("the client waits"))
    );
    let says = "asked for by root, although the build is not green (failure)";
    let list = machine.sh("ci-deploy --list gkp");
    assert!(list.contains(&format!("{says}; the client waits")), "{list}");
    let page = machine.sh("curl -sf http://localhost:8010/p/gkp/");
    assert!(page.contains(&format!("{says}: the client waits")), "{page}");
    let json = machine.sh("ci-status --json gkp");
    assert!(json.contains("\"red\": \"failure\"") || json.contains("\"red\":\"failure\""), "{json}");
    assert!(machine.read_file("/srv/gkp/revisions.log").contains(says));
}

#[test]
fn what_was_there_before_is_adopted_while_it_serves_and_a_first_deploy_goes_back_to_it() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        machine
            .sh("rmdir /srv/gkp/shared/media; mkdir -p /srv/gkp/current/media; echo logo >/srv/gkp/current/media/logo");
        machine.write_file("/srv/gkp/current/run", SERVE);
        machine.write_file("/srv/gkp/current/text", "old: well\n");
        machine.sh("chown -R gkp: /srv/gkp; systemctl start gkp");
        machine.write_file(
            "/srv/ask",
            "while :; do curl -sS http://127.0.0.1:8080/text http://127.0.0.1:8080/media/logo; done",
        );
        machine.sh("systemd-run --quiet --unit=ask -p StandardOutput=file:/srv/answers -p StandardError=file:/srv/answers sh /srv/ask");
        machine.wait_until("it is asked", SOON, || machine.try_sh("grep -c logo /srv/answers").stdout.trim() != "0");
        let adopted = machine.run(["ci-deploy", "--adopt", "gkp"]).expect_success();
        assert!(
            adopted.stdout.contains("release 0-0000000") && adopted.stdout.contains("media has moved"),
            "{}",
            adopted.story()
        );
        machine.sh("sleep 0.3; systemctl stop ask");
        assert_eq!(machine.sh("sort -u /srv/answers"), "logo\nold: well\n");
        assert_eq!(shop.row("releases", 0).unwrap()["live_since"].is_null(), false);
        assert_eq!(
            machine.sh("readlink /srv/gkp/current/media; cat /srv/gkp/shared/media/logo"),
            "../../shared/media\nlogo\n"
        );
        machine.run(["ci-deploy", "--adopt", "gkp"]).expect_success();

        let dies = shop.push(&[("run", "exit 3"), ("text", "x")]);
        shop.expect(dies, "rolled-back", "gkp.service");
        shop.live(0, "old");
        let good = shop.push_good("one");
        shop.expect(good, "deployed", "");
        shop.live(good, "one");
        let again = machine.run(["ci-deploy", "--adopt", "gkp"]).expect_code(1);
        assert!(again.stderr.contains("nothing to adopt"), "{}", again.story());
        machine.run(["ci-deploy", "--rollback", "gkp"]).expect_success();
        shop.live(0, "old");
    }
}

/// A program that gives `ci-launch` one order and prints the reply.
fn order(target: &str, action: &str, unit: &str) -> String {
    let target = format!(r#"{{"project":"gkp","target":"{target}"}}"#);
    let order = format!(r#"{{"order":"service","target":{target},"action":"{action}","unit":"{unit}"}}"#);
    format!(
        "import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('/run/ci/launch.sock')
s.send(b'{order}')
print(s.recv(99999).decode())"
    )
}

/// What `ci-launch` says to the core.
fn give(shop: &Shop, target: &str, action: &str, unit: &str) -> Value {
    let reply = shop.machine.run_as("unitci", ["python3", "-c", &order(target, action, unit)]).expect_success().stdout;
    serde_json::from_str(&reply).expect("JSON")
}

#[test]
fn a_service_that_the_file_does_not_name_is_not_touched() {
    let shop = Shop::open(Suite::usual()[0]);
    let before = shop.machine.sh("systemctl show -P InvocationID nginx.service");
    for (action, unit) in
        [("restart", "nginx.service"), ("reload", "gkp.service"), ("restart", "systemd-journald.service")]
    {
        let reply = give(&shop, "default", action, unit);
        assert_eq!(reply["reply"], "refused");
        assert!(reply["message"].as_str().unwrap().contains(&format!("`{action}` of [deploy]")), "{reply}");
    }
    assert_eq!(shop.machine.sh("systemctl show -P InvocationID nginx.service"), before);
    // Nobody but the core gives orders.
    let stranger = shop.machine.run(["python3", "-c", &order("default", "restart", "gkp.service")]);
    assert!(!stranger.stdout.contains("done"), "{}", stranger.story());
}

#[test]
fn a_check_before_the_first_deploy_says_what_is_missing_and_its_commands_mend_it() {
    let machine = Machine::boot(Suite::usual()[0]);
    install_into(&machine);
    machine.write_file("/etc/ci/projects.d/gkp.toml", PROJECT);
    let check = || machine.run(["ci-deploy", "--check", "gkp", "--json"]);
    let missing = |said: &str| -> Vec<Value> {
        let findings: Vec<Value> = serde_json::from_str(said).unwrap();
        findings.into_iter().filter(|finding| finding["state"] == "missing").collect()
    };
    let text = machine.run(["ci-deploy", "--check", "gkp"]).expect_code(1).stdout;
    assert!(text.contains("missing  user gkp does not exist") && text.contains("-> useradd --system"), "{text}");
    machine.sh("mkdir -p /srv/gkp/current; echo old >/srv/gkp/current/text; systemctl enable --now ci.target");
    machine.write_file("/etc/systemd/system/gkp.service", UNIT);
    // As often as one thing shows only when another is mended.
    for _ in 0..5 {
        for finding in missing(&check().stdout) {
            for command in finding["mend"].as_array().unwrap() {
                let command = command.as_str().unwrap();
                let command = command.rsplit_once("empty folder: ").map_or(command, |(_, command)| command);
                if !command.starts_with("write ") {
                    machine.sh(command);
                }
            }
        }
    }
    let done = check();
    assert_eq!(missing(&done.stdout), Vec::<Value>::new());
    done.expect_success();
    assert_eq!(machine.read_file("/srv/gkp/releases/0-0000000/text"), "old\n");
}
