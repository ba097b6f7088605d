//! A part of a file: RFC 9110, section 14. One range is answered; who asks for several gets the whole, as the RFC lets
//! a server do.

/// What of a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no range was asked for, or one that is not understood.
    Whole,
    /// These bytes.
    Bytes {
        /// The first, from 0.
        first: u64,
        /// The last, itself included.
        last: u64,
    },
    /// The file ends before the first byte that is wanted.
    Beyond,
}

/// What a `Range` header asks for of a file of so many bytes.
pub(super) fn asked(range: &str, length: u64) -> Part {
    let Some(spec) = range.trim().strip_prefix("bytes=") else { return Part::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Part::Whole };
    // A sign would be taken by the parser, and is no digit.
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    match (first, number(first), last, number(last)) {
        // The last so many bytes.
        ("", _, _, Some(0)) => Part::Beyond,
        ("", _, _, Some(_)) if length == 0 => Part::Beyond,
        ("", _, _, Some(many)) => Part::Bytes { first: length.saturating_sub(many), last: length - 1 },
        (_, Some(first), "", _) if first < length => Part::Bytes { first, last: length - 1 },
        (_, Some(first), _, Some(last)) if first > last => Part::Whole,
        (_, Some(first), _, Some(last)) if first < length => Part::Bytes { first, last: last.min(length - 1) },
        (_, Some(_), "", _) | (_, Some(_), _, Some(_)) => Part::Beyond,
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_rfc_has_them() {
        let bytes = |first, last| Part::Bytes { first, last };
        for (range, length, part) in [
            ("bytes=0-499", 10_000, bytes(0, 499)),
            ("bytes=500-999", 10_000, bytes(500, 999)),
            ("bytes=-500", 10_000, bytes(9500, 9999)),
            ("bytes=9500-", 10_000, bytes(9500, 9999)),
            ("bytes=0-0", 10_000, bytes(0, 0)),
            ("bytes=9999-20000", 10_000, bytes(9999, 9999)),
            ("bytes=-20000", 10_000, bytes(0, 9999)),
            (" bytes=1-2 ", 10, bytes(1, 2)),
            ("bytes=10000-", 10_000, Part::Beyond),
            ("bytes=10000-10001", 10_000, Part::Beyond),
            ("bytes=-0", 10_000, Part::Beyond),
            ("bytes=0-", 0, Part::Beyond),
            ("bytes=-1", 0, Part::Beyond),
            ("bytes=5-4", 10_000, Part::Whole),
            ("bytes=0-1,5-6", 10_000, Part::Whole),
            ("bytes=", 10_000, Part::Whole),
            ("bytes=-", 10_000, Part::Whole),
            ("bytes=a-b", 10_000, Part::Whole),
            ("bytes=+1-2", 10_000, Part::Whole),
            ("bytes=1-2-3", 10_000, Part::Whole),
            ("lines=0-1", 10_000, Part::Whole),
            ("bytes=0-99999999999999999999", 10_000, Part::Whole),
        ] {
            assert_eq!(asked(range, length), part, "{range} of {length}");
        }
    }
}
