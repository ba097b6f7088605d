//! Taking checked values out of a merged table, noting everything that is wrong on the way.

use super::fault::Fault;
use super::file::Spot;
use super::keys::{Key, Kind};
use super::problem::Problem;
use super::tree::{Layer, Node, Origin, Table, TableKind, Value};
use std::collections::BTreeMap;

/// Whether a table has to have all that it needs, or may be completed by a layer above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    Whole,
    Partial,
}

/// Reads one table. A method that answers `None` has noted why.
pub(super) struct Reader<'t, 'p> {
    table: &'t Table,
    keys: &'static [Key],
    /// Where something that is missing would have stood.
    spot: Spot,
    layer: Layer,
    /// Below the layer, such as `deploy.health`.
    path: String,
    kind: TableKind,
    completeness: Completeness,
    problems: &'p mut Vec<Problem>,
}

impl<'t, 'p> Reader<'t, 'p> {
    /// Reads a whole tree; `spot` is the beginning of the file to complain about.
    pub(super) fn of(
        table: &'t Table,
        keys: &'static [Key],
        (spot, layer): (Spot, Layer),
        completeness: Completeness,
        problems: &'p mut Vec<Problem>,
    ) -> Self {
        Reader { table, keys, spot, layer, path: String::new(), kind: TableKind::One, completeness, problems }
    }

    fn note(&mut self, origin: &Origin, fault: Fault) {
        let spot = match origin {
            Origin::Preset => self.spot.clone(),
            Origin::Written { layer: _, value } => value.clone(),
        };
        self.problems.push(Problem::new(spot, fault));
    }

    fn parsed<T>(&mut self, node: &Node, parse: impl FnOnce(&Value) -> Result<T, Fault>) -> Option<T> {
        match parse(&node.value) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.note(&node.origin, fault);
                None
            }
        }
    }

    /// Notes a problem that takes more than one value to see, at one of them.
    pub(super) fn complain(&mut self, key: &'static str, fault: impl Into<Fault>) {
        let origin = self.table.get(key).map_or(&Origin::Preset, |node| &node.origin);
        self.note(origin, fault.into());
    }

    /// Whether a layer above may still complete the table.
    pub(super) fn is_partial(&self) -> bool {
        self.completeness == Completeness::Partial
    }

    /// Whether the key stands in a file.
    pub(super) fn is_written(&self, key: &'static str) -> bool {
        self.table.get(key).is_some_and(|node| matches!(node.origin, Origin::Written { .. }))
    }

    fn node(&mut self, key: &'static str) -> Option<&'t Node> {
        let node = self.table.get(key);
        if node.is_none() && self.completeness == Completeness::Whole {
            let doc = self.keys.iter().find(|known| known.name == key).map_or("", |known| known.doc);
            let section = self.layer.section(&self.path, self.kind);
            self.note(&Origin::Preset, Fault::Missing { key, section, doc });
        }
        node
    }

    /// A value that has a preset or has to be written.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, Fault>,
    ) -> Option<T> {
        let node = self.node(key)?;
        self.parsed(node, parse)
    }

    /// A value that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, Fault>,
    ) -> Option<Option<T>> {
        match self.table.get(key) {
            Some(node) => self.parsed(node, parse).map(Some),
            None => Some(None),
        }
    }

    fn elements(&mut self, key: &'static str) -> Option<&'t [Node]> {
        let node = self.node(key)?;
        if let Value::List(elements) = &node.value {
            return Some(elements);
        }
        self.note(&node.origin, Fault::expected("a list", node.value.kind()));
        None
    }

    /// A list in which nothing stands twice; what is wrong with an element is noted at the element.
    pub(super) fn distinct<T: PartialEq>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::new();
        let elements = self.elements(key)?;
        for node in elements {
            let Some(value) = self.parsed(node, &parse) else { continue };
            if list.contains(&value) {
                self.note(&node.origin, Fault::Twice(key));
            }
            list.push(value);
        }
        (list.len() == elements.len()).then_some(list)
    }

    /// A list in which the same may come again.
    pub(super) fn list<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Result<T, Fault>) -> Option<Vec<T>> {
        let elements = self.elements(key)?;
        let parsed: Vec<Option<T>> = elements.iter().map(|node| self.parsed(node, &parse)).collect();
        parsed.into_iter().collect()
    }

    /// A table of names that the writer chose, with texts.
    pub(super) fn map(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str, &Value) -> Result<String, Fault>,
    ) -> Option<BTreeMap<String, String>> {
        self.pairs(key, |name, value| Ok((name.to_owned(), parse(name, value)?)))
    }

    /// A table of names that the writer chose, where both sides mean something.
    pub(super) fn pairs<K: Ord, V>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str, &Value) -> Result<(K, V), Fault>,
    ) -> Option<BTreeMap<K, V>> {
        let node = self.node(key)?;
        let Value::Table(entries) = &node.value else {
            self.note(&node.origin, Fault::expected("a table", node.value.kind()));
            return None;
        };
        let parsed: Vec<Option<(K, V)>> =
            entries.iter().map(|(name, node)| self.parsed(node, |value| parse(name, value))).collect();
        parsed.into_iter().collect()
    }

    fn below<T>(
        &mut self,
        key: &'static Key,
        kind: TableKind,
        node: &'t Node,
        read: impl FnOnce(&mut Reader<'t, '_>) -> Option<T>,
    ) -> Option<T> {
        let (Value::Table(table), Kind::Table(keys) | Kind::Tables(keys) | Kind::Either(keys)) =
            (&node.value, key.kind)
        else {
            self.note(&node.origin, Fault::expected("a table", node.value.kind()));
            return None;
        };
        let (spot, layer) = match &node.origin {
            Origin::Preset => (self.spot.clone(), self.layer.clone()),
            Origin::Written { layer, value } => (value.clone(), layer.clone()),
        };
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{}", self.path, key.name);
        let (completeness, problems) = (self.completeness, &mut *self.problems);
        read(&mut Reader { table, keys, spot, layer, path, kind, completeness, problems })
    }

    fn key(&self, name: &'static str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// A table that is always there.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'t, '_>) -> Option<T>,
    ) -> Option<T> {
        let node = self.node(key)?;
        self.below(self.key(key)?, TableKind::One, node, read)
    }

    /// A table that may be absent.
    pub(super) fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'t, '_>) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.table.contains_key(key) { self.section(key, read).map(Some) } else { Some(None) }
    }

    /// Each of the tables written `[[key]]`.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Reader<'t, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let elements = self.elements(key)?;
        let known = self.key(key)?;
        let parsed: Vec<Option<T>> =
            elements.iter().map(|node| self.below(known, TableKind::Many, node, &read)).collect();
        parsed.into_iter().collect()
    }

    /// The table written `[key]`, or each of those written `[[key]]`; none if there are neither.
    pub(super) fn either<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Reader<'t, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.table.get(key) {
            None => Some(Vec::new()),
            Some(Node { value: Value::List(_), origin: _ }) => self.sections(key, read),
            Some(_) => self.section(key, read).map(|one| vec![one]),
        }
    }

    /// Notes what is wrong with the `index`th of the tables written `[[key]]`, at its `inner` value, or at the table if
    /// that is not written.
    pub(super) fn complain_of(&mut self, key: &'static str, index: usize, inner: &'static str, fault: Fault) {
        let Some(Node { value: Value::List(items), origin: _ }) = self.table.get(key) else { return };
        let Some(Node { value: Value::Table(table), origin }) = items.get(index) else { return };
        match table.get(inner) {
            Some(Node { value: _, origin: origin @ Origin::Written { .. } }) => self.note(origin, fault),
            Some(Node { value: _, origin: Origin::Preset }) | None => self.note(origin, fault),
        }
    }
}
