//! The forms in which a secret shows up in output although nobody printed it as it is.

/// The alphabets of RFC 4648, sections 4 and 5.
const BASE64: [&[u8; 64]; 2] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];
/// Where encoders break lines: PEM and `openssl base64` after 64 characters, `base64(1)` and MIME after 76.
const WRAPS: [usize; 2] = [64, 76];

/// All forms of one line of a secret, itself first.
pub(super) fn of_line(line: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![line.to_vec()];
    for alphabet in BASE64 {
        forms.extend((0..3).map(|before| base64(line, before, alphabet)));
    }
    forms.extend(percent_encoded(line));
    forms
}

/// The lines that an encoder writes which breaks the base64 of a whole secret into lines.
pub(super) fn of_whole(secret: &[u8]) -> Vec<Vec<u8>> {
    let encoded = base64(secret, 0, BASE64[0]);
    WRAPS.iter().flat_map(|&width| encoded.chunks(width)).map(<[u8]>::to_vec).collect()
}

/// The base64 characters that `secret` alone decides when `before` bytes (0 to 2) stand before it in the encoded text.
/// The character it shares with a neighbour at either end is left out: at most four of its bits are in each.
fn base64(secret: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bit = |i: usize| u16::from(secret.get(i / 8).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0));
    let skipped = 8 * before;
    let first = skipped.div_ceil(6) * 6 - skipped;
    (first..)
        .step_by(6)
        .take_while(|start| start + 6 <= 8 * secret.len())
        .map(|start| alphabet[usize::from((start..start + 6).fold(0, |value, i| value << 1 | bit(i)))])
        .collect()
}

/// Percent-encodings (RFC 3986): all but the unreserved characters, the same with lower-case digits, and with `/` kept
/// as Python's `urllib.parse.quote` does.
fn percent_encoded(line: &[u8]) -> [Vec<u8>; 3] {
    let encode = |keep: &[u8], hex: &[u8; 16]| {
        let mut text = Vec::with_capacity(line.len() * 3);
        for &byte in line {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
                text.push(byte);
            } else {
                text.extend([b'%', hex[usize::from(byte >> 4)], hex[usize::from(byte & 15)]]);
            }
        }
        text
    };
    [encode(b"", b"0123456789ABCDEF"), encode(b"", b"0123456789abcdef"), encode(b"/", b"0123456789ABCDEF")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(form: &[u8]) -> &str {
        std::str::from_utf8(form).unwrap()
    }

    #[test]
    fn base64_at_the_three_alignments() {
        // printf 'hunter2!' | base64: aHVudGVyMiE=; with "x" before: eGh1bnRlcjIh; with "xy": eHlodW50ZXIyIQ==
        for (before, expected) in [(0, "aHVudGVyMi"), (1, "h1bnRlcjIh"), (2, "odW50ZXIyI")] {
            assert_eq!(text(&base64(b"hunter2!", before, BASE64[0])), expected, "{before} bytes before");
        }
        assert_eq!(text(&base64(b"\xfb\xff\xfe", 0, BASE64[0])), "+//+");
        assert_eq!(text(&base64(b"\xfb\xff\xfe", 0, BASE64[1])), "-__-");
    }

    #[test]
    fn percent_encoding() {
        let forms = percent_encoded(b"p@ss/w~\xff");
        assert_eq!(forms.each_ref().map(|f| text(f)), ["p%40ss%2Fw~%FF", "p%40ss%2fw~%ff", "p%40ss/w~%FF"]);
    }
}
