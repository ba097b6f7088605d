//! Secrets: in a step as files, and nowhere else.

use crate::harness::Suite;
use crate::story::{HOLD, Team, step};

/// A step that is given these, with what it runs.
fn given(name: &str, secrets: &str, run: &str) -> String {
    format!("{}secrets = [{secrets}]\n", step(name, run))
}

/// All that is public of a project's builds: logs in every state, the store, the journal, the page and the mails.
fn published(team: &Team, project: &str, number: u32) -> String {
    let logs = team.machine.sh(&format!(
        "cd /var/lib/ci/builds/{project}/{number}; for log in *; do case $log in *.zst) zstdcat $log;; *.raw) ;; *) cat $log;; esac; done"
    ));
    let store =
        team.machine.sh("strings -n 3 /var/lib/ci/store/ci.sqlite /var/lib/ci/store/ci.sqlite-wal 2>/dev/null || \
        cat /var/lib/ci/store/ci.sqlite /var/lib/ci/store/ci.sqlite-wal | tr -cd '[:print:]\\n'");
    let journal = team.machine.sh("journalctl --no-pager --all --output=export | tr -cd '[:print:]\\n'");
    let page = team.machine.sh(&format!(
        "curl --silent --fail http://localhost:8010/p/{project}/{number}/ http://localhost:8010/ http://localhost:8010/p/{project}/"
    ));
    let units =
        team.machine.sh("systemctl show 'ci-*' --all; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'");
    [logs, store, journal, page, units].join("\n")
}

#[test]
fn a_step_finds_its_own_secrets_as_files_and_nothing_published_has_them() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("printf hunter2hunter2 | install -m 0600 /dev/stdin /etc/ci/credentials/token");
        team.machine
            .sh("printf 'first line\\nab\\nse/cond+line\\n' | install -m 0600 /dev/stdin /etc/ci/credentials/many");
        team.machine.sh("printf 'lock3d away' | systemd-creds encrypt --name=sealed - /etc/ci/credentials/sealed.cred");
        let show = "cd $CREDENTIALS_DIRECTORY; ls; cat *; echo; base64 < token; printf 'x%s' \"$(cat token)\" | base64; \
            printf 'xy%s' \"$(cat token)\" | base64 -w0 | tr +/ -_; python3 -c 'import urllib.parse; \
            print(urllib.parse.quote(open(\"many\").read(), safe=\"\"))'; \
            head -c 5 token; sleep 0.3; tail -c +6 token; echo; env; tr '\\0' '\\n' < /proc/self/cmdline";
        let rest = [
            "[build]\nsecrets = [\"token\"]\n",
            &given("all", "\"token\", \"many\", \"sealed\"", &format!("{show}\n{HOLD}")),
            &step("build", "ls $CREDENTIALS_DIRECTORY"),
            &given("none", "", "ls ${CREDENTIALS_DIRECTORY:-/run/credentials} 2>&1 || true"),
            "[notify]\non = \"always\"\nmail = [\"team@example.org\"]\n",
        ];
        team.project("shop", &rest.concat());
        team.force("shop");
        team.wait_held("shop");
        let during = published(&team, "shop", 1);
        let raw = team.machine.sh("stat -c '%a %U' /var/lib/ci/builds/shop/1/1.raw");
        assert_eq!(raw.trim(), "600 unitci");
        team.anna("cat /var/lib/ci/builds/shop/1/1.raw").expect_code(1);
        team.release("shop");
        let build = team.wait_build("shop", 1);
        build.is_green();
        let log = build.text("all");
        assert!(log.starts_with("many\nsealed\ntoken\n***\nab\n***\n******\n"), "{log}");
        assert_eq!(build.text("build"), "token\n");
        assert!(!build.text("none").contains("token"), "{}", build.text("none"));
        assert_eq!(team.machine.sh("ls /var/lib/ci/builds/shop/1 | grep -c raw || true").trim(), "0");
        let after = published(&team, "shop", 1);
        for (when, text) in [("during", &during), ("after", &after)] {
            for secret in [
                "hunter2",
                "first line",
                "se/cond+line",
                "lock3d",
                "first%20line",
                "aHVudGVyMm",
                "h1bnRlcjJod",
                "odW50ZXIyaHVu",
            ] {
                // The command line of the test's own shells is not ours to hide.
                let found: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
                assert!(found.is_empty(), "{when}: {secret} in {found:?}");
            }
        }
    }
}

/// Puts a secret into its file, the way the manual says.
fn put(team: &Team, name: &str, content: &str) {
    team.machine.sh(&format!("printf '{content}' | install -m 0600 /dev/stdin /etc/ci/credentials/{name}"));
}

/// `kill -9` of a build's supervisor; the next one has taken over when this returns.
fn kill_supervisor(team: &Team, build: &str) {
    let pid = || team.machine.sh(&format!("systemctl show -P MainPID 'ci-build@{build}'")).trim().to_owned();
    let killed = pid();
    team.machine.sh(&format!("kill -9 {killed}"));
    let takeovers = format!("build WHERE project || ':' || number = '{build}' AND takeovers > 0");
    team.machine.wait_until("the next supervisor", crate::story::SOON, || {
        let now = pid();
        now != killed && now != "0" && team.count(&takeovers) == 1
    });
}

#[test]
fn a_secret_that_is_of_no_use_ends_the_build_before_its_first_step() {
    let team = Team::start(Suite::usual()[0]);
    let rest = given("first", "", "touch $CI_CACHE/ran") + &given("test", "\"token\"", "true");
    team.project("shop", &rest);
    let missing = "the secret token is missing; make it: install -m 0600 /dev/stdin /etc/ci/credentials/token; \
        or encrypted: systemd-creds encrypt --name=token - /etc/ci/credentials/token.cred";
    team.build("shop", 1).is("exception", missing);
    let check = team.machine.run(["ci-config", "check"]).expect_code(78);
    assert!(check.stdout.contains(&format!("/etc/ci/projects.d/shop.toml: {missing}")), "{}", check.stdout);
    assert!(!team.anna("ci-config check").expect_success().stdout.contains("missing"), "anna cannot know");
    let doctor = team.machine.run(["ci-config", "doctor", "shop"]).expect_code(1);
    assert!(doctor.stdout.contains(missing), "{}", doctor.stdout);

    put(&team, "token", "abc\\nde\\n");
    let short = "the secret token has no line of at least 4 bytes";
    team.build("shop", 2).is("exception", short);
    assert!(team.machine.run(["ci-config", "doctor", "shop"]).expect_code(1).stdout.contains(short));

    team.machine.sh("printf 'not what systemd-creds makes' >/etc/ci/credentials/token.cred");
    team.build("shop", 3).is("exception", "the secret token is there twice");
    team.machine.sh("rm /etc/ci/credentials/token");
    team.build("shop", 4).is("exception", "a secret cannot be read or decrypted");
    assert!(!team.machine.exists(team.cache("shop", "ran")), "no step of these builds ran");

    team.machine.sh("rm /etc/ci/credentials/token.cred");
    put(&team, "token", "long enough");
    team.build("shop", 5).is_green();
    let doctor = team.machine.run(["ci-config", "doctor", "shop"]).expect_success();
    assert!(doctor.stdout.contains("secrets: token"), "{}", doctor.stdout);
    team.machine.run(["ci-config", "check"]).expect_success();
}

#[test]
fn whatever_changes_or_is_killed_meanwhile_old_and_new_are_masked() {
    let team = Team::start(Suite::usual()[0]);
    put(&team, "token", "old-and-rusty");
    let printing = format!("cat $CREDENTIALS_DIRECTORY/token >$CI_CACHE/token; printf old-and; {HOLD}; echo -rusty");
    // What the first step has kept, and what the second was given.
    let both = "cat $CI_CACHE/token; echo; cat $CREDENTIALS_DIRECTORY/token; echo; echo the end";
    team.project("shop", &(given("first", "\"token\"", &printing) + &given("second", "\"token\"", both)));
    team.force("shop");
    team.wait_held("shop");
    put(&team, "token", "shiny-and-new");
    kill_supervisor(&team, "shop:1");
    team.release("shop");
    let build = team.wait_build("shop", 1);
    build.is_green();
    assert_eq!((build.text("first"), build.text("second")), ("***\n".into(), "***\n***\nthe end\n".into()));

    // What is taken away is not given, and is masked by what the supervisor before knew.
    team.machine.sh("rm /var/cache/ci/shop/cache/go");
    team.force("shop");
    team.wait_held("shop");
    let file = team.machine.read_file("/etc/ci/projects.d/shop.toml");
    let (first, second) = file.split_once("name = \"second\"").unwrap();
    team.project_file("shop", &format!("{first}name = \"second\"{}", second.replace("\"token\"", "")));
    kill_supervisor(&team, "shop:2");
    team.release("shop");
    let build = team.wait_build("shop", 2);
    build.is("exception", "second: /etc/ci/projects.d/shop.toml does not give the secret token to the step second");
    assert_eq!(build.text("first"), "old-and-rusty\n");
    let published = published(&team, "shop", 1) + &published(&team, "shop", 2);
    assert!(!published.contains("shiny-and-new"));
}

#[test]
fn a_power_cut_leaves_nothing_unmasked() {
    let mut team = Team::start(Suite::usual()[0]);
    put(&team, "token", "hunter2hunter2");
    let rest = given("test", "\"token\"", &format!("cat $CREDENTIALS_DIRECTORY/token; echo; printf hunter2; {HOLD}"));
    team.project("shop", &rest);
    team.force("shop");
    team.wait_held("shop");
    team.machine.crash();
    team.machine.boot_again();
    let build = team.wait_build("shop", 1);
    build.is("exception", "the machine went down");
    team.wait_held("shop");
    team.release("shop");
    team.wait_build("shop", 2).is_green();
    assert!(build.text("test").is_empty() || build.text("test") == "***\n", "{}", build.text("test"));
    assert_eq!(team.machine.sh("cd /var/lib/ci/builds/shop/1; ls"), "0.log.zst\n1.log.zst\n");
}
