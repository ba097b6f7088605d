//! What builds hand out: collected, kept, found again; and what hostile ones cannot do.

use crate::harness::Suite;
use crate::story::{HOLD, SOON, Team, step};
use serde_json::Value;

fn handing_out(name: &str, run: &str, patterns: &str) -> String {
    step(name, run) + &format!("artifacts = [{patterns}]\n")
}

impl Team {
    /// What a build hands out: each name with its size.
    #[track_caller]
    fn artifacts(&self, build: &str) -> Vec<(String, u64)> {
        let said = self.anna(&format!("ci-status {build} --artifacts --json")).expect_success().stdout;
        let value: Value = serde_json::from_str(&said).expect("JSON");
        let one = |artifact: &Value| {
            (artifact["path"].as_str().expect("a name").to_owned(), artifact["size"].as_u64().expect("a size"))
        };
        value.as_array().expect("a list").iter().map(one).collect()
    }
}

fn named(artifacts: &[(String, u64)]) -> Vec<&str> {
    artifacts.iter().map(|(name, _)| name.as_str()).collect()
}

/// With this `$CI_ARTIFACTS` is looked at.
const FOLDER: &str = "[build]\nartifacts-folder = true\n";

#[test]
fn what_a_build_hands_out_is_kept_and_found_again() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let make = "mkdir -p dist/sub; head -c 3000000 /dev/urandom > 'dist/a b.bin'; sha256sum < 'dist/a b.bin' > $CI_CACHE/sum
            echo $CI_BUILD > dist/sub/ä.txt; echo no > other; echo shot > $CI_ARTIFACTS/shot.txt";
        let steps = handing_out("make", make, "\"dist/**\", \"RE*\"") + &step("end", "exit $(cat status)");
        team.project("gkp", &(FOLDER.to_owned() + &steps));
        team.push("gkp", "good", &[("status", "0")]);
        team.build("gkp", 1).is_green();
        let expected = ["README", "dist/a b.bin", "dist/sub/ä.txt", "shot.txt"];
        assert_eq!(named(&team.artifacts("gkp:1")), expected);

        let sum = team.machine.sh(&format!("cat {}", team.cache("gkp", "sum")));
        let got = team.anna("ci-status gkp --artifact 'dist/a b.bin' | sha256sum").expect_success().stdout;
        assert_eq!(got, sum);
        let listed = team.anna("ci-status gkp --artifacts").expect_success().stdout;
        assert!(listed.contains(sum.split(' ').next().unwrap()), "{listed}");
        team.anna("ci-status gkp --artifact other").expect_code(1);

        let page = "curl --silent --show-error http://localhost:8010/p/gkp";
        assert_eq!(team.machine.sh(&format!("{page}/1/artifacts/dist/a%20b.bin | sha256sum")), sum);
        assert_eq!(team.machine.sh(&format!("{page}/latest/main/dist/sub/%C3%A4.txt -L")), "1\n");
        let heads =
            team.machine.sh(&format!("{page}/1/artifacts/dist/sub/%C3%A4.txt -D - -o /dev/null")).to_lowercase();
        for head in [
            "content-type: application/octet-stream",
            "content-disposition: attachment; filename=\"_.txt\"; filename*=utf-8''%c3%a4%2etxt",
            "content-security-policy: sandbox; default-src 'none'",
            "x-content-type-options: nosniff",
            "content-length: 2",
        ] {
            assert!(heads.contains(head), "{head:?} is not in {heads}");
        }
        // A download that broke off goes on where it was, as long as it is the same file.
        let part = |more: &str| {
            let get =
                format!("{page}/1/artifacts/dist/a%20b.bin {more} -o /tmp/part -w '%{{http_code}} %{{size_download}}'");
            team.machine.sh(&get)
        };
        assert_eq!(part("-H 'Range: bytes=1000000-'"), "206 2000000");
        let rest = format!("tail -c +1000001 {} | cmp - /tmp/part", "/tmp/whole");
        team.machine.sh(&format!("{page}/1/artifacts/dist/a%20b.bin -o /tmp/whole; {rest}"));
        assert_eq!(part("-H 'Range: bytes=-5' -H 'If-Range: \"other\"'"), "200 3000000");
        assert_eq!(part(&format!("-H 'Range: bytes=-5' -H 'If-Range: \"{}\"'", &sum[..64])), "206 5");
        assert!(part("-H 'Range: bytes=3000000-'").starts_with("416 "));
        assert!(team.machine.sh(&format!("{page}/1/")).contains("href=\"artifacts/dist/a%20b.bin\""));

        // A red build keeps what is in the folder; the latest of the branch is still the green one's.
        team.push("gkp", "bad", &[("status", "1")]);
        team.build("gkp", 2).is("failure", "end: exit code 1");
        assert_eq!(named(&team.artifacts("gkp:2")), expected, "the step that made them was green");
        assert_eq!(team.machine.sh(&format!("{page}/latest/main/dist/sub/%C3%A4.txt -L")), "1\n");
        // A branch with a slash, whose first part is a branch's name no more.
        team.git("gkp", "checkout --quiet -b release/1");
        team.push("gkp", "good", &[("status", "0")]);
        team.anna("ci-build --force gkp -b release/1 --wait").expect_success();
        assert_eq!(team.machine.sh(&format!("{page}/latest/release/1/dist/sub/%C3%A4.txt -L")), "3\n");
        let code = format!("{page}/latest/main/none -o /dev/null -w '%{{http_code}}'");
        assert_eq!(team.machine.sh(&code), "404");
        team.no_unit_left("gkp");
    }
}

#[test]
fn missing_and_too_large_artifacts_are_said() {
    let team = Team::start(Suite::usual()[0]);
    team.project("none", &handing_out("make", "true", "\"dist/*\""));
    let build = team.build("none", 1);
    assert_eq!((build.verdict(), build.outcome("make")), ("warnings", "no artifact was found"));

    let limit = "[build]\nartifacts-max = \"1M\"\n";
    let two = handing_out("make", "mkdir dist; head -c 600K /dev/zero | tee dist/a > dist/b", "\"dist\"");
    team.project("much", &format!("{limit}{two}"));
    let build = team.build("much", 1);
    build.is("failure", "artifacts-max");
    assert_eq!(team.artifacts("much:1"), []);
    team.machine.sh("! ls /var/lib/ci/builds/much/1/ | grep artifacts");

    // The limit is for all steps of a build together, and for its folder.
    let part = |name: &str| handing_out(name, &format!("head -c 600K /dev/zero > {name}"), &format!("\"{name}\""));
    team.project("parts", &(limit.to_owned() + &part("a") + &part("b")));
    team.build("parts", 1).is("failure", "b: artifacts: ");
    let folder = step("make", "head -c 2M /dev/zero > $CI_ARTIFACTS/x");
    team.project("folder", &format!("{limit}artifacts-folder = true\n{folder}"));
    team.build("folder", 1).is("failure", "$CI_ARTIFACTS: artifacts: ");
    let red = handing_out("make", "touch a; exit 1", "\"a\"");
    team.project("red", &red);
    team.build("red", 1).is("failure", "exit code 1");
    assert_eq!(team.artifacts("red:1"), []);
}

#[test]
fn hostile_artifacts_stay_where_they_are() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let lines = [
            "mkdir out; cd out; ln -s /etc/passwd passwd; ln -s / root; ln -s .. up; mkfifo fifo",
            "ln -s /var/lib/ci/store/ci.sqlite store; touch \"$(printf 'new\\nline')\" \"$(printf 'bad\\377')\"",
            "printf '<script>alert(1)</script>' > '<script>.html'; printf x > '..%2f..%2fx'; printf y > '\\..\\y'",
            "mkdir locked; echo z > locked/z; chmod 0 locked; echo q > secret; chmod 0 secret",
            "ln -s /etc $CI_ARTIFACTS/etc; echo ok > $CI_ARTIFACTS/ok",
        ];
        team.project("gkp", &(FOLDER.to_owned() + &handing_out("make", &lines.join("\n"), "\"out\"")));
        let build = team.build("gkp", 1);
        build.is_green();
        let artifacts = team.artifacts("gkp:1");
        assert_eq!(named(&artifacts), ["ok", "out/..%2f..%2fx", "out/<script>.html", "out/\\..\\y"]);
        let log = build.text("make");
        for told in ["out/passwd is a symbolic link", "out/root is a symbolic link", "out/fifo is no plain file"] {
            assert!(log.contains(told), "{told:?} is not in {log}");
        }
        for told in ["out/locked may not be read", "out/secret may not be read", "with control characters"] {
            assert!(log.contains(told), "{told:?} is not in {log}");
        }
        let page = team.machine.sh("curl --silent --show-error http://localhost:8010/p/gkp/1/");
        assert!(!page.contains("<script>"), "{page}");
        let get = "curl --silent --path-as-is -o /dev/null -w '%{http_code}' http://localhost:8010/p/gkp/1/artifacts";
        for (path, code) in [
            ("/../../../../../etc/passwd", "404"),
            ("/..%2f..%2f..%2fetc/passwd", "404"),
            ("/out/passwd", "404"),
            ("/%00", "404"),
            ("/%ff", "404"),
            ("/", "404"),
            ("/out/..%252f..%252fx", "200"),
            ("/out/%3Cscript%3E.html", "200"),
        ] {
            assert_eq!(team.machine.sh(&format!("{get}{path}")), code, "{path}");
        }
        // What one build put into its folder is not the next one's.
        team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", step("make", "true")));
        team.build("gkp", 2).is_green();
        assert_eq!(team.artifacts("gkp:2"), []);
    }
}

#[test]
fn a_cache_is_emptied_while_nobody_uses_it() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("make", &format!("head -c 5M /dev/urandom > $HOME/big; mkdir -p $CI_CACHE/a/b; {HOLD}")));
    team.force("gkp");
    team.wait_held("gkp");
    let refused = team.anna("ci-clean --cache gkp").expect_code(75);
    assert!(refused.stderr.contains("gkp:1 is not over"), "{}", refused.story());
    team.release("gkp");
    team.wait_build("gkp", 1).is_green();
    let freed = team.anna("ci-clean --cache gkp").expect_success();
    assert!(freed.stdout.starts_with("gkp: 5.") && freed.stdout.contains("freed"), "{}", freed.story());
    assert_eq!(team.machine.sh("ls -A /var/cache/ci/gkp | sort | tr '\\n' ' '"), "artifacts tmp workspace ");
    team.machine.run_as("otto", ["ci-clean", "--cache", "gkp"]).expect_code(1);
    team.anna("ci-clean --cache nobody").expect_code(1);
    // The next build finds both, empty.
    team.project_file(
        "gkp",
        &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", step("make", "ls -A $HOME $CI_CACHE")),
    );
    let build = team.build("gkp", 2);
    build.is_green();
    assert!(!build.text("make").contains("big"), "{}", build.text("make"));
}

#[test]
fn a_supervisor_killed_in_mid_collection_collects_again() {
    let team = Team::start(Suite::usual()[0]);
    // A file that is being made larger than can be copied in the moment until the kill.
    let make = format!("mkdir dist; head -c 700M /dev/zero > dist/big; echo small > dist/small; {HOLD}");
    team.project("gkp", &handing_out("make", &make, "\"dist/*\""));
    team.force("gkp");
    team.wait_held("gkp");
    team.release("gkp");
    let half = "/var/lib/ci/builds/gkp/1/1.artifacts.half";
    team.machine.wait_until("the collection to be under way", SOON, || team.machine.exists(half));
    team.machine.sh("systemctl kill --signal=KILL --kill-whom=main 'ci-build@gkp:1.service'");
    assert_eq!(team.count("artifact"), 0, "nothing of it is to be seen");
    team.wait_build("gkp", 1).is_green();
    assert_eq!(team.artifacts("gkp:1"), [("dist/big".to_owned(), 700 << 20), ("dist/small".to_owned(), 6)]);
    assert_eq!(team.anna("ci-status gkp:1 --artifact dist/small").stdout, "small\n");
    let files = team.machine.sh("ls /var/lib/ci/builds/gkp/1/ | grep artifacts");
    assert_eq!(files, "1.artifacts\n");
    assert!(team.count("build WHERE takeovers > 0") > 0, "the supervisor was killed too late");
    team.no_unit_left("gkp");
}
