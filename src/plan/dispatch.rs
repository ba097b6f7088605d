//! What becomes of builds whose supervisor is not there.

use crate::model::{Build, BuildState, Origin};

/// Whether a build's supervisor is there, as systemd tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    /// Running, starting, stopping, or about to be restarted.
    There,
    /// Nowhere.
    Absent,
    /// systemd has given it up.
    Failed,
}

/// What to do about an unfinished build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// It is in good hands.
    Nothing,
    /// Its supervisor is to be started.
    Start,
    /// The machine went down under it: *exception*, and once more if it was not such a second try itself.
    MachineWentDown {
        /// Whether it is queued again.
        again: bool,
    },
    /// Its supervisor cannot live: *exception*.
    GiveUp,
}

/// Looks at one unfinished build.
pub fn care(build: &Build, supervisor: Supervisor, boot_now: &str) -> Care {
    match (&build.state, supervisor) {
        (BuildState::Finished { .. }, _) | (_, Supervisor::There) => Care::Nothing,
        (BuildState::Running { boot, .. }, Supervisor::Absent | Supervisor::Failed) if boot != boot_now => {
            let again = match build.origin {
                Origin::Again { .. } => false,
                Origin::Poll | Origin::Person { .. } | Origin::Force { .. } | Origin::Retry { .. } => true,
            };
            Care::MachineWentDown { again }
        }
        (BuildState::Starting | BuildState::Running { .. }, Supervisor::Absent) => Care::Start,
        (BuildState::Starting | BuildState::Running { .. }, Supervisor::Failed) => Care::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BuildId, BuildNumber, RequestId, Target, Trust};
    use jiff::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn build(project: &str, origin: Origin, state: BuildState) -> Build {
        Build {
            id: BuildId { project: project.parse().unwrap(), number: BuildNumber(1) },
            request: RequestId(1),
            reference: None,
            target: Target::Tip,
            commit: None,
            trust: Trust::Inside,
            origin,
            reason: None,
            changes: vec![],
            queued: at(0),
            created: at(0),
            state,
            stop: None,
            holds: crate::model::Holds::default(),
        }
    }

    #[test]
    fn care_for_builds_whose_supervisor_is_gone() {
        let running = |boot: &str| BuildState::Running { started: at(0), boot: boot.into() };
        let again = Origin::Again { build: BuildNumber(1) };
        let table = [
            ("in good hands", Origin::Poll, running("now"), Supervisor::There, Care::Nothing),
            ("dispatcher died in between", Origin::Poll, BuildState::Starting, Supervisor::Absent, Care::Start),
            ("stopped for an upgrade", Origin::Poll, running("now"), Supervisor::Absent, Care::Start),
            ("cannot live", Origin::Poll, running("now"), Supervisor::Failed, Care::GiveUp),
            ("cannot even start", Origin::Poll, BuildState::Starting, Supervisor::Failed, Care::GiveUp),
            ("power cut", Origin::Poll, running("old"), Supervisor::Absent, Care::MachineWentDown { again: true }),
            ("second power cut", again, running("old"), Supervisor::Absent, Care::MachineWentDown { again: false }),
            ("power cut before the start", Origin::Poll, BuildState::Starting, Supervisor::Absent, Care::Start),
        ];
        for (what, origin, state, supervisor, expected) in table {
            assert_eq!(care(&build("gkp", origin, state), supervisor, "now"), expected, "{what}");
        }
    }
}
