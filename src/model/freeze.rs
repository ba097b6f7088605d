//! A freeze: nothing new goes live on a target until a person's moment has come.

use super::id::TargetId;
use jiff::{SignedDuration, Timestamp};

/// Longest freeze.
pub const FREEZE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One target's freeze in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Of which target.
    pub target: TargetId,
    /// Until when.
    pub until: Timestamp,
    /// Who said so: the user's name.
    pub by: String,
    /// Why, in that person's words.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

impl Freeze {
    /// Whether it holds at this moment. An end that is further ahead than a freeze can be was written by a clock that
    /// has been set back since: then it is over.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until && self.until.duration_since(now) <= FREEZE_MAX
    }

    /// `frozen until 15:00 by anna: client demo`; `moment` writes a time.
    pub fn describe(&self, moment: impl Fn(Timestamp) -> String) -> String {
        let why = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("frozen until {} by {}{why}", moment(self.until), self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_ends_with_its_moment_and_with_a_clock_that_was_wrong() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let until = 100 * 24 * 3600;
        let freeze = Freeze {
            target: "gkp".parse().unwrap(),
            until: at(until),
            by: "anna".to_owned(),
            reason: Some("client demo".to_owned()),
            since: at(until - 3600),
        };
        let longest = FREEZE_MAX.as_secs();
        for (now, holds) in [
            (until - 3600, true),
            (until - 1, true),
            (until, false),
            (until + 1, false),
            (until - longest, true),
            (until - longest - 1, false),
            (0, false),
        ] {
            assert_eq!(freeze.holds(at(now)), holds, "{now}");
        }
        assert_eq!(freeze.describe(|_| "15:00".to_owned()), "frozen until 15:00 by anna: client demo");
    }
}
