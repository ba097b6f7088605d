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
