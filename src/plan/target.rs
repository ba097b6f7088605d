//! Which of its targets a person means.

use crate::config::{Project, project};
use crate::model::{ProjectName, TargetName};

/// Why it is not known which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// The project is not deployed.
    #[error("{0} has no [deploy] in its file")]
    None(ProjectName),
    /// None has this name.
    #[error("{project} has no target {target}; it has {}", listed(.known))]
    Unknown {
        /// Whose.
        project: ProjectName,
        /// The name.
        target: TargetName,
        /// Those that there are.
        known: Vec<TargetName>,
    },
    /// It takes a name to tell.
    #[error("{project} has several targets; say which: --target {}", listed(.known))]
    Several {
        /// Whose.
        project: ProjectName,
        /// Those that there are.
        known: Vec<TargetName>,
    },
}

fn listed(names: &[TargetName]) -> String {
    names.iter().map(TargetName::as_str).collect::<Vec<_>>().join(", ")
}

/// The target of this name; without a name the only one, or that without a name of its own.
pub fn meant<'a>(project: &'a Project, named: Option<&TargetName>) -> Result<&'a project::Deploy, NoTarget> {
    let nameless = TargetName::default();
    let wanted = match (named, project.targets.as_slice()) {
        (_, []) => return Err(NoTarget::None(project.name.clone())),
        (None, [only]) => return Ok(only),
        (named, _) => named.unwrap_or(&nameless),
    };
    let known = || project.targets.iter().map(|target| target.name.clone()).collect();
    project.target(wanted).ok_or_else(|| match named {
        Some(target) => NoTarget::Unknown { project: project.name.clone(), target: target.clone(), known: known() },
        None => NoTarget::Several { project: project.name.clone(), known: known() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::Place;

    fn project(targets: &[&str]) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gkp.toml");
        let table = |name: &&str| format!("[[deploy]]\nname = '{name}'\nroot = '/srv/{name}'\nuser = 'gkp'\n");
        let text: String = targets.iter().map(table).collect();
        std::fs::write(&file, format!("[source]\nurl = '/srv/git'\n{text}")).unwrap();
        Config::check_file(&Place::under(folder.path()), &file).map_err(|errors| errors.to_string()).unwrap()
    }

    #[test]
    fn the_only_one_or_the_nameless_one_needs_no_name() {
        for (targets, named, expected) in [
            (&[][..], None, Err("gkp has no [deploy] in its file")),
            (&[], Some("demo"), Err("gkp has no [deploy] in its file")),
            (&["demo"], None, Ok("demo")),
            (&["demo"], Some("demo"), Ok("demo")),
            (&["demo"], Some("staging"), Err("gkp has no target staging; it has demo")),
            (&["demo", "default"], None, Ok("default")),
            (&["demo", "default"], Some("demo"), Ok("demo")),
            (&["demo", "staging"], None, Err("gkp has several targets; say which: --target demo, staging")),
            (&["demo", "staging"], Some("default"), Err("gkp has no target default; it has demo, staging")),
        ] {
            let named = named.map(|name| name.parse().unwrap());
            let project = project(targets);
            let found = meant(&project, named.as_ref()).map(|target| target.name.as_str()).map_err(|e| e.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{targets:?} {named:?}");
        }
    }
}
