//! Raw configuration: TOML with the place of each value, its keys known to exist.

use super::fault::{Fault, Hint, Section, nearest};
use super::file::{ConfigFile, Spot};
use super::keys::{Key, Kind, PROJECT, home_of};
use super::problem::Problem;
use super::{pipeline, planned};
use crate::model::ProjectName;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Which of the texts that make up a project's configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// `ci.toml` itself.
    Site,
    /// `[defaults]` there.
    Defaults,
    /// `[template.NAME]` there.
    Template(String),
    /// The project's own file.
    Project,
    /// `.ci.toml` in the repository of a project, if that is known.
    Pipeline(Option<ProjectName>),
}

impl Layer {
    /// The header of a table of this layer, as it is written.
    pub(super) fn section(&self, table: &str, keys: TableKind) -> Section {
        let prefix = match self {
            Layer::Site | Layer::Project | Layer::Pipeline(_) => String::new(),
            Layer::Defaults => "defaults".to_owned(),
            Layer::Template(name) => format!("template.{name}"),
        };
        let dot = if prefix.is_empty() || table.is_empty() { "" } else { "." };
        match (format!("{prefix}{dot}{table}"), keys) {
            (path, _) if path.is_empty() => Section(path),
            (path, TableKind::One) => Section(format!("[{path}]")),
            (path, TableKind::Many) => Section(format!("[[{path}]]")),
        }
    }
}

/// `[table]` or `[[table]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableKind {
    One,
    Many,
}

/// Keys and what they say.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value as TOML has it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Node>),
    Table(Table),
    /// What no key takes, by TOML's name for it.
    Other(&'static str),
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// From [`super::keys`].
    Preset,
    /// From a file.
    Written { layer: Layer, value: Spot },
}

impl Value {
    /// For people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "an integer",
            Value::Flag(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(name) => name,
        }
    }
}

/// TOML's kinds, for people.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Boolean(_) => "true or false",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Float(_) => "a number with a point",
        DeValue::Datetime(_) => "a date or time",
    }
}

/// Turns parsed TOML into nodes and tells what no key is.
pub(super) struct Reading<'p> {
    pub(super) file: Arc<ConfigFile>,
    pub(super) layer: Layer,
    pub(super) problems: &'p mut Vec<Problem>,
}

impl Reading<'_> {
    fn spot(&self, span: Range<usize>) -> Spot {
        Spot { file: self.file.clone(), span }
    }

    /// Takes the known keys of a table; `path` is its place below the layer, such as `deploy.health`.
    pub(super) fn table(&mut self, toml: &DeTable<'_>, keys: &'static [Key], path: &str, kind: TableKind) -> Table {
        let mut table = Table::new();
        for (name, value) in toml {
            match keys.iter().find(|key| key.name == name.get_ref()) {
                Some(Key { name: _, kind: Kind::Layer, unset: _, doc: _ }) => {}
                Some(key) if self.is_closed(path, key) => {
                    let fault = self.administrators(&format!("`{}` of a step", key.name));
                    self.refuse(name.span(), fault);
                }
                Some(key) => {
                    if let Some(node) = self.node(key, value, path) {
                        table.insert(key.name.to_owned(), node);
                    }
                }
                None => self.unknown(name, keys, path, kind),
            }
        }
        table
    }

    /// Whether a key of a step is the administrator's alone.
    fn is_closed(&self, path: &str, key: &Key) -> bool {
        matches!(self.layer, Layer::Pipeline(_)) && path == "step" && !pipeline::STEP.contains(&key.name)
    }

    fn administrators(&self, what: &str) -> Fault {
        let project = match &self.layer {
            Layer::Pipeline(Some(project)) => project.to_string(),
            Layer::Pipeline(None) | Layer::Site | Layer::Defaults | Layer::Template(_) | Layer::Project => {
                "NAME".into()
            }
        };
        Fault::Administrator { what: what.to_owned(), project }
    }

    fn unknown(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, keys: &[Key], path: &str, kind: TableKind) {
        let key = name.get_ref().as_ref();
        let table = if self.layer == Layer::Site && path.is_empty() { "site" } else { path };
        let unknown = |hint| {
            let shown = key.chars().take(64).collect();
            Fault::UnknownKey { key: shown, section: self.layer.section(path, kind), hint }
        };
        let names = || keys.iter().map(|key| key.name);
        let home = home_of(key).filter(|_| self.layer != Layer::Site);
        let beyond = matches!(self.layer, Layer::Pipeline(_)) && path.is_empty();
        let fault = if beyond && (home.is_some() || PROJECT.iter().any(|known| known.name == key)) {
            self.administrators(&format!("`{key}`"))
        } else if let Some(instead) = planned::key(table, key) {
            Fault::Planned { what: format!("`{key}`"), instead }
        } else if let Some(home) = home {
            unknown(Hint::Belongs(home.to_owned()))
        } else if let Some(near) = nearest(key, names()) {
            unknown(Hint::Nearest(near.to_owned()))
        } else if let Some(instead) = planned::anywhere(key) {
            Fault::Planned { what: format!("`{key}`"), instead }
        } else {
            unknown(Hint::Valid(names().map(str::to_owned).collect()))
        };
        let spot = self.spot(name.span());
        self.problems.push(Problem::new(spot, fault));
    }

    fn node(&mut self, key: &'static Key, toml: &Spanned<DeValue<'_>>, path: &str) -> Option<Node> {
        let below = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let value = match (key.kind, toml.get_ref()) {
            (Kind::Table(keys) | Kind::Either(keys), DeValue::Table(table)) => {
                Value::Table(self.table(table, keys, &below, TableKind::One))
            }
            (Kind::Table(_), other) => return self.refuse(toml.span(), Fault::expected("a table", kind_of(other))),
            (Kind::Tables(keys) | Kind::Either(keys), DeValue::Array(tables)) => {
                let mut list = Vec::new();
                for item in tables {
                    if let DeValue::Table(table) = item.get_ref() {
                        let value = Value::Table(self.table(table, keys, &below, TableKind::Many));
                        list.push(self.written(value, item.span()));
                    } else {
                        self.refuse(item.span(), Fault::expected("a table", kind_of(item.get_ref())));
                    }
                }
                Value::List(list)
            }
            (Kind::Either(_), other) => {
                let tables = "a table, or several, each under its own header in double brackets";
                return self.refuse(toml.span(), Fault::expected(tables, kind_of(other)));
            }
            (Kind::Tables(_), other) => {
                let tables = match key.name {
                    "step" => "tables, each under its own [[step]]",
                    "lock" => "tables, each under its own [[lock]]",
                    _ => "tables, each under a header of its own in double brackets",
                };
                return self.refuse(toml.span(), Fault::expected(tables, kind_of(other)));
            }
            (Kind::Value(_) | Kind::Map, _) => return Some(self.plain(toml)),
            (Kind::Layer, _) => return None,
        };
        Some(self.written(value, toml.span()))
    }

    fn refuse(&mut self, span: Range<usize>, fault: Fault) -> Option<Node> {
        let spot = self.spot(span);
        self.problems.push(Problem::new(spot, fault));
        None
    }

    fn written(&self, value: Value, span: Range<usize>) -> Node {
        Node { value, origin: Origin::Written { layer: self.layer.clone(), value: self.spot(span) } }
    }

    /// A value without keys of ours in it.
    fn plain(&self, toml: &Spanned<DeValue<'_>>) -> Node {
        let value = match toml.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::Other("an integer of more than 64 bits"),
            },
            other @ (DeValue::Float(_) | DeValue::Datetime(_)) => Value::Other(kind_of(other)),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.plain(item)).collect()),
            DeValue::Table(table) => Value::Table(
                table.iter().map(|(name, value)| (name.get_ref().to_string(), self.plain(value))).collect(),
            ),
        };
        self.written(value, toml.span())
    }
}
