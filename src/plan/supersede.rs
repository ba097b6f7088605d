//! Builds that nobody waits for any more: a newer commit of their ref is in the queue.

use super::queue::Queue;
use crate::model::{Build, BuildId, Origin, Request, Stop, Target};

/// The builds to stop, each with the reason that is recorded. Only a commit that a poll has seen supersedes: what was
/// forced, or is done again, is somebody's wish of its own, and neither stops nor is stopped.
pub fn superseded(queue: &Queue<'_>) -> Vec<(BuildId, Stop)> {
    let newer = |build: &Build| queue.waiting.iter().find(|request| is_newer(queue, request, build));
    let stop = |by: &Request| {
        let what = by.ask.reference.as_ref().map_or("its branch", |reference| reference.short());
        Stop { by: "unitci".to_owned(), reason: Some(format!("superseded by a newer commit of {what}")) }
    };
    let open = queue.unfinished.iter().filter(|build| build.stop.is_none() && is_anybodys(&build.origin));
    open.filter_map(|build| Some((build.id.clone(), stop(newer(build)?)))).collect()
}

fn is_anybodys(origin: &Origin) -> bool {
    match origin {
        Origin::Poll | Origin::Person { .. } | Origin::Again { .. } => true,
        Origin::Force { .. } | Origin::Retry { .. } => false,
    }
}

fn is_newer(queue: &Queue<'_>, request: &Request, build: &Build) -> bool {
    let ask = &request.ask;
    let wished = queue.rules.get(&ask.project).is_some_and(|rules| rules.cancel_superseded);
    let same_ref = ask.project == build.id.project
        && ask.trust == build.trust
        && ask.reference.is_some()
        && ask.reference == build.reference;
    let other_commit = match (&ask.target, &build.commit) {
        (Target::Commit { commit }, Some(built)) => commit != built,
        (Target::Commit { .. }, None) | (Target::Tip | Target::Revision { .. }, _) => false,
    };
    let its_time_has_come = ask.not_before.is_none_or(|time| time <= queue.now);
    wished
        && same_ref
        && other_commit
        && its_time_has_come
        && is_anybodys(&ask.origin)
        && request.created >= build.queued
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::order::{Bounds, MemoryBounds, Rules};
    use crate::model::{BuildNumber, BuildState, CommitId, Holds, NewRequest, RequestId, RequestState, Trust};
    use jiff::Timestamp;
    use std::collections::BTreeMap;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn commit(digit: &str) -> CommitId {
        digit.repeat(40).parse().unwrap()
    }

    /// A build of commit a… of main, queued at second 5.
    fn build(origin: Origin, stop: Option<Stop>) -> Build {
        Build {
            id: "gkp:7".parse().unwrap(),
            request: RequestId(1),
            reference: Some("refs/heads/main".parse().unwrap()),
            target: Target::Commit { commit: commit("a") },
            commit: Some(commit("a")),
            trust: Trust::Inside,
            origin,
            reason: None,
            changes: vec![],
            queued: at(5),
            created: at(5),
            state: BuildState::Starting,
            stop,
            holds: Holds::default(),
        }
    }

    fn request(reference: &str, target: Target, origin: Origin) -> Request {
        Request {
            id: RequestId(2),
            ask: NewRequest {
                project: "gkp".parse().unwrap(),
                reference: Some(reference.parse().unwrap()),
                target,
                origin,
                trust: Trust::Inside,
                reason: None,
                changes: vec![],
                not_before: None,
                token: None,
            },
            created: at(8),
            first: at(8),
            state: RequestState::Waiting,
            approval: crate::model::Approval::NotNeeded,
        }
    }

    #[test]
    fn what_a_newer_commit_stops() {
        let main = "refs/heads/main";
        let new = || Target::Commit { commit: commit("b") };
        let force = || Origin::Force { name: "ada".into() };
        let retry = || Origin::Retry { name: "ada".into(), build: BuildNumber(3), from: None };
        let stopped = Some(Stop { by: "ada".into(), reason: None });
        let later =
            |request: Request| Request { ask: NewRequest { not_before: Some(at(99)), ..request.ask }, ..request };
        let outside =
            |request: Request| Request { ask: NewRequest { trust: Trust::Outside, ..request.ask }, ..request };
        let bounds =
            Bounds { max_builds: 2, locks: BTreeMap::new(), memory: MemoryBounds { pressure: 0, available: 0 } };
        for (what, wished, build, request, stops) in [
            ("a newer commit", true, build(Origin::Poll, None), request(main, new(), Origin::Poll), true),
            ("where that is not wished", false, build(Origin::Poll, None), request(main, new(), Origin::Poll), false),
            ("another branch", true, build(Origin::Poll, None), request("refs/heads/next", new(), Origin::Poll), false),
            (
                "the same commit",
                true,
                build(Origin::Poll, None),
                request(main, Target::Commit { commit: commit("a") }, Origin::Poll),
                false,
            ),
            ("not yet its time", true, build(Origin::Poll, None), later(request(main, new(), Origin::Poll)), false),
            ("from outside", true, build(Origin::Poll, None), outside(request(main, new(), Origin::Poll)), false),
            ("a forced tip", true, build(Origin::Poll, None), request(main, Target::Tip, force()), false),
            ("a build done again", true, build(Origin::Poll, None), request(main, new(), retry()), false),
            ("what was forced runs on", true, build(force(), None), request(main, new(), Origin::Poll), false),
            ("and what is done again", true, build(retry(), None), request(main, new(), Origin::Poll), false),
            ("stopped already", true, build(Origin::Poll, stopped), request(main, new(), Origin::Poll), false),
        ] {
            let rules = [("gkp".parse().unwrap(), Rules { cancel_superseded: wished, ..Rules::default() })].into();
            let queue = Queue {
                waiting: &[request],
                unfinished: &[build],
                rules: &rules,
                bounds: &bounds,
                short: None,
                now: at(10),
            };
            let found = superseded(&queue);
            assert_eq!(found.len(), usize::from(stops), "{what}: {found:?}");
            for (_, stop) in found {
                assert_eq!(stop.reason.as_deref(), Some("superseded by a newer commit of main"));
            }
        }
    }
}
