//! Artifacts: listed, and handed out byte for byte.

use super::paint::{Cell, Columns, DIM, Screen, painted};
use super::{StatusError, seen};
use crate::model::artifact::{Artifact, ArtifactPath};
use crate::model::{BuildId, BuildSpec, Place};
use crate::page::artifact_address;
use crate::store::Store;
use crate::view::text::{bytes, count};
use crate::view::{BuildView, Configured};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};

/// The bytes of an artifact.
pub(super) fn open(place: &Place, id: &BuildId, artifact: &Artifact) -> Result<Take<File>, StatusError> {
    let path = place.artifacts(id, artifact.step);
    let opened = File::open(&path).and_then(|mut file| {
        file.seek(SeekFrom::Start(artifact.offset))?;
        Ok(file.take(artifact.size))
    });
    opened.map_err(|source| StatusError::Artifact { path, source })
}

/// Prints an artifact.
pub(super) fn print(
    place: &Place,
    configured: &Configured,
    store: Option<&Store>,
    what: &BuildSpec,
    path: &ArtifactPath,
) -> Result<(), StatusError> {
    let view = seen::named_build(configured, store, what)?;
    let Some(artifact) = view.artifacts.iter().find(|artifact| artifact.path == *path) else {
        return Err(StatusError::NoArtifact { id: view.build.id, path: path.clone() });
    };
    let mut bytes = open(place, &view.build.id, artifact)?;
    io::copy(&mut bytes, &mut io::stdout().lock())?;
    Ok(())
}

pub(super) fn list(view: &BuildView, screen: &Screen) -> String {
    if view.artifacts.is_empty() {
        return format!("{} has no artifacts\n", view.build.id);
    }
    let mut listed = Columns::head(&["ARTIFACT", "SIZE", "SHA-256"]);
    for artifact in &view.artifacts {
        listed.row(vec![
            Cell::plain(artifact.path.as_str()),
            Cell::plain(bytes(artifact.size)),
            Cell::new(DIM, artifact.sha256.as_str()),
        ]);
    }
    listed.render(screen)
}

/// One line on them all.
pub(super) fn sum(view: &BuildView) -> String {
    if view.artifacts.is_empty() {
        return String::new();
    }
    let size = view.artifacts.iter().map(|artifact| artifact.size).sum();
    let id = &view.build.id;
    format!(
        "\n{}{}, {}   {}\n",
        painted(DIM, "artifacts "),
        count(view.artifacts.len(), "file"),
        bytes(size),
        painted(DIM, &format!("ci-status {id} --artifacts"))
    )
}

#[derive(Debug, Serialize)]
pub(super) struct ArtifactJson<'a> {
    path: &'a str,
    size: u64,
    sha256: &'a str,
    /// The step it was collected after; null for what was in `$CI_ARTIFACTS`
    step: Option<&'a str>,
    page: String,
}

pub(super) fn json<'a>(configured: &Configured, view: &'a BuildView) -> Vec<ArtifactJson<'a>> {
    let id = &view.build.id;
    let of = |artifact: &'a Artifact| ArtifactJson {
        path: artifact.path.as_str(),
        size: artifact.size,
        sha256: artifact.sha256.as_str(),
        step: view
            .step(artifact.step)
            .filter(|step| step.index != crate::model::StepIndex::CHECKOUT)
            .map(|step| step.name.as_str()),
        page: format!(
            "{}/p/{}/{}/{}",
            configured.site.base_url,
            id.project,
            id.number,
            artifact_address(&artifact.path)
        ),
    };
    view.artifacts.iter().map(of).collect()
}
