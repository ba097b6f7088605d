//! What has changed on a remote since the last look, per ref.
//!
//! Every difference counts: new commits, a new branch, a branch moved to a known commit, a force push. Buildbot's
//! GitPoller misses several of these (buildbot#2878, #4809).

use crate::config::pattern::Pattern;
use crate::config::project::BranchPattern;
use crate::model::{CommitId, RefName, Trust};
use std::collections::BTreeMap;

/// One ref's difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TipChange {
    /// It is at another commit than when last seen, or was not there then.
    Moved {
        /// The ref.
        reference: RefName,
        /// The commit last seen, if there was one.
        from: Option<CommitId>,
        /// The commit now.
        to: CommitId,
    },
    /// It is gone.
    Gone(RefName),
}

/// The refs that a project watches, of those that its remote has.
pub fn watched<'a>(
    refs: &'a BTreeMap<RefName, CommitId>,
    head: Option<&RefName>,
    patterns: &[BranchPattern],
) -> BTreeMap<&'a RefName, &'a CommitId> {
    refs.iter()
        .filter(|(reference, _)| match patterns {
            [] => Some(*reference) == head,
            patterns => reference.branch().is_some_and(|b| patterns.iter().any(|p| p.glob.is_match(b))),
        })
        .collect()
}

/// The refs from outside that are looked for, of those that a remote has.
pub fn watched_outside<'a>(
    refs: &'a BTreeMap<RefName, CommitId>,
    patterns: &[Pattern],
) -> BTreeMap<&'a RefName, &'a CommitId> {
    let wanted = |name: &RefName| {
        name.trust() == Trust::Outside && patterns.iter().any(|pattern| pattern.matches(name.as_str()))
    };
    refs.iter().filter(|(name, _)| wanted(name)).collect()
}

/// Most requests for refs from outside that one poll queues.
pub const OUTSIDE_AT_ONCE: usize = 20;
/// Most requests for refs from outside that a project has waiting.
pub const OUTSIDE_WAITING: usize = 100;

/// How many of the changed refs from outside may be queued now, while so many requests for such refs wait. The rest is left
/// unseen, so that the next poll finds it changed again.
pub fn room_for_outside(waiting: usize) -> usize {
    OUTSIDE_WAITING.saturating_sub(waiting).min(OUTSIDE_AT_ONCE)
}

/// Compares what was seen with what is there.
pub fn compare(seen: &BTreeMap<RefName, CommitId>, now: &BTreeMap<&RefName, &CommitId>) -> Vec<TipChange> {
    let moved = now.iter().filter(|(reference, to)| seen.get(**reference) != Some(**to)).map(|(reference, to)| {
        TipChange::Moved { reference: (*reference).clone(), from: seen.get(*reference).cloned(), to: (*to).clone() }
    });
    let gone = seen.keys().filter(|reference| !now.contains_key(reference)).cloned().map(TipChange::Gone);
    moved.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tips(list: &[(&str, char)]) -> BTreeMap<RefName, CommitId> {
        let sha = |c: char| c.to_string().repeat(40).parse().unwrap();
        list.iter().map(|(branch, c)| (RefName::of_branch(branch).unwrap(), sha(*c))).collect()
    }

    fn patterns(texts: &[&str]) -> Vec<BranchPattern> {
        let glob = |text| globset::GlobBuilder::new(text).literal_separator(true).build().unwrap();
        texts.iter().map(|t| BranchPattern { text: (*t).into(), glob: glob(t).compile_matcher() }).collect()
    }

    #[test]
    fn strangers_have_so_much_room() {
        for (waiting, room) in [(0, 20), (79, 20), (80, 20), (81, 19), (99, 1), (100, 0), (5000, 0)] {
            assert_eq!(room_for_outside(waiting), room, "{waiting}");
        }
    }

    #[test]
    fn which_refs_are_watched() {
        let refs = tips(&[("main", 'a'), ("dev", 'b'), ("release/1", 'c'), ("release/1/x", 'd')]);
        let main = RefName::of_branch("main").unwrap();
        let table: [(&[&str], &[&str]); 5] = [
            (&[], &["main"]),
            (&["dev"], &["dev"]),
            (&["release/*"], &["release/1"]),
            (&["release/**"], &["release/1", "release/1/x"]),
            (&["*", "release/1"], &["dev", "main", "release/1"]),
        ];
        for (wanted, expected) in table {
            let got: Vec<&str> = watched(&refs, Some(&main), &patterns(wanted)).keys().map(|r| r.short()).collect();
            assert_eq!(got, expected, "{wanted:?}");
        }
        assert!(watched(&refs, None, &[]).is_empty(), "an empty repository has no HEAD");
    }

    #[test]
    fn every_difference_counts() {
        let table: [(&str, &[(&str, char)], &[(&str, char)], usize); 7] = [
            ("nothing new", &[("main", 'a')], &[("main", 'a')], 0),
            ("new commits", &[("main", 'a')], &[("main", 'b')], 1),
            ("a rewind to a known commit", &[("main", 'b'), ("dev", 'a')], &[("main", 'a'), ("dev", 'a')], 1),
            ("a new branch at a known commit", &[("main", 'a')], &[("main", 'a'), ("dev", 'a')], 1),
            ("a deleted branch", &[("main", 'a'), ("dev", 'a')], &[("main", 'a')], 1),
            ("a renamed branch", &[("dev", 'a')], &[("main", 'a')], 2),
            ("all at once", &[("a", 'a'), ("b", 'b')], &[("a", 'c'), ("b", 'd'), ("c", 'e')], 3),
        ];
        for (what, seen, now, count) in table {
            let now = tips(now);
            let now = now.iter().collect();
            assert_eq!(compare(&tips(seen), &now).len(), count, "{what}");
        }
    }
}
