//! Reading `/etc/ci`.

use super::check;
use super::fault::{Fault, Hint, nearest};
use super::file::{ConfigFile, Spot};
use super::keys::PROJECT;
use super::layers::merge;
use super::problem::{ConfigErrors, Consequence, Problem};
use super::project::Project;
use super::reader::{Completeness, Reader};
use super::site::Site;
use super::site_file::{SiteFile, parse};
use super::tree::{Layer, Node, Origin, Reading, Table, TableKind, Value};
use crate::model::{Place, ProjectName};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All of `/etc/ci`, with what is wrong in it.
#[derive(Debug)]
pub struct Config {
    /// `ci.toml`. While it is an error nothing runs, and every project below is an error too.
    pub site: Result<Site, ConfigErrors>,
    /// Broken `[template.NAME]`s; the projects that use them are errors.
    pub templates: Vec<ConfigErrors>,
    /// One for each file in `projects.d` that has a project's name. A project that is not here has been removed only
    /// if `others` is empty: an unreadable folder stands there.
    pub projects: BTreeMap<ProjectName, Result<Project, ConfigErrors>>,
    /// The folder itself, if it cannot be read, and files in it whose names cannot be a project's.
    pub others: Vec<ConfigErrors>,
}

/// Why a project's configuration is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no file for it.
    #[error("there is no project {project}{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// Which was asked for.
        project: ProjectName,
        /// One that there is.
        nearest: Option<ProjectName>,
    },
    /// `ci.toml` is wrong, which stops all projects.
    #[error("{0}")]
    Site(ConfigErrors),
    /// Its own file is, or its template.
    #[error("{0}")]
    Project(ConfigErrors),
}

impl LoadError {
    /// What is wrong in which file, if that is the trouble.
    pub fn errors(&self) -> Option<&ConfigErrors> {
        match self {
            LoadError::Unknown { project: _, nearest: _ } => None,
            LoadError::Site(errors) | LoadError::Project(errors) => Some(errors),
        }
    }
}

impl Config {
    /// Reads everything. Never fails as a whole: each project stands or falls by itself.
    pub fn load(place: &Place) -> Config {
        let site_file = SiteFile::read(&place.site_file());
        let mut config = Config {
            site: site_file.site(),
            templates: site_file.template_errors(),
            projects: BTreeMap::new(),
            others: Vec::new(),
        };
        match project_files(place) {
            Ok(files) => {
                for (path, name) in files {
                    match name {
                        Ok(name) => {
                            let project = read_project(&site_file, &path, &name).map(|(project, _)| project);
                            config.projects.insert(name, project);
                        }
                        Err(fault) => config.others.push(no_project(&path, fault)),
                    }
                }
            }
            Err(error) => {
                let fault = super::file::ReadFault::Io(Arc::new(error));
                config.others.push(no_project(&place.projects(), fault));
            }
        }
        config
    }

    /// What is wrong with one `ci.toml`, wherever it lies.
    pub fn check_site_file(path: &Path) -> Vec<ConfigErrors> {
        let site_file = SiteFile::read(path);
        site_file.site().err().into_iter().chain(site_file.template_errors()).collect()
    }

    /// Checks one project's file, wherever it lies, as if it were in `projects.d`.
    pub fn check_file(place: &Place, path: &Path) -> Result<Project, ConfigErrors> {
        let name = name_of(path).map_err(|fault| no_project(path, fault))?;
        read_project(&SiteFile::read(&place.site_file()), path, &name).map(|(project, _)| project)
    }
}

fn no_project(path: &Path, fault: impl Into<Fault>) -> ConfigErrors {
    ConfigErrors::of(vec![Problem::of_file(path, fault)], Consequence::NoProject)
}

/// Reads `ci.toml` alone.
pub fn load_site(place: &Place) -> Result<Site, ConfigErrors> {
    SiteFile::read(&place.site_file()).site()
}

/// Reads `ci.toml` and one project's file, and no other.
pub fn load_project(place: &Place, project: &ProjectName) -> Result<(Site, Project), LoadError> {
    load_with_tree(place, project).map(|(site, project, _)| (site, project))
}

/// The same, with the merged tree that the project was made from.
pub(super) fn load_with_tree(place: &Place, name: &ProjectName) -> Result<(Site, Project, Table), LoadError> {
    let path = place.project_file(name);
    if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Err(LoadError::Unknown { project: name.clone(), nearest: nearest_project(place, name) });
    }
    let site_file = SiteFile::read(&place.site_file());
    let site = site_file.site().map_err(LoadError::Site)?;
    let (project, tree) = read_project(&site_file, &path, name).map_err(LoadError::Project)?;
    Ok((site, project, tree))
}

fn nearest_project(place: &Place, name: &ProjectName) -> Option<ProjectName> {
    // Only a hint: without the folder's content there is none.
    let files = project_files(place).unwrap_or_else(|_| Vec::new());
    let names: Vec<ProjectName> = files.into_iter().filter_map(|(_, name)| name.ok()).collect();
    let near = nearest(name.as_str(), names.iter().map(ProjectName::as_str))?;
    names.iter().find(|name| name.as_str() == near).cloned()
}

/// The files that should be projects, by name: `*.toml` but for hidden ones. Editors' and dpkg's copies (`gkp.toml~`,
/// `.gkp.toml.swp`, `gkp.toml.dpkg-old`) are not, nor are examples.
fn project_files(place: &Place) -> io::Result<Vec<(PathBuf, Result<ProjectName, Fault>)>> {
    let entries = match std::fs::read_dir(place.projects()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let file_name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if file_name.ends_with(b".toml") && !file_name.starts_with(b".") {
            let name = name_of(&path);
            files.push((path, name));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

fn name_of(path: &Path) -> Result<ProjectName, Fault> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file_name.strip_suffix(".toml").ok_or(Fault::Rule("a project's file is called NAME.toml"))?;
    stem.parse().map_err(Fault::FileName)
}

fn read_project(site: &SiteFile, path: &Path, name: &ProjectName) -> Result<(Project, Table), ConfigErrors> {
    let mut problems = match &site.site {
        Ok(_) => Vec::new(),
        Err(problems) => problems.clone(),
    };
    let read = read_tree(site, path, &mut problems).and_then(|(file, tree)| {
        let start = (Spot::start(&file), Layer::Project);
        let mut reader = Reader::of(&tree, PROJECT, start, Completeness::Whole, &mut problems);
        let locks = site.site.as_ref().ok().map(|site| &site.queue.locks);
        let project = check::project(name, &mut reader, locks)?;
        Some((project, tree))
    });
    let consequence = Consequence::Project(name.clone());
    match (ConfigErrors::check(problems, consequence.clone()), read) {
        (Ok(()), Some(read)) => Ok(read),
        (Err(errors), _) => Err(errors),
        // A reader that gives nothing has said why; should one forget, the project is stopped all the same.
        (Ok(()), None) => {
            Err(ConfigErrors::of(vec![Problem::of_file(path, Fault::Rule("is not complete"))], consequence))
        }
    }
}

fn read_tree(site: &SiteFile, path: &Path, problems: &mut Vec<Problem>) -> Option<(Arc<ConfigFile>, Table)> {
    let file = match ConfigFile::read(path) {
        Ok(file) => Arc::new(file),
        Err(fault) => {
            problems.push(Problem::of_file(path, fault));
            return None;
        }
    };
    let toml = parse(&file, problems)?;
    let mut reading = Reading { file: file.clone(), layer: Layer::Project, problems };
    let table = reading.table(toml.get_ref(), PROJECT, "", TableKind::One);
    let template = table.get("template").and_then(|node| template(site, node, problems));
    Some((file, merge(site.defaults.clone(), template.unwrap_or_default(), table)))
}

fn template(site: &SiteFile, node: &Node, problems: &mut Vec<Problem>) -> Option<Table> {
    let Origin::Written { layer: _, value: spot } = &node.origin else { return None };
    let Value::Text(name) = &node.value else {
        problems.push(Problem::new(spot.clone(), Fault::expected("a text", node.value.kind())));
        return None;
    };
    if let Some(template) = site.templates.get(name) {
        problems.extend(template.problems.iter().cloned());
        return Some(template.table.clone());
    }
    // A broken `ci.toml` may well have it.
    if site.site.is_ok() {
        let hint = Hint::among(name, site.templates.keys().map(String::as_str));
        let fault = Fault::UnknownTemplate { name: name.chars().take(64).collect(), hint };
        problems.push(Problem::new(spot.clone(), fault));
    }
    None
}
