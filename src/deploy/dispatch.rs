//! `ci-deploy.service`: whoever has something to deploy is started.

use crate::model::Place;
use crate::order::{Order, OrderError, Orders};
use crate::store::{Store, StoreError};
use crate::wake::Wake;

/// Why the dispatcher gives up; systemd starts it again.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `ci-launch` cannot be reached, or cannot.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The wake cannot be taken.
    #[error("{path}: {source}")]
    Wake {
        /// The folder of wakes.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Starts the deploys of every target that has some. One whose unit runs already is left to it: see
/// [`super::carry_out::carry_out`] for what happens when that unit is just about to end.
pub fn dispatch(place: &Place) -> Result<(), DispatchError> {
    Wake::Deploy.take(place).map_err(|source| DispatchError::Wake { path: place.wakes(), source })?;
    let store = Store::open(place)?;
    let mut orders = Orders::to(place);
    for target in store.read().targets_to_deploy()? {
        orders.give(&Order::Deploy { target }, &[])?;
    }
    Ok(())
}
