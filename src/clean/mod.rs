//! The verb `ci-clean`: the net under lost events.

use crate::model::Place;
use crate::wake::Wake;

/// Wakes all that look at the store: whatever a lost wake, a kill or a power cut has left is then found and repaired.
pub fn reconcile(place: &Place) -> std::io::Result<()> {
    [Wake::Build, Wake::Deploy, Wake::Notify].into_iter().try_for_each(|wake| wake.up(place))
}
