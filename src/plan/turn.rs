//! Whose turn it is on a target, and whether it still makes sense then.

use super::deploy::is_superseded;
use crate::model::deploy::DeployOrigin;
use crate::model::{CommitId, Deploy, DeployState, ReleaseName};

/// The deploy of a target that is next, of those that are not over: one that is under way goes on, the rest comes in
/// order. While the target is frozen, only the way back is open.
pub fn next_of(unfinished: Vec<Deploy>, frozen: bool) -> Option<Deploy> {
    unfinished.into_iter().find(|deploy| match (&deploy.state, &deploy.origin) {
        (DeployState::Running { .. }, _) | (DeployState::Waiting, DeployOrigin::Rollback { .. }) => true,
        (DeployState::Waiting, DeployOrigin::Green | DeployOrigin::Person { .. }) => !frozen,
        (DeployState::Finished { .. }, _) => false,
    })
}

/// Why a deploy that nobody asked for does not happen when its turn comes.
pub fn is_late(deploy: &Deploy, live: Option<&ReleaseName>, left: &[CommitId]) -> Option<String> {
    match (&deploy.state, &deploy.origin) {
        (DeployState::Waiting, DeployOrigin::Green) => {}
        (DeployState::Running { .. } | DeployState::Finished { .. }, _)
        | (_, DeployOrigin::Person { .. } | DeployOrigin::Rollback { .. }) => return None,
    }
    match live {
        Some(live) if is_superseded(deploy.number, Some(live)) => Some(format!("{live} is live already")),
        _ if left.contains(&deploy.commit) => Some("somebody rolled back from this commit meanwhile".to_owned()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BuildNumber, DeployId, Phase};
    use jiff::Timestamp;

    fn deploy(id: i64, state: DeployState, origin: DeployOrigin) -> Deploy {
        Deploy {
            id: DeployId(id),
            project: "gkp".parse().unwrap(),
            target: "demo".parse().unwrap(),
            number: BuildNumber(u32::try_from(id).unwrap()),
            commit: format!("{id:040x}").parse().unwrap(),
            origin,
            reason: None,
            created: Timestamp::UNIX_EPOCH,
            previous: None,
            state,
        }
    }

    #[test]
    fn a_freeze_holds_back_all_but_what_is_under_way_and_the_way_back() {
        use DeployOrigin::{Green, Person, Rollback};
        let name = || "anna".to_owned();
        let running = || DeployState::Running { started: Timestamp::UNIX_EPOCH, phase: Phase::Migrate };
        let waits = |id, origin| deploy(id, DeployState::Waiting, origin);
        for (queue, flowing, frozen) in [
            (vec![], None, None),
            (vec![waits(1, Green), waits(2, Green)], Some(1), None),
            (vec![waits(1, Person { name: name(), red: None })], Some(1), None),
            (vec![waits(1, Green), waits(2, Rollback { name: name() })], Some(1), Some(2)),
            (vec![deploy(3, running(), Green), waits(1, Green)], Some(3), Some(3)),
        ] {
            let next = |frozen| next_of(queue.clone(), frozen).map(|deploy| deploy.id.0);
            assert_eq!((next(false), next(true)), (flowing, frozen), "{queue:?}");
        }
    }

    #[test]
    fn what_comes_too_late_by_itself_is_skipped() {
        use DeployOrigin::{Green, Person};
        let person = || Person { name: "anna".to_owned(), red: None };
        let live: ReleaseName = "6-aaaaaaa".parse().unwrap();
        let seven = deploy(7, DeployState::Waiting, Green);
        let left = [seven.commit.clone()];
        for (deploy, live, left, says) in [
            (deploy(5, DeployState::Waiting, Green), Some(&live), &[][..], Some("6-aaaaaaa is live already")),
            (deploy(6, DeployState::Waiting, Green), Some(&live), &[], None),
            (deploy(5, DeployState::Waiting, Green), None, &[], None),
            (deploy(5, DeployState::Waiting, person()), Some(&live), &[], None),
            (seven, Some(&live), &left, Some("somebody rolled back from this commit meanwhile")),
            (deploy(7, DeployState::Waiting, person()), Some(&live), &left, None),
        ] {
            assert_eq!(is_late(&deploy, live, left).as_deref(), says, "{deploy:?}");
        }
    }
}
