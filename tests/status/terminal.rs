//! The command line.

use crate::system::{PLAIN, System, Told, every_state};
use std::path::Path;
use std::process::{Command, Output};
use unitci::model::Verdict;

fn ci_status(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ci-status")).args(args).arg("--root").arg(root).output().unwrap()
}

pub fn shows(root: &Path, args: &[&str]) -> String {
    let output = ci_status(root, args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn texts_say_what_there_is_without_colours_in_a_pipe() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    for (args, says) in [
        (
            &[][..],
            &[
                "PROJECT",
                "gkp      71     ✓ success",
                "evil     1      ✗ failure",
                "blog     2      ▸ running",
                "step build · before it: build 1 success",
                "1 request waiting",
                "watching main at 3f2a91c; builds at the next push; now: ci-build docs",
                "typo     –      ✗ broken",
                "see ci-config check",
                "deploy of shop:2: rolled back: health check",
                "cannot read the repository (since 1 min ago): git.example.org: connection refused",
                "retired: it has no file any more",
            ][..],
        ),
        (
            &["shop"],
            &[
                "Live since",
                "Round prices by currency (build 1, 01c3b2b, back from build 2: health check: ",
                "https://test.example.org",
                "rolled-back",
            ],
        ),
        (&["docs"], &["Not built yet: watching main"]),
        (
            &["shop:3"],
            &[
                "shop:3 ✗ failure: step test: exit code 1",
                "release/2.4",
                "2 changes",
                "Ada Lovelace",
                "86.0 MiB",
                "3.0 MiB",
                "exit code 1, counts as warnings",
                "skipped",
                "ci-status shop:3 --log",
            ],
        ),
        (&["--queue"], &["▸ running", "build 2, step build", "drafts"]),
        (&["--why", "docs"], &["looks every 1min", "not built"]),
        (&["--why", "gkp"], &["built by gkp:71"]),
    ] {
        let text = shows(root.path(), args);
        for wanted in says {
            assert!(text.contains(wanted), "{args:?} does not say {wanted:?}:\n{text}");
        }
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{args:?}:\n{text}");
    }
}

#[test]
fn exit_codes() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    for (args, code, says) in [
        (&["gkpp"][..], 1, "did you mean gkp?"),
        (&["nowhere"], 1, "there are blog, docs"),
        (&["gkp:999"], 1, "the latest is gkp:71"),
        (&["docs", "--log"], 1, "has not been built yet"),
        (&["shop:3", "--log", "nosuch"], 1, "its steps are checkout, install, test, report"),
        (&["Not A Name"], 2, "project name"),
        (&["gkp:0"], 2, "not a build number"),
        (&["--log"], 2, "--log needs"),
        (&["--log", "--follow", "gkp"], 2, "cannot be used with"),
        (&["gkp", "test"], 2, "--log"),
        (&["--serve"], 1, "no socket was passed"),
    ] {
        let output = ci_status(root.path(), args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
    std::fs::write(root.path().join("etc/ci/ci.toml"), "titel = 1\n").unwrap();
    let output = ci_status(root.path(), &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stdout).contains("gkp"), "what can be shown is shown");
}

#[test]
fn without_a_store_the_projects_are_shown_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    assert!(shows(root.path(), &[]).starts_with("No projects yet."));
    let projects = root.path().join("etc/ci/projects.d");
    std::fs::create_dir_all(&projects).unwrap();
    std::fs::write(projects.join("gkp.toml"), PLAIN).unwrap();
    assert!(shows(root.path(), &[]).contains("not looked at yet"));
    assert!(shows(root.path(), &["gkp"]).contains("Not built yet"));
}

#[test]
fn logs_in_a_pipe_are_byte_for_byte() {
    let root = tempfile::tempdir().unwrap();
    let system = every_state(root.path());
    let log = |step: &str| std::fs::read_to_string(system.place.build(&"shop:3".parse().unwrap()).join(step)).unwrap();
    assert_eq!(shows(root.path(), &["shop:3", "--log", "test"]), log("2.log"));
    assert_eq!(shows(root.path(), &["shop", "--log", "1"]), log("1.log"));
    assert_eq!(shows(root.path(), &["shop", "--log"]), ["0.log", "1.log", "2.log"].map(log).concat());
}

#[test]
fn following_passes_on_what_comes_until_the_build_is_over() {
    let root = tempfile::tempdir().unwrap();
    let mut system = System::new(root.path());
    system.project_file("gkp", PLAIN);
    let id = system.build(&Told::new("gkp", "One", 1), &["checkout", "test"]);
    let begun = system.ago(1);
    system.step(&id, 0, Verdict::Success, "", b"checked out\n", begun);
    system.running(&id, 1, b"first\n", begun);
    let mut follower = Command::new(env!("CARGO_BIN_EXE_ci-status"))
        .args(["gkp", "--follow", "--root"])
        .arg(root.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufReader::new(follower.stdout.take().unwrap());
    let mut line = |expected: &str| {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line, expected);
    };
    line("checked out\n");
    line("first\n");
    system.step(&id, 1, Verdict::Failure, "exit code 1", b"first\nsecond\n", begun);
    line("second\n");
    system.finish(&id, Verdict::Failure, "", 1);
    line("");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

#[test]
fn json_has_the_names_that_the_manual_promises() {
    let root = tempfile::tempdir().unwrap();
    every_state(root.path());
    let json = |args: &[&str]| serde_json::from_str::<serde_json::Value>(&shows(root.path(), args)).unwrap();
    let all = json(&["--json"]);
    let shop = all["projects"].as_array().unwrap().iter().find(|project| project["name"] == "shop").unwrap();
    assert_eq!(shop["configuration"], "ready");
    assert_eq!((&shop["last_build"]["id"], &shop["last_build"]["verdict"]), (&"shop:3".into(), &"failure".into()));
    assert_eq!((&shop["live"]["build"], &shop["live"]["subject"]), (&1.into(), &"Round prices by currency".into()));
    assert_eq!(shop["last_deploy"]["outcome"], "rolled-back");
    assert_eq!(shop["trouble"][1]["kind"], "poll");
    assert!(shop["last_build"]["finished"].as_str().unwrap().ends_with('Z'));
    let build = json(&["shop:3", "--json"]);
    assert_eq!(build["steps"][2]["outcome"], "exit code 1");
    assert_eq!(build["changes"][0]["subject"], "Compute tax per line");
    assert_eq!(build["duration_seconds"], 63.0);
    assert_eq!(json(&["shop", "--json"])["builds"].as_array().unwrap().len(), 3);
    assert_eq!(json(&["--queue", "--json"])["waiting"][0]["ref"], "refs/heads/drafts");
}
