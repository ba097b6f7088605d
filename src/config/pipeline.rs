//! `.ci.toml`: the steps of a project that keeps them in its repository.
//!
//! Whoever pushes writes it, so a worker parses it, and answers with plain values that have passed the checks. The core
//! has them checked once more by the same code, without a parser of TOML in between.

use super::check;
use super::explain::plain;
use super::fault::Fault;
use super::file::{ConfigFile, FILE_MAX, ReadFault, Spot};
use super::keys::{Key, Kind, PIPELINE};
use super::layers::fill;
use super::problem::{ConfigErrors, Consequence, Problem};
use super::project::Step;
use super::reader::{Completeness, Reader};
use super::site_file::parse;
use super::tree::{Layer, Node, Origin, Reading, Table, TableKind, Value};
use crate::model::ProjectName;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// The file's name, at the top of the repository.
pub const FILE: &str = ".ci.toml";
/// Longest such file, in bytes.
pub const MAX: u64 = FILE_MAX;

/// What a step in a repository may say: what it runs and how it is to be taken; and of what the administrator gives to
/// all steps, that it wants less.
pub(super) const STEP: &[&str] = &[
    "name",
    "description",
    "done",
    "run",
    "shell",
    "timeout",
    "no-output",
    "pty",
    "network",
    "on-failure",
    "decode",
    "when",
    "branches",
    "refs",
    "files",
    "retry",
    "env",
    "secrets",
    "workdir",
    "memory",
    "junit",
    "artifacts",
];

/// The content of a `.ci.toml`, as plain values without their places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pipeline(toml::Table);

impl Pipeline {
    /// Parses and checks the bytes of a file; `project` is for messages.
    pub fn parse(bytes: Vec<u8>, project: Option<ProjectName>) -> Result<Pipeline, ConfigErrors> {
        let path = Path::new(FILE);
        match ConfigFile::from_bytes(path, bytes) {
            Ok(file) => of(Arc::new(file), project),
            Err(fault) => Err(errors(vec![Problem::of_file(path, fault)])),
        }
    }

    /// Parses and checks a file, wherever it lies.
    pub fn read(path: &Path) -> Result<Pipeline, ConfigErrors> {
        match ConfigFile::read(path) {
            Ok(file) => of(Arc::new(file), None),
            Err(ReadFault::Absent) => Err(errors(vec![Problem::of_file(path, ReadFault::Absent)])),
            Err(fault) => Err(errors(vec![Problem::of_file(path, fault)])),
        }
    }

    /// What to say of a commit that has none.
    pub fn missing() -> ConfigErrors {
        errors(vec![Problem::of_file(Path::new(FILE), Fault::NoPipeline)])
    }

    /// What to say of a commit in which it is something else than a file, or too long.
    pub fn unfit(size: u64) -> ConfigErrors {
        let fault = if size > MAX { ReadFault::TooLarge } else { ReadFault::NotRegular };
        errors(vec![Problem::of_file(Path::new(FILE), fault)])
    }

    /// The steps; an error only if somebody else than [`Pipeline::parse`] made this.
    pub fn steps(&self) -> Result<Vec<Step>, ConfigErrors> {
        let file = Arc::new(ConfigFile::without_text(Path::new(FILE)));
        let layer = Layer::Pipeline(None);
        let origin = Origin::Written { layer: layer.clone(), value: Spot::start(&file) };
        steps(&table(&self.0, PIPELINE, |_| true, &origin), &file, layer, Vec::new())
    }
}

fn errors(problems: Vec<Problem>) -> ConfigErrors {
    ConfigErrors::of(problems, Consequence::Commit)
}

fn of(file: Arc<ConfigFile>, project: Option<ProjectName>) -> Result<Pipeline, ConfigErrors> {
    let layer = Layer::Pipeline(project);
    let mut problems = Vec::new();
    let Some(toml) = parse(&file, &mut problems) else { return Err(errors(problems)) };
    let mut reading = Reading { file: file.clone(), layer: layer.clone(), problems: &mut problems };
    let table = reading.table(toml.get_ref(), PIPELINE, "", TableKind::One);
    steps(&table, &file, layer, problems)?;
    let node = Node { value: Value::Table(table), origin: Origin::Preset };
    match plain(&node) {
        Some(toml::Value::Table(table)) => Ok(Pipeline(table)),
        Some(_) | None => Err(errors(vec![Problem::of_file(&file.path, Fault::Rule("is not complete"))])),
    }
}

fn steps(
    table: &Table,
    file: &Arc<ConfigFile>,
    layer: Layer,
    mut problems: Vec<Problem>,
) -> Result<Vec<Step>, ConfigErrors> {
    let mut filled = table.clone();
    fill(&mut filled, PIPELINE);
    let start = (Spot::start(file), layer);
    let steps = check::pipeline(&mut Reader::of(&filled, PIPELINE, start, Completeness::Whole, &mut problems));
    match (steps, problems.is_empty()) {
        (Some(steps), true) => Ok(steps),
        (_, false) => Err(errors(problems)),
        (None, true) => Err(errors(vec![Problem::of_file(&file.path, Fault::Rule("is not complete"))])),
    }
}

/// Plain values as a tree again, as if they were written in the file. What is no key of ours is left out, as nothing
/// would read it.
fn table(plain: &toml::Table, keys: &'static [Key], is_open: fn(&str) -> bool, origin: &Origin) -> Table {
    let known = |(name, value): (&String, &toml::Value)| {
        let key = keys.iter().find(|key| key.name == name && is_open(key.name))?;
        Some((name.clone(), node(value, key.kind, origin)))
    };
    plain.iter().filter_map(known).collect()
}

fn node(value: &toml::Value, kind: Kind, origin: &Origin) -> Node {
    let below = |value| node(value, kind, origin);
    let value = match (value, kind) {
        (toml::Value::Table(plain), Kind::Table(keys) | Kind::Tables(keys) | Kind::Either(keys)) => {
            Value::Table(table(plain, keys, |key| STEP.contains(&key), origin))
        }
        (toml::Value::Table(plain), Kind::Value(_) | Kind::Map | Kind::Layer) => {
            Value::Table(plain.iter().map(|(name, value)| (name.clone(), below(value))).collect())
        }
        (toml::Value::Array(items), _) => Value::List(items.iter().map(below).collect()),
        (toml::Value::String(text), _) => Value::Text(text.clone()),
        (toml::Value::Integer(integer), _) => Value::Integer(*integer),
        (toml::Value::Boolean(flag), _) => Value::Flag(*flag),
        (toml::Value::Float(_), _) => Value::Other("a number with a point"),
        (toml::Value::Datetime(_), _) => Value::Other("a date or time"),
    };
    Node { value, origin: origin.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[step]]\nname = 'test'\nrun = ['make', 'make test']\ntimeout = '5min'\nsecrets = []\nenv = { A = '1' }\n\
        [[step]]\nname = 'script'\nrun = '#!/usr/bin/python3\\nprint()'\n";

    #[test]
    fn what_a_worker_answers_is_what_the_core_reads() {
        let parsed = Pipeline::parse(GOOD.replace("'#!/usr", "\"#!/usr").replace("print()'", "print()\"").into(), None);
        let parsed = parsed.unwrap();
        let wire = serde_json::to_string(&parsed).unwrap();
        let read: Pipeline = serde_json::from_str(&wire).unwrap();
        assert_eq!(read, parsed);
        let steps = read.steps().unwrap();
        assert_eq!(steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["test", "script"]);
        assert_eq!(steps[0].env["A"], "1");
        assert_eq!(
            (steps[0].secrets.as_deref(), steps[1].secrets.as_deref()),
            (Some(&[][..]), None),
            "none, and the build's"
        );
        assert_eq!(steps[1].timeout, None);
    }

    #[test]
    fn an_answer_is_checked_as_a_file_is() {
        for (wire, says) in [
            (r#"{}"#, "`step` is missing"),
            (r#"{"step":1}"#, "expected a list"),
            (r#"{"step":[1]}"#, "expected a table"),
            (r#"{"step":[{"name":"a/b","run":"x"}]}"#, "a step name is written"),
            (r#"{"step":[{"name":"a","run":"x\u0000"}]}"#, "NUL"),
            (r#"{"step":[{"name":"a","run":"x","workdir":"../.."}]}"#, "without `.`"),
            (r#"{"step":[{"name":"a","run":"x","env":{"CI_URL":"x"}}]}"#, "set by the CI itself"),
            (r#"{"step":[{"name":"a","run":"x","timeout":1.5}]}"#, "number with a point"),
            (r#"{"step":[{"name":"a","run":"x"},{"name":"a","run":"x"}]}"#, ".ci.toml"),
        ] {
            let pipeline: Pipeline = serde_json::from_str(wire).unwrap();
            let errors = pipeline.steps().unwrap_err();
            assert!(errors.to_string().contains(says), "{wire}: {errors}");
        }
        // What no key is, is nothing.
        let more: Pipeline =
            serde_json::from_str(r#"{"deploy":{},"step":[{"name":"a","run":"x","user":"root"}]}"#).unwrap();
        assert_eq!(more.steps().unwrap().len(), 1);
    }

    #[test]
    fn what_it_may_not_say() {
        let project: ProjectName = "gkp".parse().unwrap();
        let step = "[[step]]\nname = 'a'\nrun = 'a'\n";
        for (text, says) in [
            (
                "deploy = {}",
                ".ci.toml:1:1: `deploy` is not for .ci.toml: the administrator says this in /etc/ci/projects.d/gkp.toml",
            ),
            ("[build]\nmemory = '1G'", "1:2: `build` is not for .ci.toml"),
            ("notify.mail = []", "1:1: `notify` is not"),
            ("template = 'x'", "`template` is not"),
            ("timeout = '1h'", "`timeout` is not"),
            ("pipeline = 'repository'", "`pipeline` is not"),
            ("steps = []", "unknown key `steps` above the first [table]; did you mean `step`?"),
            ("", "`step` is missing"),
            ("[[step]]\nname = 'a'", "`run` is missing in [[step]]"),
            ("[[step]]\nname = 'a'\nrum = 'a'", "3:1: unknown key `rum` in [[step]]; did you mean `run`?"),
            ("[step]", "expected tables, each under its own [[step]]"),
            ("step = ", "1:8: "),
        ] {
            let text =
                if text.contains("step") || text.is_empty() { text.to_owned() } else { format!("{text}\n{step}") };
            let errors = Pipeline::parse(text.clone().into_bytes(), Some(project.clone())).unwrap_err();
            assert!(errors.to_string().contains(says), "{text}: {errors}");
        }
    }

    #[test]
    fn open_keys_are_keys() {
        let Kind::Tables(keys) = PIPELINE[0].kind else { panic!() };
        assert!(STEP.iter().all(|open| keys.iter().any(|key| key.name == *open)));
    }
}
