//! Whether the files in `/etc/ci/credentials` that projects name are there. Only root can look.

use crate::config::{Config, Project};
use crate::model::Place;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

/// What is missing, with the command that makes it.
pub(super) fn missing(place: &Place, config: &Config) -> Vec<String> {
    let projects = config.projects.values().filter_map(|project| project.as_ref().ok());
    projects.flat_map(|project| missing_of(place, project)).collect()
}

fn missing_of<'a>(place: &'a Place, project: &'a Project) -> impl Iterator<Item = String> + 'a {
    let file = place.project_file(&project.name);
    let git = project.source.credential.iter().filter_map(|name| {
        let file = place.credentials().join(name);
        is_missing(&file).then(|| {
            format!("the credential {name} is missing; make it: install -m 0600 /dev/stdin {}", file.display())
        })
    });
    let of_deploy = project.targets.iter().flat_map(|target| &target.secrets);
    let secrets: BTreeSet<_> = project.secrets().into_iter().chain(of_deploy).collect();
    let secrets = secrets.into_iter().filter_map(|name| {
        let nowhere = is_missing(&place.secret(name)) && is_missing(&place.encrypted_secret(name));
        nowhere.then(|| place.missing_secret(name))
    });
    git.chain(secrets).map(move |what| format!("{}: {what}", file.display()))
}

/// Certainly: who may not look does not know.
fn is_missing(file: &Path) -> bool {
    file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
