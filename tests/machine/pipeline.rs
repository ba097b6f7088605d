//! Steps that stand in the repository: a commit says what its build runs, and nothing beyond.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};

/// A project whose commits say their steps; `rest` is what its own file says besides.
fn project(team: &Team, name: &str, rest: &str) {
    team.repository(name);
    let source = format!("[source]\nurl = \"/srv/git/{name}.git\"\n");
    team.project_file(name, &format!("pipeline = \"repository\"\n{source}{rest}"));
    team.poll(name).expect_success();
}

#[test]
fn a_commit_says_its_own_steps() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        project(&team, "gkp", "[notify]\nmail = [\"dev@example.org\"]\n");
        let one = step("test", "cat README")
            + "timeout = \"30d\"\n"
            + &step("last", "echo $FROM")
            + "env = { FROM = \"the commit\" }\n";
        let first = team.push("gkp", "one", &[(".ci.toml", &one)]);
        team.poll("gkp").expect_success();
        let build = team.wait_build("gkp", 1);
        build.is_green();
        let names: Vec<_> = build.steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
        assert_eq!((names, build.text("last").as_str()), (vec!["checkout", "test", "last"], "the commit\n"));
        let spec = build.steps[1]["spec"].as_str().unwrap();
        assert!(spec.contains(r#""timeout":{"secs":3600"#), "no longer than the build: {spec}");

        // Another commit says others, and the first still says its own.
        team.push("gkp", "two", &[(".ci.toml", &step("other", "exit 3"))]);
        let said = team.anna("ci-build --force gkp --follow").expect_code(1);
        assert!(said.stderr.contains("gkp:2 failure: other: exit code 3"), "{}", said.story());
        team.anna(&format!("ci-build gkp -r {first} --wait")).expect_success();
        assert_eq!(team.wait_build("gkp", 3).step("last"), "success");
        // Both are seen where people look.
        let shown = team.anna("ci-status gkp:1").expect_success().stdout;
        assert!(shown.contains("test") && shown.contains("last"), "{shown}");
        assert!(shown.contains("as .ci.toml of the commit says"), "{shown}");
        let json = team.anna("ci-status --json gkp:1").expect_success().stdout;
        assert!(json.contains("\"pipeline\": \"repository\""), "{json}");
        let page = team.machine.sh("curl --silent http://localhost:8010/p/gkp/1/");
        assert!(page.contains("<code>.ci.toml</code> of the commit says"), "{page}");
    }
}

#[test]
fn what_is_wrong_with_it_is_the_commits_failure_and_is_told() {
    let team = Team::start(Suite::usual()[0]);
    project(&team, "gkp", "");
    let missing = team.build("gkp", 1);
    missing.is("failure", "the commit has no .ci.toml").is("failure", "ci-config check --repository");
    assert_eq!(missing.step("checkout"), "failure");

    let broken = "[[step]]\nname = \"test\"\nrum = \"make test\"\n\n[deploy]\nroot = \"/srv/x\"\n";
    team.push("gkp", "broken", &[(".ci.toml", broken)]);
    let build = team.build("gkp", 2);
    build
        .is("failure", "checkout: .ci.toml:1:1: `run` is missing in [[step]]")
        .is("failure", "(and 2 more, in the log)");
    let log = build.text("checkout");
    for line in [
        ".ci.toml:3:1: unknown key `rum` in [[step]]; did you mean `run`?",
        "3 | rum = \"make test\"\n  | ^^^",
        ".ci.toml:5:2: `deploy` is not for .ci.toml: the administrator says this in /etc/ci/projects.d/gkp.toml",
        "such a commit fails until this is mended and pushed",
    ] {
        assert!(log.contains(line), "{line:?} is not in\n{log}");
    }
    // The same words before a push.
    team.machine.sh("cp -r /root/work/gkp /home/anna/gkp; chown -R anna /home/anna");
    let said = team.anna("cd ~/gkp; ci-config check --repository").expect_code(78).stdout;
    assert!(said.contains("/.ci.toml:3:1: unknown key `rum`"), "{said}");
    team.anna("cd; ci-config check --repository gkp").expect_code(78);
    team.machine.write_file("/home/anna/gkp/.ci.toml", step("a", "a"));
    assert_eq!(
        team.anna("cd; ci-config check --repository gkp").expect_success().stdout,
        "gkp/.ci.toml: 1 step, no errors\n"
    );

    // Mended, it is green; and the mirror and the queue have taken no harm.
    team.push("gkp", "mended", &[(".ci.toml", &step("test", "true"))]);
    team.build("gkp", 3).is_green();
}

#[test]
fn a_hostile_one_reaches_nothing() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let limits = "[build]\nnetwork = \"none\"\ntasks = 100\n";
        project(&team, "gkp", limits);
        let link = "cd /root/work/gkp; rm -rf .ci.toml; ";
        let mut number = 0;
        let mut fails = |how: &str, says: &str| {
            team.machine.sh(&format!("{link}{how}"));
            team.push("gkp", "hostile", &[]);
            number += 1;
            let build = team.build("gkp", number);
            build.is("failure", says);
            let log = build.text("checkout");
            assert!(!log.contains("root:x:0") && !log.contains('\u{1b}') && log.len() < 100_000, "{how}: {log}");
        };
        fails("ln -s /etc/passwd .ci.toml", "no regular file");
        fails("mkdir .ci.toml; touch .ci.toml/x", "no regular file");
        fails("ln -s ../../../../etc/ci/ci.toml .ci.toml", "no regular file");
        fails("head -c 300000 /dev/zero | tr '\\0' '#' >.ci.toml", "more than 262144 bytes");
        fails("head -c 1000 /dev/urandom | tr -d '\\n' >.ci.toml; printf '\\377' >>.ci.toml", "not UTF-8");
        fails("printf 'a = \"\\\\033[2J\\033]0;x\\007\"\\n' >.ci.toml", ".ci.toml:1:");
        fails("head -c 200000 /dev/zero | tr '\\0' '[' >.ci.toml", ".ci.toml:1:");
        let head = "printf '[[step]]\\nname = \"a\"\\nrun = \"true\"\\n%s\\n'";
        for (line, says) in [
            ("network = \"host\"", "wants `network = \"host\"`, and the project's file says"),
            ("user = \"root\"", "unknown key `user`"),
            ("secrets = [\"gkp-deploy\"]", "wants the secret gkp-deploy, which"),
            ("allow = [\"userns\"]", "allow"),
            ("workdir = \"../../other\"", "without `.`"),
            ("env = { LD_PRELOAD = \"x\", CI_BUILD = \"1\" }", "set by the CI itself"),
            ("[build]\nnetwork = \"host\"", "the administrator says this"),
            ("[deploy]\nroot = \"/srv\"", "the administrator says this"),
            ("[notify]\nmail = []", "the administrator says this"),
            ("[source]\nurl = \"/etc\"", "the administrator says this"),
        ] {
            fails(&format!("{head} '{line}' >.ci.toml"), says);
        }
        // What it may say runs in the sandbox that the administrator gave.
        let look = "tail -n +3 /proc/net/dev | wc -l; id -un; cat /etc/ci/projects.d/gkp.toml 2>&1 || true";
        team.machine.sh(link);
        team.push("gkp", "honest", &[(".ci.toml", &step("look", look))]);
        let said = team.build("gkp", number + 1).is_green().text("look");
        assert!(said.starts_with("1\ncib-gkp\n") && said.contains("No such file"), "{said}");
    }
}

#[test]
fn a_step_has_what_its_project_offers_or_less() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        for name in ["offered", "other"] {
            team.machine.sh(&format!(
                "echo the-{name}-secret >/etc/ci/credentials/{name}; chmod 600 /etc/ci/credentials/{name}"
            ));
        }
        project(&team, "gkp", "[build]\nsecrets = [\"offered\"]\nmemory = \"1G\"\n");
        let steps = [
            step("given", "cat $CREDENTIALS_DIRECTORY/offered; ls $CREDENTIALS_DIRECTORY"),
            step("less", "ls $CREDENTIALS_DIRECTORY/ 2>&1 | grep -c offered || true")
                + "secrets = []\nmemory = \"64G\"\n",
            step("docs", "echo built") + "when = \"changed\"\nfiles = [\"docs/**\"]\n",
        ];
        team.push("gkp", "steps", &[(".ci.toml", &steps.concat()), ("docs/a", "x")]);
        team.poll("gkp").expect_success();
        let build = team.wait_build("gkp", 1);
        build.is_green();
        assert!(!build.text("given").contains("the-offered-secret"), "{}", build.text("given"));
        assert!(build.text("given").ends_with("\noffered\n"), "{}", build.text("given"));
        assert_eq!((build.text("less").as_str(), build.step("docs")), ("0\n", "success"));
        assert!(build.steps[2]["spec"].as_str().unwrap().contains("1073741824"), "no more memory than the build has");
        // Which steps are needed is seen by the files, as if the project's file said them.
        team.push("gkp", "no docs", &[("README", "x")]);
        team.poll("gkp").expect_success();
        let build = team.wait_build("gkp", 2);
        assert_eq!((build.is_green().step("docs"), build.step("given")), ("skipped", "success"));
        team.push("gkp", "greedy", &[(".ci.toml", &(step("a", "true") + "secrets = [\"other\"]\n"))]);
        team.build("gkp", 3).is("failure", "wants the secret other");
        // One that is missing ends the build before its first step.
        team.machine.sh("rm /etc/ci/credentials/offered");
        team.push("gkp", "missing", &[(".ci.toml", &step("a", "true"))]);
        let build = team.build("gkp", 4);
        assert_eq!((build.is("exception", "offered").step("checkout"), build.step("a")), ("success", "skipped"));
    }
}

#[test]
fn killed_anywhere_a_build_has_its_commits_steps_once() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        project(&team, "gkp", "");
        let steps = step("test", HOLD) + &step("last", "echo at the end");
        team.push("gkp", "held", &[(".ci.toml", &steps)]);
        for (number, moment) in
            [(1, "idx = 0"), (2, "idx = 0 AND state = 'running'"), (3, "idx = 1"), (4, "idx = 1 AND state = 'running'")]
        {
            team.machine.sh("rm -f /var/cache/ci/gkp/cache/go");
            team.force("gkp");
            let at = format!("step WHERE project = 'gkp' AND number = {number} AND {moment}");
            team.machine.wait_until(moment, SOON, || team.count(&at) > 0);
            team.machine.sh(&format!("systemctl kill --signal=KILL ci-build@gkp:{number}"));
            team.wait_held("gkp");
            team.release("gkp");
            let build = team.wait_build("gkp", number);
            build.is_green();
            let names: Vec<_> = build.steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
            assert_eq!(
                (names, build.text("last").as_str()),
                (vec!["checkout", "test", "last"], "at the end\n"),
                "{moment}"
            );
            team.no_unit_left("gkp");
        }
    }
}
