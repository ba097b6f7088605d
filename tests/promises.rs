//! SECURITY.md promises nothing that no test tries, and no attack is tried that it does not tell of.
#![expect(clippy::unwrap_used, reason = "a test says by a panic what is wrong")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The functions marked `#[test]` below a folder of ours.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(tests_of(&fs::read_to_string(&path).unwrap()));
        }
    }
}

fn tests_of(source: &str) -> impl Iterator<Item = String> {
    let marked = source.split("#[test]\n").skip(1);
    marked.filter_map(|rest| Some(rest.split_once("fn ")?.1.split('(').next()?.to_owned()))
}

/// What stands in backticks and is built like the name of one of our tests.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split('`').skip(1).step_by(2);
    let is_name =
        |word: &&str| word.matches('_').count() > 2 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    words.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn every_promise_names_a_test_and_every_attack_a_promise() {
    let security = read("SECURITY.md");
    let (_, sides) = security.split_once("\n## From each side\n").unwrap();
    let (sides, _) = sides.split_once("\n## ").unwrap();
    let mut all = BTreeSet::new();
    for folder in ["tests", "src"] {
        tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut all);
    }
    let promised = named(&security);
    let missing: Vec<_> = promised.difference(&all).collect();
    assert_eq!(missing, Vec::<&String>::new(), "SECURITY.md names tests that there are not");
    for section in sides.split("\n### ").skip(1) {
        let title = section.lines().next().unwrap();
        let lines: Vec<&str> = section.lines().collect();
        let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
        let rows = lines.iter().enumerate().filter(|(at, line)| line.starts_with("| ") && !is_head(*at));
        let rows: Vec<&str> = rows.map(|(_, line)| *line).collect();
        let promises = if rows.is_empty() { vec![section] } else { rows };
        for promise in promises {
            assert!(!named(promise).is_empty(), "{title}: no test is named in: {promise}");
        }
    }
    let attacks: BTreeSet<String> = tests_of(&read("tests/machine/attacks.rs")).collect();
    assert!(!attacks.is_empty());
    let untold: Vec<_> = attacks.difference(&promised).collect();
    assert_eq!(untold, Vec::<&String>::new(), "SECURITY.md does not tell of these attacks");
}
