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
