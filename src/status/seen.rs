//! The installation as a reader finds it: configuration, and the store once there is one.

use super::StatusError;
use crate::model::{BuildId, BuildNumber, BuildSpec, Place, ProjectName};
use crate::store::{Store, StoreError};
use crate::view::{BuildView, Configured, Overview, ProjectView};
use jiff::Timestamp;

/// The store, unless nothing has ever been polled or built here.
pub(super) fn open_store(place: &Place) -> Result<Option<Store>, StoreError> {
    match Store::open_read_only(place) {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn overview(configured: &Configured, store: Option<&Store>) -> Result<Overview, StoreError> {
    match store {
        Some(store) => store.snapshot(|read| Overview::read(configured, read, Timestamp::now())),
        None => Ok(Overview::of_config(configured)),
    }
}

pub(super) fn project(
    configured: &Configured,
    store: Option<&Store>,
    name: &ProjectName,
    below: Option<BuildNumber>,
    most: u32,
) -> Result<Option<ProjectView>, StoreError> {
    match store {
        Some(store) => store.snapshot(|read| ProjectView::read(configured, read, name, below, most, Timestamp::now())),
        None => Ok(ProjectView::of_config(configured, name)),
    }
}

pub(super) fn build(store: Option<&Store>, id: &BuildId) -> Result<Option<BuildView>, StoreError> {
    match store {
        Some(store) => store.snapshot(|read| BuildView::read(read, id)),
        None => Ok(None),
    }
}

/// The build that a person named: that number, or the project's latest.
pub(super) fn named_build(
    configured: &Configured,
    store: Option<&Store>,
    spec: &BuildSpec,
) -> Result<BuildView, StatusError> {
    let latest = match store {
        Some(store) => store.read().latest_build(&spec.project)?.map(|build| build.id),
        None => None,
    };
    if latest.is_none() && !configured.projects.contains_key(&spec.project) {
        return Err(StatusError::no_project(&spec.project, configured));
    }
    let Some(latest) = latest else { return Err(StatusError::NothingBuilt(spec.project.clone())) };
    let id = match spec.number {
        Some(number) => BuildId { project: spec.project.clone(), number },
        None => latest.clone(),
    };
    build(store, &id)?.ok_or(StatusError::NoBuild { id, latest })
}
