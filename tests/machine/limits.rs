//! What a step may use of the machine: enforced, explained where it is hit, and told where it is not.

use crate::harness::{Machine, Suite};
use crate::story::{SOON, Team, step};

/// Takes about as many bytes of memory as it is told, at once.
fn takes(bytes: u64) -> String {
    format!("python3 -c \"print(len('x' * {bytes}))\"")
}

fn team(suite: Suite) -> Team {
    Team::on(Machine::on(suite).with_limits().boot())
}

#[test]
fn a_step_that_is_killed_for_want_of_memory_says_at_which_limit() {
    for suite in Suite::every() {
        let team = team(suite);
        let continues = "on-failure = \"continue\"\n";
        let file = "[build]\nmemory = \"50M\"\n".to_owned()
            + &step("itself", &format!("exec {}", takes(300_000_000)))
            + continues
            + &step("child", &format!("{} || exit 137", takes(300_000_000)))
            + continues
            + &step("roomy", &takes(100_000_000))
            + "memory = \"300M\"\n"
            + continues
            + &step("tight", &takes(100_000_000))
            + "memory = \"30M\"\n"
            + continues;
        team.project("gkp", &file);
        let build = team.build("gkp", 1);
        let all = "killed: out of memory at 50 MiB; `memory` in [build] allows more";
        build.is("failure", all);
        assert_eq!((build.outcome("itself"), build.outcome("child")), (all, all));
        assert_eq!(build.step("roomy"), "success", "{}", build.outcome("roomy"));
        assert_eq!(build.outcome("tight"), "killed: out of memory at 30 MiB; `memory` in its [[step]] allows more");
        let said = team.anna("ci-status gkp:1").expect_success().stdout;
        assert!(said.contains(all), "{said}");
        team.no_unit_left("gkp");
    }
}

#[test]
fn all_builds_together_have_a_limit_too() {
    let team = team(Suite::usual()[0]);
    team.machine.write_file("/etc/systemd/system/ci.slice.d/small.conf", "[Slice]\nMemoryMax=80M\n");
    team.machine.sh("systemctl daemon-reload");
    team.project("gkp", &("[build]\nmemory = \"1G\"\n".to_owned() + &step("test", &takes(300_000_000))));
    team.build("gkp", 1).is("failure", "MemoryMax= of ci.slice allows more");
}

#[test]
fn what_a_step_used_is_told() {
    for suite in Suite::every() {
        let team = team(suite);
        let busy = "python3 -c \"import time; x = 'x' * 60_000_000\nwhile time.process_time() < 0.5: pass\"";
        let steps = step("test", busy)
            + &step("red", &format!("{busy}; exit 1"))
            + "on-failure = \"warn\"\n"
            + &step("silent", &format!("{busy}; sleep 1000"))
            + "no-output = \"3s\"\n";
        team.project("gkp", &steps);
        let build = team.build("gkp", 1);
        build.is("failure", "no output for 3s");
        for step in build.steps.iter().skip(1) {
            let (cpu, peak) = (step["cpu_usec"].as_u64(), step["memory_peak"].as_u64());
            assert!(cpu.is_some_and(|cpu| (500_000..5_000_000).contains(&cpu)), "{step:?}");
            assert!(peak.is_some_and(|peak| (60_000_000..120_000_000).contains(&peak)), "{step:?}");
        }
        let json = team.anna("ci-status gkp:1 --json").expect_success().stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["steps"][1]["usage"]["memory_peak"], build.steps[1]["memory_peak"]);
        assert!(json["steps"][1]["usage"].as_object().unwrap().contains_key("io_written"));
    }
}

#[test]
fn a_step_that_runs_out_of_tasks_says_so() {
    for suite in Suite::every() {
        let team = team(suite);
        let forks = "for i in $(seq 100); do sleep 5 & done; wait";
        team.project("gkp", &("[build]\ntasks = 40\n".to_owned() + &step("test", forks)));
        let build = team.build("gkp", 1);
        build.is("failure", "after it hit `tasks` = 40; `tasks` in [build] allows more");
        team.no_unit_left("gkp");
    }
}

#[test]
fn shares_of_the_processors_are_handed_to_systemd() {
    let team = team(Suite::usual()[0]);
    let file = "[build]\ncpu = \"150%\"\ncpu-weight = 30\n".to_owned()
        + &step("test", crate::story::HOLD)
        + &step("slow", "touch $CI_CACHE/here; while test -e $CI_CACHE/go; do sleep 0.05; done")
        + "cpu = \"20%\"\n";
    team.project("gkp", &file);
    team.force("gkp");
    let show = |unit: &str, property: &str| {
        team.machine.sh(&format!("systemctl show {unit} -p {property} --value")).trim().to_owned()
    };
    team.wait_held("gkp");
    assert_eq!(show("ci-step-gkp-1-1.service", "CPUQuotaPerSecUSec"), "1.500000s");
    assert_eq!(show("ci-gkp.slice", "CPUWeight"), "30");
    team.release("gkp");
    team.wait_held("gkp");
    assert_eq!(show("ci-step-gkp-1-2.service", "CPUQuotaPerSecUSec"), "200ms");
    team.machine.sh("rm /var/cache/ci/gkp/cache/go");
    team.wait_build("gkp", 1).is_green();
}

#[test]
fn a_step_that_writes_too_much_is_stopped_and_says_so() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let writes = |count: u32| format!("dd if=/dev/zero of=big bs=1M count={count} status=none");
        let file = "[build]\ndisk = \"20M\"\n".to_owned()
            + &step("fits", &writes(19))
            + &step("child", &writes(30))
            + "on-failure = \"continue\"\n"
            + &step("itself", &format!("exec {}", writes(30)));
        team.project("gkp", &file);
        let build = team.build("gkp", 1);
        let says = "stopped: more than 20 MiB written; `disk` in [build] allows more";
        build.is("failure", says);
        assert_eq!(build.step("fits"), "success");
        assert_eq!((build.outcome("child"), build.outcome("itself")), (says, says));

        // Many small files pass it as well as one long one.
        let many =
            "for i in $(seq 12); do dd if=/dev/zero of=part$i bs=1M count=5 status=none; sleep 0.1; done; sleep 1000";
        team.project("many", &("[build]\ndisk = \"20M\"\n".to_owned() + &step("test", many)));
        team.build("many", 1).is("failure", says);
        // What others write beside it is not the step's.
        let beside = "touch $CI_CACHE/here; while ! test -e $CI_CACHE/go; do sleep 0.05; done";
        team.project("innocent", &("[build]\ndisk = \"20M\"\n".to_owned() + &step("test", beside)));
        team.force("innocent");
        team.wait_held("innocent");
        team.machine.sh("dd if=/dev/zero of=/var/cache/other bs=1M count=60 status=none");
        let measured = "ci-work-innocent-results-disk-1-1.service";
        team.machine.wait_until("it to be measured", SOON, || {
            !team.machine.run(["journalctl", "-q", "-u", measured]).stdout.is_empty()
        });
        team.release("innocent");
        team.wait_build("innocent", 1).is_green();
    }
}
