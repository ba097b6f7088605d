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
