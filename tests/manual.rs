//! The manual says what the programs do: options, keys, message ids, and links that lead somewhere.
#![expect(clippy::unwrap_used, reason = "a test says by a panic what is wrong")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use unitci::config::keys::{self, Key, Kind, Unset};
use unitci::journal::Event;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(source(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The program itself, or `ci-config check` for `["check"]`.
fn help(program: &str, subcommand: &[&str]) -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_ci-build")).with_file_name(program);
    let output = Command::new(path).args(subcommand).arg("--help").output().unwrap();
    assert!(output.status.success(), "{program} {subcommand:?} --help: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The long options in lines that list one: `  -f, --force` or `      --follow`.
fn options_of_help(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let longs = lines.filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("--")));
    longs.map(|word| word.trim_end_matches(',').to_owned()).collect()
}

fn subcommands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// What stands under a heading (`.Sh` or `.Ss`) up to the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n.S").next().unwrap_or(rest)
}

fn options_of_page(page: &str) -> BTreeSet<String> {
    let items = section(page, ".Sh OPTIONS").lines().filter(|line| line.starts_with(".It "));
    let longs = items.chain(section(page, ".Sh SYNOPSIS").lines()).filter_map(|line| line.split_once("Fl Fl "));
    longs.filter_map(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_program_has_a_page_with_exactly_its_options() {
    for program in fs::read_dir(source("src/bin")).unwrap() {
        let program = program.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        if ["ci-launch", "ci-worker"].contains(&program.as_str()) {
            read(&format!("man/{program}.8"));
            continue;
        }
        let text = help(&program, &[]);
        let mut known = options_of_help(&text);
        for name in subcommands(&text) {
            known.extend(options_of_help(&help(&program, &[&name])));
        }
        assert!(known.contains("help"), "{program}: {text}");
        assert_eq!(known, options_of_page(&read(&format!("man/{program}.1"))), "{program}: --help against its page");
    }
}

/// The names in `.It Va NAME …` lines, each with its line.
fn items(section: &str) -> Vec<(&str, &str)> {
    let lines = section.lines().filter_map(|line| line.strip_prefix(".It Va "));
    lines.map(|line| (line.split(' ').next().unwrap_or(line), line)).collect()
}

fn compare(page: &str, heading: &str, keys: &[Key]) {
    let found = items(section(page, heading));
    let is_value = |key: &&Key| matches!(key.kind, Kind::Value(_) | Kind::Map);
    let wanted: Vec<&str> = keys.iter().filter(is_value).map(|key| key.name).collect();
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), wanted, "{heading}");
    for (key, (_, line)) in keys.iter().filter(is_value).zip(found) {
        let unset = match key.unset {
            Unset::Required => "required".to_owned(),
            Unset::Text(text) => format!("default Qq {text}"),
            Unset::Count(count) => format!("default {count}"),
            Unset::Flag(flag) => format!("default {flag}"),
            Unset::Pair(first, last) => format!("default Bq {first}, {last}"),
            Unset::Empty => "default".to_owned(),
            Unset::Absent(_) => ", default".to_owned(),
        };
        assert!(line.contains(&unset), "{heading} {}: {unset:?} is not in {line:?}", key.name);
    }
}

#[test]
fn every_key_stands_in_its_page_with_its_default() {
    for (page, top, top_heading) in
        [("man/ci.toml.5", keys::SITE, ".Sh DESCRIPTION"), ("man/ci-project.5", keys::PROJECT, ".Ss \\&At the top")]
    {
        let page = read(page);
        compare(&page, top_heading, top);
        let mut tables: Vec<(String, &Key)> = top.iter().map(|key| (key.name.to_owned(), key)).collect();
        while let Some((name, key)) = tables.pop() {
            match key.kind {
                Kind::Value(_) | Kind::Map | Kind::Layer => {}
                Kind::Tables(keys) => {
                    compare(&page, &format!(".Ss The [[{name}]] tables"), keys);
                    let below = keys.iter().filter(|key| matches!(key.kind, Kind::Table(_)));
                    tables.extend(below.map(|key| (format!("{name}.{}", key.name), key)));
                }
                Kind::Table(keys) | Kind::Either(keys) => {
                    compare(&page, &format!(".Ss The [{name}] table"), keys);
                    tables.extend(keys.iter().map(|key| (format!("{name}.{}", key.name), key)));
                }
            }
        }
    }
}

#[test]
fn every_message_id_stands_in_the_overview() {
    let page = read("man/unitci.7");
    for event in Event::ALL {
        assert!(page.contains(&format!(".It Li {}\n", event.message_id())), "{event:?} is not in unitci(7)");
    }
}

#[test]
fn the_set_ups_that_are_shown_are_those_that_are_tested() {
    let page = read("man/ci-deploy.1");
    for file in [
        "gunicorn/gkp.socket",
        "gunicorn/gkp.service",
        "gunicorn/nginx.conf",
        "node/gkp.service",
        "php/nginx.conf",
        "static/nginx.conf",
    ] {
        let text = read(&format!("tests/setups/{file}"));
        assert!(
            page.contains(&format!(".Bd -literal -offset indent\n{text}.Ed\n")),
            "ci-deploy(1) does not show {file}"
        );
    }
}

#[test]
fn references_and_links_lead_somewhere() {
    for page in fs::read_dir(source("man")).unwrap() {
        let page = page.unwrap().path();
        let text = fs::read_to_string(&page).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix(".Xr ")) {
            let mut words = line.split(' ');
            let (name, volume) = (words.next().unwrap(), words.next().unwrap());
            if name.starts_with("ci") || name == "unitci" {
                assert!(source(&format!("man/{name}.{volume}")).exists(), "{}: {line}", page.display());
            }
        }
    }
    for file in ["README.md", "SECURITY.md", "ARCHITECTURE.md"] {
        for link in read(file).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(link.starts_with("http") || source(link).exists(), "{file}: {link} is not there");
        }
    }
}
