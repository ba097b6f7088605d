//! What a step's keys make of it: verdicts of exit codes, its words, what it may reach, and when it runs.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};

#[test]
fn exit_codes_and_words_are_those_of_the_file() {
    let team = Team::start(Suite::usual()[0]);
    let decode = "decode = { 77 = \"skipped\", 2 = \"warnings\", 3 = \"success\" }\n";
    let steps = [
        step("hardware", "echo no such device; exit 77") + decode,
        step("lint", "exit 2") + decode + "description = \"reading <b>code</b>\"\ndone = \"read\"\n",
        step("odd", "exit 3") + decode,
        step("test", HOLD) + "description = \"testing\"\n",
    ];
    team.project("gkp", &steps.concat());
    team.force("gkp");
    team.wait_held("gkp");
    let shown = team.anna("ci-status gkp:1").expect_success().stdout;
    assert!(shown.contains("testing"), "{shown}");
    team.release("gkp");
    let build = team.wait_build("gkp", 1);
    build.is("warnings", "");
    assert_eq!(
        ["hardware", "lint", "odd", "test"].map(|s| build.step(s)),
        ["skipped", "warnings", "success", "success"]
    );
    assert_eq!(build.outcome("hardware"), "exit code 77, which means skipped");
    team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("hardware")));
    assert_eq!(build.text("hardware"), "no such device\n", "one that says that it skips has run");

    let shown = team.anna("ci-status gkp:1").expect_success().stdout;
    assert!(shown.contains("read: exit code 2, which means warnings"), "{shown}");
    // History is as it was, whatever the file says by now.
    team.project_file("gkp", "[source]\nurl = \"/srv/git/gkp.git\"\n");
    let json: serde_json::Value =
        serde_json::from_str(&team.anna("ci-status gkp:1 --json").expect_success().stdout).expect("JSON");
    assert_eq!(json["steps"][2]["description"], "reading <b>code</b>");
    assert_eq!(json["steps"][2]["done"], "read");
    let page = team.machine.sh("curl -sf http://localhost:8010/p/gkp/1/");
    assert!(page.contains("read: exit code 2") && !page.contains("<b>code"), "{page}");
}

#[test]
fn a_step_has_the_network_that_its_file_gives_it() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let look = "cat /proc/net/dev | grep -c : ; python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8010))' \
            && echo reached || echo closed";
        let steps = "[build]\nnetwork = \"none\"\n".to_owned()
            + &step("closed", look)
            + &step("open", look)
            + "network = \"host\"\n"
            + &step("roomy", "true")
            + "memory = \"1G\"\n";
        team.project("gkp", &steps);
        let build = team.build("gkp", 1);
        build.is_green();
        let (closed, open) = (build.text("closed"), build.text("open"));
        assert!(closed.ends_with("closed\n") && closed.contains("Connection refused"), "{closed}");
        assert!(open.ends_with("reached\n"), "{open}");
    }
}

#[test]
fn a_step_that_misses_the_network_is_told_what_allows_it() {
    let team = Team::start(Suite::usual()[0]);
    let ask = |name: &str, host: &str, rest: &str| {
        step(name, &format!("python3 -c 'import socket; socket.create_connection((\"{host}\", 80), 5)'"))
            + "on-failure = \"continue\"\n"
            + rest
    };
    let none = "network = \"none\"\n";
    let steps = [
        ask("name", "example.org", none),
        ask("address", "192.0.2.1", none),
        ask("allowed", "no-such-host.invalid", ""),
        step("other", "echo all is lost; exit 1") + none + "on-failure = \"continue\"\n",
    ];
    team.project("gkp", &steps.concat());
    let build = team.build("gkp", 1);
    let told = "exit code 1; it had no network: `network = \"host\"` of the step allows it";
    build.is("failure", &format!("name: {told}"));
    assert_eq!(
        ["name", "address", "allowed", "other"].map(|name| build.outcome(name)),
        [told, told, "exit code 1", "exit code 1"]
    );
}

#[test]
fn a_step_runs_where_its_file_says_and_when_its_files_have_changed() {
    let team = Team::start(Suite::usual()[0]);
    let steps = [
        step("test", "test ! -e broken"),
        step("docs", "true") + "when = \"changed\"\nfiles = [\"docs/**\", \"!**/*.png\"]\n",
        step("any", "true") + "when = \"changed\"\n",
        step("release", "true") + "branches = [\"release/*\"]\n",
        step("tidy", "true") + "when = \"always\"\nfiles = [\"docs/**\"]\n",
    ];
    team.project("gkp", &steps.concat());
    team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\nbranches = [\"**\"]\n{}", steps.concat()));
    let verdicts = |number: u32, files: &[(&str, &str)]| {
        team.push("gkp", "a change", files);
        team.poll("gkp").expect_success();
        let build = team.wait_build("gkp", number);
        let words = ["test", "docs", "any", "release", "tidy"].map(|name| build.step(name).to_owned());
        (words.join(" "), build.outcome("docs").to_owned())
    };
    // Nothing was green before: everything counts as changed.
    assert_eq!(verdicts(1, &[("x", "1")]).0, "success success success skipped success");
    let (words, why) = verdicts(2, &[("src/y", "1"), ("docs/a.png", "1")]);
    assert_eq!(words, "success skipped success skipped success");
    assert_eq!(why, "none of its files has changed since build 1, which was green");
    // What a red build left unproven is proven by the next.
    assert_eq!(verdicts(3, &[("docs/a.md", "1"), ("broken", "1")]).0, "failure skipped skipped skipped success");
    team.git("gkp", "rm --quiet broken");
    assert_eq!(verdicts(4, &[("x", "2")]).0, "success success success skipped success");
    assert_eq!(verdicts(5, &[]).0, "success skipped skipped skipped skipped");
    // Who forces a build gets all of it.
    let build = team.build("gkp", 6);
    assert_eq!(["docs", "any", "release"].map(|name| build.step(name)), ["success", "success", "skipped"]);
    assert_eq!(build.outcome("release"), "only for release/*");
    // Another branch has had no green build; a force push to what is gone from it is no trouble.
    team.git("gkp", "checkout --quiet -b release/1");
    assert_eq!(verdicts(7, &[]).0, "success success success success success");
    team.git("gkp", "checkout --quiet --orphan release/2");
    assert_eq!(verdicts(8, &[("z", "1")]).0, "success success success success success");
    let shown = team.anna("ci-status gkp:5").expect_success().stdout;
    assert!(shown.contains("nothing has changed since build 4, which was green"), "{shown}");
}

/// Counts its attempts, says which it is, and passes on the `good`th.
fn flaky(good: u32, meanwhile: &str) -> String {
    step(
        "test",
        &format!(
            "n=$(cat $CI_CACHE/n 2>/dev/null || echo 0); n=$((n+1)); echo $n >$CI_CACHE/n
            echo begin $n; {meanwhile}; printf 'end %s' $n; test $n -ge {good}"
        ),
    )
}

#[test]
fn a_failing_step_is_tried_again_and_says_so() {
    let team = Team::start(Suite::usual()[0]);
    let retry = "retry = { times = 2, delay = \"1s\" }\n";
    let steps = flaky(3, "true") + retry + &step("next", "cat $CI_CACHE/n");
    team.project("gkp", &steps);
    let build = team.build("gkp", 1);
    build.is_green();
    assert_eq!(build.outcome("test"), "passed on attempt 3");
    let log = "begin 1\nend 1\n[unitci: attempt 1 of 3: exit code 1; again in 1s]\n[unitci: attempt 2 of 3]\n\
        begin 2\nend 2\n[unitci: attempt 2 of 3: exit code 1; again in 1s]\n[unitci: attempt 3 of 3]\nbegin 3\nend 3";
    assert_eq!(build.text("test"), log);
    assert!(team.anna("ci-status gkp:1").expect_success().stdout.contains("passed on attempt 3"));
    let json = team.anna("ci-status gkp:1 --json").expect_success().stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON")["steps"][1]["attempts"], 3);

    team.project("red", &(flaky(9, "true") + "retry = { times = 1 }\n" + &step("next", "true")));
    let build = team.build("red", 1);
    build.is("failure", "test: exit code 1, on the last of 2 attempts");
    assert_eq!(team.machine.read_file(team.cache("red", "n")), "2\n");
    team.no_unit_left("red");
}

#[test]
fn attempts_are_counted_whatever_is_killed() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &(flaky(9, "sleep 0.4") + "retry = { times = 3, delay = \"400ms\" }\n"));
        team.force("gkp");
        // No more than systemd lets a service be started again in a minute.
        team.machine.try_sh(
            "for shot in $(seq 16); do systemctl kill --kill-whom=main --signal=KILL ci-build@gkp:1.service || :
            systemctl kill --signal=KILL ci-launch.service || :; sleep 0.23; done",
        );
        let build = team.wait_build("gkp", 1);
        build.is("failure", "test: exit code 1, on the last of 4 attempts");
        assert_eq!(team.machine.read_file(team.cache("gkp", "n")), "4\n", "no attempt too many, none too few");
        team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
        let text = build.text("test");
        for line in
            ["begin 1", "begin 2", "begin 3", "begin 4", "[unitci: attempt 3 of 4: exit code 1; again in 400ms]"]
        {
            assert_eq!(text.lines().filter(|said| *said == line).count(), 1, "{line} in {text}");
        }
        team.no_unit_left("gkp");
    }
}

#[test]
fn a_stop_does_not_wait_for_the_next_attempt() {
    let team = Team::start(Suite::usual()[0]);
    let steps =
        flaky(9, "true") + "retry = { times = 1, delay = \"1h\" }\n" + &step("tidy", "true") + "when = \"always\"\n";
    team.project("gkp", &steps);
    team.force("gkp");
    team.machine.wait_until("it to wait", SOON, || team.count("step WHERE again IS NOT NULL") == 1);
    let shown = team.anna("ci-status gkp:1").expect_success().stdout;
    assert!(shown.contains("attempt 1: exit code 1: waiting for the next"), "{shown}");
    team.anna("ci-build --stop gkp:1").expect_success();
    let build = team.wait_build("gkp", 1);
    build.is("cancelled", "stopped by anna");
    assert_eq!((build.step("test"), build.step("tidy")), ("cancelled", "success"));
    assert_eq!(team.machine.read_file(team.cache("gkp", "n")), "1\n");
    team.no_unit_left("gkp");
}

#[test]
fn a_step_can_have_a_terminal_and_ends_as_its_program_does() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let pty = "pty = true\non-failure = \"continue\"\n";
        let look = "test -t 1 && test -t 2 && ! test -t 0 && echo a terminal; stty size <&1; echo $TERM
            python3 -c 'import os; print(os.get_terminal_size())'; cat; ls --color=auto -d /; sleep 1000 & exit 5";
        let leave = "(while :; do echo on and on; done) & sleep 0.3; exit 0";
        let steps = [
            step("plain", "test -t 1 || echo a pipe"),
            step("look", look) + pty,
            step("much", "seq 300000") + pty,
            step("killed", "kill -SEGV $$") + pty,
            step("leave", leave) + pty,
            step("script", "#!/usr/bin/python3 -u\nimport sys\nprint(sys.stdout.isatty(), sys.argv)") + pty,
            step("missing", "#!/no/such/interpreter\n") + pty,
        ];
        team.project("gkp", &steps.concat());
        let build = team.build("gkp", 1);
        build.is("failure", "look: exit code 5");
        assert_eq!(build.text("plain"), "a pipe\n");
        let size = "os.terminal_size(columns=120, lines=40)";
        let look = build.text("look");
        assert_eq!(look, format!("a terminal\n40 120\nxterm-256color\n{size}\n\u{1b}[0m\u{1b}[01;34m/\u{1b}[0m\n"));
        let count: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(build.text("much"), count);
        assert_eq!(build.outcome("killed"), "killed by SIGSEGV");
        assert!(build.text("script").starts_with("True ['/run/credentials/"), "{}", build.text("script"));
        assert_eq!((build.step("leave"), build.outcome("missing")), ("success", "exit code 127"));
        team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("missing")));
        assert!(build.text("missing").contains("/no/such/interpreter"), "{}", build.text("missing"));
        let page = team.machine.sh("curl -sf http://localhost:8010/p/gkp/1/log/2");
        assert!(page.contains("a terminal"), "{page}");
        team.no_unit_left("gkp");
    }
}

#[test]
fn a_stop_reaches_the_program_on_a_terminal_once() {
    let team = Team::start(Suite::usual()[0]);
    let tidy = "#!/usr/bin/python3 -u\nimport os, signal, time\nheard = []
signal.signal(signal.SIGTERM, lambda *_: (heard.append(1), print('heard', len(heard))))
open(os.environ['CI_CACHE'] + '/here', 'w').close()
while not heard: time.sleep(0.05)
time.sleep(0.5)
print('tidied after', len(heard))
raise SystemExit(3)";
    team.project("gkp", &("[build]\nstop-grace = \"50s\"\n".to_owned() + &step("test", tidy) + "pty = true\n"));
    team.force("gkp");
    team.wait_held("gkp");
    team.anna("ci-build --stop gkp:1").expect_success();
    let build = team.wait_build("gkp", 1);
    build.is("cancelled", "stopped by anna");
    team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
    assert_eq!(build.text("test"), "heard 1\ntidied after 1\n");
}
