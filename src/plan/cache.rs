//! What has to go when HOME and cache of a project have become too large.

use crate::model::cache::Entry;

/// Smaller entries are settings rather than caches: they go only when all else has gone. In bytes.
const SMALL: u64 = 1 << 20;

/// The entries that go: the least recently used first, until what is left fits; an entry is removed as a whole. `bytes`
/// is what all take, also those that are not among `entries`.
///
/// An entry that could not be looked at as a whole could be of any size. It goes, whatever the rest takes.
pub fn excess(bytes: u64, most: u64, entries: &[Entry]) -> Vec<&Entry> {
    let mut by_turn: Vec<&Entry> = entries.iter().collect();
    by_turn.sort_by(|a, b| turn(a).cmp(&turn(b)));
    let mut left = bytes;
    let mut gone = Vec::new();
    for entry in by_turn {
        if left > most || entry.shut {
            left = left.saturating_sub(entry.bytes);
            gone.push(entry);
        }
    }
    gone
}

/// Of two that were last used at once the larger one goes first.
fn turn(entry: &Entry) -> impl Ord + '_ {
    (!entry.shut, entry.bytes < SMALL, entry.used, std::cmp::Reverse(entry.bytes), &entry.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cache::{EntryName, Shelf};

    const M: u64 = 1 << 20;

    fn entry(name: &str, bytes: u64, used: i64) -> Entry {
        Entry { at: EntryName { shelf: Shelf::Cache, name: name.into() }, bytes, used, shut: false }
    }

    #[test]
    fn what_was_used_longest_ago_goes_until_the_rest_fits() {
        let shut = |name: &str| Entry { shut: true, ..entry(name, 0, 99) };
        let pair = || vec![entry("old", 3 * M, 10), entry("new", 4 * M, 20)];
        let none: &[&str] = &[];
        // (what all take, how much may be, entries, what goes)
        type Row<'a> = (u64, u64, Vec<Entry>, &'a [&'a str]);
        let table: [Row<'_>; 10] = [
            (0, 0, vec![], none),
            (7 * M, 7 * M, pair(), none),
            (7 * M, 7 * M - 1, pair(), &["old"]),
            (7 * M, 3 * M, pair(), &["old", "new"]),
            // One that is too large by itself goes in its turn.
            (9 * M, 5 * M, vec![entry("huge", 6 * M, 1), entry("a", 3 * M, 2)], &["huge"]),
            // Settings stay, however old, as long as anything else can go.
            (7 * M + 1, 4 * M, vec![entry(".npmrc", 1, 0), entry("a", 3 * M, 10), entry("b", 4 * M, 20)], &["a", "b"]),
            (2, 0, vec![entry("x", 1, 5), entry("y", 1, 4)], &["y", "x"]),
            (7 * M, 6 * M, vec![entry("a", 3 * M, 10), entry("b", 4 * M, 10)], &["b"]),
            // Larger than what is listed: nothing else is known to go.
            (9 * M, 1, vec![entry("a", 3 * M, 10)], &["a"]),
            (7 * M, 8 * M, [pair(), vec![shut("closed")]].concat(), &["closed"]),
        ];
        for (bytes, most, entries, goes) in table {
            let names: Vec<_> = excess(bytes, most, &entries).iter().map(|entry| entry.at.name.clone()).collect();
            assert_eq!(names, goes, "{bytes} of {most}: {entries:?}");
        }
    }
}
