//! The order of the queue: who goes first, who runs beside whom, and what the others wait for.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};

const BOUNDS: &str = "max-builds = 4\n[[lock]]\nname = \"db\"\ncount = 2\n";

fn lock(mode: &str) -> String {
    format!("[[lock]]\nname = \"db\"\nmode = \"{mode}\"\n")
}

/// A project whose table of locks and other keys at the top stand before `[source]`.
fn project(team: &Team, name: &str, top: &str, steps: &str) {
    team.repository(name);
    team.project_file(name, &format!("{top}[source]\nurl = \"/srv/git/{name}.git\"\n{steps}"));
    team.poll(name).expect_success();
}

#[test]
fn a_lock_is_shared_as_it_counts_and_says_who_holds_it() {
    for suite in Suite::every() {
        let mut team = Team::start(suite);
        team.machine.write_file("/etc/ci/ci.toml", BOUNDS);
        for name in ["one", "two"] {
            project(&team, name, &lock("counting"), &step("test", HOLD));
        }
        project(&team, "alone", &lock("exclusive"), &step("test", "true"));
        for name in ["one", "two"] {
            team.force(name);
            team.wait_held(name);
        }
        team.force("alone");
        let queue = team.anna("ci-status --queue").expect_success().stdout;
        assert!(queue.contains("waits for lock db, held by one:1, two:1"), "{queue}");
        let why = team.anna("ci-status --why alone").expect_success().stdout;
        assert!(why.contains("waits for lock db, held by one:1, two:1"), "{why}");
        let page = team.machine.sh("curl -s http://localhost:8010/p/alone/");
        assert!(page.contains("waits for lock db, held by one:1, two:1"), "{page}");
        team.release("one");
        team.wait_build("one", 1).is_green();
        assert_eq!(team.builds("alone"), 0, "one of the two holds it still");
        // Nobody is there to give it back: what held it is no build any more.
        team.machine.crash();
        team.machine.boot_again();
        let build = team.wait_build("two", 1);
        build.is("exception", "the machine went down");
        team.wait_build("alone", 1).is_green();
        team.release("two");
        team.wait_build("two", 2).is_green();
    }
}

#[test]
fn builds_of_one_project_run_beside_each_other_where_it_says_so() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.write_file("/etc/ci/ci.toml", "max-builds = 4\n");
        let own = "test ! -e mine -a ! -e /tmp/mine; echo $CI_BUILD | tee mine >/tmp/mine; touch $CI_CACHE/$CI_BUILD
while ! test -e $CI_CACHE/go; do sleep 0.05; done
test $(cat mine) = $CI_BUILD -a $(cat /tmp/mine) = $CI_BUILD; pwd; echo $HOME";
        project(&team, "gkp", "max-builds = 2\n", &step("test", own));
        for branch in ["main", "b1", "b2"] {
            team.git("gkp", &format!("push --quiet --force origin HEAD:refs/heads/{branch}"));
            team.anna(&format!("ci-build --force gkp -b {branch}")).expect_success();
        }
        for number in ["1", "2"] {
            let there = team.cache("gkp", number);
            team.machine.wait_until("both to be there", SOON, || team.machine.exists(&there));
        }
        let why = team.anna("ci-status --why gkp").expect_success().stdout;
        assert!(why.contains("waits for gkp:1, gkp:2 of its project"), "{why}");
        assert_eq!(team.builds("gkp"), 2);
        team.release("gkp");
        let homes = "/var/cache/ci/gkp";
        for (number, folder) in [(1, "workspace"), (2, "workspace-1")] {
            let build = team.wait_build("gkp", number);
            build.is_green();
            team.machine.wait_until("its log", SOON, || team.machine.exists(build.log_path("test")));
            assert_eq!(build.text("test"), format!("{homes}/{folder}\n{homes}/home\n"));
        }
        team.wait_build("gkp", 3).is_green();
    }
}

#[test]
fn a_higher_priority_goes_first() {
    let team = Team::start(Suite::usual()[0]);
    team.machine.write_file("/etc/ci/ci.toml", "max-builds = 1\n");
    project(&team, "busy", "", &step("test", HOLD));
    project(&team, "low", "priority = -20\n", &step("test", "true"));
    project(&team, "high", "priority = 20\n", &step("test", "true"));
    team.force("busy");
    team.wait_held("busy");
    for name in ["low", "high"] {
        team.push(name, "news", &[("news", "1\n")]);
        team.poll(name).expect_success();
    }
    assert_eq!(team.count("request WHERE state = 'waiting'"), 2);
    team.release("busy");
    let started = |name: &str| team.wait_build(name, 1).is_green().row["started"].as_u64().unwrap();
    let (low, high) = (started("low"), started("high"));
    assert!(high < low, "high began at {high}, low at {low}");
}

#[test]
fn builds_wait_while_memory_is_short_and_start_by_themselves() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &step("test", "true"));
        // More than any machine has.
        team.machine.write_file("/etc/ci/ci.toml", "memory-available = \"1000T\"\n");
        team.force("gkp");
        let queue = || team.anna("ci-status --queue").expect_success().stdout;
        team.machine.wait_until("the queue to say so", SOON, || queue().contains("waits for memory: "));
        let json = team.anna("ci-status --queue --json").expect_success().stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["waiting"][0]["waits_for"].as_str().unwrap().contains("`memory-available` in ci.toml"), "{json}");
        let page = team.machine.sh("curl -s http://localhost:8010/p/gkp/");
        assert!(page.contains("waits for memory: "), "{page}");
        const TOLD: &str = "MESSAGE_ID=c05010808f684769bf3d34ccb78a95c0";
        team.machine.wait_until("it to be told", SOON, || !team.machine.journal(&[TOLD]).is_empty());
        // Looked at again and still short: nothing more is said.
        team.machine.sh("systemctl start ci-build.service");
        assert_eq!(team.machine.journal(&[TOLD]).len(), 1);
        assert_eq!(team.builds("gkp"), 0);
        // Nobody wakes the dispatcher but its own timer.
        team.machine.sh("rm /etc/ci/ci.toml; systemctl stop ci-clean.timer");
        team.wait_build("gkp", 1).is_green();
        assert_eq!(team.machine.journal(&[TOLD]).len(), 2);
        // It is over when there is nothing to wait for.
        team.machine.wait_unit("ci-build-again.timer", "inactive", SOON);
    }
}

#[test]
fn a_hot_fix_takes_the_place_of_what_runs_and_waits() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("useradd --system --home-dir /srv/gkp gkp; install -d -o gkp -g gkp /srv/gkp");
        let hold = "touch $CI_CACHE/here-$CI_BUILD; while ! test -e $CI_CACHE/go; do sleep 0.05; done; cat fix";
        let steps = step("test", hold) + &step("tidy", "echo tidied") + "when = \"always\"\n" + DEPLOY;
        team.repository("gkp");
        let source = "[source]\nurl = \"/srv/git/gkp.git\"\nbranches = [\"*\"]\nstable = \"1h\"\n";
        team.project_file("gkp", &format!("max-builds = 2\n{source}{steps}"));
        team.poll("gkp").expect_success();
        let here = |number: u32| {
            let file = team.cache("gkp", &format!("here-{number}"));
            team.machine.wait_until("the build to be at its hold", SOON, || team.machine.exists(&file));
        };
        team.push("gkp", "broken", &[("fix", "no\n")]);
        team.force("gkp");
        here(1);
        team.git("gkp", "push --quiet origin HEAD:topic");
        team.anna("ci-build --force gkp -b topic").expect_success();
        here(2);
        // What waits for main, for want of a place and because of its stable time, is replaced.
        team.push("gkp", "half a fix", &[("fix", "half\n")]);
        team.poll("gkp").expect_success();
        let fix = team.push("gkp", "the fix", &[("fix", "yes\n")]);
        team.anna("ci-build --now gkp").expect_code(2);
        team.anna("ci-build --force --now gkp -r HEAD").expect_code(2);
        let said = team.anna("ci-build --force --now gkp -m 'it burns'").expect_success();
        assert!(said.stderr.contains("gkp:1 is being stopped") && !said.stderr.contains("gkp:2"), "{}", said.story());
        let stopped = team.wait_build("gkp", 1);
        stopped.is("cancelled", "stopped by anna: for request ").is("cancelled", ", forced by anna: it burns");
        assert_eq!(stopped.step("tidy"), "success", "what always runs did");
        here(3);
        assert_eq!(team.count("request WHERE state = 'waiting' AND ref = 'refs/heads/main'"), 0);
        assert_eq!(team.count("build WHERE state <> 'finished' AND number = 2"), 1, "another branch's runs on");
        team.release("gkp");
        let build = team.wait_build("gkp", 3);
        build.is_green();
        assert_eq!((build.text("test").as_str(), build.row["sha"].as_str()), ("yes\n", Some(fix.as_str())));
        team.machine.wait_until("the fix to be live", SOON, || team.machine.exists("/srv/gkp/current/fix"));
        assert_eq!(team.machine.read_file("/srv/gkp/current/fix"), "yes\n");
        team.wait_build("gkp", 2).is_green();
        // With nothing to stop it is --force.
        let said = team.anna("ci-build --force --now gkp --wait").expect_success();
        assert!(!said.stderr.contains("is being stopped"), "{}", said.story());
    }
}

/// The store's tip of main is what the last poll saw.
const DEPLOY: &str = "[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\n";

#[test]
fn a_build_can_be_done_again_and_from_its_failed_step_on() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("useradd --system --home-dir /srv/gkp gkp; install -d -o gkp -g gkp /srv/gkp");
        let count = "echo $CI_BUILD $CI_COMMIT >>$CI_CACHE/$STEP";
        let steps = |flaky: &str| {
            step("lint", count)
                + "env = { STEP = \"lint\" }\n"
                + &step("test", &format!("{count}; {flaky}"))
                + "env = { STEP = \"test\" }\n"
                + &step("package", count)
                + "env = { STEP = \"package\" }\n"
                + DEPLOY
        };
        let flaky = "test -e $CI_CACHE/mended";
        team.project("gkp", &steps(flaky));
        let first = team.push("gkp", "first", &[("file", "1\n")]);
        team.poll("gkp").expect_success();
        team.wait_build("gkp", 1).is("failure", "test: exit code 1");

        // The same commit, although there is a newer one by now.
        team.machine.sh("touch /var/cache/ci/gkp/cache/mended");
        let second = team.push("gkp", "second", &[("file", "2\n")]);
        team.poll("gkp").expect_success();
        team.wait_build("gkp", 2).is_green();
        let said = team.anna("ci-build --retry gkp:1 --from-failed --wait").expect_success();
        assert!(said.stderr.contains("gkp:3 success"), "{}", said.story());
        let again = team.wait_build("gkp", 3);
        assert_eq!((again.row["sha"].as_str(), again.row["ref"].as_str()), (Some(&*first), Some("refs/heads/main")));
        assert_eq!((again.step("lint"), again.outcome("lint")), ("skipped", "taken over from build 1"));
        assert_eq!((again.step("test"), again.step("package")), ("success", "success"));
        let ran = |step: &str| team.machine.sh(&format!("cut -d' ' -f1 /var/cache/ci/gkp/cache/{step} | xargs"));
        assert_eq!((ran("lint").trim(), ran("test").trim(), ran("package").trim()), ("1 2", "1 2 3", "2 3"));
        let shown = team.anna("ci-status gkp:3").expect_success().stdout;
        assert!(shown.contains("build 1 once more from step test on, asked for by anna"), "{shown}");

        // What is green at last and old does not go live over what is new.
        team.machine.wait_until("the deploys to be over", SOON, || team.count("deploy WHERE state <> 'finished'") == 0);
        assert_eq!(team.value("SELECT sha FROM target_release WHERE live IS NOT NULL"), second);
        assert_eq!(team.count("deploy WHERE number = 3"), 0);

        // A step that is another by now is not taken over, and all of it is another build.
        team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", steps("true; true")));
        team.anna("ci-build --retry gkp:3 --from package --wait").expect_success();
        let changed = team.wait_build("gkp", 4);
        assert_eq!(["lint", "test", "package"].map(|name| changed.step(name)), ["skipped", "success", "success"]);
        team.anna("ci-build --retry gkp:2 --wait").expect_success();
        assert_eq!(team.wait_build("gkp", 5).step("lint"), "success");

        for (wrong, code, says) in [
            ("--retry gkp:9", 1, "there is no build gkp:9"),
            ("--retry gkp:2 --from-failed", 1, "no step of it has failed"),
            ("--retry gkp:1 --from package", 1, "step test before it was not green; begin there: --from test"),
            ("--retry gkp:1 --from nothing", 1, "its steps are checkout, lint, test, package"),
            ("--retry gkp", 2, "--retry needs a build"),
            ("--from-failed gkp", 2, "--retry"),
        ] {
            let said = team.anna(&format!("ci-build {wrong}")).expect_code(code);
            assert!(said.stderr.contains(says), "{}", said.story());
        }
    }
}

#[test]
fn a_build_that_a_newer_commit_supersedes_is_stopped_where_its_file_says_so() {
    let team = Team::start(Suite::usual()[0]);
    project(&team, "gkp", "cancel-superseded = true\n", &step("test", HOLD));
    team.push("gkp", "first", &[("file", "1\n")]);
    team.poll("gkp").expect_success();
    team.wait_held("gkp");
    let second = team.push("gkp", "second", &[("file", "2\n")]);
    team.poll("gkp").expect_success();
    team.wait_build("gkp", 1).is("cancelled", "stopped by unitci: superseded by a newer commit of main");
    team.wait_held("gkp");
    // What somebody forces is left alone, and leaves alone.
    team.force("gkp");
    team.release("gkp");
    let build = team.wait_build("gkp", 2);
    build.is_green();
    assert_eq!(build.row["sha"].as_str(), Some(&*second));
    team.wait_build("gkp", 3).is_green();
}
