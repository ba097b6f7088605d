//! Whatever dies under a deploy, the next run finishes or undoes it, and none is lost or made twice.

use super::*;

#[test]
fn a_kill_in_any_phase_is_made_good_by_the_next_run() {
    let shop = Shop::open(Suite::usual()[0]);
    let mut last = shop.push_good("zero");
    shop.expect(last, "deployed", "");
    for (hold, phase) in [
        ("prepare", "prepare"),
        ("migrate", "migrate"),
        ("start", "services"),
        ("serve", "checks"),
        ("finish", "finish"),
    ] {
        shop.hold(hold);
        last = shop.push_good(phase);
        shop.wait_phase(phase);
        shop.kill();
        shop.wait_phase(phase);
        shop.kill();
        shop.release(hold);
        shop.expect(last, "deployed", "");
        shop.live(last, phase);
        assert!(shop.log(last).contains(&format!("goes on with: {phase}")), "{}", shop.log(last));
    }

    // In the middle of going back.
    shop.machine.write_file("/etc/ci/projects.d/gkp.toml", PROJECT.replace("attempts = 40", "attempts = 10"));
    let sick = shop.push(&[("text", "feverish\n")]);
    shop.wait_phase("checks");
    shop.hold("start");
    shop.wait_phase("undo");
    shop.kill();
    shop.kill();
    shop.release("start");
    shop.expect(sick, "rolled-back", "does not contain");
    shop.live(last, "finish");
}

#[test]
fn killed_at_whatever_moment_a_deploy_comes_to_its_end() {
    let shop = Shop::open(Suite::usual()[0]);
    let (one, two) = (shop.push_good("one"), {
        shop.outcome(1);
        shop.push_good("two")
    });
    shop.expect(two, "deployed", "");
    let started = std::time::Instant::now();
    shop.machine.run(["ci-deploy", &format!("gkp:{one}")]).expect_success();
    let whole = started.elapsed();
    const KILLS: u32 = 24;
    for at in 0..KILLS {
        let (build, text) = if at % 2 == 0 { (two, "two") } else { (one, "one") };
        shop.machine.run(["ci-deploy", "--no-wait", &format!("gkp:{build}")]).expect_success();
        std::thread::sleep(whole * at / KILLS);
        shop.machine.try_sh("systemctl kill -s KILL ci-deploy@gkp.service");
        // Asked again it is the same deploy, or a new one of what is live; either comes to its end.
        shop.machine.run(["ci-deploy", &format!("gkp:{build}")]).expect_success();
        shop.live(build, text);
    }
}

#[test]
fn a_restart_a_stop_and_a_reboot_leave_a_deploy_for_the_next_run() {
    let mut shop = Shop::open(Suite::usual()[0]);
    let one = shop.push_good("one");
    shop.expect(one, "deployed", "");
    shop.hold("prepare");
    let two = shop.push_good("two");
    shop.wait_phase("prepare");
    shop.machine.sh("systemctl restart ci-deploy@gkp.service");
    shop.wait_phase("prepare");
    shop.machine.sh("systemctl stop ci-deploy@gkp.service");
    assert_eq!(shop.machine.sh("systemctl list-units --plain --no-legend --all 'ci-command-*'"), "");
    shop.live(one, "one");
    shop.machine.sh("touch /run/ci/wake/deploy");
    shop.wait_phase("prepare");
    shop.machine.sh("systemctl enable gkp nginx");
    shop.machine.reboot();
    shop.wait_phase("prepare");
    shop.release("prepare");
    shop.expect(two, "deployed", "");
    shop.live(two, "two");
}

#[test]
fn a_configuration_that_breaks_under_a_deploy_fails_it_or_has_it_wait_but_never_leaves_it_unproven() {
    let shop = Shop::open(Suite::usual()[0]);
    let one = shop.push_good("one");
    shop.expect(one, "deployed", "");
    let (file, broken) = ("/etc/ci/projects.d/gkp.toml", PROJECT.replace("user = \"gkp\"", "user = 7"));

    // Before the switch nothing is lost.
    shop.hold("prepare");
    let two = shop.push_good("two");
    shop.wait_phase("prepare");
    // A half-made one would stay until the file says again where.
    shop.machine.wait_until("the release is whole", SOON, || {
        shop.machine.try_sh(&format!("ls -d /srv/gkp/releases/{two}-*")).status.success()
    });
    shop.machine.write_file(file, &broken);
    shop.machine.sh("systemctl restart ci-deploy@gkp.service");
    shop.expect(two, "failed", "ci-config check");
    shop.release("prepare");
    shop.machine.write_file(file, PROJECT);
    shop.live(one, "one");

    // After it the deploy waits until the file says how to go on.
    shop.hold("serve");
    shop.machine.run(["ci-deploy", "--no-wait", "gkp:2"]).expect_success();
    shop.wait_phase("checks");
    shop.machine.write_file(file, &broken);
    shop.machine.sh("systemctl kill -s KILL ci-deploy@gkp.service");
    let told = shop.machine.wait_journal(&["SYSLOG_IDENTIFIER=ci-deploy", "PRIORITY=3"], SOON);
    assert!(told.field("MESSAGE").contains("waits until its configuration is mended"), "{}", told.field("MESSAGE"));
    shop.machine.wait_unit("ci-deploy@gkp.service", "inactive", SOON);
    assert_eq!(shop.list()["deploys"][0]["phase"], "checks");
    shop.machine.write_file(file, PROJECT);
    shop.release("serve");
    shop.machine.sh("touch /run/ci/wake/deploy");
    shop.expect(two, "deployed", "");
    shop.live(two, "two");
}

#[test]
fn a_late_older_build_is_skipped_and_ci_launch_may_be_killed() {
    let shop = Shop::open(Suite::usual()[0]);
    let (one, two) = (shop.push_good("one"), {
        shop.outcome(1);
        shop.push_good("two")
    });
    shop.expect(two, "deployed", "");
    let sql = "INSERT INTO deploy (project, number, sha, origin, created, state)
               SELECT project, number, sha, '{\"by\":\"green\"}', created, 'waiting' FROM build WHERE number = 1";
    shop.machine.run_as("unitci", ["sqlite3", "/var/lib/ci/store/ci.sqlite", sql]).expect_success();
    shop.machine.sh("touch /run/ci/wake/deploy");
    shop.machine.wait_until("the late one is skipped", SOON, || shop.list()["deploys"][0]["outcome"] == "superseded");
    assert_eq!(shop.outcome(one), ("superseded".to_owned(), format!("2-{} is live already", shop.commit(two))));
    shop.live(two, "two");

    shop.hold("prepare");
    let three = shop.push_good("three");
    shop.wait_phase("prepare");
    shop.machine.try_sh("systemctl kill -s KILL ci-launch.service");
    shop.release("prepare");
    shop.expect(three, "deployed", "");
    shop.live(three, "three");
    assert_eq!(shop.machine.sh("grep -c ^3- /srv/gkp/shared/migrations"), "1\n");
}

#[test]
fn no_deploy_is_lost_while_the_one_before_it_ends() {
    let shop = Shop::open(Suite::usual()[0]);
    shop.machine.write_file(
        "/etc/ci/projects.d/gkp.toml",
        "[source]\nurl = \"/srv/git/gkp.git\"\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\n",
    );
    let (one, two) = (shop.push_good("one"), {
        shop.outcome(1);
        shop.push_good("two")
    });
    shop.expect(two, "deployed", "");
    // Each is asked for as soon as the store says that the one before is over: when its run is about to end.
    let started = std::time::Instant::now();
    for round in 0..30 {
        let build = if round % 2 == 0 { one } else { two };
        shop.machine.run(["ci-deploy", &format!("gkp:{build}")]).expect_success();
    }
    assert!(started.elapsed() < SOON, "one was found by the timer only: {:?}", started.elapsed());
}
