//! The loop of whoever supervises a step: output in, until something else is to be done.

use super::recorder::{PipeState, Recorder};
use super::share::JournalBatch;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What besides output the supervisor of a step waits for.
#[derive(Debug, Clone, Copy)]
pub struct Interest<'a> {
    /// Readable when somebody wants the supervisor's attention: an eventfd that the thread on the bus writes to.
    pub call: BorrowedFd<'a>,
    /// How long the step may print nothing.
    pub silence: Option<Duration>,
    /// When the step, or its build, has had its time.
    pub until: Option<Instant>,
}

/// Why [`Recorder::run`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// `call` is readable.
    Called,
    /// Nothing came for as long as `silence`.
    Silent,
    /// `until` has passed.
    Late,
    /// The limit was reached; what still comes is thrown away. Told once by each recorder.
    Full,
    /// Nobody can print any more: the step's processes are gone, or have closed their output. Told once.
    Closed,
}

impl Recorder {
    /// Takes output in until there is something else to do. May be called again after each return, also after an
    /// error and after [`Stop::Closed`].
    pub fn run(
        &mut self,
        pipe: BorrowedFd<'_>,
        interest: &Interest<'_>,
        journal: &mut dyn FnMut(&JournalBatch<'_>),
    ) -> io::Result<Stop> {
        loop {
            let now = Instant::now();
            let silent = interest.silence.map(|silence| self.last_output() + silence);
            let wait = match silent.into_iter().chain(interest.until).min() {
                // A millisecond more, because poll counts in whole ones: early would mean once more at once.
                Some(at) => PollTimeout::try_from(at.saturating_duration_since(now) + Duration::from_millis(1))
                    .unwrap_or(PollTimeout::MAX),
                None => PollTimeout::NONE,
            };
            let mut fds = [PollFd::new(interest.call, PollFlags::POLLIN), PollFd::new(pipe, PollFlags::POLLIN)];
            let fds = match self.pipe {
                PipeState::Closed => &mut fds[..1],
                PipeState::Drained | PipeState::More => &mut fds[..],
            };
            match poll(fds, wait) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let ready = |fd: Option<&PollFd<'_>>| fd.and_then(PollFd::any).unwrap_or(false);
            let (called, output) = (ready(fds.first()), ready(fds.get(1)));
            if called {
                return Ok(Stop::Called);
            }
            let now = Instant::now();
            if interest.until.is_some_and(|until| until <= now) {
                return Ok(Stop::Late);
            }
            if !output {
                if silent.is_some_and(|silent| silent <= now) {
                    return Ok(Stop::Silent);
                }
                continue;
            }
            let pipe_state = self.pump(pipe, journal)?;
            if self.dropped() > 0 && self.dropped_told == 0 {
                self.dropped_told = self.dropped();
                return Ok(Stop::Full);
            }
            if pipe_state == PipeState::Closed {
                return Ok(Stop::Closed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Masker, Opened};
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn comes_back_for_each_reason() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { log_max: 10, journal_head: 9, journal_tail: 9 };
        let Opened::Recording(mut recorder) = Recorder::open(&folder.path().join("2"), Masker::none(), limits).unwrap()
        else {
            panic!("nothing has been recorded yet");
        };
        let (pipe, mut step) = std::io::pipe().unwrap();
        let (call, mut caller) = std::io::pipe().unwrap();
        let nothing = Interest { call: call.as_fd(), silence: None, until: None };
        let silence = Interest { silence: Some(Duration::ZERO), ..nothing };
        let late = Interest { until: Some(Instant::now()), ..nothing };
        let mut said = Vec::new();
        let mut run = |interest: &Interest<'_>| {
            let mut journal = |batch: &JournalBatch<'_>| said.push(format!("{batch:?}"));
            recorder.run(pipe.as_fd(), interest, &mut journal).unwrap()
        };
        assert_eq!(run(&silence), Stop::Silent);
        step.write_all(b"line\n").unwrap();
        assert_eq!(run(&silence), Stop::Silent, "after the line that had come");
        assert_eq!(run(&late), Stop::Late);
        step.write_all(b"more than fits").unwrap();
        assert_eq!(run(&nothing), Stop::Full);
        step.write_all(b"still more").unwrap();
        assert_eq!(run(&silence), Stop::Silent, "full is told once");
        drop(step);
        assert_eq!(run(&nothing), Stop::Closed);
        assert_eq!(run(&late), Stop::Late, "closed is told once");
        caller.write_all(b"!").unwrap();
        assert_eq!(run(&late), Stop::Called);
        assert_eq!(said, ["Lines { first: 1, count: 1, text: \"line\" }"]);
        assert_eq!((recorder.bytes(), recorder.dropped()), (29, 19));
    }
}
