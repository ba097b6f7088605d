//! What tests said: reports, what they do to a verdict, and what hostile ones cannot do.

use crate::harness::Suite;
use crate::story::{Team, step};
use serde_json::Value;

/// A test step that writes its report from a file of the commit, and ends with the status that is in another.
const COPY: &str = "mkdir -p build; cat report > build/report.xml; exit $(cat status)";

fn tested(name: &str, run: &str, junit: &str) -> String {
    step(name, run) + &format!("junit = \"{junit}\"\n")
}

/// A report with these cases: each a name and what is in it.
fn report(cases: &[(&str, &str)]) -> String {
    let cases: String = cases
        .iter()
        .map(|(name, inner)| format!("<testcase classname=\"shop\" name=\"{name}\" time=\"0.5\">{inner}</testcase>"))
        .collect();
    format!("<?xml version=\"1.0\"?><testsuites><testsuite name=\"all\" tests=\"77\">{cases}</testsuite></testsuites>")
}

const RED: &str = "<failure message=\"1 is not 2\">at line 3</failure>";

impl Team {
    /// `ci-status --json` of a build: what its tests said.
    #[track_caller]
    fn tests(&self, build: &str) -> Value {
        let said = self.anna(&format!("ci-status {build} --json")).expect_success().stdout;
        let value: Value = serde_json::from_str(&said).expect("JSON");
        value["tests"][0].clone()
    }
}

/// The fates in a build's tests, as `name fate since`.
fn fates(tests: &Value) -> Vec<String> {
    let rows = tests["tests"].as_array().expect("a list");
    rows.iter().map(|row| format!("{} {} {}", row["name"], row["fate"], row["since"]).replace('"', "")).collect()
}

#[test]
fn a_team_sees_what_broke_what_was_fixed_and_since_when() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.project("gkp", &(tested("test", COPY, "build/*.xml") + "[notify]\nmail = [\"dev@example.org\"]\n"));
        let push = |subject: &str, status: &str, cases: &[(&str, &str)]| {
            team.push("gkp", subject, &[("report", &report(cases)), ("status", status)]);
        };
        push("good", "0", &[("pay", ""), ("ship", ""), ("old", "<skipped/>")]);
        team.build("gkp", 1).is_green();
        let tests = team.tests("gkp:1");
        assert_eq!((&tests["total"], &tests["passed"], &tests["skipped"]), (&3.into(), &2.into(), &1.into()));

        push("bad", "1", &[("pay", RED), ("ship", "<flakyFailure message=\"late\"/>")]);
        let build = team.build("gkp", 2);
        build.is("failure", "test: exit code 1; 1 of 2 tests failed");
        assert!(
            build.text("test").contains("junit: 1 of 2 tests failed in 1 report, 1 flaky"),
            "{}",
            build.text("test")
        );
        assert_eq!(fates(&team.tests("gkp:2")), ["shop::pay failing 2", "shop::ship flaky null"]);
        let mail = team.value("SELECT body FROM message WHERE number = 2");
        let mail = mail.as_str().expect("a body");
        assert!(mail.contains("shop::pay (broke in this build)\n    1 is not 2\n"), "{mail}");

        push("worse", "1", &[("pay", RED), ("ship", RED)]);
        team.build("gkp", 3);
        assert_eq!(fates(&team.tests("gkp:3")), ["shop::pay failing 2", "shop::ship failing 3"]);

        // A test run that says that all is well although its tests failed is not believed.
        push("half", "0", &[("pay", ""), ("ship", RED)]);
        team.build("gkp", 4).is("warnings", "");
        assert_eq!(fates(&team.tests("gkp:4")), ["shop::ship failing 3", "shop::pay fixed 2"]);
        let said = team.anna("ci-status gkp:4").expect_success().stdout;
        assert!(said.contains("1 of 2 tests failed") && said.contains("failing since build 3"), "{said}");
        assert!(said.contains("fixed in this build, had failed since build 2"), "{said}");

        let page = team.machine.sh("curl --silent --show-error http://localhost:8010/p/gkp/4/");
        for shown in ["1 failed", "failing since", "href=\"../3/\"", "fixed in this build", "1 is not 2"] {
            assert!(page.contains(shown), "{shown:?} is not in {page}");
        }
        team.no_unit_left("gkp");
    }
}

#[test]
fn reports_from_before_are_not_counted() {
    let team = Team::start(Suite::usual()[0]);
    // In the commit, and dated into the future by an earlier step: neither is this step's.
    let early = "mkdir -p build; cp stale.xml build/early.xml; touch -d 2040-01-01 build/early.xml";
    let steps = step("early", early) + &tested("test", "chmod -R a+w .; true", "**/*.xml");
    team.project("gkp", &steps);
    team.push("gkp", "with a report", &[("stale.xml", &report(&[("pay", RED)]))]);
    let build = team.build("gkp", 1);
    build.is("warnings", "");
    assert_eq!(build.outcome("test"), "1 test report could not be read");
    assert!(
        build.text("test").contains("junit: stale.xml is older than this step: not counted"),
        "{}",
        build.text("test")
    );
    assert!(build.text("test").contains("early.xml is dated into the future: not counted"), "{}", build.text("test"));
    assert_eq!(team.tests("gkp:1")["total"], 0);

    // What an earlier build's commit had is as old as the checkout.
    let only_stale = tested("test", "true", "*.xml");
    team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{only_stale}"));
    let build = team.build("gkp", 2);
    build.is("warnings", "");
    assert_eq!(build.outcome("test"), "no test report was written: 1 test report from before");
}

/// Fails the first time, and leaves a report then; the second time it writes the other.
const AGAIN: &str = "mkdir -p build
if ! test -e $CI_CACHE/again; then touch $CI_CACHE/again; cp first build/report.xml; cp first build/only-first.xml; exit 1; fi
rm $CI_CACHE/again; if test -s second; then cp second build/report.xml; fi";

#[test]
fn a_test_that_passes_on_a_retry_is_flaky_and_reports_of_earlier_attempts_are_not_counted() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let retry = "retry = { times = 1 }\n";
        team.project("gkp", &(tested("test", AGAIN, "build/*.xml") + retry));
        let first = report(&[("pay", RED), ("ship", RED), ("old", "")]);
        let second = report(&[("pay", ""), ("ship", ""), ("old", "")]);
        team.push("gkp", "flaky", &[("first", &first), ("second", &second)]);
        let build = team.build("gkp", 1);
        build.is_green();
        assert_eq!(build.outcome("test"), "3 tests, none failed, on attempt 2");
        let log = build.text("test");
        assert!(log.contains("junit: build/only-first.xml is older than this attempt: not counted"), "{log}");
        let tests = team.tests("gkp:1");
        assert_eq!(fates(&tests), ["shop::pay flaky null", "shop::ship flaky null"]);
        let counts = (&tests["total"], &tests["passed"], &tests["flaky"], &tests["tests"][0]["passed_on_attempt"]);
        assert_eq!(counts, (&3.into(), &3.into(), &2.into(), &2.into()));
        for look in ["ci-status gkp:1", "curl --silent http://localhost:8010/p/gkp/1/"] {
            let said = team.anna(look).expect_success().stdout;
            assert!(said.contains("flaky: passed on retry, attempt 2") && said.contains("shop::pay"), "{said}");
        }
        assert_eq!(team.count("test_attempt"), 0);

        // What fails in both is failing; a last attempt without a report has none.
        let second = report(&[("pay", RED), ("ship", "")]);
        team.push("gkp", "worse", &[("second", &second)]);
        team.build("gkp", 2).is("warnings", "");
        assert_eq!(fates(&team.tests("gkp:2")), ["shop::pay failing 2", "shop::ship flaky null"]);
        team.push("gkp", "silent", &[("second", "")]);
        let build = team.build("gkp", 3);
        build.is("warnings", "");
        let says = "no test report was written: 2 test reports from before, on attempt 2";
        assert_eq!((build.outcome("test"), &team.tests("gkp:3")["total"]), (says, &0.into()));
        team.no_unit_left("gkp");
    }
}

#[test]
fn a_step_that_is_stopped_has_its_reports_read_too() {
    let team = Team::start(Suite::usual()[0]);
    let run = "mkdir build; cat report > build/a.xml; sleep 600";
    team.project("gkp", &(tested("test", run, "build") + "timeout = \"2s\"\n"));
    team.push("gkp", "hangs", &[("report", &report(&[("pay", RED), ("ship", "")]))]);
    team.build("gkp", 1).is("failure", "test: timeout");
    assert_eq!(fates(&team.tests("gkp:1")), ["shop::pay failing 1"]);
}

#[test]
fn hostile_reports_harm_nobody_and_are_told_of() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        // In the core's own group's reach, and not in the step's.
        team.machine.sh("echo '<testsuite><testcase name=\"stolen\"/></testsuite>' > /root/secret.xml");
        let bomb =
            "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;\">]><testsuite name=\"&y;\"/>";
        let lines = [
            "mkdir build; cd build",
            &format!("cat > bomb.xml <<'END'\n{bomb}\nEND"),
            "printf '<testsuite>' > big.xml; truncate -s 1G big.xml",
            "ln -s /root/secret.xml link.xml; ln -s / up; ln -s /dev/zero zero.xml; mkfifo fifo.xml",
            "python3 -c 'print(\"<testsuite>\" + \"<a>\" * 1000000)' > deep.xml",
            "python3 -c 'print(\"<testsuite><testcase \" + \" \".join(f\"a{n}=\\\"\\\"\" for n in range(300000)) + \" name=\\\"many\\\"/></testsuite>\")' > many.xml",
            "printf '<testsuite><testcase name=\"<script>alert(1)</script>' > broken.xml",
            "printf '<testsuite><testcase name=\"\\033[31m&lt;script&gt;\"><failure message=\"&lt;script&gt;alert(1)\">\\033]0;x\\007</failure></testcase></testsuite>' > shown.xml",
            "printf '\\377\\376<\\000t\\000' > utf16.xml; : > empty.xml",
            "touch \"$(printf 'new\\nline.xml')\"",
        ];
        team.project("gkp", &(tested("test", &lines.join("\n"), "build/**")));
        let build = team.build("gkp", 1);
        build.is("warnings", "");
        let log = build.text("test");
        for told in [
            "junit: build/bomb.xml has a DOCTYPE, as no report needs: not counted",
            "junit: build/big.xml is larger than 64 MiB: not counted",
            "junit: build/link.xml is a symbolic link; links are not followed: not counted",
            "junit: build/up is a symbolic link",
            "junit: build/zero.xml is a symbolic link",
            "junit: build/fifo.xml is no plain file: not counted",
            "junit: build/deep.xml is nested deeper than 64: not counted",
            "junit: build/broken.xml",
            "junit: build/utf16.xml",
            "junit: build/empty.xml is no JUnit report",
            "with control characters",
        ] {
            assert!(log.contains(told), "{told:?} is not in {log}");
        }
        let tests = team.tests("gkp:1");
        let names: Vec<&Value> = tests["tests"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
        assert_eq!(names, ["[31m<script>"]);
        assert_eq!((&tests["total"], &tests["failed"]), (&2.into(), &1.into()), "{tests}");
        let page = team.machine.sh("curl --silent --show-error http://localhost:8010/p/gkp/1/");
        assert!(!page.contains("<script>") && !page.contains('\u{1b}'), "{page}");
        team.no_unit_left("gkp");
    }
}
