//! Which builds go live, in which order, what a failure leads to, and what is kept.

use crate::config::project;
use crate::model::{Build, BuildNumber, CommitId, Phase, RefName, ReleaseName, Target, Trust, Verdict};
use std::collections::BTreeSet;

/// Why a finished build does not deploy by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// The target is for people to deploy to.
    ByHand,
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

/// Whether a build that ended with `verdict` goes live on a target by itself. `head` is the remote's HEAD; `left` are the commits
/// that a person rolled back from there.
pub fn goes_live(
    build: &Build,
    verdict: Verdict,
    target: &project::Deploy,
    head: Option<&RefName>,
    left: &[CommitId],
) -> Result<CommitId, Stays> {
    if !target.automatic {
        return Err(Stays::ByHand);
    }
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

/// The phase that follows when one has gone well; nothing after the last, and undoing is not on that way.
pub fn next(phase: Phase) -> Option<Phase> {
    match phase {
        Phase::Prepare => Some(Phase::Migrate),
        Phase::Migrate => Some(Phase::Switch),
        Phase::Switch => Some(Phase::Services),
        Phase::Services => Some(Phase::Checks),
        Phase::Checks => Some(Phase::Finish),
        Phase::Finish | Phase::Undo => None,
    }
}

/// Where `current` points when a phase has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Where it did before.
    AsBefore,
    /// To the new release.
    Moved,
    /// Only a look at it tells.
    Either,
}

/// Where `current` points when `phase` has failed.
pub fn link_after(phase: Phase) -> Link {
    match phase {
        Phase::Prepare | Phase::Migrate => Link::AsBefore,
        Phase::Switch => Link::Either,
        Phase::Services | Phase::Checks | Phase::Finish | Phase::Undo => Link::Moved,
    }
}

/// The release to return to should the new one fail: what `current` names, or if that is bad or the new one itself
/// (somebody deploys again what is live) the newest good one.
pub fn way_back(
    current: Option<&ReleaseName>,
    new: &ReleaseName,
    good: &[ReleaseName],
    bad: &[ReleaseName],
) -> Option<ReleaseName> {
    let usable = current.filter(|current| *current != new && !bad.contains(current));
    usable.or_else(|| good.iter().filter(|release| *release != new).max()).cloned()
}

/// The releases to remove so that `keep` stay. The live one and the newest good one stay whatever their age. What was
/// there before unitci (number 0) is the administrator's to remove, and does not count.
pub fn expired(
    all: &[ReleaseName],
    live: Option<&ReleaseName>,
    last_good: Option<&ReleaseName>,
    keep: u32,
) -> Vec<ReleaseName> {
    let mut newest: Vec<&ReleaseName> = all.iter().filter(|release| release.number() != BuildNumber(0)).collect();
    newest.sort_by(|a, b| b.cmp(a));
    let mut stay: BTreeSet<&ReleaseName> = live.into_iter().chain(last_good).collect();
    stay.retain(|release| release.number() != BuildNumber(0));
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
    use crate::model::{BuildState, Origin, RequestId, TargetName};
    use jiff::Timestamp;
    use std::collections::BTreeMap;
    use std::time::Duration;

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
        let all = names(&["1", "2", "0", "3", "10", "9"]);
        let name = |n: &str| names(&[n])[0].clone();
        let table = [
            (None, None, 5, vec![]),
            (Some("10"), None, 2, vec!["3", "2", "1"]),
            (Some("1"), None, 2, vec!["9", "3", "2"]),
            (Some("10"), Some("1"), 2, vec!["9", "3", "2"]),
            (Some("10"), Some("9"), 3, vec!["2", "1"]),
            (Some("10"), Some("0"), 2, vec!["3", "2", "1"]),
        ];
        for (live, good, keep, gone) in table {
            let (live, good) = (live.map(name), good.map(name));
            assert_eq!(expired(&all, live.as_ref(), good.as_ref(), keep), names(&gone), "{live:?} {good:?} {keep}");
        }
    }

    fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn target(branch: Option<&str>) -> project::Deploy {
        project::Deploy {
            name: TargetName::default(),
            branch: branch.map(|name| RefName::of_branch(name).unwrap()),
            automatic: true,
            root: "/srv/gkp".into(),
            user: "gkp".to_owned(),
            site: None,
            keep_releases: 5,
            shared: Vec::new(),
            artifacts: Vec::new(),
            env: BTreeMap::new(),
            secrets: Vec::new(),
            prepare: Vec::new(),
            migrate: Vec::new(),
            finish: Vec::new(),
            timeout: Duration::from_secs(600),
            restart: Vec::new(),
            try_restart: Vec::new(),
            start: Vec::new(),
            reload: Vec::new(),
            settle: Duration::from_secs(2),
            checks: Vec::new(),
        }
    }

    fn green(branch: &str) -> Build {
        let time = Timestamp::UNIX_EPOCH;
        Build {
            id: "gkp:7".parse().unwrap(),
            request: RequestId(1),
            reference: Some(RefName::of_branch(branch).unwrap()),
            target: Target::Tip,
            commit: Some(commit('a')),
            trust: Trust::Inside,
            origin: Origin::Poll,
            reason: None,
            changes: Vec::new(),
            queued: time,
            created: time,
            state: BuildState::Starting,
            stop: None,
            holds: crate::model::Holds::default(),
        }
    }

    #[test]
    fn only_a_green_build_of_the_deploy_branch_goes_live_by_itself() {
        let head = RefName::of_branch("main").unwrap();
        let by_head = target(None);
        let by_name = target(Some("stable"));
        let by_hand = project::Deploy { automatic: false, ..target(None) };
        let ok = Ok(commit('a'));
        let left = [commit('a')];
        let revision = |mut build: Build| {
            build.target = Target::Revision { revision: "v1".to_owned() };
            build
        };
        let pinned = |mut build: Build| {
            build.target = Target::Commit { commit: commit('a') };
            build
        };
        let outside = |mut build: Build| {
            build.trust = Trust::Outside;
            build
        };
        let bare = |mut build: Build| {
            build.reference = None;
            build
        };
        use Verdict::{Cancelled, Exception, Failure, Skipped, Success, Warnings};
        let table: [(Build, Verdict, &project::Deploy, Option<&RefName>, &[CommitId], _); 16] = [
            (green("main"), Success, &by_head, Some(&head), &[], ok.clone()),
            (green("main"), Warnings, &by_head, Some(&head), &[], ok.clone()),
            (pinned(green("main")), Success, &by_head, Some(&head), &[], ok.clone()),
            (green("stable"), Success, &by_name, Some(&head), &[], ok),
            (green("main"), Failure, &by_head, Some(&head), &[], Err(Stays::NotGreen)),
            (green("main"), Exception, &by_head, Some(&head), &[], Err(Stays::NotGreen)),
            (green("main"), Cancelled, &by_head, Some(&head), &[], Err(Stays::NotGreen)),
            (green("main"), Skipped, &by_head, Some(&head), &[], Err(Stays::NotGreen)),
            (green("main"), Success, &by_hand, Some(&head), &[], Err(Stays::ByHand)),
            (green("main"), Success, &by_name, Some(&head), &[], Err(Stays::OtherRef)),
            (green("dev"), Success, &by_head, Some(&head), &[], Err(Stays::OtherRef)),
            (green("main"), Success, &by_head, None, &[], Err(Stays::OtherRef)),
            (bare(green("main")), Success, &by_head, None, &[], Err(Stays::OtherRef)),
            (outside(green("main")), Success, &by_head, Some(&head), &[], Err(Stays::Outside)),
            (revision(green("main")), Success, &by_head, Some(&head), &[], Err(Stays::Revision)),
            (green("main"), Success, &by_head, Some(&head), &left, Err(Stays::RolledBackFrom)),
        ];
        for (at, (build, verdict, target, head, left, expected)) in table.into_iter().enumerate() {
            assert_eq!(goes_live(&build, verdict, target, head, left), expected, "row {at}");
        }
    }

    #[test]
    fn the_phases_follow_each_other_and_each_knows_where_the_link_is() {
        let mut way = vec![Phase::Prepare];
        while let Some(phase) = next(way[way.len() - 1]) {
            way.push(phase);
        }
        assert_eq!(way, Phase::ALL[..6]);
        let links: Vec<Link> = Phase::ALL.into_iter().map(link_after).collect();
        use Link::{AsBefore, Either, Moved};
        assert_eq!(links, [AsBefore, AsBefore, Either, Moved, Moved, Moved, Moved]);
    }

    #[test]
    fn the_way_back_is_what_was_live_unless_that_is_bad_or_the_new_one() {
        let all = names(&["5", "6", "7", "8"]);
        let (good, bad) = (&all[..2], &all[2..3]);
        let (six, seven, eight) = (&all[1], &all[2], &all[3]);
        for (current, new, good, back) in [
            (None, eight, &[][..], None),
            (None, eight, good, Some(six)),
            (Some(six), eight, good, Some(six)),
            (Some(seven), eight, good, Some(six)),
            (Some(seven), eight, &[][..], None),
            (Some(six), six, good, Some(&all[0])),
            (Some(six), six, &good[1..], None),
            // Never proven here, but it is what runs.
            (Some(eight), six, &[][..], Some(eight)),
        ] {
            assert_eq!(way_back(current, new, good, bad).as_ref(), back, "{current:?} {new:?}");
        }
    }
}
