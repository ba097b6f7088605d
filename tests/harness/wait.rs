//! Waiting for something to become true, with a limit and a name for the message.

use super::machine::Machine;
use std::time::{Duration, Instant};

impl Machine {
    /// Asks until `condition` holds; panics, with `what` and the machine's journal, once `timeout` has passed.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
        self.wait_for(what, timeout, || condition().then_some(()));
    }

    /// Asks until there is an answer; panics, with `what` and the machine's journal, once `timeout` has passed.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            // Asked before looking at the clock: a host that stood still does not make the test fail.
            let late = started.elapsed() > timeout;
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(!late, "waited {timeout:?} on {} for: {what}", self.name());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a unit is in this state (`active`, `inactive`, `failed`).
    #[track_caller]
    pub(crate) fn wait_unit(&self, unit: &str, state: &str, timeout: Duration) {
        let show = ["systemctl", "show", "--property=ActiveState", "--value", unit];
        self.wait_until(&format!("{unit} {state}"), timeout, || self.run(show).stdout.trim() == state);
    }
}
