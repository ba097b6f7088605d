//! `ci-config` over whole `/etc/ci` trees.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it should be")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use unitci::config::keys::{Key, Kind, PROJECT, SITE, Unset};
use unitci::config::{Config, LoadError, Site, load_project};
use unitci::model::Place;

/// A folder that stands for `/`, with these files below `etc/ci`.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/ci/projects.d")).unwrap();
    for (path, text) in files {
        fs::write(root.path().join("etc/ci").join(path), text).unwrap();
    }
    root
}

fn ci_config(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ci-config"))
        .current_dir(root)
        .arg("--root")
        .arg(root)
        .args(arguments)
        .output()
        .unwrap()
}

/// Standard output with the folder's name taken out.
fn said(root: &Path, output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.replace(&format!("{}/", root.display()), "/")
}

const GOOD: &str = "[source]\nurl = 'https://git.example.org/gkp.git'\n[[step]]\nname = 'test'\nrun = 'make test'\n";

#[test]
fn a_sound_tree() {
    let root = tree(&[("projects.d/gkp.toml", GOOD), ("projects.d/my-app.toml", GOOD)]);
    let output = ci_config(root.path(), &["check"]);
    assert_eq!(
        (said(root.path(), &output).as_str(), output.status.code()),
        ("2 projects, none with errors\n", Some(0))
    );
    let (site, project) = load_project(&Place::under(root.path()), &"gkp".parse().unwrap()).unwrap();
    assert_eq!((site, project.steps.len(), project.targets), (Site::default(), 1, Vec::new()));
}

#[test]
fn all_errors_of_a_file_and_only_its_project_stops() {
    let broken = "template = \"djnago\"\n\
        url = \"https://git.example.org/x\"\n\
        [source]\n\
        brances = [\"main\"]\n\
        poll = \"10s\"\n\
        [[step]]\n\
        name = \"test\"\n\
        run = \"\"\n\
        caches = [\"x\"]\n";
    let site = "[template.django.build]\nmemory = '2G'\n";
    let root = tree(&[("ci.toml", site), ("projects.d/gkp.toml", GOOD), ("projects.d/shop.toml", broken)]);
    let output = ci_config(root.path(), &["check"]);
    assert_eq!(said(root.path(), &output), include_str!("config/many.txt"));
    assert_eq!(output.status.code(), Some(78));
    let place = Place::under(root.path());
    assert!(load_project(&place, &"gkp".parse().unwrap()).is_ok());
    assert!(matches!(load_project(&place, &"shop".parse().unwrap()), Err(LoadError::Project(_))));
}

#[test]
fn what_an_error_in_ci_toml_stops() {
    let uses = format!("template = 'bad'\n{GOOD}");
    for (site, loads) in [
        ("", [true, false]),
        ("template.bad.build.tasks = 100", [true, true]),
        ("template.bad.build.tasks = 'x'", [true, false]),
        ("template.bad = 1", [true, false]),
        ("defaults.build.taks = 1", [false, false]),
        ("defaults.source.poll = '1s'", [false, false]),
        ("defaults.template = 'bad'", [false, false]),
        ("titel = 'x'", [false, false]),
        ("title = ", [false, false]),
    ] {
        let root = tree(&[("ci.toml", site), ("projects.d/plain.toml", GOOD), ("projects.d/uses.toml", &uses)]);
        let place = Place::under(root.path());
        let config = Config::load(&place);
        let names = ["plain", "uses"].map(|name| name.parse().unwrap());
        let loaded = names.clone().map(|name| load_project(&place, &name).is_ok());
        assert_eq!(loaded, loads, "{site}");
        assert_eq!(names.map(|name| config.projects[&name].is_ok()), loads, "{site}");
    }
}

#[test]
fn names_of_files() {
    let long = format!("projects.d/{}.toml", "x".repeat(80));
    let root = tree(&[
        ("projects.d/gkp.toml", GOOD),
        ("projects.d/gkp.toml~", "broken"),
        ("projects.d/.gkp.toml.swp", "broken"),
        ("projects.d/.hidden.toml", "broken"),
        ("projects.d/gkp.toml.dpkg-old", "broken"),
        ("projects.d/example.toml.example", "broken"),
        ("projects.d/a.b.toml", GOOD),
        ("projects.d/Shop.toml", GOOD),
        (&long, GOOD),
        ("elsewhere.toml", GOOD),
    ]);
    let projects = root.path().join("etc/ci/projects.d");
    fs::create_dir(projects.join("folder.toml")).unwrap();
    std::os::unix::fs::symlink("../elsewhere.toml", projects.join("linked.toml")).unwrap();
    std::os::unix::fs::symlink("/nowhere", projects.join("dangling.toml")).unwrap();
    fs::write(projects.join("latin.toml"), b"description = 'caf\xe9'\n").unwrap();
    fs::write(projects.join("huge.toml"), "#".repeat(256 * 1024 + 1)).unwrap();
    let output = ci_config(root.path(), &["check"]);
    assert_eq!(said(root.path(), &output), include_str!("config/names.txt"));
    let config = Config::load(&Place::under(root.path()));
    let sound: Vec<String> =
        config.projects.iter().filter(|(_, project)| project.is_ok()).map(|(name, _)| name.to_string()).collect();
    assert_eq!(sound, ["gkp", "linked"]);
}

#[test]
fn nothing_of_a_file_reaches_the_terminal_raw() {
    let nasty = "\"\\u001b[31m\\u009b\\u202e\" = 1\n[[step]]\nname = \"\\u001b]0;x\\u0007\"\nrun = \"\\u0000\"\n# \u{9b}31m\n\
        [source]\nurl = \"\u{202e}x\"\nbranches = [\"\u{9b}\"]\n";
    let root = tree(&[("projects.d/gkp.toml", nasty), ("projects.d/raw.toml", "a = '\u{1b}[31m\u{9b}'\n")]);
    for format in [&["check"][..], &["check", "--json"]] {
        let output = ci_config(root.path(), format);
        let text = said(root.path(), &output);
        let obeyed: Vec<char> = text.chars().filter(|c| *c != '\n' && unitci::config::is_obeyed(*c)).collect();
        assert!(obeyed.is_empty(), "{obeyed:?} in {text}");
        assert_eq!(output.status.code(), Some(78));
    }
}

#[test]
fn what_is_in_force_and_why() {
    let site = "[defaults.source]\npoll = '2min'\n[template.django.build]\nmemory = '2G'\nenv.A = '1'\n";
    let project =
        format!("template = 'django'\n{GOOD}[deploy]\nroot = '/srv/gkp'\nuser = 'gkp'\n[build.env]\nB = '2'\n");
    let root = tree(&[("ci.toml", site), ("projects.d/gkp.toml", &project)]);
    let output = ci_config(root.path(), &["show", "gkp"]);
    let shown = said(root.path(), &output);
    assert_eq!(shown, include_str!("config/show.txt"));

    let again = tree(&[("projects.d/gkp.toml", &shown)]);
    let name = "gkp".parse().unwrap();
    let of = |root: &TempDir| load_project(&Place::under(root.path()), &name).unwrap().1;
    assert_eq!(of(&root), of(&again), "what is shown means the same");

    let output = ci_config(root.path(), &["show", "gkp", "--json"]);
    let entries: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let poll = entries.as_array().unwrap().iter().find(|entry| entry["key"] == "poll").unwrap();
    assert_eq!(
        (&poll["value"], &poll["from"]["line"], &poll["from"]["layer"]),
        (&"2min".into(), &2.into(), &"[defaults]".into())
    );
}

#[test]
fn an_unknown_project() {
    let root = tree(&[("projects.d/gkp.toml", GOOD)]);
    let output = ci_config(root.path(), &["show", "gpk"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (error.as_str(), output.status.code()),
        ("ci-config: there is no project gpk; did you mean gkp?\n", Some(1))
    );
    assert_eq!(ci_config(root.path(), &["show", "../x"]).status.code(), Some(2));
}

#[test]
fn single_files() {
    let root = tree(&[("projects.d/gkp.toml", "broken"), ("ci.toml", "max-builds = 0")]);
    fs::write(root.path().join("shop.toml"), GOOD).unwrap();
    for (files, code, says) in [
        (&["etc/ci/projects.d/gkp.toml"][..], 78, "gkp.toml:1:7: "),
        (&["etc/ci/ci.toml"], 78, "ci.toml:1:14: must be from 1 to 1000"),
        (&["shop.toml"], 78, "project shop is stopped"),
        (&["nothing.toml"], 78, "nothing.toml:1:1: there is no such file"),
        (&["gkp.conf"], 78, "a project's file is called NAME.toml"),
    ] {
        let output = ci_config(root.path(), &[&["check"], files].concat());
        let text = said(root.path(), &output);
        assert!(output.status.code() == Some(code) && text.contains(says), "{files:?}: {text}");
    }
    fs::remove_file(root.path().join("etc/ci/ci.toml")).unwrap();
    assert_eq!(ci_config(root.path(), &["check", "shop.toml"]).status.code(), Some(0));
}

#[test]
fn the_steps_of_a_repository() {
    let root = tree(&[]);
    let file = root.path().join(".ci.toml");
    let check = |arguments: &[&str]| {
        let output = ci_config(root.path(), &[&["check"], arguments].concat());
        (said(root.path(), &output), output.status.code())
    };
    let (text, code) = check(&["--repository"]);
    assert!(text.contains("./.ci.toml:1:1: there is no such file") && code == Some(78), "{text}");
    fs::write(&file, "[[step]]\nname = 'a'\nrun = 'a'\n").unwrap();
    assert_eq!(check(&["--repository"]), ("./.ci.toml: 1 step, no errors\n".to_owned(), Some(0)));
    assert_eq!(check(&[".ci.toml"]), (".ci.toml: 1 step, no errors\n".to_owned(), Some(0)));
    fs::write(&file, "[[step]]\nname = 'a'\nrun = 'a'\n[deploy]\n").unwrap();
    let (text, code) = check(&["--repository", "."]);
    assert!(text.contains(".ci.toml:4:2: `deploy` is not for .ci.toml: the administrator says this in"), "{text}");
    assert!(text.ends_with("such a commit fails until this is mended and pushed\n\n") && code == Some(78), "{text}");
}

/// Takes the comment marks off the lines that are keys.
fn uncommented(text: &str) -> String {
    let key = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(|line| key(line) + "\n").collect()
}

const EXAMPLE_SITE: &str = include_str!("../etc/ci.toml");
const EXAMPLE_PROJECT: &str = include_str!("../etc/projects.d/example.toml.example");

#[test]
fn the_installed_examples_are_right() {
    let name = "gkp".parse().unwrap();
    let root = tree(&[("ci.toml", EXAMPLE_SITE), ("projects.d/gkp.toml", EXAMPLE_PROJECT)]);
    let (site, _) = load_project(&Place::under(root.path()), &name).unwrap();
    assert_eq!(site, Site::default());

    let (site, project) = (uncommented(EXAMPLE_SITE), uncommented(EXAMPLE_PROJECT));
    let root = tree(&[("ci.toml", &site), ("projects.d/gkp.toml", &project)]);
    let (site, project) = load_project(&Place::under(root.path()), &name).unwrap();
    assert_eq!(site.mail.from.as_deref(), Some("ci@example.org"));
    let probes: Vec<String> = project.targets[0].checks.iter().map(|check| check.probe.to_string()).collect();
    assert_eq!(
        probes,
        [
            "http://127.0.0.1:8000/healthz",
            "https://test.example.org/",
            "tcp 127.0.0.1:5432",
            "`./manage.py check --deploy`",
            "gkp-worker.service"
        ]
    );
}

#[test]
fn the_installed_examples_have_every_key_with_its_default() {
    has_all(&uncommented(EXAMPLE_SITE).parse().unwrap(), SITE);
    has_all(&uncommented(EXAMPLE_PROJECT).parse().unwrap(), PROJECT);
}

fn has_all(table: &toml::Table, keys: &'static [Key]) {
    for key in keys {
        let value = table.get(key.name).unwrap_or_else(|| panic!("{} is not in the example", key.name));
        let default: Option<toml::Value> = match key.unset {
            Unset::Text(text) => Some(text.into()),
            Unset::Count(count) => Some(count.into()),
            Unset::Flag(flag) => Some(flag.into()),
            Unset::Pair(first, last) => Some(vec![first, last].into()),
            Unset::Required | Unset::Empty | Unset::Absent(_) => None,
        };
        assert!(default.is_none_or(|default| default == *value), "{}: {value}", key.name);
        match (key.kind, value) {
            (Kind::Table(keys) | Kind::Either(keys), toml::Value::Table(table)) => has_all(table, keys),
            // Where keys exclude each other, each stands in one of several.
            (Kind::Tables(keys), toml::Value::Array(tables)) => {
                has_all(&tables.iter().rev().flat_map(|table| table.as_table().unwrap().clone()).collect(), keys);
            }
            _ => {}
        }
    }
}
