//! Whether a service still runs out of another release: a server that was reloaded may go on with what it has.

use super::halt::Halt;
use super::run::Run;
use crate::model::ReleaseName;
use crate::order::Work;
use crate::plan::service::{Runs, runs};
use crate::worker::protocol::{ProcessesAnswer, ProcessesTask};
use std::time::{Duration, Instant};

/// How long a server has after its reload to get into the new release: some take their signal, and do it then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

impl Run<'_> {
    /// No main process of a service may run out of another release than `live`.
    pub(super) fn leave_other_releases(&mut self, live: &ReleaseName) -> Result<(), Halt> {
        if !self.may_have_processes()? {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Whoever asks anew is told of the main processes of that moment: a server may have put another into the
            // place of its own.
            let ProcessesAnswer { seen } =
                self.call(Work::Processes { target: self.deploy.target.clone() }, ProcessesTask {})?;
            let mut not_yet = None;
            let mut unknown = Vec::new();
            for (unit, at) in seen {
                match runs(live, &at) {
                    Runs::Live => {}
                    Runs::NotYet(how) => not_yet = Some(format!("{unit}: {how}")),
                    Runs::Unknown(why) => unknown.push(format!("{unit}: {why}; it is taken to run {live}")),
                }
            }
            match not_yet {
                Some(how) if deadline <= Instant::now() => {
                    return Err(self.failure(format!("{how}; ci-deploy(1) tells of set-ups that are right")));
                }
                Some(_) => self.pause(Instant::now() + PAUSE)?,
                None => return unknown.iter().try_for_each(|why| self.say(why)),
            }
        }
    }

    /// A site of files alone has nothing to ask about.
    fn may_have_processes(&self) -> Result<bool, Halt> {
        for (_, unit) in self.target.services() {
            if unit.ends_with(".socket") || self.bus.state(unit)?.main_pid.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
