//! Attending to a unit whose output is a pipe of ours: output in, until the unit is over or something else is to be
//! done. Used for steps and for the commands of a deploy.

use crate::model::place::BusAddress;
use crate::output::{Interest, JournalBatch, Recorder, Stop};
use crate::systemd::{Bus, BusError, Seen, UnitState, Waker, Watch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one wait on the bus lasts before it is begun again.
const ROUND: Duration = Duration::from_secs(3600);
/// How often it is looked how much a unit has written, where that is limited.
const LOOK: Duration = Duration::from_secs(2);
/// How often a bus that has gone is looked for again, a second apart: dbus.service is being restarted.
const BUS_TRIES: u32 = 60;
/// How long to wait for room on a full disk before it is tried again.
const NO_ROOM: Duration = Duration::from_secs(1);

/// Rings when something besides output wants attention: SIGTERM, or a unit that is over.
#[derive(Debug, Clone)]
pub struct Bell {
    ring: Arc<EventFd>,
    terminated: Arc<AtomicBool>,
}

impl Bell {
    /// Takes SIGTERM over from the kernel's default. Call it before any thread is started: they inherit the mask.
    pub fn install() -> nix::Result<Bell> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        let ring = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let bell = Bell { ring, terminated: Arc::new(AtomicBool::new(false)) };
        let heard = bell.clone();
        std::thread::spawn(move || {
            while signals.wait().is_ok() {
                heard.terminated.store(true, Ordering::SeqCst);
                heard.ring();
            }
        });
        Ok(bell)
    }

    /// One of its own for whoever is no part of what SIGTERM is for; see [`Bell::dismiss`].
    pub fn apart() -> nix::Result<Bell> {
        let ring = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        Ok(Bell { ring, terminated: Arc::new(AtomicBool::new(false)) })
    }

    /// Rings as if SIGTERM had come: who attends by this bell leaves off.
    pub fn dismiss(&self) {
        self.terminated.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Whether SIGTERM has come since it was last answered.
    pub fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    /// SIGTERM has been answered: what follows is done although it came.
    pub fn answered(&self) {
        self.terminated.store(false, Ordering::SeqCst);
    }

    /// Rings.
    pub fn ring(&self) {
        // Only a counter that is full can fail, and then it rings already.
        if let Err(error) = self.ring.write(1) {
            tracing::trace!("the bell rings already: {error}");
        }
    }

    /// Waits until it rings, and quiets it.
    pub fn wait(&self) -> std::io::Result<()> {
        let mut ringing = [PollFd::new(self.fd(), PollFlags::POLLIN)];
        match poll(&mut ringing, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.quiet();
        Ok(())
    }

    /// Waits until it rings, and quiets it; no longer than until then.
    pub fn wait_until(&self, until: Instant) -> std::io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        // A millisecond more, because poll counts in whole ones.
        let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut ringing = [PollFd::new(self.fd(), PollFlags::POLLIN)];
        match poll(&mut ringing, left) {
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => self.quiet(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Ends its ringing; look at what it rang for after this, not before.
    pub fn quiet(&self) {
        if let Err(error) = self.ring.read() {
            tracing::trace!("the bell did not ring: {error}");
        }
    }

    /// Readable while it rings.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// What attending came to.
#[derive(Debug)]
pub enum Attended {
    /// The unit's main process is gone.
    Over(Box<UnitState>),
    /// Nobody knows any more: the bus is gone and does not come back.
    Lost(BusError),
    /// Nothing printed for too long.
    Silent,
    /// Too late.
    Late,
    /// More printed than may be.
    Full,
    /// More written to disks than may be.
    Wrote,
    /// SIGTERM came.
    Terminated,
}

/// What limits the unit, besides what systemd enforces.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long it may print nothing.
    pub silence: Option<Duration>,
    /// Until when it may run.
    pub until: Option<Instant>,
}

/// Why the bus is watched no more.
enum Unwatched {
    /// The unit's main process is gone.
    Over(Box<UnitState>),
    /// It has written more than it may.
    Wrote,
}

/// Whether a unit, as it is now, has written more than it may.
pub type WroteTooMuch<'a> = dyn Fn(&UnitState) -> bool + Sync + 'a;

/// What attending needs, whatever the unit.
#[derive(Clone, Copy)]
pub struct Attendant<'a> {
    /// The bus to watch on.
    pub bus: &'a Bus,
    /// Where it is found again when it has gone.
    pub address: &'a BusAddress,
    /// What rings.
    pub bell: &'a Bell,
    /// Asked now and then, where that is limited.
    pub written: Option<&'a WroteTooMuch<'a>>,
}

impl Attendant<'_> {
    /// Takes output in until there is something else to do. `begun` is a watch on the unit from before its start, if there
    /// is one.
    pub fn attend(
        &self,
        unit: &str,
        begun: Option<Watch>,
        recorder: &mut Recorder,
        pipe: BorrowedFd<'_>,
        patience: Patience,
        journal: &mut dyn FnMut(&JournalBatch<'_>),
    ) -> std::io::Result<Attended> {
        let bell = self.bell;
        let over: Mutex<Option<Result<Unwatched, BusError>>> = Mutex::new(None);
        let waker: Mutex<Option<Waker>> = Mutex::new(None);
        let leaving = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                if let Some(end) = self.watch(unit, begun, &waker, &leaving) {
                    *over.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
                    bell.ring();
                }
            });
            let interest = Interest { call: bell.fd(), silence: patience.silence, until: patience.until };
            let attended = loop {
                match recorder.run(pipe, &interest, journal) {
                    Ok(Stop::Called) => {
                        bell.quiet();
                        if bell.is_terminated() {
                            break Ok(Attended::Terminated);
                        }
                        match over.lock().unwrap_or_else(PoisonError::into_inner).take() {
                            Some(Ok(Unwatched::Over(state))) => break Ok(Attended::Over(state)),
                            Some(Ok(Unwatched::Wrote)) => break Ok(Attended::Wrote),
                            Some(Err(error)) => break Ok(Attended::Lost(error)),
                            None => {}
                        }
                    }
                    Ok(Stop::Silent) => break Ok(Attended::Silent),
                    Ok(Stop::Late) => break Ok(Attended::Late),
                    Ok(Stop::Full) => break Ok(Attended::Full),
                    // It may have closed its output and go on.
                    Ok(Stop::Closed) => {}
                    Err(error) => break Err(error),
                }
            };
            leaving.store(true, Ordering::SeqCst);
            if let Some(waker) = waker.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                waker.wake();
            }
            attended
        })
    }

    /// The same, and on a full disk waits for room: what the unit says meanwhile stays in its pipe, and then it waits
    /// as well.
    pub fn attend_patiently(
        &self,
        unit: &str,
        mut begun: Option<Watch>,
        recorder: &mut Recorder,
        pipe: BorrowedFd<'_>,
        patience: Patience,
        journal: &mut dyn FnMut(&JournalBatch<'_>),
    ) -> std::io::Result<Attended> {
        let mut told = false;
        loop {
            match self.attend(unit, begun.take(), recorder, pipe, patience, journal) {
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    if patience.until.is_some_and(|until| until <= Instant::now()) {
                        return Ok(Attended::Late);
                    }
                    if self.bell.is_terminated() {
                        return Ok(Attended::Terminated);
                    }
                    if !told {
                        tracing::warn!("no room for the output of {unit} ({error}); it waits until there is some");
                        told = true;
                    }
                    std::thread::sleep(NO_ROOM);
                }
                other => return other,
            }
        }
    }

    /// Waits on the bus until the unit is over or has written too much; nothing when it is woken to leave.
    fn watch(
        &self,
        unit: &str,
        mut begun: Option<Watch>,
        waker: &Mutex<Option<Waker>>,
        leaving: &AtomicBool,
    ) -> Option<Result<Unwatched, BusError>> {
        let mut tries = 0;
        let round = if self.written.is_some() { LOOK } else { ROUND };
        let too_much = |state: &UnitState| self.written.is_some_and(|wrote_too_much| wrote_too_much(state));
        let mut bus = self.bus.clone();
        loop {
            let watched = begun.take().map_or_else(|| bus.watch(unit), Ok).and_then(|mut watch| {
                *waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch.waker());
                tries = 0;
                loop {
                    if leaving.load(Ordering::SeqCst) {
                        return Ok(None);
                    }
                    match watch.next(round)? {
                        Seen::State(state) if state.is_over() => return Ok(Some(Unwatched::Over(state))),
                        Seen::TimedOut if self.written.is_some() && too_much(&bus.state(unit)?) => {
                            return Ok(Some(Unwatched::Wrote));
                        }
                        Seen::State(_) | Seen::TimedOut => {}
                        Seen::Woken => return Ok(None),
                    }
                }
            });
            match watched {
                Ok(state) => return state.map(Ok),
                Err(_) if leaving.load(Ordering::SeqCst) => return None,
                Err(error) if tries == BUS_TRIES => return Some(Err(error)),
                Err(error) => {
                    tracing::debug!("{error}; looking for the bus again");
                    tries += 1;
                    std::thread::sleep(Duration::from_secs(1));
                    match Bus::connect(self.address) {
                        Ok(fresh) => bus = fresh,
                        Err(error) => tracing::debug!("{error}"),
                    }
                }
            }
        }
    }
}
