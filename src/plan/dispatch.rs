//! What becomes of builds whose supervisor is not there.

use crate::model::{Build, BuildState, Origin};

/// Whether a build's supervisor is there, as systemd tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    /// Running, starting or stopping.
    There,
    /// Dead, and systemd is about to start it again.
    Returning,
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
    /// Somebody wants it stopped: its supervisor is to be told.
    Stop,
    /// Its supervisor is to be started.
    Start,
    /// Its supervisor was taken away before it could write down that this is a stop: that is written down, and another
    /// one started to clean up.
    TakenAway,
    /// The machine went down while it was being stopped: *cancelled*.
    Stopped,
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
        (BuildState::Running { .. }, Supervisor::There) if build.stop.is_some() => Care::Stop,
        // One that comes, or comes back, reads in the row that it is to stop; to stop it now would keep it away.
        (BuildState::Finished { .. }, _) | (_, Supervisor::There | Supervisor::Returning) => Care::Nothing,
        (BuildState::Running { boot, .. }, Supervisor::Absent | Supervisor::Failed) if boot != boot_now => {
            if build.stop.is_some() {
                return Care::Stopped;
            }
            let again = match build.origin {
                Origin::Again { .. } => false,
                Origin::Poll | Origin::Person { .. } | Origin::Force { .. } | Origin::Retry { .. } => true,
            };
            Care::MachineWentDown { again }
        }
        (BuildState::Running { .. }, Supervisor::Absent) if build.stop.is_none() => Care::TakenAway,
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
            ("systemctl stop killed it", Origin::Poll, running("now"), Supervisor::Absent, Care::TakenAway),
            ("killed just now", Origin::Poll, running("now"), Supervisor::Returning, Care::Nothing),
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

    #[test]
    fn care_for_builds_that_somebody_wants_stopped() {
        let running = |boot: &str| BuildState::Running { started: at(0), boot: boot.into() };
        for (what, state, supervisor, expected) in [
            ("it is told", running("now"), Supervisor::There, Care::Stop),
            ("it comes and reads it", BuildState::Starting, Supervisor::There, Care::Nothing),
            ("it comes back and reads it", running("now"), Supervisor::Returning, Care::Nothing),
            ("it was killed while it cleaned up", running("now"), Supervisor::Absent, Care::Start),
            ("it never came", BuildState::Starting, Supervisor::Absent, Care::Start),
            ("a power cut", running("old"), Supervisor::Absent, Care::Stopped),
            ("it cannot live", running("now"), Supervisor::Failed, Care::GiveUp),
        ] {
            let stop = Some(crate::model::Stop { by: "ada".into(), reason: None });
            let build = Build { stop, ..build("gkp", Origin::Poll, state) };
            assert_eq!(care(&build, supervisor, "now"), expected, "{what}");
        }
    }
}
