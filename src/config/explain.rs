//! What is in force for a project, and where each value comes from.

use super::keys::{Key, Kind, PROJECT, Unset};
use super::load::{LoadError, load_with_tree};
use super::problem::harmless;
use super::tree::{Layer, Node, Origin, Table, Value};
use crate::model::{Place, ProjectName};
use serde::Serialize;
use std::path::PathBuf;

/// One key of a project.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// As a header of the file is written, without brackets: `source`, `deploy.health`; empty above the first.
    pub table: String,
    /// From 1, for a table written `[[step]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The key; `env.NAME` for a variable; empty if the table itself is not set.
    pub key: String,
    /// What is in force; `None` for a key or table that is not set.
    pub value: Option<toml::Value>,
    /// Who says so.
    pub from: From,
    /// How the header of its table is written.
    #[serde(skip)]
    pub header: Header,
}

/// The header of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// `[source]`
    One,
    /// `[[step]]`
    Many,
}

/// Where a value comes from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum From {
    /// From unitci itself.
    Default {
        /// What it means that a key is not set.
        #[serde(skip_serializing_if = "Option::is_none")]
        meaning: Option<&'static str>,
    },
    /// From a file.
    File {
        /// Which.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// `[defaults]` or `[template.NAME]`, for `ci.toml`.
        #[serde(skip_serializing_if = "Option::is_none")]
        layer: Option<String>,
    },
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            From::Default { meaning: None } => f.write_str("default"),
            From::Default { meaning: Some(meaning) } => write!(f, "default: {meaning}"),
            From::File { file, line, column: _, layer } => {
                write!(f, "{}:{line}", harmless(&file.display().to_string()))?;
                layer.iter().try_for_each(|layer| write!(f, " {layer}"))
            }
        }
    }
}

/// All keys of a sound project, in the order of the manual.
pub fn explain(place: &Place, project: &ProjectName) -> Result<Vec<Entry>, LoadError> {
    let (_, _, tree) = load_with_tree(place, project)?;
    let mut entries = Vec::new();
    Walk { path: "", index: None, header: Header::One, entries: &mut entries }.table(&tree, PROJECT);
    Ok(entries)
}

struct Walk<'e> {
    path: &'e str,
    index: Option<usize>,
    header: Header,
    entries: &'e mut Vec<Entry>,
}

impl Walk<'_> {
    fn push(&mut self, key: String, value: Option<toml::Value>, from: From) {
        let (table, index, header) = (self.path.to_owned(), self.index, self.header);
        self.entries.push(Entry { table, index, key, value, from, header });
    }

    fn below<'w>(&'w mut self, path: &'w str, index: Option<usize>, header: Header) -> Walk<'w> {
        Walk { path, index, header, entries: self.entries }
    }

    fn table(&mut self, table: &Table, keys: &'static [Key]) {
        // A table ends what stands above it, so those come last, as in TOML.
        let is_table = |key: &&Key| matches!(key.kind, Kind::Table(_) | Kind::Tables(_) | Kind::Either(_));
        let (tables, plain_keys): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(is_table);
        for key in plain_keys.into_iter().chain(tables) {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{}", self.path, key.name);
            let Some(node) = table.get(key.name) else {
                let meaning = if let Unset::Absent(meaning) = key.unset { Some(meaning) } else { None };
                let meaning = From::Default { meaning };
                if matches!(key.kind, Kind::Table(_) | Kind::Either(_)) {
                    self.below(&path, None, Header::One).push(String::new(), None, meaning);
                } else {
                    self.push(key.name.to_owned(), None, meaning);
                }
                continue;
            };
            if let (Kind::Table(keys) | Kind::Either(keys), Value::Table(below)) = (key.kind, &node.value) {
                self.below(&path, None, Header::One).table(below, keys);
            } else if let (Kind::Tables(keys) | Kind::Either(keys), Value::List(items)) = (key.kind, &node.value) {
                if items.is_empty() {
                    self.below(&path, None, Header::Many).push(String::new(), None, from(node));
                }
                for (index, item) in (1..).zip(items) {
                    if let Value::Table(below) = &item.value {
                        self.below(&path, Some(index), Header::Many).table(below, keys);
                    }
                }
            } else if let (Kind::Map, Value::Table(variables)) = (key.kind, &node.value)
                && !variables.is_empty()
            {
                for (name, node) in variables {
                    self.push(format!("{}.{name}", key.name), plain(node), from(node));
                }
            } else {
                self.push(key.name.to_owned(), plain(node), from(node));
            }
        }
    }
}

/// A value without its place.
pub(super) fn plain(node: &Node) -> Option<toml::Value> {
    Some(match &node.value {
        Value::Text(text) => toml::Value::String(text.clone()),
        Value::Integer(integer) => toml::Value::Integer(*integer),
        Value::Flag(flag) => toml::Value::Boolean(*flag),
        Value::List(items) => toml::Value::Array(items.iter().filter_map(plain).collect()),
        Value::Table(table) => {
            toml::Value::Table(table.iter().filter_map(|(name, node)| Some((name.clone(), plain(node)?))).collect())
        }
        Value::Other(_) => return None,
    })
}

fn from(node: &Node) -> From {
    match &node.origin {
        Origin::Preset => From::Default { meaning: None },
        Origin::Written { layer, value } => {
            let excerpt = value.excerpt();
            let layer = match layer {
                Layer::Site | Layer::Project | Layer::Pipeline(_) => None,
                Layer::Defaults => Some("[defaults]".to_owned()),
                Layer::Template(name) => Some(format!("[template.{name}]")),
            };
            From::File { file: value.file.path.clone(), line: excerpt.line, column: excerpt.column, layer }
        }
    }
}
