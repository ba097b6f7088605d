//! Which projects are looked at now.

use jiff::Timestamp;
use std::time::Duration;

/// What is known of a project's polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// The last look, if there was one.
    pub looked: Option<Timestamp>,
    /// Whether a person has asked for a look since.
    pub asked: bool,
    /// How often it wants to be looked at.
    pub interval: Duration,
}

/// The timer's own jitter: a project of one minute is due at every tick of a timer of one minute.
const SLACK: Duration = Duration::from_secs(5);

/// Whether it is time. A last look in the future (the clock was set back) counts as due.
pub fn is_due(polling: Polling, now: Timestamp) -> bool {
    let Some(looked) = polling.looked else { return true };
    match Duration::try_from(now.duration_since(looked)) {
        Ok(passed) => polling.asked || passed + SLACK >= polling.interval,
        Err(_) => true,
    }
}

/// When a ref that changed now may be built: after `stable` without another change, but no later than `max` after the
/// `first` one, so that a steady stream of commits cannot starve it. Nothing means at once.
pub fn not_before(stable: Duration, max: Duration, first: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if stable.is_zero() {
        return None;
    }
    let latest = first.checked_add(max).ok();
    let quiet = now.checked_add(stable).ok()?;
    Some(latest.map_or(quiet, |latest| latest.min(quiet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stable_timer() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let seconds = Duration::from_secs;
        for (what, stable, max, first, expected) in [
            ("none", 0, 0, 100, None),
            ("after the quiet time", 30, 180, 100, Some(130)),
            ("another change starts it again", 30, 180, 50, Some(130)),
            ("but there is an end to it", 30, 180, -60, Some(120)),
        ] {
            let got = not_before(seconds(stable), seconds(max), at(first), at(100));
            assert_eq!(got, expected.map(at), "{what}");
        }
    }

    #[test]
    fn when_a_project_is_due() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let table = [
            ("never looked at", None, false, 120, true),
            ("just looked at", Some(999), false, 120, false),
            ("just looked at, but asked for", Some(999), true, 120, true),
            ("its time has come", Some(880), false, 120, true),
            ("within the timer's jitter", Some(884), false, 120, true),
            ("not yet", Some(890), false, 120, false),
            ("the clock was set back", Some(5000), false, 120, true),
        ];
        for (what, looked, asked, interval, due) in table {
            let polling = Polling { looked: looked.map(at), asked, interval: Duration::from_secs(interval) };
            assert_eq!(is_due(polling, at(1000)), due, "{what}");
        }
    }
}
