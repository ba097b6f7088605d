//! An arrow goes downwards only: the table in `src/lib.rs`, held against the code.

#![expect(clippy::unwrap_used, reason = "a test says by a panic what is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const WORDS: &[&str] = &["model", "config"];
const SEAMS: &[&str] = &["git", "systemd", "store", "intake", "order", "output", "journal", "http"];
const SHARED: &[&str] = &["attend", "start", "tell", "view", "page", "caches"];
const EDGE: &[&str] = &["child", "wake"];

/// What a module of `src/` may name with `crate::`.
fn allowed(module: &str) -> Vec<&'static str> {
    let below = |parts: &[&[&'static str]]| parts.concat();
    match module {
        "model" | "child" => vec![],
        "config" | "wake" => vec!["model"],
        "git" => vec!["model", "config", "child"],
        "systemd" | "store" | "intake" | "order" | "output" | "journal" | "http" => WORDS.to_vec(),
        "plan" => WORDS.to_vec(),
        "caches" => below(&[WORDS, SEAMS, SHARED, &["plan", "worker"]]),
        "attend" | "start" | "tell" | "view" | "page" => below(&[WORDS, SEAMS, SHARED, &["plan", "wake"]]),
        "cli" => below(&[WORDS, &["status"]]),
        // Ring 1 knows the configuration, systemd and the orders, and nothing else.
        "launch" => vec!["model", "config", "systemd", "order"],
        // A worker knows nothing of the core; `worker::call` is the core's side and speaks to ring 1.
        "worker" => vec!["model", "config", "git", "child", "order", "output"],
        "requests" | "build" | "poll" | "deploy" | "notify" | "clean" | "status" | "configure" | "doctor"
        | "person" => below(&[WORDS, SEAMS, SHARED, EDGE, &["plan", "worker"]]),
        other => panic!("src/{other} has no place in the table of src/lib.rs"),
    }
}

/// Where a crate that reaches outside may be named.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("git2", &["git"]),
    ("zbus", &["systemd"]),
    ("rusqlite", &["store"]),
    ("tiny_http", &["http"]),
    ("tracing_journald", &["journal"]),
    ("ureq", &["worker"]),
    ("quick_xml", &["worker"]),
    ("sha2", &["build", "worker"]),
    ("percent_encoding", &["http", "page"]),
    ("zstd", &["output"]),
    ("maud", &["page", "output", "status"]),
    ("lettre", &["notify", "config"]),
];

/// Where the kernel is spoken to directly.
const NIX: &[&str] = &[
    "attend", "child", "git", "http", "intake", "journal", "launch", "order", "output", "systemd", "worker", "build",
    "deploy", "doctor", "notify", "status",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The code of each module, comments left out: a doc may link upwards.
fn modules() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned);
        modules.entry(module).or_default().extend(code);
    }
    modules.remove("lib");
    modules.remove("bin");
    modules
}

fn words_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).map(move |(at, _)| {
        let rest = &line[at + prefix.len()..];
        &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())]
    })
}

/// Whether a line has a path that begins with this crate's name: `nix::x`, and not `unix::x`.
fn names(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn arrows_go_downwards() {
    let mut wrong = BTreeSet::new();
    for (module, lines) in modules() {
        let allowed = allowed(&module);
        for line in &lines {
            for used in words_after(line, "crate::").filter(|used| !used.is_empty() && *used != module) {
                if !allowed.contains(&used) {
                    wrong.insert(format!("{module} → {used}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_outside_thing_has_its_place() {
    let mut wrong = BTreeSet::new();
    for (module, lines) in modules() {
        for line in &lines {
            for (name, places) in OUTSIDE.iter().chain(&[("nix", NIX)]) {
                if names(line, name) && !places.contains(&module.as_str()) {
                    wrong.insert(format!("{module} names {name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
