//! What HOME and cache of a project take, for terminals and programs.

use super::paint::{DIM, Screen, painted};
use crate::view::ProjectView;
use jiff::Timestamp;
use serde::Serialize;

pub(super) fn line(view: &ProjectView, screen: &Screen) -> String {
    match (view.kept(), &view.cache) {
        (Some(kept), Some(size)) => {
            format!("{}\n", painted(DIM, &format!("HOME and cache: {kept}, {}", screen.ago(size.measured))))
        }
        (None, _) | (_, None) => String::new(),
    }
}

#[derive(Debug, Serialize)]
pub(super) struct CacheJson {
    bytes: u64,
    /// `cache-max`; null is no limit
    max: Option<u64>,
    measured: Timestamp,
}

pub(super) fn json(view: &ProjectView) -> Option<CacheJson> {
    let size = view.cache?;
    Some(CacheJson { bytes: size.bytes, max: view.cache_max, measured: size.measured })
}
