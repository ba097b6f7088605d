//! Merging: the project over its template over `[defaults]` over what holds anyway.

use super::keys::{Key, Kind, PROJECT, Unset};
use super::tree::{Layer, Node, Origin, Table, Value};

/// What is in force for a project; lowest layer first.
pub(super) fn merge(defaults: Table, template: Table, project: Table) -> Table {
    let mut merged = defaults;
    lay_over(&mut merged, template);
    lay_over(&mut merged, project);
    drop_unasked(&mut merged, PROJECT);
    fill(&mut merged, PROJECT);
    merged
}

/// Tables join key by key, and each of several is joined with the one below; everything else replaces. A joined table's
/// place is the upper one.
fn lay_over(below: &mut Table, above: Table) {
    for (name, node) in above {
        let over = match (below.remove(&name), node) {
            (Some(Node { value: Value::Table(under), .. }), node) => join(under, node),
            (Some(_) | None, node) => node,
        };
        below.insert(name, over);
    }
}

fn join(mut under: Table, Node { value, origin }: Node) -> Node {
    let value = match value {
        Value::Table(over) => {
            lay_over(&mut under, over);
            Value::Table(under)
        }
        Value::List(items) => Value::List(items.into_iter().map(|item| join(under.clone(), item)).collect()),
        other @ (Value::Text(_) | Value::Integer(_) | Value::Flag(_) | Value::Other(_)) => other,
    };
    Node { value, origin }
}

/// `[defaults]` fill a `[deploy]` or `[deploy.health]` that the project or its template has; they do not make one.
fn drop_unasked(table: &mut Table, keys: &'static [Key]) {
    for key in keys {
        let (Kind::Table(keys) | Kind::Either(keys)) = key.kind else { continue };
        let Some(node) = table.get_mut(key.name) else { continue };
        for below in tables(&mut node.value) {
            drop_unasked(below, keys);
        }
        if matches!((key.unset, &node.origin), (Unset::Absent(_), Origin::Written { layer: Layer::Defaults, .. })) {
            table.remove(key.name);
        }
    }
}

/// The one table that a value is, or those in it.
fn tables(value: &mut Value) -> Vec<&mut Table> {
    match value {
        Value::Table(table) => vec![table],
        Value::List(items) => items.iter_mut().flat_map(|item| tables(&mut item.value)).collect(),
        Value::Text(_) | Value::Integer(_) | Value::Flag(_) | Value::Other(_) => Vec::new(),
    }
}

/// Adds what holds where nothing is written.
pub(super) fn fill(table: &mut Table, keys: &'static [Key]) {
    let preset = |value| Node { value, origin: Origin::Preset };
    for key in keys {
        let value = match (key.unset, key.kind) {
            (Unset::Required | Unset::Absent(_), _) | (Unset::Empty, Kind::Layer) => None,
            (Unset::Text(text), _) => Some(Value::Text(text.to_owned())),
            (Unset::Count(count), _) => Some(Value::Integer(count)),
            (Unset::Flag(flag), _) => Some(Value::Flag(flag)),
            (Unset::Pair(first, last), _) => Some(Value::List([first, last].map(|n| preset(Value::Integer(n))).into())),
            (Unset::Empty, Kind::Table(_) | Kind::Map) => Some(Value::Table(Table::new())),
            (Unset::Empty, Kind::Tables(_) | Kind::Either(_) | Kind::Value(_)) => Some(Value::List(Vec::new())),
        };
        if let Some(value) = value {
            table.entry(key.name.to_owned()).or_insert_with(|| preset(value));
        }
        let Some(node) = table.get_mut(key.name) else { continue };
        if let Kind::Table(keys) | Kind::Tables(keys) | Kind::Either(keys) = key.kind {
            for below in tables(&mut node.value) {
                fill(below, keys);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::ConfigFile;
    use crate::config::tree::{Reading, TableKind};
    use std::sync::Arc;

    fn layer(layer: Layer, text: &str) -> Table {
        let file = ConfigFile { path: "x.toml".into(), text: text.to_owned() };
        let mut problems = Vec::new();
        let toml = toml::de::DeTable::parse(text).unwrap();
        let mut reading = Reading { file: Arc::new(file), layer, problems: &mut problems };
        let table = reading.table(toml.get_ref(), PROJECT, "", TableKind::One);
        assert!(problems.is_empty(), "{problems:?}");
        table
    }

    fn origin(table: &Table, path: &str) -> String {
        let (name, below) = path.split_once('/').unwrap_or((path, ""));
        match table.get(name) {
            None => "absent".to_owned(),
            Some(Node { value: Value::Table(table), origin: _ }) if !below.is_empty() => origin(table, below),
            Some(Node { value: _, origin: Origin::Preset }) => "preset".to_owned(),
            Some(Node { value: _, origin: Origin::Written { layer, .. } }) => format!("{layer:?}"),
        }
    }

    #[test]
    fn tables_join_and_the_rest_replaces() {
        let defaults = layer(
            Layer::Defaults,
            "source.poll = '5min'\nbuild.env = { A = '1', B = '1' }\n[[step]]\nname = 'x'\nrun = 'x'\n\
             [deploy]\nuser = 'www'\n[deploy.health]\nstatus = 204",
        );
        let template = layer(Layer::Template("t".into()), "source.timeout = '9s'\nbuild.env.B = '2'\n[notify]\n");
        let project =
            layer(Layer::Project, "source.poll = '2min'\n[[step]]\nname = 'a'\nrun = 'a'\n[deploy]\nroot = '/r'");
        let bare = layer(Layer::Project, "description = 'x'");

        let merged = merge(defaults.clone(), template.clone(), project);
        for (path, from) in [
            ("source/poll", "Project"),
            ("source/timeout", "Template(\"t\")"),
            ("source/stable", "preset"),
            ("source/url", "absent"),
            ("build/env/A", "Defaults"),
            ("build/env/B", "Template(\"t\")"),
            ("step", "Project"),
            ("deploy/user", "Defaults"),
            ("deploy/root", "Project"),
            ("deploy/keep-releases", "preset"),
            ("deploy/health", "absent"),
        ] {
            assert_eq!(origin(&merged, path), from, "{path}");
        }
        let several = layer(
            Layer::Project,
            "[[deploy]]\nroot = '/r'\n[deploy.health]\nurl = 'x'\n[[deploy]]\nname = 'demo'\nuser = 'demo'",
        );
        let joined = merge(defaults.clone(), template.clone(), several.clone());
        let Value::List(targets) = &joined["deploy"].value else { panic!("no list") };
        let table = |at: usize| {
            let Value::Table(table) = &targets[at].value else { panic!("no table") };
            table
        };
        for (at, path, from) in [
            (0, "user", "Defaults"),
            (0, "name", "preset"),
            (0, "health/status", "Defaults"),
            (1, "user", "Project"),
            (1, "name", "Project"),
            (1, "health", "absent"),
        ] {
            assert_eq!(origin(table(at), path), from, "{at} {path}");
        }
        let one = layer(Layer::Project, "[deploy]\nroot = '/one'");
        let replaced = merge(Table::new(), several, one);
        assert_eq!(origin(&replaced, "deploy/root"), "Project", "one takes the place of several");
        assert_eq!(origin(&replaced, "deploy/health"), "absent");

        let merged = merge(defaults, template, bare);
        assert_eq!(origin(&merged, "deploy"), "absent", "defaults make no deploy");
        assert_eq!(origin(&merged, "step"), "Defaults");
    }
}
