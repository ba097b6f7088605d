//! The end of a build that does not end by itself: somebody stops it, or it has had its time. Nothing of it outlives it.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};
use std::time::Instant;

/// A step that does not want to go: it takes note of SIGTERM and goes on, and so does a child in a session of its own.
const STUBBORN: &str = "trap 'echo the step heard TERM; touch $CI_CACHE/heard' TERM
setsid sh -c 'trap : TERM; touch $CI_CACHE/child; while :; do sleep 0.1; done' &
while ! test -e $CI_CACHE/child; do sleep 0.05; done
touch $CI_CACHE/here
while :; do sleep 0.1; done";

const TIDY: &str = "when = \"always\"\n";

#[track_caller]
fn nothing_runs_as_its_user(team: &Team, project: &str) {
    let left = team.machine.run(["ps", "-o", "args=", "-u", &format!("cib-{project}")]).stdout;
    assert_eq!(left, "", "left of {project}");
    team.no_unit_left(project);
}

#[test]
fn a_build_that_somebody_stops_is_cancelled_and_gone() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("useradd --create-home --groups ci-users bert");
        let file = "[build]\nstop-grace = \"1s\"\n".to_owned()
            + &step("test", STUBBORN)
            + &step("package", "true")
            + &step("tidy", "echo tidied")
            + TIDY;
        team.project("gkp", &file);
        team.force("gkp");
        team.wait_held("gkp");
        let asked = Instant::now();
        let said = team.machine.run_as("bert", ["ci-build", "--stop", "gkp:1", "-m", "not today"]).expect_success();
        assert!(said.stdout.contains("gkp:1 is being stopped"), "{}", said.story());
        let build = team.wait_build("gkp", 1);
        build.is("cancelled", "stopped by bert: not today");
        assert!(asked.elapsed() < SOON / 2, "{:?}", asked.elapsed());
        let verdicts = ["test", "package", "tidy"].map(|name| build.step(name));
        assert_eq!(verdicts, ["cancelled", "skipped", "success"]);
        assert!(team.machine.exists(team.cache("gkp", "heard")), "SIGTERM comes before SIGKILL");
        team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
        assert!(build.text("test").contains("the step heard TERM"), "{}", build.text("test"));
        nothing_runs_as_its_user(&team, "gkp");
        // Whoever stopped it does not have to know what waited with it.
        let said = team.anna("ci-build --stop gkp").expect_code(1);
        assert!(said.stderr.contains("nothing of gkp is running or waiting"), "{}", said.story());
    }
}

#[test]
fn stopping_the_unit_is_a_stop_too() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let file = "[build]\nstop-grace = \"1s\"\n".to_owned() + &step("test", STUBBORN) + &step("tidy", "true") + TIDY;
        team.project("gkp", &file);
        team.force("gkp");
        team.wait_held("gkp");
        team.machine.sh("systemctl stop ci-build@gkp:1.service");
        let build = team.wait_build("gkp", 1);
        build.is("cancelled", "stopped by systemctl stop");
        assert_eq!(build.step("tidy"), "success");
        nothing_runs_as_its_user(&team, "gkp");
        assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
    }
}

#[test]
fn stopping_a_project_empties_its_queue() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "touch $CI_CACHE/here; sleep 1000"));
    team.force("gkp");
    team.wait_held("gkp");
    let waiting = team.machine.command_as("anna", ["ci-build", "--force", "gkp", "--wait"]);
    let mut waiting = { waiting }.stderr(std::process::Stdio::piped()).spawn().expect("to start ci-build");
    team.machine.wait_until("the second to wait", SOON, || team.count("request WHERE state = 'waiting'") == 1);
    team.anna("ci-build --stop gkp").expect_success();
    team.wait_build("gkp", 1).is("cancelled", "stopped by anna");
    // Who waits for what was dropped is told.
    let status = waiting.wait().expect("ci-build to end");
    assert_eq!(status.code(), Some(1));
    assert_eq!(team.builds("gkp"), 1);
}

#[test]
fn a_build_stopped_during_its_checkout_is_cancelled() {
    let team = Team::start(Suite::usual()[0]);
    // A server that takes the connection and says nothing.
    team.machine.write_file(
        "/root/silent.py",
        "import socket, time\ns = socket.create_server(('127.0.0.1', 9418))\ntime.sleep(999)\n",
    );
    team.machine.sh("systemd-run --quiet --unit=silent python3 /root/silent.py");
    team.project_file("gkp", &format!("[source]\nurl = \"http://127.0.0.1:9418/gkp\"\n{}", step("test", "true")));
    team.force("gkp");
    team.machine.wait_until("the checkout to begin", SOON, || {
        team.count("step WHERE name = 'checkout' AND state = 'running'") == 1
    });
    team.anna("ci-build --stop gkp:1").expect_success();
    team.wait_build("gkp", 1).is("cancelled", "stopped by anna");
    team.no_unit_left("gkp");
}

#[test]
fn limits_of_time_end_a_step_and_say_which_it_was() {
    let team = Team::start(Suite::usual()[0]);
    let chatty = "while :; do echo on and on; sleep 0.1; done";
    let quiet = "echo so far; sleep 1000";
    let projects = [
        ("step", String::new(), step("test", chatty) + "timeout = \"2s\"\n", "test: timeout: stopped after 2s"),
        ("silent", String::new(), step("test", quiet) + "no-output = \"2s\"\n", "test: timeout: no output for 2s"),
        (
            "whole",
            "[build]\ntimeout = \"4s\"\n".into(),
            step("test", chatty),
            "test: timeout: the build was stopped after 4s",
        ),
        ("much", "[build]\nlog-max = \"1M\"\n".into(), step("test", "yes"), "test: stopped: more than 1 MiB of output"),
    ];
    team.machine.write_file("/etc/ci/ci.toml", "max-builds = 4\n");
    for (name, build, limited, _) in &projects {
        team.project(name, &(build.clone() + limited + &step("after", "true") + &step("tidy", "echo tidied") + TIDY));
    }
    for (name, ..) in &projects {
        team.force(name);
    }
    for (name, _, _, says) in &projects {
        let build = team.wait_build(name, 1);
        build.is("failure", says);
        assert_eq!((build.step("after"), build.step("tidy")), ("skipped", "success"), "{name}");
        team.machine.wait_until("the log to be closed", SOON, || team.machine.exists(build.log_path("tidy")));
        assert_eq!(build.text("tidy"), "tidied\n");
        nothing_runs_as_its_user(&team, name);
    }
}

#[test]
fn what_a_step_leaves_behind_is_gone_with_the_build() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let leave = "setsid sh -c 'touch $CI_CACHE/left; exec sleep 1000' & setsid --fork sleep 1000
            while ! test -e $CI_CACHE/left; do sleep 0.05; done; echo done";
        team.project(
            "gkp",
            &(step("test", leave) + &step("next", "ps -o args= -u $(id -u) | grep -c '[s]leep 1000' || true")),
        );
        let started = Instant::now();
        let build = team.build("gkp", 1);
        build.is_green();
        assert!(started.elapsed() < SOON / 2, "a child that holds the pipe does not hold the build");
        assert_eq!((build.text("test").as_str(), build.text("next").as_str()), ("done\n", "0\n"));
        nothing_runs_as_its_user(&team, "gkp");
    }
}

/// Holds a supervisor that died back, so that it is still dead when something else happens.
fn come_back_late(team: &Team) {
    team.machine.write_file("/run/systemd/system/ci-build@.service.d/late.conf", "[Service]\nRestartSec=3s\n");
    team.machine.sh("systemctl daemon-reload");
}

fn kill_supervisor(team: &Team) {
    team.machine.sh("systemctl kill --kill-whom=main --signal=KILL ci-build@gkp:1.service");
    team.machine.wait_until("it to be dead", SOON, || {
        team.machine.run(["systemctl", "show", "--property=MainPID", "ci-build@gkp:1.service"]).stdout.trim()
            == "MainPID=0"
    });
}

/// A project with a step that does not want to go and one that tidies up, held in the first.
fn stubborn(team: &Team, tidy: &str) {
    let file = "[build]\nstop-grace = \"1s\"\n".to_owned()
        + &step("test", STUBBORN)
        + &step("next", "true")
        + &step("tidy", tidy)
        + TIDY;
    team.project("gkp", &file);
    team.force("gkp");
    team.wait_held("gkp");
}

#[test]
fn a_step_that_cleans_up_has_the_grace_for_it_and_everybody_is_told_who_stopped_it() {
    let team = Team::start(Suite::usual()[0]);
    let clean = "trap 'sleep 0.3; echo cleaned up; touch $CI_CACHE/cleaned; exit 0' TERM
        touch $CI_CACHE/here; while :; do sleep 0.1; done";
    team.project("gkp", &("[build]\nstop-grace = \"50s\"\n".to_owned() + &step("test", clean) + &step("next", "true")));
    team.force("gkp");
    team.wait_held("gkp");
    let asked = Instant::now();
    team.anna("ci-build --stop gkp:1 -m 'wrong branch'").expect_success();
    let build = team.wait_build("gkp", 1);
    assert!(asked.elapsed() < SOON / 2, "it does not take the grace that it does not need");
    // An exit with 0 after SIGTERM is no success.
    build.is("cancelled", "stopped by anna: wrong branch");
    assert_eq!((build.step("test"), build.step("next")), ("cancelled", "skipped"));
    team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
    assert!(build.text("test").ends_with("cleaned up\n"), "{}", build.text("test"));
    assert!(team.machine.exists(team.cache("gkp", "cleaned")));

    let told = "stopped by anna: wrong branch";
    let shown = team.anna("ci-status gkp:1").expect_success().stdout;
    assert!(shown.contains("cancelled") && shown.contains(told), "{shown}");
    let json = team.anna("ci-status gkp:1 --json").expect_success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["stopped_by"], &json["stop_reason"]), (&"anna".into(), &"wrong branch".into()));
    let page = team.machine.sh("curl -sf http://localhost:8010/p/gkp/1/");
    assert!(page.contains(told) && page.contains("was stopped"), "{page}");
    let journal = team.machine.sh("journalctl --no-pager CI_PROJECT=gkp CI_BUILD=1 CI_VERDICT=cancelled");
    assert!(journal.contains(&format!("build gkp:1: cancelled: {told}")), "{journal}");
}

#[test]
fn an_always_step_is_not_stopped_and_takes_its_time() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        // systemd waits for the supervisor only as long as that says that it is at it.
        let impatient = "[Service]\nTimeoutStopSec=2s\n";
        team.machine.write_file("/run/systemd/system/ci-build@.service.d/impatient.conf", impatient);
        team.machine.sh("systemctl daemon-reload");
        stubborn(&team, HOLD);
        team.anna("ci-build --stop gkp:1 -m first").expect_success();
        team.wait_held("gkp");
        // Once more, in both ways: the clean-up is not what they mean.
        team.machine.run_as("anna", ["ci-build", "--stop", "gkp:1", "-m", "second"]).expect_success();
        team.machine.sh("systemctl stop --no-block ci-build@gkp:1.service; sleep 4");
        assert_eq!(team.find_build("gkp", 1).unwrap().row["state"], "running");
        team.release("gkp");
        let build = team.wait_build("gkp", 1);
        build.is("cancelled", "stopped by anna: first");
        assert_eq!(["test", "next", "tidy"].map(|name| build.step(name)), ["cancelled", "skipped", "success"]);
        nothing_runs_as_its_user(&team, "gkp");
    }
}

#[test]
fn a_stop_during_the_clean_up_is_a_stop_all_the_same() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &(step("test", "true") + &step("tidy", HOLD) + TIDY));
    team.force("gkp");
    team.wait_held("gkp");
    team.machine.sh("systemctl stop --no-block ci-build@gkp:1.service");
    team.machine.wait_until("the stop to be heard", SOON, || team.count("build WHERE stop IS NOT NULL") == 1);
    team.release("gkp");
    let build = team.wait_build("gkp", 1);
    build.is("cancelled", "stopped by systemctl stop");
    assert_eq!((build.step("test"), build.step("tidy")), ("success", "success"));
    nothing_runs_as_its_user(&team, "gkp");
}

#[test]
fn a_stop_finds_its_build_although_the_supervisor_is_dead() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        come_back_late(&team);
        stubborn(&team, "echo tidied");
        kill_supervisor(&team);
        team.anna("ci-build --stop gkp:1 -m 'while it is dead'").expect_success();
        let build = team.wait_build("gkp", 1);
        build.is("cancelled", "stopped by anna: while it is dead");
        assert_eq!(["test", "next", "tidy"].map(|name| build.step(name)), ["cancelled", "skipped", "success"]);
        nothing_runs_as_its_user(&team, "gkp");
        assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
    }
}

#[test]
fn stopping_the_unit_of_a_dead_supervisor_is_a_stop_too() {
    let team = Team::start(Suite::usual()[0]);
    come_back_late(&team);
    stubborn(&team, "echo tidied");
    kill_supervisor(&team);
    team.machine.sh("systemctl stop ci-build@gkp:1.service");
    // The net, which comes every five minutes.
    team.machine.sh("systemctl start ci-clean.service");
    let build = team.wait_build("gkp", 1);
    build.is("cancelled", "stopped by systemctl stop");
    assert_eq!(["test", "next", "tidy"].map(|name| build.step(name)), ["cancelled", "skipped", "success"]);
    nothing_runs_as_its_user(&team, "gkp");
}

#[test]
fn a_supervisor_killed_while_it_cleans_up_is_replaced() {
    let team = Team::start(Suite::usual()[0]);
    stubborn(&team, HOLD);
    team.machine.sh("systemctl stop --no-block ci-build@gkp:1.service");
    team.wait_held("gkp");
    // systemd starts nothing again that somebody stops.
    kill_supervisor(&team);
    team.machine.wait_unit("ci-build@gkp:1.service", "active", SOON);
    team.release("gkp");
    let build = team.wait_build("gkp", 1);
    build.is("cancelled", "stopped by systemctl stop");
    assert_eq!(["test", "next", "tidy"].map(|name| build.step(name)), ["cancelled", "skipped", "success"]);
    nothing_runs_as_its_user(&team, "gkp");
    assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
}

#[test]
fn a_supervisor_that_cannot_live_leaves_nothing() {
    let team = Team::start(Suite::usual()[0]);
    stubborn(&team, "touch $CI_CACHE/tidied");
    let broken = "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=10ms\n";
    team.machine.write_file("/run/systemd/system/ci-build@.service.d/broken.conf", broken);
    team.machine.sh("systemctl daemon-reload");
    team.machine.sh("systemctl kill --kill-whom=main --signal=KILL ci-build@gkp:1.service");
    let build = team.wait_build("gkp", 1);
    build.is("exception", "the supervisor fails again and again");
    nothing_runs_as_its_user(&team, "gkp");
    team.machine.wait_until("it to be forgotten", SOON, || {
        team.machine.sh("systemctl --failed --no-legend --plain").is_empty()
    });
}

#[test]
fn a_checkout_that_is_stopped_while_its_supervisor_is_dead_is_not_done_again() {
    let team = Team::start(Suite::usual()[0]);
    come_back_late(&team);
    team.machine.write_file(
        "/root/silent.py",
        "import socket, time\ns = socket.create_server(('127.0.0.1', 9418))\ntime.sleep(999)\n",
    );
    team.machine.sh("systemd-run --quiet --unit=silent python3 /root/silent.py");
    let source = "[source]\nurl = \"http://127.0.0.1:9418/gkp\"\ntimeout = \"10min\"\n";
    team.project_file("gkp", &format!("{source}{}{}{TIDY}", step("test", "true"), step("tidy", "true")));
    team.force("gkp");
    team.machine.wait_unit("ci-work-gkp-fetch-1.service", "active", SOON);
    kill_supervisor(&team);
    team.anna("ci-build --stop gkp:1").expect_success();
    let build = team.wait_build("gkp", 1);
    build.is("cancelled", "stopped by anna");
    assert_eq!(["checkout", "test", "tidy"].map(|name| build.step(name)), ["cancelled", "skipped", "skipped"]);
    assert_eq!(build.outcome("tidy"), "there is no checkout to run in");
    team.no_unit_left("gkp");
    let workers = team
        .machine
        .run(["systemctl", "list-units", "--all", "--no-legend", "--plain", "ci-work-gkp-*-1.service"])
        .stdout;
    assert_eq!(workers.trim(), "");
}

#[test]
fn a_power_cut_does_not_bring_back_what_was_being_stopped() {
    let mut team = Team::start(Suite::usual()[0]);
    team.project("gkp", &("[build]\nstop-grace = \"50s\"\n".to_owned() + &step("test", STUBBORN)));
    team.force("gkp");
    team.wait_held("gkp");
    team.anna("ci-build --stop gkp:1").expect_success();
    team.machine.wait_until("it to hear TERM", SOON, || team.machine.exists(team.cache("gkp", "heard")));
    team.machine.crash();
    team.machine.boot_again();
    team.wait_build("gkp", 1).is("cancelled", "stopped by anna; the machine went down before it was over");
    assert_eq!(team.count("request WHERE state = 'waiting'"), 0, "what somebody stopped is not built again");
    assert_eq!(team.builds("gkp"), 1);
}
