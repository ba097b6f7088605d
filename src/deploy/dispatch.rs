//! `ci-deploy.service`: whoever has something to deploy is started.

use crate::model::{Deploy, Place, TargetId};
use crate::order::{Order, OrderError, Orders};
use crate::plan::turn::next_of;
use crate::store::{Read, Store, StoreError};
use crate::tell;
use crate::wake::Wake;
use jiff::Timestamp;

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

/// Starts the deploys of every target that has some, but for those that a freeze holds back: those are looked at again
/// when it ends. A target whose unit runs already is left to it: see [`super::carry_out::carry_out`] for what happens
/// when that unit is just about to end.
pub fn dispatch(place: &Place) -> Result<(), DispatchError> {
    Wake::Deploy.take(place).map_err(|source| DispatchError::Wake { path: place.wakes(), source })?;
    let mut store = Store::open(place)?;
    let now = Timestamp::now();
    thaw(&mut store, now)?;
    let mut orders = Orders::to(place);
    let mut next_end: Option<Timestamp> = None;
    let mut trouble: Option<OrderError> = None;
    for target in store.read().targets_to_deploy()? {
        if let Some(freeze) = store.read().freeze(&target)? {
            next_end = Some(next_end.map_or(freeze.until, |end| end.min(freeze.until)));
        }
        if coming(store.read(), &target, now)?.is_some()
            && let Err(error) = orders.give(&Order::Deploy { target }, &[])
        {
            // The others do not wait for it.
            trouble.get_or_insert(error);
        }
    }
    if let Some(at) = next_end {
        orders.give(&Order::DeployAgain { at }, &[])?;
        if at <= Timestamp::now() {
            // A timer for a moment that has passed never elapses.
            Wake::Deploy.up_or_warn(place);
        }
    }
    trouble.map_or(Ok(()), |error| Err(error.into()))
}

/// The deploy to a target whose turn it is.
pub(super) fn coming(read: Read<'_>, target: &TargetId, now: Timestamp) -> Result<Option<Deploy>, StoreError> {
    let frozen = read.freeze(target)?.is_some_and(|freeze| freeze.holds(now));
    Ok(next_of(read.unfinished_deploys(target)?, frozen))
}

/// Forgets the freezes that are over.
fn thaw(store: &mut Store, now: Timestamp) -> Result<(), StoreError> {
    for freeze in store.read().freezes()?.into_iter().filter(|freeze| !freeze.holds(now)) {
        if store.write(|tx| tx.thaw(&freeze.target))? {
            tell::thawed(&freeze.target, "its time has come");
        }
    }
    Ok(())
}
