//! Whatever is killed, the work is not lost: the step goes on, the log is whole, the verdict is right.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};
use std::process::Stdio;
use std::time::Instant;

/// Counts, a line each, until it is let go; then says how far it came. What it printed can be checked for gaps.
const COUNT: &str = "i=0; while ! test -e $CI_CACHE/go; do
for j in 1 2 3 4 5 6 7 8 9 10; do i=$((i+1)); echo $i; done; touch $CI_CACHE/here; sleep 0.01; done; echo $i >$CI_CACHE/count";

const WENT_DOWN: &str = "the machine went down";
const TAKEN_OVER: &str = "MESSAGE_ID=0b34ec26361e4d45a5f4892f5b82bc43";

/// A project whose only own step counts, built and counting.
#[track_caller]
fn counting(team: &Team) {
    team.project("gkp", &step("test", COUNT));
    team.force("gkp");
    team.wait_held("gkp");
}

/// It is green, and every line is in its log, once and in order.
#[track_caller]
fn counted_without_a_gap(team: &Team) {
    team.release("gkp");
    let build = team.wait_build("gkp", 1);
    build.is_green();
    let count: usize = team.machine.read_file(team.cache("gkp", "count")).trim().parse().expect("a number");
    let log = build.text("test");
    assert!(log.lines().map(|line| line.parse::<usize>()).eq((1..=count).map(Ok)), "{count} lines, in order");
    assert_eq!(team.builds("gkp"), 1);
    team.no_unit_left("gkp");
}

/// It has counted on since: what was killed did not stop it.
#[track_caller]
fn goes_on(team: &Team) {
    team.machine.sh(&format!("rm -f {}", team.cache("gkp", "here")));
    team.wait_held("gkp");
}

#[test]
fn a_power_cut_ends_a_build_and_queues_it_again_once() {
    for suite in Suite::every() {
        let mut team = Team::start(suite);
        let tidy = step("tidy", "touch $CI_CACHE/tidied") + "when = \"always\"\n";
        team.project("gkp", &(step("test", HOLD) + &tidy));
        let commit = team.push("gkp", "a change", &[]);
        team.poll("gkp").expect_success();
        team.wait_held("gkp");
        // What was pushed after the build began is not in what is built again.
        team.push("gkp", "another", &[]);
        team.machine.crash();
        team.machine.boot_again();

        let first = team.wait_build("gkp", 1);
        first.is("exception", WENT_DOWN);
        assert_eq!((first.step("test"), first.step("tidy")), ("exception", "skipped"));
        assert!(!team.machine.exists(team.cache("gkp", "tidied")), "nothing of it runs after the cut");
        team.wait_held("gkp");
        let second = team.find_build("gkp", 2).expect("a second try");
        assert_eq!(second.row["sha"], commit.as_str());

        team.machine.crash();
        team.machine.boot_again();
        team.wait_build("gkp", 2).is("exception", WENT_DOWN);
        team.no_unit_left("gkp");
        assert_eq!(team.count("request WHERE state = 'waiting' AND origin LIKE '%again%'"), 0, "not a third time");

        // A push builds as always; and after a cut, what is queued again may well be green.
        team.release("gkp");
        team.anna("ci-build --force gkp --wait").expect_success();
    }
}

#[test]
fn what_is_queued_again_can_be_green() {
    let mut team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", HOLD));
    team.force("gkp");
    team.wait_held("gkp");
    team.machine.crash();
    team.machine.boot_again();
    team.wait_held("gkp");
    team.release("gkp");
    team.wait_build("gkp", 1).is("exception", WENT_DOWN);
    let again = team.wait_build("gkp", 2);
    again.is_green();
    assert!(again.row["origin"].as_str().unwrap().contains("again"), "{}", again.row["origin"]);
    assert_eq!(team.builds("gkp"), 2);
}

#[test]
fn a_power_cut_at_any_moment_loses_no_request() {
    let mut team = Team::start(Suite::usual()[0]);
    for project in ["ann", "bob", "cid"] {
        team.project(project, &step("test", "true"));
    }
    for round in 0..4 {
        for project in ["ann", "bob", "cid"] {
            team.force(project);
        }
        // Each round a little further into the builds.
        team.machine.wait_until("some to have begun", SOON, || team.count("build") >= round);
        team.machine.crash();
        team.machine.boot_again();
    }
    let open = "request WHERE state = 'waiting'";
    team.machine.wait_until("all to be over", SOON * 2, || {
        team.count(open) == 0 && team.count("build WHERE state <> 'finished'") == 0
    });
    // Each that was forced was built, or replaced by a later one; what a cut ended was built again, unless it was
    // itself such a second try.
    for project in ["ann", "bob", "cid"] {
        let last = team.value(&format!("SELECT max(number) FROM build WHERE project = '{project}'")).as_u64().unwrap();
        let last = team.wait_build(project, u32::try_from(last).unwrap());
        assert!(last.verdict() == "success" || last.summary().contains("second time"), "{}", last.summary());
    }
    assert_eq!(team.count("build WHERE verdict NOT IN ('success', 'exception')"), 0);
    assert_eq!(team.count("request WHERE state NOT IN ('started', 'replaced')"), 0);
    assert_eq!(team.value("PRAGMA integrity_check"), "ok");
}

#[test]
fn a_reboot_in_mid_build_is_no_cancel() {
    for suite in Suite::every() {
        let mut team = Team::start(suite);
        let tidy = step("tidy", "touch $CI_CACHE/tidied") + "when = \"always\"\n";
        team.project("gkp", &(step("test", HOLD) + &tidy));
        team.force("gkp");
        team.wait_held("gkp");
        let asked = Instant::now();
        team.machine.reboot();
        assert!(asked.elapsed() < SOON / 2, "a build does not hold up a reboot: {:?}", asked.elapsed());
        team.wait_build("gkp", 1).is("exception", WENT_DOWN);
        assert!(!team.machine.exists(team.cache("gkp", "tidied")), "no always step on the way down");
        team.wait_held("gkp");
        team.release("gkp");
        team.wait_build("gkp", 2).is_green();
        assert_eq!(team.builds("gkp"), 2);
    }
}

#[test]
fn a_killed_supervisor_is_replaced_and_the_log_is_whole() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        counting(&team);
        for _ in 0..3 {
            team.machine.sh("systemctl kill --kill-whom=main --signal=KILL ci-build@gkp:1.service");
            goes_on(&team);
            team.machine.wait_unit("ci-build@gkp:1.service", "active", SOON);
        }
        assert_eq!(team.machine.run(["systemctl", "is-active", "ci-step-gkp-1-1.service"]).stdout.trim(), "active");
        counted_without_a_gap(&team);
        assert!(!team.machine.journal(&[TAKEN_OVER, "CI_PROJECT=gkp", "CI_BUILD=1"]).is_empty());
    }
}

#[test]
fn a_step_that_ends_while_no_supervisor_is_there_has_its_own_verdict() {
    let team = Team::start(Suite::usual()[0]);
    team.project(
        "gkp",
        &step(
            "test",
            "echo before; touch $CI_CACHE/here; while ! test -e $CI_CACHE/go; do sleep 0.02; done; echo after; exit 7",
        ),
    );
    team.force("gkp");
    team.wait_held("gkp");
    // Held back, so that the step is over before the next one looks.
    team.machine.write_file("/run/systemd/system/ci-build@.service.d/late.conf", "[Service]\nRestartSec=3s\n");
    team.machine.sh("systemctl daemon-reload; systemctl kill --kill-whom=main --signal=KILL ci-build@gkp:1.service");
    team.release("gkp");
    // `failed`, or kept up with all that the kernel counted of it.
    let over = || team.machine.sh("systemctl show ci-step-gkp-1-1.service -p SubState --value");
    team.machine.wait_until("the step to be over", SOON, || ["exited", "failed"].contains(&over().trim()));
    let build = team.wait_build("gkp", 1);
    build.is("failure", "test: exit code 7");
    team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
    assert_eq!(build.text("test"), "before\nafter\n");
    team.no_unit_left("gkp");
}

#[test]
fn an_upgrade_takes_running_builds_over() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        counting(&team);
        for _ in 0..2 {
            team.machine.sh("systemctl restart 'ci-build@*'");
            goes_on(&team);
        }
        team.machine.sh("systemctl daemon-reload");
        team.machine.sh("systemctl daemon-reexec");
        goes_on(&team);
        assert_eq!(team.find_build("gkp", 1).unwrap().row["state"], "running");
        counted_without_a_gap(&team);
    }
}

#[test]
fn what_else_may_die_does_not_matter_to_a_step() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        counting(&team);
        for service in
            ["ci-launch.service", "systemd-journald.service", "ci-build.service", "ci-request.service", "dbus.service"]
        {
            // Some of them are not there at the moment, which is as it should be.
            team.machine.try_sh(&format!("systemctl kill --signal=KILL {service}"));
            goes_on(&team);
        }
        counted_without_a_gap(&team);
    }
}

/// Five projects have news and `service` is killed again and again from then on: all is built, and once.
#[track_caller]
fn everything_is_built_once_although_it_is_killed(service: &str) {
    let projects = ["ann", "bob", "cid", "dan", "eve"];
    let team = Team::start(Suite::usual()[0]);
    team.machine.write_file("/etc/ci/ci.toml", "max-builds = 3\n");
    for project in projects {
        team.project(project, &step("test", "echo $CI_BUILD >>$CI_CACHE/ran"));
        team.push(project, "a change", &[]);
    }
    // Under a poll that is killed a person's ci-poll goes on waiting; the wish stands.
    team.machine.sh("systemd-run --quiet --unit=asking --uid=anna ci-poll");
    let fire = format!("for shot in $(seq 40); do systemctl kill --signal=KILL {service} || :; sleep 0.13; done");
    team.machine.try_sh(&fire);
    team.machine.wait_until("all to be built", SOON * 2, || {
        team.count("build WHERE state = 'finished'") >= 5 && team.count("build WHERE state <> 'finished'") == 0
    });
    for project in projects {
        team.wait_build(project, 1).is_green();
        assert_eq!(team.machine.read_file(team.cache(project, "ran")), "1\n", "the step ran once");
    }
    assert_eq!(team.count("build"), 5);
    assert_eq!(team.count("request WHERE state <> 'started'"), 0);
}

#[test]
fn a_killed_dispatcher_starts_everything_once() {
    everything_is_built_once_although_it_is_killed("ci-build.service");
}

#[test]
fn a_killed_launcher_starts_everything_once() {
    everything_is_built_once_although_it_is_killed("ci-launch.service");
}

#[test]
fn a_killed_poll_loses_no_push() {
    everything_is_built_once_although_it_is_killed("ci-poll.service");
}

#[test]
fn a_client_killed_in_mid_request_leaves_all_of_it_or_nothing() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", HOLD));
    team.force("gkp");
    team.wait_held("gkp");
    let mut told = Vec::new();
    for delay in 0..40 {
        let kill = format!("timeout --signal=KILL 0.{:03} ci-build --force gkp -m 'try {delay}'", delay * 2 + 1);
        let said = team.anna(&format!("{kill} || true")).stdout;
        if let Some(id) = said.split_whitespace().find_map(|word| word.trim_end_matches(';').parse::<u64>().ok()) {
            told.push(id);
        }
    }
    let said = team.anna("ci-build --force gkp").expect_success();
    assert!(said.stdout.contains("queued as request"), "{}", said.story());
    for id in &told {
        assert_eq!(team.count(&format!("request WHERE id = {id}")), 1, "what was answered is there");
    }
    let whole = team.count("request WHERE reason LIKE 'try %' AND token IS NOT NULL AND origin LIKE '%anna%'");
    assert_eq!(whole, team.count("request") - 2, "what is there is whole");
    assert!(whole >= told.len() as u64);
    // Those of one ref are one request in the end.
    assert_eq!(team.count("request WHERE state = 'waiting'"), 1);
    team.release("gkp");
    team.wait_build("gkp", 2).is_green();
    assert_eq!(team.builds("gkp"), 2);
}

#[test]
fn who_follows_a_build_can_leave_without_harm() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", &format!("echo begun; {HOLD}; echo done")));
    let mut follower = team.machine.command_as("anna", ["ci-build", "--force", "gkp", "--follow"]);
    let mut follower = follower.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("to start ci-build");
    team.wait_held("gkp");
    team.machine.sh("pkill -KILL -u anna ci-build");
    follower.wait().expect("it to end");
    team.release("gkp");
    assert_eq!(team.wait_build("gkp", 1).is_green().text("test"), "begun\ndone\n");
}
