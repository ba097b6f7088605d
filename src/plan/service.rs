//! Whether the units that run a site are well after what was done with them.

use crate::model::{Line, ReleaseName, ServiceAction, Whereabouts};

/// Whether a unit runs, as systemd tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// It is up.
    Up,
    /// A oneshot service that has done its work, which it is up for only as long as it takes.
    Ran,
    /// It is down and not failed: nobody has started it, or somebody has stopped it, or it left by itself. What it is
    /// in systemd's words.
    Stopped(String),
    /// It is neither of these, and this is what it is instead.
    Down(String),
}

/// A unit at one moment of a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Whether it runs.
    pub running: Running,
    /// Of this run or the last: another one after each start.
    pub invocation: Option<String>,
    /// Its main process, if it has one.
    pub main_pid: Option<u32>,
    /// How often systemd has started it again by itself.
    pub restarts: u32,
}

/// How a unit is after a job that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is up, and must stay so.
    Up,
    /// It has run to its end, well.
    Ran,
    /// It did not run before and does not now, as it should be.
    LeftAlone,
}

/// How a unit is after `action`; the error says what it did instead.
pub fn after(action: ServiceAction, before: &Pulse, now: &Pulse) -> Result<Then, String> {
    match &now.running {
        Running::Ran | Running::Stopped(_)
            if action == ServiceAction::TryRestart && now.invocation == before.invocation =>
        {
            Ok(Then::LeftAlone)
        }
        Running::Up => Ok(Then::Up),
        Running::Ran => Ok(Then::Ran),
        Running::Stopped(how) | Running::Down(how) => Err(format!("did not stay up: {how}")),
    }
}

/// Whether a unit that was up has stayed so; the error says what it did instead. Another main process in the same run
/// is one that the service itself has put into its place, as servers do that replace themselves at a reload.
pub fn steady(before: &Pulse, now: &Pulse) -> Result<(), String> {
    match &now.running {
        Running::Stopped(how) | Running::Down(how) => Err(format!("did not stay up: {how}")),
        Running::Up | Running::Ran if now.restarts != before.restarts => Err("died and was started again".to_owned()),
        Running::Up | Running::Ran if now.invocation != before.invocation => Err("was restarted meanwhile".to_owned()),
        Running::Up | Running::Ran => Ok(()),
    }
}

/// Which release a service runs, as far as its main process shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// None other than the live one.
    Live,
    /// Not the live one, and what is to be said of it. It may still come to it.
    NotYet(String),
    /// Nobody can tell, for this reason.
    Unknown(String),
}

/// Which release a service runs, `live` being the one that it should. A server that was reloaded may well go on with
/// what it has: its working directory, or its program, lies in the release that it was started from.
pub fn runs(live: &ReleaseName, at: &Whereabouts) -> Runs {
    let still = |how: &str| Runs::NotYet(format!("still the old release: {how}"));
    let other = |folder: &Option<Line>| folder.clone().filter(|folder| folder.as_str() != live.as_str());
    match at {
        // systemd has another one by now, or sees in a moment that there is none.
        Whereabouts::Gone => Runs::NotYet("its main process is gone".to_owned()),
        Whereabouts::Unseen { why } => Runs::Unknown(format!("its main process cannot be looked at: {why}")),
        Whereabouts::Seen { folder, program } => match (other(folder), other(program)) {
            (Some(folder), _) => still(&format!("its working directory is in releases/{folder}")),
            (None, Some(program)) => still(&format!("its program is in releases/{program}")),
            (None, None) => Runs::Live,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(running: Running, run: u32, main_pid: Option<u32>, restarts: u32) -> Pulse {
        Pulse { running, invocation: (run > 0).then(|| run.to_string()), main_pid, restarts }
    }

    fn stopped() -> Running {
        Running::Stopped("inactive (dead)".to_owned())
    }

    fn failed() -> Running {
        Running::Down("failed (failed), exit code 3".to_owned())
    }

    #[test]
    fn what_a_job_that_was_done_leads_to() {
        use ServiceAction::{Reload, Restart, Start, TryRestart};
        let up = |run| pulse(Running::Up, run, Some(10 + run), 0);
        let ran = |run| pulse(Running::Ran, run, None, 0);
        let down = |running, run| pulse(running, run, None, 0);
        for (action, before, now, then) in [
            (Restart, up(1), up(2), Ok(Then::Up)),
            (Restart, down(stopped(), 0), up(1), Ok(Then::Up)),
            (Restart, ran(1), ran(2), Ok(Then::Ran)),
            (Restart, up(1), down(failed(), 2), Err("did not stay up: failed (failed), exit code 3")),
            // It left at once, and said that all was well: no server does.
            (Restart, up(1), down(stopped(), 2), Err("did not stay up: inactive (dead)")),
            (TryRestart, up(1), up(2), Ok(Then::Up)),
            (TryRestart, down(stopped(), 1), down(stopped(), 1), Ok(Then::LeftAlone)),
            (TryRestart, ran(1), ran(1), Ok(Then::LeftAlone)),
            (TryRestart, down(stopped(), 0), down(stopped(), 0), Ok(Then::LeftAlone)),
            // Somebody has stopped it just now.
            (TryRestart, up(1), down(stopped(), 1), Ok(Then::LeftAlone)),
            (TryRestart, up(1), down(stopped(), 2), Err("did not stay up: inactive (dead)")),
            // What has failed was to run: a killed deploy may have left it so.
            (TryRestart, down(failed(), 1), up(2), Ok(Then::Up)),
            (TryRestart, down(failed(), 1), down(failed(), 2), Err("did not stay up: failed (failed), exit code 3")),
            (Start, up(1), up(1), Ok(Then::Up)),
            (Start, down(stopped(), 1), up(2), Ok(Then::Up)),
            (Start, ran(1), ran(2), Ok(Then::Ran)),
            (Reload, up(1), up(1), Ok(Then::Up)),
            (Reload, up(1), down(failed(), 1), Err("did not stay up: failed (failed), exit code 3")),
        ] {
            let found = after(action, &before, &now);
            assert_eq!(found.as_ref().map_err(String::as_str), then.as_ref().map_err(|how| *how), "{action:?} {now:?}");
        }
    }

    #[test]
    fn a_service_runs_the_live_release_unless_its_main_process_shows_another() {
        let live: ReleaseName = "5-aaaaaaa".parse().unwrap();
        let seen = |folder: Option<&str>, program: Option<&str>| Whereabouts::Seen {
            folder: folder.map(Line::cut),
            program: program.map(Line::cut),
        };
        let other = |how: &str| Runs::NotYet(format!("still the old release: {how}"));
        for (at, runs) in [
            (seen(None, None), Runs::Live),
            (seen(Some("5-aaaaaaa"), None), Runs::Live),
            (seen(Some("5-aaaaaaa"), Some("5-aaaaaaa")), Runs::Live),
            (seen(Some("4-bbbbbbb"), None), other("its working directory is in releases/4-bbbbbbb")),
            // After a rollback the newer one is the old one.
            (seen(None, Some("6-bbbbbbb")), other("its program is in releases/6-bbbbbbb")),
            (seen(Some("5-aaaaaaa"), Some("4-bbbbbbb")), other("its program is in releases/4-bbbbbbb")),
            (seen(Some("4-bbbbbbb"), Some("5-aaaaaaa")), other("its working directory is in releases/4-bbbbbbb")),
            (
                seen(Some(".4-bbbbbbb.gone (deleted)"), None),
                other("its working directory is in releases/.4-bbbbbbb.gone (deleted)"),
            ),
            (
                seen(Some("5-aaaaaaa (deleted)"), None),
                other("its working directory is in releases/5-aaaaaaa (deleted)"),
            ),
            (Whereabouts::Gone, Runs::NotYet("its main process is gone".to_owned())),
            (
                Whereabouts::Unseen { why: Line::cut("EACCES") },
                Runs::Unknown("its main process cannot be looked at: EACCES".to_owned()),
            ),
        ] {
            assert_eq!(super::runs(&live, &at), runs, "{at:?}");
        }
    }

    #[test]
    fn a_unit_is_steady_while_it_is_the_same_run_of_it() {
        let before = pulse(Running::Up, 1, Some(10), 0);
        for (now, trouble) in [
            (pulse(Running::Up, 1, Some(10), 0), None),
            (pulse(Running::Up, 1, Some(11), 0), None),
            (pulse(Running::Up, 2, Some(11), 1), Some("died and was started again")),
            (pulse(Running::Up, 2, Some(11), 0), Some("was restarted meanwhile")),
            (pulse(failed(), 1, None, 0), Some("did not stay up: failed (failed), exit code 3")),
            (pulse(stopped(), 1, None, 0), Some("did not stay up: inactive (dead)")),
        ] {
            assert_eq!(steady(&before, &now).err().as_deref(), trouble, "{now:?}");
        }
        // A socket or a target has no process.
        let socket = pulse(Running::Up, 3, None, 0);
        assert_eq!(steady(&socket, &socket), Ok(()));
    }
}
