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
