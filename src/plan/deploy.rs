//! Which builds go live, in which order, and what is kept.

use crate::config::project;
use crate::model::{Build, BuildNumber, CommitId, RefName, ReleaseName, Target, Trust, Verdict};
use std::collections::BTreeSet;

/// Why a finished build does not deploy by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// The project has no `[deploy]`.
    NoTarget,
    /// It is not green.
    NotGreen,
    /// It comes from outside.
    Outside,
    /// It is of another ref than the deploy branch.
    OtherRef,
    /// Somebody asked for a revision, not for the branch's tip.
    Revision,
    /// A person rolled back from this commit.
    RolledBackFrom,
}

/// Whether a build that ended with `verdict` goes live by itself. `head` is the remote's HEAD; `left` are the commits
/// that a person rolled back from.
pub fn goes_live(
    build: &Build,
    verdict: Verdict,
    target: Option<&project::Deploy>,
    head: Option<&RefName>,
    left: &[CommitId],
) -> Result<CommitId, Stays> {
    let target = target.ok_or(Stays::NoTarget)?;
    if !verdict.is_green() {
        return Err(Stays::NotGreen);
    }
    if build.trust == Trust::Outside {
        return Err(Stays::Outside);
    }
    let branch = target.branch.as_ref().or(head);
    if branch.is_none() || build.reference.as_ref() != branch {
        return Err(Stays::OtherRef);
    }
    if matches!(build.target, Target::Revision { .. }) {
        return Err(Stays::Revision);
    }
    let commit = build.commit.clone().ok_or(Stays::NotGreen)?;
    if left.contains(&commit) { Err(Stays::RolledBackFrom) } else { Ok(commit) }
}

/// Whether an automatic deploy of `number` comes too late: something newer is live already.
pub fn is_superseded(number: BuildNumber, live: Option<&ReleaseName>) -> bool {
    live.is_some_and(|live| live.number() > number)
}

/// The release to go back to: the newest good one before `from`, by number.
pub fn rollback_target<'a>(
    good: impl IntoIterator<Item = &'a ReleaseName>,
    from: &ReleaseName,
) -> Option<&'a ReleaseName> {
    good.into_iter().filter(|release| *release < from).max()
}

/// The releases to remove so that `keep` stay. The live one and the newest good one stay whatever their age.
pub fn expired(
    all: &[ReleaseName],
    live: Option<&ReleaseName>,
    last_good: Option<&ReleaseName>,
    keep: u32,
) -> Vec<ReleaseName> {
    let mut newest: Vec<&ReleaseName> = all.iter().collect();
    newest.sort_by(|a, b| b.cmp(a));
    let mut stay: BTreeSet<&ReleaseName> = live.into_iter().chain(last_good).collect();
    for release in &newest {
        if stay.len() >= keep as usize {
            break;
        }
        stay.insert(release);
    }
    newest.into_iter().filter(|release| !stay.contains(release)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<ReleaseName> {
        texts.iter().map(|t| format!("{t}-aaaaaaa").parse().unwrap()).collect()
    }

    #[test]
    fn an_older_build_never_follows_a_newer_one() {
        let live = &names(&["10"])[0];
        for (number, live, superseded) in
            [(9, Some(live), true), (10, Some(live), false), (11, Some(live), false), (9, None, false)]
        {
            assert_eq!(is_superseded(BuildNumber(number), live), superseded, "{number}");
        }
    }

    #[test]
    fn rollback_goes_to_the_newest_good_one_before_by_number() {
        let good = names(&["2", "9", "10", "12"]);
        for (from, to) in [("11", Some("10")), ("10", Some("9")), ("2", None), ("13", Some("12"))] {
            let from = &names(&[from])[0];
            assert_eq!(rollback_target(&good, from), to.map(|t| names(&[t])[0].clone()).as_ref(), "{from}");
        }
    }

    #[test]
    fn what_is_kept() {
        let all = names(&["1", "2", "3", "10", "9"]);
        let name = |n: &str| names(&[n])[0].clone();
        let table = [
            (None, None, 5, vec![]),
            (Some("10"), None, 2, vec!["3", "2", "1"]),
            (Some("1"), None, 2, vec!["9", "3", "2"]),
            (Some("10"), Some("1"), 2, vec!["9", "3", "2"]),
            (Some("10"), Some("9"), 3, vec!["2", "1"]),
        ];
        for (live, good, keep, gone) in table {
            let (live, good) = (live.map(name), good.map(name));
            assert_eq!(expired(&all, live.as_ref(), good.as_ref(), keep), names(&gone), "{live:?} {good:?} {keep}");
        }
    }
}
