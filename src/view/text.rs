//! Times, durations and sizes in words, and foreign text made harmless.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Foreign text on one line: what would move the cursor, change colours or reorder what stands beside it becomes `�`.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// Control characters, line separators, and the bidirectional controls of Unicode's UAX #9 (the "Trojan source" set).
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// From one moment to a later one; zero if the clock went back in between.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// A duration as systemd writes it, its two largest units: `850ms`, `1.2s`, `12s`, `1min 3s`, `2h 5min`, `3d 4h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..10 if time.subsec_millis() >= 100 => format!("{seconds}.{}s", time.subsec_millis() / 100),
        1..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// How long ago something was, to one unit: `just now`, `3 min ago`, `5 days ago`.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = between(time, now).as_secs();
    let days = |count: u64| if count == 1 { "yesterday".to_owned() } else { format!("{count} days ago") };
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => days(seconds / 86_400),
    }
}

/// A moment in local time, as short as it is clear: `14:02` today, `Fri 14:02` this week, else `2026-11-03 14:02`.
pub fn moment(time: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (time, now) = (time.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let days = now.date().duration_since(time.date()).as_hours() / 24;
    let form = match days {
        0 => "%H:%M",
        1..=6 => "%a %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    time.strftime(form).to_string()
}

/// Bytes in the units of IEC 80000-13, one digit: `812 B`, `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.iter().find(|(_, shift)| count >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (u128::from(count) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

/// `1 build`, `2 builds`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn durations_read_as_systemds() {
        for (millis, says) in [
            (0, "0ms"),
            (850, "850ms"),
            (1_250, "1.2s"),
            (4_050, "4s"),
            (12_900, "12s"),
            (60_000, "1min"),
            (63_000, "1min 3s"),
            (7_500_000, "2h 5min"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), says);
        }
    }

    #[test]
    fn times_are_relative_and_local() {
        let now = at("2026-11-22T13:00:00Z");
        for (then, relative, local) in [
            ("2026-11-22T13:00:05Z", "just now", "14:00"),
            ("2026-11-22T12:57:00Z", "3 min ago", "13:57"),
            ("2026-11-22T00:00:00Z", "13 h ago", "01:00"),
            ("2026-11-21T12:00:00Z", "yesterday", "Sat 13:00"),
            ("2026-11-03T13:02:00Z", "18 days ago", "2026-11-03 14:02"),
        ] {
            let zone = TimeZone::fixed(jiff::tz::offset(1));
            assert_eq!((ago(at(then), now).as_str(), moment(at(then), now, &zone).as_str()), (relative, local));
        }
    }

    #[test]
    fn sizes() {
        for (size, says) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2 << 30, "2.0 GiB"), (u64::MAX, "16777215.9 TiB")]
        {
            assert_eq!(bytes(size), says);
        }
    }

    #[test]
    fn foreign_text_cannot_leave_its_line() {
        assert_eq!(harmless("a\u{1b}[31mb\r\nc\u{202e}d\u{2066}e\u{9b}f"), "a�[31mb��c�d�e�f");
        assert_eq!(harmless("Grüße 你好 🎉"), "Grüße 你好 🎉");
    }
}
