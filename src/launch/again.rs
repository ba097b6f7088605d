//! The timer that has deploys looked at again.

use crate::model::unit;
use crate::systemd::{Property, Transient};
use jiff::Timestamp;
use std::time::Duration;

/// By the calendar, so that it elapses at that moment whatever is done to the clock meanwhile. It is gone after a reboot,
/// and made anew by the look that follows. What it starts is the service of its name: systemd 252 takes no `Unit=` here.
pub(super) fn describe(at: Timestamp) -> Transient {
    Transient {
        unit: unit::DEPLOY_AGAIN_TIMER.to_owned(),
        properties: vec![
            Property::description("Look again what is to be deployed, now that a freeze has ended"),
            Property::on_calendar(&at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
            Property::timer_accuracy(Duration::from_secs(1)),
            Property::remain_after_elapse(false),
        ],
    }
}
