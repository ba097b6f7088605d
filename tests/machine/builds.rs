//! What a build does and says: verdicts, exit codes, the queue, and what the journal tells.

use crate::harness::{Machine, Suite};
use crate::story::{HOLD, SOON, Team, step};

/// With this a step runs whatever came before it.
const ALWAYS: &str = "when = \"always\"\n";

#[test]
fn whoever_waits_is_told_the_verdict() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &step("test", "make test"));
        team.push("gkp", "good", &[("Makefile", "test:\n\t@echo all is well\n")]);
        let green = team.anna("ci-build --force gkp -m 'to see it' --wait").expect_success();
        assert!(green.stderr.contains("gkp:1 success") && green.stdout.is_empty(), "{}", green.story());
        let build = team.wait_build("gkp", 1);
        assert_eq!((build.row["reason"].as_str(), build.step("checkout")), (Some("to see it"), "success"));
        assert!(build.row["origin"].as_str().unwrap().contains("anna"), "who forced it is known");

        team.push("gkp", "bad", &[("Makefile", "test:\n\t@echo all is lost; exit 3\n")]);
        let red = team.anna("ci-build --force gkp --follow").expect_code(1);
        assert!(red.stdout.contains("all is lost"), "{}", red.story());
        assert!(red.stderr.contains("gkp:2 failure: test: exit code 2"), "{}", red.story());
        team.wait_build("gkp", 2).is("failure", "test: exit code 2");

        assert_eq!(team.poll("gkp").expect_success().stdout, "gkp: nothing new\n", "what was forced is not news");
        // Waiting on what is built already answers at once, with its verdict.
        let again = team.anna("ci-build gkp --wait").expect_code(1);
        assert!(again.stdout.contains("gkp:2"), "{}", again.story());
        assert_eq!(team.builds("gkp"), 2);
        for (wrong, code, says) in [
            ("ci-build --force nobody", 1, "nobody"),
            ("ci-build gkp:7 --stop", 1, "nothing of gkp:7 is running"),
            ("ci-build gkp:1", 2, "ci-build gkp"),
            ("ci-build gkp -b no-such-branch", 1, "no-such-branch"),
            ("ci-build gkp --no-such-option", 2, "--no-such-option"),
        ] {
            let said = team.anna(wrong).expect_code(code);
            assert!(said.stderr.contains(says), "{}", said.story());
        }
    }
}

#[test]
fn a_failing_step_ends_its_build_as_its_file_says() {
    let team = Team::start(Suite::usual()[0]);
    let steps = [
        step("lint", "exit 1") + "on-failure = \"warn\"\n",
        step("early", "exit 1") + "on-failure = \"continue\"\n",
        step("test", "kill -SEGV $$"),
        step("package", "true"),
        step("tell", "echo it is red") + "when = \"failure\"\n",
        step("tidy", "echo tidy") + ALWAYS,
    ];
    team.project("gkp", &steps.concat());
    let build = team.build("gkp", 1);
    build.is("failure", "early: exit code 1");
    let verdicts = ["lint", "early", "test", "package", "tell", "tidy"].map(|name| build.step(name));
    assert_eq!(verdicts, ["failure", "failure", "failure", "skipped", "success", "success"]);
    assert_eq!(build.outcome("test"), "killed by SIGSEGV");
    assert_eq!((build.text("tell").as_str(), build.text("tidy").as_str()), ("it is red\n", "tidy\n"));

    team.project("soft", &(step("lint", "exit 1") + "on-failure = \"warn\"\n" + &step("test", "true")));
    let said = team.anna("ci-build --force soft --wait").expect_success();
    assert!(said.stderr.contains("soft:1 warnings"), "{}", said.story());
}

#[test]
fn a_step_that_cannot_start_says_why() {
    let team = Team::start(Suite::usual()[0]);
    team.project("missing", &step("test", "no-such-program --version"));
    let build = team.build("missing", 1);
    build.is("failure", "test: exit code 127");
    assert!(build.text("test").contains("no-such-program"), "{}", build.text("test"));
    team.project("script", &step("test", "#!/no/such/interpreter\nhello"));
    team.build("script", 1).is("exception", "test: the program cannot be executed");
    team.project("folder", &(step("test", "true") + "workdir = \"no/such/folder\"\n"));
    let build = team.build("folder", 1);
    assert!(build.summary().contains("the working folder is not there"), "{}", build.summary());
    // None of this is in the way of others.
    team.project("gkp", &step("test", "true"));
    team.build("gkp", 1).is_green();
    assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
}

#[test]
fn a_step_may_be_a_list_a_shell_or_a_script() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let steps = "[[step]]\nname = \"list\"\nrun = [\"cd /tmp\", \"pwd\"]\n".to_owned()
            + &(step("bash", "false | true") + "shell = \"bash\"\n" + "on-failure = \"continue\"\n")
            + &step("python", "#!/usr/bin/python3 -u\nimport sys\nprint(sys.version_info.major, '$HOME', '%%i')");
        team.project("gkp", &steps);
        let build = team.build("gkp", 1);
        build.is("failure", "bash: exit code 1");
        assert_eq!(build.text("list"), "+ cd /tmp\n+ pwd\n/tmp\n");
        assert_eq!(build.text("python"), "3 $HOME %%i\n");
    }
}

#[test]
fn a_workspace_is_exactly_its_commit_whatever_was_left_in_it() {
    let team = Team::start(Suite::usual()[0]);
    let leave = "ls -A; cat README; echo changed >README; mkdir -p left/over; touch left/over/x .hidden; chmod 0 left";
    team.project("gkp", &step("test", leave));
    for number in [1, 2, 3] {
        let build = team.build("gkp", number);
        build.is_green();
        assert_eq!(build.text("test"), "README\nhello\n");
    }
}

#[test]
fn the_queue_is_in_order_and_bounded() {
    let team = Team::start(Suite::usual()[0]);
    let projects = ["ann", "bob", "cid", "dan"];
    for project in projects {
        team.project(project, &step("test", HOLD));
    }
    team.machine.write_file("/etc/ci/ci.toml", "max-builds = 2\n");
    for project in ["ann", "bob", "cid"] {
        team.push(project, "a change", &[]);
        team.poll(project).expect_success();
    }
    team.wait_held("ann");
    team.wait_held("bob");
    // One more of a project that builds, and one that goes before all others.
    team.push("ann", "another", &[]);
    team.poll("ann").expect_success();
    team.force("dan");
    assert_eq!(team.count("build WHERE state <> 'finished'"), 2);
    assert_eq!(team.count("request WHERE state = 'waiting'"), 3);

    team.release("bob");
    team.wait_build("bob", 1).is_green();
    team.wait_held("dan");
    assert_eq!(team.count("build WHERE state <> 'finished'"), 2);
    team.release("dan");
    team.wait_build("dan", 1).is_green();
    team.wait_held("cid");
    assert_eq!(team.count("request WHERE state = 'waiting'"), 1, "ann's second waits for her first");
    team.release("ann");
    team.release("cid");
    for (project, number) in [("ann", 1), ("ann", 2), ("cid", 1)] {
        team.wait_build(project, number).is_green();
    }
    let order = "SELECT project || number AS name FROM build ORDER BY created, project";
    let order: Vec<_> = team.rows(order).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(order, ["ann1", "bob1", "dan1", "cid1", "ann2"]);
    let (ended, begun) = (
        team.value("SELECT finished FROM build WHERE project = 'ann' AND number = 1"),
        team.value("SELECT started FROM build WHERE project = 'ann' AND number = 2"),
    );
    assert!(ended.as_u64() <= begun.as_u64(), "one build of a project at a time");
    idle(&team);
}

/// Between events nothing of ours runs, and nothing has failed.
#[track_caller]
fn idle(team: &Team) {
    let ours = "ps -eo args= | grep -E '/(ci-[a-z]+)( |$)' | grep -v grep || true";
    team.machine.wait_until("all of unitci to be gone", SOON, || team.machine.sh(ours).is_empty());
    assert_eq!(team.machine.sh("systemctl --failed --no-legend --plain"), "");
}

#[test]
fn a_branch_or_a_revision_is_built_when_asked_for() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "cat README; echo $CI_REF $CI_BRANCH"));
    let first = team.git("gkp", "rev-parse HEAD");
    team.git("gkp", "push --quiet origin HEAD:refs/tags/v1");
    team.git("gkp", "checkout --quiet -b topic");
    team.push("gkp", "on a topic", &[("README", "topic\n")]);
    team.git("gkp", "checkout --quiet main");
    let second = team.push("gkp", "on main", &[("README", "main\n")]);

    for (number, asked, commit, log) in [
        (1, "--force gkp", &second, "main\nrefs/heads/main main\n"),
        (2, "--force gkp -b topic", &team.git("gkp", "rev-parse topic"), "topic\nrefs/heads/topic topic\n"),
        (3, &format!("gkp -r {}", &first[..10]), &first, "hello\n\n"),
        (4, "gkp -r v1", &first, "hello\n"),
    ] {
        team.anna(&format!("ci-build {asked} --wait")).expect_success();
        let build = team.wait_build("gkp", number);
        assert_eq!(build.row["sha"], commit.as_str(), "{asked}");
        assert!(build.text("test").starts_with(log), "{asked}: {}", build.text("test"));
    }
    for wrong in ["-r no-such-thing", "--force -b no-such-branch"] {
        let said = team.anna(&format!("ci-build gkp {wrong} --wait")).expect_code(1);
        assert!(said.stderr.contains("exception: checkout: no such"), "{}", said.story());
    }
}

#[test]
fn the_journal_tells_the_story() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &step("test", "echo these are; echo my words >&2"));
        team.project("other", &step("test", "echo not mine"));
        team.build("other", 1).is_green();
        team.build("gkp", 1).is_green();
        team.build("gkp", 2).is_green();
        team.no_unit_left("gkp");

        let read = |query: &str| team.anna(&format!("journalctl --quiet -o cat {query}")).expect_success().stdout;
        for query in ["CI_PROJECT=gkp CI_BUILD=1", "-u ci-build@gkp:1", "-u 'ci-build@gkp:*' CI_BUILD=1"] {
            let told = read(query);
            let parts = ["build gkp:1 begins: forced by anna", "these are\nmy words", "build gkp:1: success"];
            let at: Vec<_> = parts.iter().map(|part| told.find(part)).collect();
            assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{query}: {at:?} in\n{told}");
            assert!(!told.contains("gkp:2") && !told.contains("not mine"), "{query}:\n{told}");
        }
        assert!(read("CI_PROJECT=gkp").contains("a build of gkp is queued: forced by anna"));
        assert!(read("-u 'ci-build@gkp:*'").contains("build gkp:2: success"));

        let entry = |id: &str| team.machine.journal(&[&format!("MESSAGE_ID={id}"), "CI_PROJECT=gkp", "CI_BUILD=1"]);
        let finished = entry("903f27b590f245ddbd2f116f0dcaad54");
        let [finished] = &finished[..] else { panic!("{finished:?}") };
        assert_eq!(finished.field("CI_VERDICT"), "success");
        assert_eq!(finished.field("CI_COMMIT"), team.git("gkp", "rev-parse HEAD"));
        let core = team.machine.sh("id -u unitci");
        let output = entry("839edcf4a7214dd6948f4c79a34683bb");
        assert!(!output.is_empty() && output.iter().all(|entry| entry.field("_UID") == core.trim()));
        assert!(output.iter().all(|entry| entry.field("CI_STEP") == "test"), "{output:?}");
    }
}

#[test]
fn whatever_a_step_prints_is_in_its_log_byte_for_byte() {
    let team = Team::start(Suite::usual()[0]);
    let odd = r#"printf 'a\000b\033[31mred\033[0m\r\n<script>alert(1)</script>\n\377\376 not UTF-8\n\n\n  blanks  \n'
        printf '\033]0;title\007no newline at the end'"#;
    team.project("gkp", &(step("odd", odd) + &step("line", "head -c 100000000 /dev/zero | tr '\\0' x")));
    let build = team.build("gkp", 1);
    build.is_green();
    let expected = b"a\0b\x1b[31mred\x1b[0m\r\n<script>alert(1)</script>\n\xff\xfe not UTF-8\n\n\n  blanks  \n\x1b]0;title\x07no newline at the end";
    assert_eq!(String::from_utf8_lossy(&build.log("odd")), String::from_utf8_lossy(expected));
    let sums =
        format!("zstdcat {} | sha256sum; head -c 100000000 /dev/zero | tr '\\0' x | sha256sum", build.log_path("line"));
    let sums = team.machine.sh(&sums);
    let (log, printed) = sums.trim().split_once('\n').unwrap();
    assert_eq!(log, printed);

    let journal = team.machine.sh("journalctl -o json --all CI_PROJECT=gkp CI_STEP=line | wc -c");
    let journal: u64 = journal.trim().parse().unwrap();
    assert!(journal < 1_000_000, "{journal} bytes of one line are in the journal");
    // What goes to a person's terminal and journal is harmless there.
    let read = team.machine.sh("journalctl -o cat CI_PROJECT=gkp CI_STEP=odd");
    assert!(read.contains("<script>"), "{read:?}");
}

#[test]
fn a_noisy_step_leaves_the_journal_to_others() {
    let team = Team::start(Suite::usual()[0]);
    let limits = "[build]\njournal-lines = [20, 10]\n";
    team.project("gkp", &format!("{limits}{}", step("test", "seq 1 200000")));
    let build = team.build("gkp", 1);
    build.is_green();
    assert!(build.text("test").lines().map(|line| line.parse()).eq((1..=200_000).map(Ok)), "every line is there");
    let told =
        team.machine.sh("journalctl -o cat CI_PROJECT=gkp CI_STEP=test MESSAGE_ID=839edcf4a7214dd6948f4c79a34683bb");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines.first(), lines.last()), (Some(&"1"), Some(&"200000")), "{told}");
    assert!(told.contains("199970 lines left out"), "{told}");
    assert_eq!(lines.len(), 31);
    team.no_unit_left("gkp");
}

#[test]
fn a_step_that_wants_too_much_memory_dies_alone_and_says_so() {
    for suite in Suite::every() {
        let team = Team::on(Machine::on(suite).with_limits().boot());
        let hungry = "[build]\nmemory = \"50M\"\n".to_owned()
            + &step("test", "#!/usr/bin/python3\nprint(len('x' * 300_000_000))")
            + &step("tidy", "echo still here")
            + ALWAYS;
        team.project("gkp", &hungry);
        let build = team.build("gkp", 1);
        build.is("failure", "test: killed");
        assert_eq!(build.text("tidy"), "still here\n");
        assert!(build.outcome("test").contains("out of memory"), "{}", build.outcome("test"));
    }
}
