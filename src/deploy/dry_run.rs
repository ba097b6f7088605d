//! `ci-deploy --dry-run`: what a deploy would do, read from configuration and store and from nothing else.

use super::halt::ConfigTrouble;
use crate::config::load_project;
use crate::model::deploy::DeployOrigin;
use crate::model::{BuildId, BuildNumber, CommitId, Place, ProjectName, ReleaseName};
use crate::plan::artifacts::wanted;
use crate::plan::deploy::{expired, rollback_target, way_back};
use crate::plan::outline::{Facts, outline};
use crate::store::{ReleaseRow, Standing, Store, StoreError};
use std::io::{self, Write};

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigTrouble),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes a line for each thing that would be done.
pub fn tell(
    place: &Place,
    project: &ProjectName,
    number: BuildNumber,
    commit: &CommitId,
    origin: &DeployOrigin,
    out: &mut dyn Write,
) -> Result<(), DryRunError> {
    let (_, config) = load_project(place, project).map_err(ConfigTrouble::from)?;
    let target = config.deploy.ok_or_else(|| ConfigTrouble::NoDeploy(project.clone()))?;
    let store = Store::open_read_only(place)?;
    let release = ReleaseName::new(number, commit);
    let all = store.read().releases(project)?;
    let of = |standing: Standing| -> Vec<ReleaseName> {
        all.iter().filter(|row| row.standing == standing).map(|row| row.name.clone()).collect()
    };
    let (good, bad) = (of(Standing::Good), of(Standing::Bad));
    let live = all.iter().find(|row| row.live.is_some()).map(|row| &row.name);
    let known = all.iter().find(|row| row.name == release);
    let mut names: Vec<ReleaseName> = all.iter().map(|row| row.name.clone()).collect();
    if known.is_none() {
        names.push(release.clone());
    }
    let handed_out = store.read().artifacts(&BuildId { project: project.clone(), number })?;
    let waiting = store.read().unfinished_deploys(project)?.len();
    let facts = Facts {
        project,
        target: &target,
        mirror: &place.mirror(project),
        release: &release,
        commit,
        there: known.is_some(),
        proven: known.is_some_and(|row: &ReleaseRow| row.standing.was_well()),
        live,
        back: way_back(live, &release, &good, &bad),
        artifacts: wanted(&handed_out, &target.artifacts).map(|all| all.len()),
        expired: expired(&names, Some(&release), rollback_target(&good, &release), target.keep_releases),
    };
    writeln!(out, "dry run: nothing is changed. Deploy of {project}:{number} ({commit}), {}", origin.describe())?;
    if waiting > 0 {
        writeln!(out, "it would wait for {waiting} other(s); what is said here is how things are now")?;
    }
    for (phase, what) in outline(&facts) {
        writeln!(out, "{:<9} {what}", phase.as_str())?;
    }
    Ok(())
}
