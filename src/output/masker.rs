//! Secrets made unreadable in a stream, wherever its pieces happen to end.

use super::disguise;
use crate::model::{Secret, SecretName};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What stands in the published log where a secret was.
const MASK: &[u8] = b"***";
/// Shortest text that is masked, in bytes: shorter ones are everywhere in ordinary output.
const SHORTEST: usize = 4;
/// As much of each form as is looked for first, in bytes.
const BEGINNING: usize = 6;
/// With more forms than this their beginnings, too, are searched by the slower and smaller automaton.
const DFA_FORMS: usize = 256;
/// Most bytes of secrets that one build may have; keeps the automaton of all their forms within a few megabytes.
const MOST: usize = 64 * 1024;

/// Why a set of secrets cannot be masked. Says which by its name, never what it is.
#[derive(Debug, thiserror::Error)]
pub enum MaskerError {
    /// No line of it is long enough.
    #[error(
        "the secret {name} has no line of at least {SHORTEST} bytes: masking it would spoil ordinary output; make it longer"
    )]
    TooShort {
        /// Which.
        name: SecretName,
    },
    /// All of them together.
    #[error("the secrets of a build have {bytes} bytes together, more than {MOST}")]
    TooMuch {
        /// What they have.
        bytes: usize,
    },
    /// The automaton refused them.
    #[error("cannot mask these secrets: {0}")]
    Automaton(#[from] aho_corasick::BuildError),
}

/// Whether more of the stream is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// What may be the beginning of a secret is held back.
    Follows,
    /// Nothing is held back.
    Ended,
}

/// Finds secrets in output: each line (of at least 4 bytes, without the white space around it) of each secret, as it
/// is, in base64 at any alignment, in wrapped base64, and percent-encoded.
///
/// A value *inside* a structured secret (one field of a JSON file) is not known to be one: give it as its own secret.
#[derive(Debug, Clone)]
pub struct Masker {
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// There is nothing to mask.
    Nothing,
    /// These.
    Secrets(Arc<Patterns>),
    /// All of it may be secret.
    Everything,
}

#[derive(Clone)]
struct Patterns {
    /// Finds the forms.
    automaton: AhoCorasick,
    /// Finds where one may begin, or that none does. The DFA of a private key's whole forms takes 7.5 MB; the NFA for
    /// them takes 0.9 s for 80 MB of output, and 0.2 s with this DFA before it, which has 0.5 MB.
    beginnings: AhoCorasick,
    /// In byte order, so that "does any begin with this?" is a binary search.
    sorted: Vec<Vec<u8>>,
    longest: usize,
}

impl Masker {
    /// For a step without secrets: costs nothing.
    pub fn none() -> Masker {
        Masker { what: What::Nothing }
    }

    /// For a step whose secrets nobody can tell any more: nothing of what it prints is published.
    pub fn everything() -> Masker {
        Masker { what: What::Everything }
    }

    /// For a step with these secrets.
    pub fn new(secrets: &[Secret]) -> Result<Masker, MaskerError> {
        let bytes = secrets.iter().map(|secret| secret.bytes.len()).sum();
        if bytes > MOST {
            return Err(MaskerError::TooMuch { bytes });
        }
        let mut forms = BTreeSet::new();
        for Secret { name, bytes } in secrets {
            let lines = bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| line.len() >= SHORTEST);
            let lines: Vec<&[u8]> = lines.collect();
            if lines.is_empty() {
                return Err(MaskerError::TooShort { name: name.clone() });
            }
            forms.extend(lines.into_iter().filter(|line| !is_pem_armour(line)).flat_map(disguise::of_line));
            forms.extend(disguise::of_whole(bytes));
        }
        let sorted: Vec<Vec<u8>> = forms.into_iter().filter(|form| form.len() >= SHORTEST).collect();
        let Some(longest) = sorted.iter().map(Vec::len).max() else { return Ok(Masker::none()) };
        let beginnings: BTreeSet<&[u8]> = sorted.iter().map(|form| &form[..form.len().min(BEGINNING)]).collect();
        let kind = if beginnings.len() <= DFA_FORMS { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let beginnings = automaton(beginnings, kind)?;
        let automaton = automaton(&sorted, AhoCorasickKind::ContiguousNFA)?;
        Ok(Masker { what: What::Secrets(Arc::new(Patterns { automaton, beginnings, sorted, longest })) })
    }

    /// Length in bytes of the longest form; at most one byte less is ever held back.
    pub(super) fn longest(&self) -> usize {
        match &self.what {
            What::Nothing | What::Everything => 0,
            What::Secrets(patterns) => patterns.longest,
        }
    }

    /// A text that is not a step's output and may quote from it, or from what was secret to a worker. It may have been
    /// cut, so what begins a secret at its end is masked as well.
    pub fn cover(&self, text: &str) -> String {
        let (text, cut) = text.strip_suffix('…').map_or((text, ""), |text| (text, "…"));
        let mut scratch = Vec::new();
        let (decided, shown) = self.mask(text.as_bytes(), Rest::Follows, &mut scratch);
        let rest = &text.as_bytes()[decided..];
        let rest = if rest.len() < SHORTEST { rest } else { MASK };
        String::from_utf8_lossy(&[shown, rest, cut.as_bytes()].concat()).into_owned()
    }

    /// Masks what can be decided of `input`: how many of its bytes that is, and what to publish for them. Feeding the
    /// undecided ones again, before what follows, gives the same result however the stream is cut.
    pub(super) fn mask<'a>(&self, input: &'a [u8], rest: Rest, scratch: &'a mut Vec<u8>) -> (usize, &'a [u8]) {
        let patterns = match &self.what {
            What::Nothing => return (input.len(), input),
            What::Everything => return (input.len(), &[]),
            What::Secrets(patterns) => patterns,
        };
        let undecided = match rest {
            Rest::Follows => patterns.undecided(input),
            Rest::Ended => input.len(),
        };
        let Some(first) = patterns.beginnings.find(input) else { return (undecided, &input[..undecided]) };
        let candidates = patterns.automaton.find_iter(Input::new(input).range(first.start()..));
        scratch.clear();
        let mut done = 0;
        for found in candidates.take_while(|found| found.start() < undecided) {
            scratch.extend_from_slice(&input[done..found.start()]);
            scratch.extend_from_slice(MASK);
            done = found.end();
        }
        if done == 0 {
            return (undecided, &input[..undecided]);
        }
        let consumed = undecided.max(done);
        scratch.extend_from_slice(&input[done..consumed]);
        (consumed, scratch)
    }
}

/// Without the patterns, which are secrets.
impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} patterns", self.sorted.len())
    }
}

impl Patterns {
    /// Where the first possible match begins that `input` is too short to decide. No form contains a newline, so a
    /// finished line is always decided.
    fn undecided(&self, input: &[u8]) -> usize {
        let line = input.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let earliest = line.max(input.len().saturating_sub(self.longest - 1));
        (earliest..input.len()).find(|&start| self.begins_one(&input[start..])).unwrap_or(input.len())
    }

    /// Whether a form begins with `text` and goes on.
    fn begins_one(&self, text: &[u8]) -> bool {
        let next = self.sorted.partition_point(|form| form.as_slice() <= text);
        self.sorted.get(next).is_some_and(|form| form.starts_with(text))
    }
}

fn automaton<P: AsRef<[u8]>>(
    patterns: impl IntoIterator<Item = P>,
    kind: AhoCorasickKind,
) -> Result<AhoCorasick, aho_corasick::BuildError> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(Some(kind)).build(patterns)
}

/// `-----BEGIN PRIVATE KEY-----` is no secret, and masking it would spoil every certificate that is printed.
fn is_pem_armour(line: &[u8]) -> bool {
    line.starts_with(b"-----") && line.ends_with(b"-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `pieces` the way the recorder does: what was not consumed comes again, before the next piece.
    fn masked(masker: &Masker, pieces: &[&[u8]]) -> String {
        let (mut pending, mut published) = (Vec::new(), Vec::new());
        let mut scratch = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            pending.extend_from_slice(piece);
            let rest = if i + 1 == pieces.len() { Rest::Ended } else { Rest::Follows };
            let (consumed, out) = masker.mask(&pending, rest, &mut scratch);
            published.extend_from_slice(out);
            pending.drain(..consumed);
            assert!(pending.len() < masker.longest().max(1), "holds back {} bytes", pending.len());
        }
        assert!(pending.is_empty());
        String::from_utf8(published).unwrap()
    }

    fn named(secrets: &[&[u8]]) -> Vec<Secret> {
        let secret =
            |(at, bytes): (usize, &&[u8])| Secret { name: format!("s{at}").parse().unwrap(), bytes: bytes.to_vec() };
        secrets.iter().enumerate().map(secret).collect()
    }

    fn masker(secrets: &[&str]) -> Masker {
        Masker::new(&named(&secrets.iter().map(|s| s.as_bytes()).collect::<Vec<_>>())).unwrap()
    }

    #[test]
    fn every_form_at_every_split() {
        let key = "-----BEGIN KEY-----\nline-one/secret\n  abc\nline two+secret\n-----END KEY-----\n";
        let table: &[(&[&str], &str, &str)] = &[
            (&["hunter2"], "pw=hunter2;", "pw=***;"),
            (&["hunter2"], "hunter", "hunter"),
            (&["hunter2"], "hunterhunter2hunter2x", "hunter******x"),
            (&["hunter2", "hunter2-long"], "hunter2-lo hunter2-long", "***-lo ***"),
            (&["abcdef", "cdxy"], "abcdxyabcdef", "ab******"),
            (&["abab"], "abababab ababab", "****** ***ab"),
            (
                &["p@ss/w0rd"],
                "https://u:p%40ss%2Fw0rd@h https://u:p%40ss/w0rd@h p%40ss%2fw0rd",
                "https://u:***@h https://u:***@h ***",
            ),
            // printf 'user:hunter2!' | base64 and printf 'x:hunter2!' | base64
            (&["hunter2!"], "dXNlcjpodW50ZXIyIQ== eDpodW50ZXIyIQ==", "dXNlcjp***Q== eDp***Q=="),
            (&[key], "line-one/secret|line two+secret|abc|-----BEGIN KEY-----", "***|***|abc|-----BEGIN KEY-----"),
            (&[key], "a\r\nline-one/secret\r\nb", "a\r\n***\r\nb"),
            (&["täst"], "ein täst", "ein ***"),
        ];
        for (secrets, input, expected) in table {
            let masker = masker(secrets);
            assert_eq!(masked(&masker, &[input.as_bytes()]), *expected, "{secrets:?}");
            for split in 0..=input.len() {
                let (head, tail) = input.as_bytes().split_at(split);
                assert_eq!(masked(&masker, &[head, tail]), *expected, "{input:?} split at {split}");
            }
            let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
            assert_eq!(masked(&masker, &bytes), *expected, "{input:?} byte by byte");
        }
    }

    #[test]
    fn wrapped_base64_of_a_long_secret() {
        let secret: String = ('!'..='~').cycle().take(150).collect();
        let encoded = String::from_utf8(disguise::of_whole(secret.as_bytes()).concat()).unwrap();
        let masker = masker(&[&secret]);
        let whole = &encoded[..200];
        for width in [64, 76] {
            let lines: Vec<&str> = whole.as_bytes().chunks(width).map(|l| std::str::from_utf8(l).unwrap()).collect();
            let shown = masked(&masker, &[lines.join("\n").as_bytes()]);
            assert!(shown.lines().all(|line| line == "***"), "{shown}");
        }
    }

    #[test]
    fn only_what_may_begin_a_secret_is_held_back() {
        let masker = masker(&["hunter2"]);
        let mut scratch = Vec::new();
        for (input, shown) in
            [("Password: ", "Password: "), ("see hunt", "see "), ("hunter2", "***"), ("hunt\n", "hunt\n")]
        {
            let (_, out) = masker.mask(input.as_bytes(), Rest::Follows, &mut scratch);
            assert_eq!(std::str::from_utf8(out).unwrap(), shown);
        }
    }

    #[test]
    fn secrets_that_cannot_be_masked_are_refused() {
        let refused = |secrets: &[&[u8]]| Masker::new(&named(secrets)).unwrap_err();
        assert!(matches!(refused(&[b"long enough", b"abc"]), MaskerError::TooShort { name } if name.as_str() == "s1"));
        assert!(matches!(refused(&[b""]), MaskerError::TooShort { .. }));
        assert!(matches!(refused(&[b"ab\ncd\n ef \n"]), MaskerError::TooShort { .. }));
        assert!(matches!(refused(&[&[b'x'; MOST + 1]]), MaskerError::TooMuch { bytes } if bytes == MOST + 1));
        assert_eq!(masked(&Masker::new(&[]).unwrap(), &[b"a", b"b"]), "ab");
    }

    #[test]
    fn when_everything_may_be_secret_nothing_is_published() {
        assert_eq!(masked(&Masker::everything(), &[b"hun", b"ter2\n"]), "");
        for (text, shown) in [("pw hunter2", "pw ***"), ("pw hunte…", "pw ***…"), ("a hut", "a hut"), ("a hu", "a hu")]
        {
            assert_eq!(masker(&["hunter2"]).cover(text), shown);
        }
    }

    #[test]
    fn debugging_a_masker_does_not_print_what_it_masks() {
        assert_eq!(format!("{:?}", masker(&["0123"])), "Masker { what: Secrets(4 patterns) }");
    }
}
