//! HOME and `$CI_CACHE`: measured, shown, and kept within `cache-max`, never under a build.

use crate::harness::Suite;
use crate::story::{HOLD, Team, step};
use serde_json::Value;

const SMALL: &str = "[build]\ncache-max = \"10M\"\n";

/// Fills a cache with entries that were used in the order of their years.
const FILL: &str = r#"
put() { mkdir -p "$(dirname "$2")"; head -c "$3" /dev/zero | tr '\0' x >"$2"; touch -d "$1-01-01" "$2"; }
put 2001 "$CI_CACHE/oldest/x" 4M
put 2003 "$HOME/.cache/pip/x" 4M
put 2002 "$HOME/.cargo/x" 4M
put 2000 "$HOME/.npmrc" 10
put 2004 "$CI_CACHE/newest" 4M
"#;

impl Team {
    /// Has the net look, as its timer does.
    #[track_caller]
    fn clean(&self) {
        self.machine.sh("systemctl start ci-clean.service");
    }

    /// What is left in HOME and cache, two levels deep.
    fn entries(&self) -> String {
        let folder = "/var/cache/ci/gkp";
        self.machine.sh(&format!(
            "cd {folder}; find home cache -mindepth 1 -maxdepth 2 ! -name .cache ! -name x | sort | tr '\\n' ' '"
        ))
    }

    #[track_caller]
    fn cache_size(&self) -> Value {
        let said = self.anna("ci-status gkp --json").expect_success().stdout;
        serde_json::from_str::<Value>(&said).expect("JSON")["cache"].clone()
    }
}

#[test]
fn caches_are_measured_and_what_was_used_longest_ago_goes() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("systemctl stop ci-clean.timer");
        team.project("gkp", &(SMALL.to_owned() + &step("fill", FILL)));
        assert_eq!(team.cache_size(), Value::Null);
        team.build("gkp", 1).is_green();
        let all = "cache/newest cache/oldest home/.cache/pip home/.cargo home/.npmrc ";
        assert_eq!(team.entries(), all);
        team.clean();
        assert_eq!(team.entries(), "cache/newest home/.cache/pip home/.npmrc ");
        let told = team.machine.sh("journalctl --no-pager -o cat -u ci-clean.service CI_PROJECT=gkp");
        assert!(told.contains("HOME and cache of gkp have 16.0 MiB, `cache-max` is 10.0 MiB; removed"), "{told}");
        assert!(told.contains("$CI_CACHE/oldest (4.0 MiB, last used 2001-01-01), $HOME/.cargo (4.0 MiB"), "{told}");
        let cache = team.cache_size();
        let bytes = cache["bytes"].as_u64().expect("bytes");
        assert!((8 << 20..9 << 20).contains(&bytes) && cache["max"] == 10 << 20, "{cache}");
        for look in ["ci-status gkp", "curl --silent http://localhost:8010/p/gkp/"] {
            let said = team.anna(look).expect_success().stdout;
            assert!(said.contains("8.0 MiB of at most 10.0 MiB"), "{said}");
        }

        // Nothing has been built since: nobody looks again.
        let before = team.cache_size();
        team.clean();
        assert_eq!(team.cache_size(), before);
        team.anna("ci-clean --cache gkp").expect_success();
        assert_eq!(team.cache_size()["bytes"], 0);
        team.no_unit_left("gkp");
    }
}

#[test]
fn nothing_goes_under_a_build_that_may_use_it() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.machine.sh("systemctl stop ci-clean.timer");
        let look = format!("{HOLD}; ls -d $CI_CACHE/oldest $HOME/.cargo; mkdir $CI_CACHE/shut; chmod 0 $CI_CACHE/shut");
        team.project("gkp", &(SMALL.to_owned() + &step("fill", FILL) + &step("look", &look)));
        team.force("gkp");
        team.wait_held("gkp");
        // The first look needs a build that is over.
        team.release("gkp");
        team.wait_build("gkp", 1).is_green();
        team.machine.sh(&format!("rm {}", team.cache("gkp", "go")));
        team.force("gkp");
        team.wait_held("gkp");
        team.clean();
        assert!(team.entries().contains("cache/oldest"), "it is in use: {}", team.entries());
        let bytes = team.cache_size()["bytes"].as_u64().expect("bytes");
        assert!(bytes > 10 << 20, "{bytes}");
        // Builds that follow one another at once leave the net no moment: the one that ends does it.
        team.release("gkp");
        let build = team.wait_build("gkp", 2);
        build.is("failure", "look");
        assert!(build.text("look").contains("oldest"), "{}", build.text("look"));
        assert!(!team.entries().contains("oldest") && !team.entries().contains("shut"), "{}", team.entries());
        assert!(team.cache_size()["bytes"].as_u64().expect("bytes") <= 10 << 20);
        let told = team.machine.sh("journalctl --no-pager -o cat CI_PROJECT=gkp");
        assert!(told.contains("$CI_CACHE/shut (with something in it that cannot be looked at)"), "{told}");
        team.no_unit_left("gkp");
    }
}
