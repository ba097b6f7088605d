//! Refs that strangers write: built in a room of their own, when somebody wants that, and never more.

use crate::harness::Suite;
use crate::story::{SOON, Team, step};

const PULLS: &str = "outside = [\"refs/pull/*/head\"]\n";

/// The project's own step runs what the commit brings.
fn runs_its_script() -> String {
    step("test", "sh ./test.sh") + "secrets = [\"token\"]\n"
}

/// Pushes a commit of a stranger's to a ref that is no branch; says the commit.
fn propose(team: &Team, reference: &str, script: &str) -> String {
    team.git("shop", "checkout --quiet --detach origin/main");
    team.machine.write_file("/root/work/shop/test.sh", script);
    team.git("shop", "add --all");
    team.git("shop", "commit --quiet --allow-empty -m 'a proposal'");
    team.git("shop", &format!("push --quiet --force origin HEAD:{reference}"));
    let commit = team.git("shop", "rev-parse HEAD");
    team.git("shop", "checkout --quiet main");
    commit
}

fn shop(team: &Team, outside: &str, rest: &str) {
    team.machine.sh("printf hunter2hunter2 | install -m 0600 /dev/stdin /etc/ci/credentials/token");
    team.project("shop", &format!("{PULLS}build-outside = \"{outside}\"\n{rest}{}", runs_its_script()));
}

/// Says what of it was possible, a word each.
const HOSTILE: &str = r#"
try() { if sh -c "$2" >/dev/null 2>&1; then echo "$1: yes"; else echo "$1: no"; fi; }
echo "user: $(id -un)"
echo "rooms: $(ls /var/cache/ci | tr '\n' ' ')"
echo "secrets: ${CREDENTIALS_DIRECTORY:-none}"
echo "interfaces: $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\n' ' ')"
echo "ref: $CI_REF, branch: ${CI_BRANCH:-none}"
try "read the room" "cat /var/cache/ci/shop/home/inside"
try "write into the room" "touch /var/cache/ci/shop/home/poison"
try "read the mirror" "ls /var/lib/ci/git/shop.git"
try "read the store" "ls /var/lib/ci/store/ci.sqlite"
for place in "$HOME" "$CI_CACHE" /tmp /var/tmp /dev/shm . ; do echo poison >"$place/poison"; done
echo 'export POISON=1' >"$HOME/.profile"; echo 'exit 7' >"$HOME/.shrc"
git init --quiet . 2>/dev/null; mkdir -p .git/hooks; echo 'exit 7' >.git/hooks/post-checkout
"#;

/// The team's own: leaves something, and looks for what strangers have left.
const OWN: &str = r#"
echo "user: $(id -un)"
echo inside >"$HOME/inside"
found=$(ls -d "$HOME/poison" "$HOME/.profile" "$CI_CACHE/poison" /tmp/poison /var/tmp/poison /dev/shm/poison ./poison ./.git 2>/dev/null | wc -l)
echo "poison: $found"
echo "rooms: $(ls /var/cache/ci | tr '\n' ' ')"
echo "secrets: $(ls "$CREDENTIALS_DIRECTORY")"
if ls /var/cache/ci/shop.outside/home >/dev/null 2>&1; then echo "their room: open"; fi
"#;

#[test]
fn a_stranger_has_a_room_of_its_own_and_leaves_nothing_to_the_team() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let rest = "[deploy]\nroot = \"/srv/shop\"\nuser = \"anna\"\n[notify]\non = \"always\"\nmail = [\"team@example.org\"]\n";
        shop(&team, "always", rest);
        team.push("shop", "own work", &[("test.sh", OWN)]);
        team.poll("shop").expect_success();
        team.wait_build("shop", 1);

        propose(&team, "refs/pull/7/head", HOSTILE);
        team.poll("shop").expect_success();
        let build = team.wait_build("shop", 2);
        build.is_green();
        let expected = "user: cix-shop\nrooms: shop.outside \nsecrets: none\ninterfaces: lo \n\
            ref: refs/pull/7/head, branch: none\nread the room: no\nwrite into the room: no\nread the mirror: no\n\
            read the store: no\n";
        assert_eq!(build.text("test"), expected);
        assert_eq!(build.row["outside"], 1);
        assert_eq!(team.count("deploy WHERE number = 2"), 0);
        assert_eq!(team.count("message WHERE number = 2"), 0, "strangers do not make us write mails");
        let refused = team.anna("ci-deploy shop:2").expect_code(1);
        assert!(refused.stderr.contains("outside"), "{}", refused.stderr);

        let commit = team.push("shop", "more work", &[("test.sh", OWN), ("more", "")]);
        team.poll("shop").expect_success();
        let build = team.wait_build("shop", 3);
        let expected = "user: cib-shop\npoison: 0\nrooms: shop \nsecrets: token\n";
        assert_eq!((build.text("test").as_str(), build.row["sha"].as_str()), (expected, Some(commit.as_str())));
        let own = team.machine.sh("stat -c '%U %a' /var/cache/ci/shop /var/cache/ci/shop.outside");
        assert_eq!(own, "cib-shop 700\ncix-shop 700\n");

        // The project is what its branches are.
        let look = "ls -A $HOME $CI_CACHE /tmp /var/cache/ci/shop.outside | tr '\\n' ' '; ls .git; exit 1\n";
        propose(&team, "refs/pull/8/head", look);
        team.poll("shop").expect_success();
        let build = team.wait_build("shop", 4);
        build.is("failure", "test");
        assert!(
            !build.text("test").contains("poison"),
            "one stranger leaves nothing to another: {}",
            build.text("test")
        );
        assert!(build.text("test").contains("'.git': No such file"), "{}", build.text("test"));
        let seen: serde_json::Value =
            serde_json::from_str(&team.anna("ci-status --json").expect_success().stdout).expect("JSON");
        assert_eq!(seen["projects"][0]["last_build"]["number"], 3, "{seen:#}");
    }
}

#[test]
fn what_a_stranger_proposes_waits_for_a_person_and_is_that_commit() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.repository("shop");
        propose(&team, "refs/pull/1/head", "exit 9\n");
        let file = "[source]\nurl = \"/srv/git/shop.git\"\n".to_owned() + PULLS + "build-outside = \"ask\"\n";
        team.project_file("shop", &(file + &step("test", "sh ./test.sh")));
        team.poll("shop").expect_success();
        assert_eq!(team.count("request"), 0, "what is there at the first look is only recorded");

        let first = propose(&team, "refs/pull/2/head", "echo the first");
        team.poll("shop").expect_success();
        team.machine.sh("systemctl start ci-build.service");
        let wants = "waits for approval: ci-build --approve shop:1";
        for said in ["ci-status --queue", "ci-status --why shop", "curl --silent http://localhost:8010/p/shop/"] {
            let said = team.anna(said).expect_success().stdout;
            assert!(said.contains(wants), "{said}");
        }
        assert!(team.machine.sh("journalctl --no-pager -o cat -u ci-poll.service -t ci-poll").contains(wants));
        assert_eq!(team.builds("shop"), 0);
        let mirror = format!("git --git-dir=/var/lib/ci/git/shop.git -c safe.directory='*' cat-file -e {first}");
        assert!(!team.machine.try_sh(&mirror).status.success(), "nobody has wanted it, so it was not fetched");

        // What is pushed meanwhile waits anew, and is not what somebody has looked at.
        let second = propose(&team, "refs/pull/2/head", "echo the second");
        team.poll("shop").expect_success();
        let late = team.anna("ci-build --approve shop:1").expect_code(1);
        assert!(late.stderr.contains("was replaced by request 2"), "{}", late.stderr);
        team.machine.run_as("otto", ["ci-build", "--approve", "shop:2"]).expect_code(1);
        assert_eq!(team.builds("shop"), 0);
        let told = team.anna("ci-build --approve shop -b refs/pull/2/head").expect_success().stdout;
        assert_eq!(told, format!("request 2 is approved: refs/pull/2/head at {}\n", &second[..7]));
        let build = team.wait_build("shop", 1);
        assert_eq!((build.text("test").as_str(), build.row["sha"].as_str()), ("the second\n", Some(second.as_str())));
        assert_eq!(build.row["outside"], 1);
        team.anna("ci-build --approve shop:2").expect_code(1);
        team.anna("ci-build --approve shop").expect_code(2);

        // A ref that goes takes its request with it.
        propose(&team, "refs/pull/3/head", "true");
        team.poll("shop").expect_success();
        team.git("shop", "push --quiet origin :refs/pull/3/head");
        team.poll("shop").expect_success();
        assert_eq!(team.count("request WHERE state = 'waiting'"), 0);
    }
}

#[test]
fn whoever_asks_for_a_strangers_commit_gets_it_in_the_strangers_room() {
    let team = Team::start(Suite::usual()[0]);
    shop(&team, "ask", "");
    team.push("shop", "own work", &[("test.sh", "id -un\n")]);
    team.poll("shop").expect_success();
    team.wait_build("shop", 1).is_green();
    let commit = propose(&team, "refs/pull/7/head", "id -un; echo ${CREDENTIALS_DIRECTORY:-none}\n");
    let unseen = team.anna("ci-build --force shop -b refs/pull/8/head").expect_code(1);
    assert!(unseen.stderr.contains("has not been seen"), "{}", unseen.stderr);
    let other = team.anna("ci-build --force shop -b refs/notes/x").expect_code(1);
    assert!(other.stderr.contains("`outside`"), "{}", other.stderr);
    team.poll("shop").expect_success();

    let strangers = "cix-shop\nnone\n";
    team.anna("ci-build --force shop -b refs/pull/7/head --wait").expect_success();
    assert_eq!(team.wait_build("shop", 2).text("test"), strangers);
    team.anna(&format!("ci-build shop -r {commit} --wait")).expect_success();
    let build = team.wait_build("shop", 3);
    assert_eq!((build.text("test").as_str(), &build.row["outside"]), (strangers, &serde_json::json!(1)));
    team.anna(&format!("ci-build shop -r {} --wait", &commit[..10])).expect_success();
    assert_eq!(team.wait_build("shop", 4).text("test"), strangers);
    // A tag of the team's makes it the team's; so does a merge, and then it is built as such.
    team.git("shop", &format!("merge --quiet --ff-only {commit}"));
    team.git("shop", "push --quiet origin HEAD");
    team.anna("ci-build shop --wait").expect_success();
    assert!(team.wait_build("shop", 5).text("test").starts_with("cib-shop\n/run/credentials/"));
    team.anna(&format!("ci-build shop -r {commit} --wait")).expect_success();
    assert!(team.wait_build("shop", 6).text("test").starts_with("cib-shop\n"));

    // Where strangers are not built, their commits are not built by their names either.
    let stray = propose(&team, "refs/pull/9/head", "id -un");
    let file = team.machine.read_file("/etc/ci/projects.d/shop.toml").replace("\"ask\"", "\"never\"");
    team.project_file("shop", &file);
    team.anna(&format!("ci-build shop -r {stray} --wait")).expect_code(1);
    team.wait_build("shop", 7).is("exception", "is on no branch and under no tag");
    team.anna("ci-build --force shop -b refs/pull/9/head").expect_code(1);
    team.poll("shop").expect_success();
    assert_eq!(team.count("tip WHERE ref LIKE 'refs/pull/%'"), 0);
    team.machine.wait_until("nothing to be under way", SOON, || team.count("build WHERE state <> 'finished'") == 0);
}

#[test]
fn many_refs_at_once_are_queued_a_few_at_a_time() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        shop(&team, "ask", "");
        let waiting = || team.count("request WHERE state = 'waiting' AND outside");
        let update = "git --git-dir=/srv/git/shop.git update-ref --stdin";
        let list = "c=$(git --git-dir=/srv/git/shop.git rev-parse main); for n in $(seq";
        team.machine.sh(&format!("{list} 130); do echo create refs/pull/$n/head $c; done | {update}"));
        team.poll("shop").expect_success();
        assert_eq!((waiting(), team.count("request WHERE outside")), (20, 20));
        let says = "110 changed refs from outside left for a later poll";
        for look in ["ci-status shop", "curl --silent http://localhost:8010/p/shop/"] {
            let said = team.anna(look).expect_success().stdout;
            assert!(said.contains(says), "{said}");
        }
        let told = team.machine.sh("journalctl --no-pager -o cat MESSAGE_ID=6471532547474835a3e82b44ed69a01a");
        assert!(told.contains("shop: 110 changed refs from outside are left for a later poll"), "{told}");
        for expected in [40, 60, 80, 100, 100] {
            team.poll("shop").expect_success();
            assert_eq!(waiting(), expected);
        }
        let left = || {
            let said = team.anna("ci-status --json shop").expect_success().stdout;
            let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
            json["poll"]["outside_left"].as_u64().expect("a number")
        };
        assert_eq!(left(), 30);
        // The team's own commits do not wait for that.
        team.push("shop", "own work", &[("test.sh", "true\n")]);
        team.poll("shop").expect_success();
        team.wait_build("shop", 1).is_green();
        // Refs that go make room.
        team.machine.sh(&format!("{list} 130); do test $n -gt 40 || echo delete refs/pull/$n/head; done | {update}"));
        for expected in [(82, 8), (90, 0)] {
            team.poll("shop").expect_success();
            assert_eq!((waiting(), left()), expected);
        }
    }
}
