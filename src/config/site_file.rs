//! Reading `ci.toml`: what it says of the installation, and the layers that it has for projects.

use super::check;
use super::fault::Fault;
use super::file::{ConfigFile, ReadFault, Spot};
use super::keys::{Key, PROJECT, SITE};
use super::layers::fill;
use super::problem::{ConfigErrors, Consequence, Problem};
use super::reader::{Completeness, Reader};
use super::site::Site;
use super::tree::{Layer, Reading, Table, TableKind};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// All of `ci.toml`.
#[derive(Debug)]
pub(super) struct SiteFile {
    /// Or what is wrong outside of the templates. All of it stops every project: what `ci.toml` meant to hold for them
    /// is not known.
    pub(super) site: Result<Site, Vec<Problem>>,
    pub(super) defaults: Table,
    pub(super) templates: BTreeMap<String, Template>,
}

/// `[template.NAME]`
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) table: Table,
    /// These stop the projects that use it.
    pub(super) problems: Vec<Problem>,
}

/// Parses a file; what is wrong with its form is noted.
pub(super) fn parse<'f>(file: &'f Arc<ConfigFile>, problems: &mut Vec<Problem>) -> Option<Spanned<DeTable<'f>>> {
    let (toml, errors) = DeTable::parse_recoverable(&file.text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let fault = match (error.message(), file.text.get(span.clone())) {
            ("duplicate key", Some("deploy")) => Fault::Rule("write one [deploy], or several [[deploy]], not both"),
            (message, _) => Fault::Syntax(message.to_owned()),
        };
        problems.push(Problem::new(Spot { file: file.clone(), span }, fault));
    }
    // What a broken file seems to say besides would only make more errors of the same cause.
    errors.is_empty().then_some(toml)
}

impl SiteFile {
    /// A missing file is an empty one.
    pub(super) fn read(path: &Path) -> SiteFile {
        match ConfigFile::read(path) {
            Ok(file) => SiteFile::of(Arc::new(file)),
            // A dangling link was meant to be something.
            Err(ReadFault::Absent) if path.symlink_metadata().is_err() => {
                SiteFile::of(Arc::new(ConfigFile::without_text(path)))
            }
            Err(fault) => SiteFile::broken(vec![Problem::of_file(path, fault)]),
        }
    }

    fn broken(problems: Vec<Problem>) -> SiteFile {
        SiteFile { site: Err(problems), defaults: Table::new(), templates: BTreeMap::new() }
    }

    fn of(file: Arc<ConfigFile>) -> SiteFile {
        let mut problems = Vec::new();
        let Some(toml) = parse(&file, &mut problems) else { return SiteFile::broken(problems) };
        let toml = toml.get_ref();

        let mut table = read_layer(&file, Layer::Site, toml, SITE, &mut problems);
        fill(&mut table, SITE);
        let whole = Completeness::Whole;
        let mut reader = Reader::of(&table, SITE, (Spot::start(&file), Layer::Site), whole, &mut problems);
        let site = check::site(&mut reader);

        let defaults = match layer_table(toml.get("defaults"), &file, &mut problems) {
            Some(toml) => project_layer(&file, Layer::Defaults, toml, &mut problems),
            None => Table::new(),
        };
        let mut templates = BTreeMap::new();
        for (name, value) in layer_table(toml.get("template"), &file, &mut problems).into_iter().flatten() {
            let mut template = Template::default();
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.get_ref().is_empty() || !name.get_ref().chars().all(word) {
                let fault = Fault::Rule("a template's name has letters, digits, _ and -");
                problems.push(Problem::new(Spot { file: file.clone(), span: name.span() }, fault));
                continue;
            }
            let layer = Layer::Template(name.get_ref().to_string());
            if let Some(toml) = layer_table(Some(value), &file, &mut template.problems) {
                template.table = project_layer(&file, layer, toml, &mut template.problems);
            }
            templates.insert(name.get_ref().to_string(), template);
        }
        SiteFile { site: site.filter(|_| problems.is_empty()).ok_or(problems), defaults, templates }
    }

    /// The installation's part, or why nothing runs.
    pub(super) fn site(&self) -> Result<Site, ConfigErrors> {
        self.site.clone().map_err(|problems| ConfigErrors::of(problems, Consequence::Everything))
    }

    /// What is wrong with each broken template.
    pub(super) fn template_errors(&self) -> Vec<ConfigErrors> {
        let check = |(name, template): (&String, &Template)| {
            ConfigErrors::check(template.problems.clone(), Consequence::Template(name.clone())).err()
        };
        self.templates.iter().filter_map(check).collect()
    }
}

fn layer_table<'t, 'f>(
    value: Option<&'t Spanned<DeValue<'f>>>,
    file: &Arc<ConfigFile>,
    problems: &mut Vec<Problem>,
) -> Option<&'t DeTable<'f>> {
    let value = value?;
    let table = value.get_ref().as_table();
    if table.is_none() {
        let fault = Fault::expected("a table", super::tree::kind_of(value.get_ref()));
        problems.push(Problem::new(Spot { file: file.clone(), span: value.span() }, fault));
    }
    table
}

fn read_layer(
    file: &Arc<ConfigFile>,
    layer: Layer,
    toml: &DeTable<'_>,
    keys: &'static [Key],
    problems: &mut Vec<Problem>,
) -> Table {
    Reading { file: file.clone(), layer, problems }.table(toml, keys, "", TableKind::One)
}

/// Reads a layer for projects and checks the values it has, whether a project comes to use them or not.
fn project_layer(file: &Arc<ConfigFile>, layer: Layer, toml: &DeTable<'_>, problems: &mut Vec<Problem>) -> Table {
    let table = read_layer(file, layer.clone(), toml, PROJECT, problems);
    if let Some((name, _)) = toml.iter().find(|(name, _)| name.get_ref() == "template") {
        let fault = Fault::Rule("templates are chosen in a project's file; they do not build on each other");
        problems.push(Problem::new(Spot { file: file.clone(), span: name.span() }, fault));
    }
    let mut filled = table.clone();
    fill(&mut filled, PROJECT);
    let start = (Spot::start(file), layer);
    check::layer(&mut Reader::of(&filled, PROJECT, start, Completeness::Partial, problems));
    table
}
