//! What a push leads to, and what a remote that cannot be asked costs.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};

const POLL_FAILED: &str = "MESSAGE_ID=ba761a23e93149e9bf52783982068423";
const POLL_RECOVERED: &str = "MESSAGE_ID=28a7ed32a9aa4650aca28e301a68e9e4";

#[test]
fn a_push_is_built_once_and_the_first_poll_builds_nothing() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.repository("gkp");
        team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", step("test", "make test")));
        assert_eq!(team.poll("gkp").expect_success().stdout, "gkp: nothing new\n");
        assert_eq!((team.count("tip"), team.count("request")), (1, 0));

        let commit = team.push("gkp", "tests", &[("Makefile", "test:\n\t@echo tested $$CI_COMMIT\n")]);
        let found = team.poll("gkp").expect_success().stdout;
        assert!(found.contains("gkp: a build is queued") && found.contains("tests"), "{found}");
        let build = team.wait_build("gkp", 1);
        build.is_green();
        assert_eq!(build.row["sha"], commit.as_str());
        assert_eq!(build.text("test"), format!("tested {commit}\n"));

        assert_eq!(team.poll("gkp").expect_success().stdout, "gkp: nothing new\n");
        let again = team.anna("ci-build gkp").expect_success().stdout;
        assert!(again.contains("gkp:1") && again.contains("success"), "{again}");
        assert_eq!(team.count("request"), 1);
        team.no_unit_left("gkp");
    }
}

#[test]
fn the_timer_alone_sees_a_push() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "true"));
    team.push("gkp", "a change", &[]);
    team.machine.sh("systemctl stop ci-poll.timer ci-poll.service");
    let minute_later = "sqlite3 /var/lib/ci/store/ci.sqlite 'UPDATE source SET looked = looked - 60000'";
    team.machine.sh_as("unitci", minute_later);
    team.machine.sh("systemctl start ci-poll.timer");
    team.wait_build("gkp", 1).is_green();
}

#[test]
fn every_way_in_which_a_branch_changes_is_seen() {
    let team = Team::start(Suite::usual()[0]);
    team.repository("gkp");
    let watch = "[source]\nurl = \"/srv/git/gkp.git\"\nbranches = [\"main\", \"topic/*\"]\n";
    team.project_file("gkp", &format!("{watch}{}", step("test", "cat README")));
    team.poll("gkp").expect_success();

    let on = |number: u32, branch: &str, commit: &str| {
        let build = team.wait_build("gkp", number);
        build.is_green();
        assert_eq!((build.row["ref"].as_str(), build.row["sha"].as_str()), (Some(branch), Some(commit)));
    };
    // A new branch, at a commit that is known already, and one that is not watched.
    team.git("gkp", "push --quiet origin HEAD:refs/heads/topic/known HEAD:refs/heads/other HEAD:refs/tags/v1");
    team.poll("gkp").expect_success();
    let first = team.git("gkp", "rev-parse HEAD");
    on(1, "refs/heads/topic/known", &first);
    // Forward, then a force push to another history, then back to where it was.
    let second = team.push("gkp", "forward", &[("README", "second\n")]);
    team.poll("gkp").expect_success();
    on(2, "refs/heads/main", &second);
    team.git("gkp", "reset --quiet --hard HEAD~1");
    let diverged = team.push("gkp", "another way", &[("README", "diverged\n")]);
    team.poll("gkp").expect_success();
    on(3, "refs/heads/main", &diverged);
    assert_eq!(team.wait_build("gkp", 3).text("test"), "diverged\n");
    team.git("gkp", "push --quiet --force origin HEAD~1:main");
    team.poll("gkp").expect_success();
    on(4, "refs/heads/main", &first);
    assert_eq!(team.builds("gkp"), 4);
}

#[test]
fn what_waits_for_a_branch_is_collapsed_and_goes_with_the_branch() {
    let team = Team::start(Suite::usual()[0]);
    team.repository("gkp");
    let watch = "[source]\nurl = \"/srv/git/gkp.git\"\nbranches = [\"**\"]\n";
    team.project_file("gkp", &format!("{watch}{}", step("test", HOLD)));
    team.poll("gkp").expect_success();
    team.force("gkp");
    team.wait_held("gkp");

    team.push("gkp", "one", &[]);
    team.poll("gkp").expect_success();
    let two = team.push("gkp", "two", &[]);
    team.git("gkp", "push --quiet origin HEAD:refs/heads/gone");
    team.poll("gkp").expect_success();
    assert_eq!(team.count("request WHERE state = 'waiting'"), 2);
    assert_eq!(team.count("request WHERE state = 'replaced'"), 1);
    team.git("gkp", "push --quiet origin :gone");
    team.poll("gkp").expect_success();
    assert_eq!(team.count("request WHERE state = 'dropped' AND dropped LIKE '%branch was deleted%'"), 1);

    team.release("gkp");
    team.wait_build("gkp", 1).is_green();
    let build = team.wait_build("gkp", 2);
    assert_eq!(build.is_green().row["sha"], two.as_str());
    let changes = build.row["changes"].as_str().unwrap();
    assert!(changes.contains("\"one\"") && changes.contains("\"two\""), "both commits are listed: {changes}");
    assert_eq!((team.builds("gkp"), team.count("request WHERE state = 'waiting'")), (2, 0));
}

#[test]
fn a_dead_remote_costs_its_own_project_a_warning_and_nothing_else() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "true"));
    team.project("shop", &step("test", "true"));
    team.machine.sh("mv /srv/git/shop.git /srv/git/away.git");
    team.push("gkp", "a change", &[]);
    let said = team.poll("").expect_code(1).stdout;
    assert!(said.contains("gkp: a build is queued") && said.contains("shop: "), "{said}");
    team.wait_build("gkp", 1).is_green();

    let warning = team.machine.wait_journal(&[POLL_FAILED, "CI_PROJECT=shop"], SOON);
    assert_eq!(warning.field("PRIORITY"), "4");
    assert!(warning.field("MESSAGE").ends_with("trying again at the next poll"), "{}", warning.field("MESSAGE"));
    assert_eq!(team.machine.journal(&[POLL_FAILED, "CI_PROJECT=gkp"]).len(), 0);
    assert_eq!(team.count("source WHERE project = 'shop' AND error IS NOT NULL AND error_since IS NOT NULL"), 1);
    assert_eq!(team.count("source WHERE project = 'gkp' AND error IS NULL"), 1);

    // What was pushed meanwhile is built when the remote is back.
    team.machine.sh("mv /srv/git/away.git /srv/git/shop.git");
    let late = team.push("shop", "while it was away", &[]);
    team.poll("shop").expect_success();
    assert_eq!(team.wait_build("shop", 1).is_green().row["sha"], late.as_str());
    team.machine.wait_journal(&[POLL_RECOVERED, "CI_PROJECT=shop"], SOON);
    assert_eq!(team.count("source WHERE error IS NOT NULL"), 0);
}
