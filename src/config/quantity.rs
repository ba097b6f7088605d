//! Durations and sizes, as systemd writes them: systemd.time(7), systemd.resource-control(5).

use jiff::fmt::friendly::SpanParser;
use std::time::Duration;

/// Longest duration that makes sense anywhere here.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest text of a quantity, in bytes.
const TEXT_MAX: usize = 64;

/// Why a text is no duration or size.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum QuantityFault {
    #[error("not a duration; write it as 90s, 5min, 2h 30min or 1d, or as an integer of seconds")]
    Duration,
    #[error("not a size; write it as 512K, 100M or 2G (1K is 1024), or as an integer of bytes")]
    Size,
    #[error("must not be longer than 30 days")]
    TooLong,
    #[error("more than can be counted")]
    TooMuch,
}

/// A duration: `5min 20s`, `1.5h`, `90`.
pub(super) fn duration(text: &str) -> Result<Duration, QuantityFault> {
    let text = text.trim();
    if text.len() > TEXT_MAX {
        return Err(QuantityFault::Duration);
    }
    if let Ok(seconds) = text.parse() {
        return seconds_of(seconds);
    }
    // jiff reads what systemd.time(7) lists, up to weeks, with the largest unit first; months and years, whose length
    // is not one, it refuses here.
    let span = SpanParser::new().parse_span(text).map_err(|_| QuantityFault::Duration)?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| QuantityFault::Duration)?;
    let length = Duration::try_from(length).map_err(|_| QuantityFault::Duration)?;
    if length > DURATION_MAX { Err(QuantityFault::TooLong) } else { Ok(length) }
}

/// A duration as in the files; none if the text is not one of at most 30 days.
pub fn duration_of(text: &str) -> Option<Duration> {
    duration(text).ok()
}

/// Whole seconds.
pub(super) fn seconds_of(seconds: i64) -> Result<Duration, QuantityFault> {
    let length = Duration::from_secs(u64::try_from(seconds).map_err(|_| QuantityFault::Duration)?);
    if length > DURATION_MAX { Err(QuantityFault::TooLong) } else { Ok(length) }
}

/// A size in bytes: `2G`, `512M`, `4096`.
pub(super) fn size(text: &str) -> Result<u64, QuantityFault> {
    // Not by a crate: bytesize takes 2G as 2·10⁹, parse-size takes 2GB too; systemd knows one letter, base 1024.
    let text = text.trim();
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 'B')) => (&text[..at], 1),
        Some((at, 'K')) => (&text[..at], 1 << 10),
        Some((at, 'M')) => (&text[..at], 1 << 20),
        Some((at, 'G')) => (&text[..at], 1 << 30),
        Some((at, 'T')) => (&text[..at], 1u64 << 40),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityFault::Size);
    }
    let count: u64 = digits.parse().map_err(|_| QuantityFault::TooMuch)?;
    count.checked_mul(factor).filter(|bytes| *bytes <= i64::MAX as u64).ok_or(QuantityFault::TooMuch)
}

/// A duration of whole seconds as somebody would write it in a file.
pub(super) fn shown(length: Duration) -> String {
    let seconds = length.as_secs();
    match [(24 * 3600, "d"), (3600, "h"), (60, "min")]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_written() {
        for (length, text) in
            [(0, "0s"), (59, "59s"), (60, "1min"), (90, "90s"), (3600, "1h"), (86_400, "1d"), (2_592_000, "30d")]
        {
            assert_eq!(shown(Duration::from_secs(length)), text);
            assert_eq!(duration(text).unwrap(), Duration::from_secs(length));
        }
    }

    #[test]
    fn durations_as_systemd_writes_them() {
        for (text, seconds) in [
            ("2 h", 7200.0),
            ("2hours", 7200.0),
            ("48hr", 172_800.0),
            ("55s500ms", 55.5),
            ("300ms20s 5day", -1.0),
            ("5day 20s 300ms", 432_020.3),
            ("5min 20s", 320.0),
            ("1h", 3600.0),
            ("1m", 60.0),
            ("2min 30s", 150.0),
            ("1w", 604_800.0),
            ("1.5h", 5400.0),
            ("30d", 2_592_000.0),
            ("90", 90.0),
            ("0", 0.0),
            (" 7 ", 7.0),
            ("31d", -1.0),
            ("90d", -1.0),
            ("1 month", -1.0),
            ("1y", -1.0),
            ("-5s", -1.0),
            ("5s ago", -1.0),
            ("PT5M", -1.0),
            ("-1", -1.0),
            ("", -1.0),
            ("soon", -1.0),
            ("5", 5.0),
            ("5 lightyears", -1.0),
            ("infinity", -1.0),
            ("99999999999999999999", -1.0),
            ("9999999999999h", -1.0),
            (&"1s".repeat(40), -1.0),
        ] {
            let parsed = duration(text).map_or(-1.0, |length| length.as_secs_f64());
            assert!((parsed - seconds).abs() < 1e-9, "{text:?}: {parsed}");
        }
    }

    #[test]
    fn sizes_as_systemd_writes_them() {
        for (text, bytes) in [
            ("2G", Some(2 << 30)),
            ("512M", Some(512 << 20)),
            ("100K", Some(102_400)),
            ("1T", Some(1 << 40)),
            ("7B", Some(7)),
            ("4096", Some(4096)),
            (" 1K ", Some(1024)),
            ("2GB", None),
            ("2g", None),
            ("1.5G", None),
            ("-1", None),
            ("+1", None),
            ("G", None),
            ("", None),
            ("50%", None),
            ("99999999T", None),
            ("99999999999999999999", None),
            ("2Ğ", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text:?}");
        }
    }
}
