//! Until when a target is frozen, in a person's words.

use crate::config::duration_of;
use crate::model::freeze::FREEZE_MAX;
use jiff::civil::{DateTime, Time};
use jiff::{Timestamp, Zoned};

/// Why words are no end of a freeze.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UntilError {
    /// Not one of the forms.
    #[error("{0:?} is no time; write 15:00, \"2026-11-27 09:00\", 2026-11-27T09:00:00Z, or a duration like 2h")]
    Form(String),
    /// It is not ahead.
    #[error("{0} has passed; write a day with it, as in \"2026-11-27 09:00\"")]
    Passed(String),
    /// Further ahead than a freeze may last.
    #[error("{0} is more than 30 days ahead, which is the longest freeze")]
    Far(String),
}

/// The moment that a person means: a time of today, a day with a time, both in the zone of `now`; an RFC 3339 time; or a
/// duration from now, as in systemd.time(7). Whole seconds, as a timer takes them.
pub fn until(words: &str, now: &Zoned) -> Result<Timestamp, UntilError> {
    let words = words.trim();
    let zone = now.time_zone();
    let local = |time: DateTime| time.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).ok();
    let of_day = |text: &str| Time::strptime("%H:%M", text).or_else(|_| Time::strptime("%H:%M:%S", text)).ok();
    let moment = if let Some(time) = of_day(words) {
        local(now.date().to_datetime(time))
    } else if let Some((day, time)) = words.split_once(' ')
        && let (Ok(day), Some(time)) = (day.parse::<jiff::civil::Date>(), of_day(time))
    {
        local(day.to_datetime(time))
    } else if let Ok(moment) = words.parse::<Timestamp>() {
        Timestamp::from_second(moment.as_second()).ok()
    } else {
        let second = |at: i64| Timestamp::from_second(at).ok();
        let now = now.timestamp().as_second();
        let length = duration_of(words).filter(|length| !length.is_zero());
        // A whole second too late rather than too early, but for the longest freeze, which would be too long then.
        length.and_then(|length| {
            let until = second(now.saturating_add(1))?.checked_add(length).ok()?;
            Some(until.min(second(now)?.checked_add(FREEZE_MAX).ok()?))
        })
    };
    let moment = moment.ok_or_else(|| UntilError::Form(words.chars().take(80).collect()))?;
    match moment.duration_since(now.timestamp()) {
        ahead if ahead.is_negative() || ahead.is_zero() => Err(UntilError::Passed(words.to_owned())),
        ahead if ahead > FREEZE_MAX => Err(UntilError::Far(words.to_owned())),
        _ => Ok(moment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_freeze_in_a_persons_words() {
        let now: Zoned = "2026-11-25T14:00:00.5+01:00[Europe/Warsaw]".parse().unwrap();
        for (words, expected) in [
            ("15:00", Ok("2026-11-25T14:00:00Z")),
            (" 14:01:30 ", Ok("2026-11-25T13:01:30Z")),
            ("2026-11-26 09:00", Ok("2026-11-26T08:00:00Z")),
            ("2026-11-26T09:00:00+00:00", Ok("2026-11-26T09:00:00Z")),
            ("2h", Ok("2026-11-25T15:00:01Z")),
            ("1d 30min", Ok("2026-11-26T13:30:01Z")),
            ("90", Ok("2026-11-25T13:01:31Z")),
            ("30d", Ok("2026-12-25T13:00:00Z")),
            ("29d 23h 59min 58s", Ok("2026-12-25T12:59:59Z")),
            ("14:00", Err("14:00 has passed; write a day with it")),
            ("2026-11-24 09:00", Err("has passed")),
            ("0s", Err("is no time")),
            ("31d", Err("is no time")),
            ("2026-12-26 09:00", Err("more than 30 days ahead")),
            ("tomorrow", Err("\"tomorrow\" is no time; write 15:00")),
            ("25:00", Err("is no time")),
            ("", Err("is no time")),
        ] {
            match (until(words, &now), expected) {
                (Ok(moment), Ok(expected)) => assert_eq!(moment.to_string(), expected, "{words}"),
                (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{words}: {error}"),
                (is, expected) => panic!("{words}: {is:?}, not {expected:?}"),
            }
        }
    }
}
