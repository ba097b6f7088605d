//! `ci-deploy --dry-run`: what a deploy would do, read from configuration and store and from nothing else.

use super::halt::ConfigTrouble;
use crate::config::load_project;
use crate::model::deploy::DeployOrigin;
use crate::model::unit::deploy_unit;
use crate::model::{BuildId, CommitId, Place, ReleaseName, TargetId, TargetName};
use crate::plan::artifacts::wanted;
use crate::plan::deploy::{expired, rollback_target, way_back};
use crate::plan::outline::{Facts, outline};
use crate::plan::target::meant;
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
    build: &BuildId,
    target: Option<&TargetName>,
    commit: &CommitId,
    origin: &DeployOrigin,
    out: &mut dyn Write,
) -> Result<(), DryRunError> {
    let project = &build.project;
    let (_, config) = load_project(place, project).map_err(ConfigTrouble::from)?;
    let target = meant(&config, target).map_err(ConfigTrouble::from)?;
    let id = TargetId { project: project.clone(), target: target.name.clone() };
    let store = Store::open_read_only(place)?;
    let release = ReleaseName::new(build.number, commit);
    let all = store.read().releases_on(&id)?;
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
    let handed_out = store.read().artifacts(build)?;
    let waiting = store.read().unfinished_deploys(&id)?.len();
    let facts = Facts {
        unit: &deploy_unit(&id),
        target,
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
    writeln!(out, "dry run: nothing is changed. Deploy of {build} ({commit}), {}", origin.describe())?;
    if waiting > 0 {
        writeln!(out, "it would wait for {waiting} other(s); what is said here is how things are now")?;
    }
    for (phase, what) in outline(&facts) {
        writeln!(out, "{:<9} {what}", phase.as_str())?;
    }
    Ok(())
}
