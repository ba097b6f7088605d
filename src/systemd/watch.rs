//! Waiting for a unit to change, without polling.

use super::bus::{Again, Bus, BusError, PROPERTIES, SYSTEMD, body_of};
use super::signal::{Event, Heard, Listener, Rule, is, manager_rule, owner_rule, says_systemd_is_back, standing_rule};
use super::unit::{ActiveState, UnitState, path_of};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use zbus::message::Message;

/// A watch on one unit. What changes from its making on is not missed, over `daemon-reload` and `daemon-reexec` too.
///
/// It is for units that have been started: a unit that is not loaded is seen as such, but not when it comes to be.
#[derive(Debug)]
pub struct Watch {
    bus: Bus,
    unit: String,
    path: String,
    listener: Listener,
    /// Whether something may have changed since the last reading.
    stale: bool,
    /// Whether it was inactive when last read. Reading such a unit loads it for a moment, which systemd tells as
    /// `UnitNew`: to follow that would be to read for ever.
    down: bool,
}

/// What a watch's wait ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The unit as it is now. Changes that follow each other closely are seen as one, and a state may come twice.
    State(Box<UnitState>),
    /// [`Waker::wake`] was called, once for each call.
    Woken,
    /// Nothing happened.
    TimedOut,
}

/// Ends a watch's wait from another thread: that is how whoever also waits for a pipe or a signal waits for both.
#[derive(Debug, Clone)]
pub struct Waker(Sender<Event>);

impl Waker {
    /// Has the watch return [`Seen::Woken`], now or at its next wait.
    pub fn wake(&self) {
        if self.0.send(Event::Woken).is_err() {
            tracing::trace!("the watch to wake is gone");
        }
    }
}

impl Bus {
    /// Begins to watch a unit. The first [`Watch::next`] returns its present state at once.
    pub fn watch(&self, unit: &str) -> Result<Watch, BusError> {
        let path = path_of(unit);
        let changed = format!(
            "type='signal',sender='{SYSTEMD}',path='{path}',interface='{PROPERTIES}',member='PropertiesChanged'"
        );
        // A change that systemd had not told yet when it began to reload is told by no PropertiesChanged after it; and
        // the first change after a unit was loaded may be told as UnitNew.
        let appeared = format!("{},arg0='{unit}'", manager_rule("UnitNew"));
        let rules = vec![Rule::Own(changed), Rule::Own(appeared), standing_rule("Reloading"), owner_rule()];
        let listener = Listener::open(self, rules)?;
        self.subscribe()?;
        Ok(Watch { bus: self.clone(), unit: unit.to_owned(), path, listener, stale: true, down: false })
    }

    /// Waits until a unit's main process is gone (see [`UnitState::is_over`]); `None` when `timeout` has passed before.
    pub fn wait_until_over(&self, unit: &str, timeout: Duration) -> Result<Option<UnitState>, BusError> {
        let deadline = Instant::now() + timeout;
        let mut watch = self.watch(unit)?;
        loop {
            match watch.next(deadline.saturating_duration_since(Instant::now()))? {
                Seen::State(state) if state.is_over() => return Ok(Some(*state)),
                Seen::State(_) | Seen::Woken => {}
                Seen::TimedOut => return Ok(None),
            }
        }
    }

    /// Has systemd send signals at all: it does so only while somebody has asked. It ends with the connection.
    fn subscribe(&self) -> Result<(), BusError> {
        match self.call_manager("Subscribe", &(), Again::Harmless) {
            Err(error) if error.is_refusal("org.freedesktop.systemd1.AlreadySubscribed") => Ok(()),
            other => other.map(drop),
        }
    }
}

impl Watch {
    /// A handle that ends a wait from another thread.
    pub fn waker(&self) -> Waker {
        Waker(self.listener.sender())
    }

    /// Waits until the unit may have changed and reads it; the first time without waiting.
    ///
    /// While systemd re-executes itself there is nothing to see, and the wait goes on until it is back. An error means
    /// that this watch sees nothing any more: make another with a new connection.
    pub fn next(&mut self, timeout: Duration) -> Result<Seen, BusError> {
        let deadline = Instant::now() + timeout;
        loop {
            // systemd tells one change in several signals: all that have come are taken before the unit is read.
            match self.listener.next(if self.stale { Instant::now() } else { deadline })? {
                Heard::Signal(signal) => self.consider(&signal)?,
                Heard::Woken => return Ok(Seen::Woken),
                Heard::TimedOut if self.stale => {
                    self.stale = false;
                    let state = self.bus.state(&self.unit)?;
                    self.down = state.active == ActiveState::Inactive;
                    return Ok(Seen::State(Box::new(state)));
                }
                Heard::TimedOut => return Ok(Seen::TimedOut),
            }
        }
    }

    fn consider(&mut self, signal: &Message) -> Result<(), BusError> {
        let of_the_unit = signal.header().path().is_some_and(|path| path.as_str() == self.path);
        if of_the_unit && is(signal, "PropertiesChanged") {
            self.stale = true;
        } else if is(signal, "Reloading") {
            let begins: bool = body_of(signal, "Reloading")?;
            self.stale |= !begins;
        } else if is(signal, "UnitNew") {
            let (unit, _path): (String, zbus::zvariant::OwnedObjectPath) = body_of(signal, "UnitNew")?;
            self.stale |= unit == self.unit && !self.down;
        } else if says_systemd_is_back(signal)? {
            self.bus.subscribe()?;
            self.stale = true;
        }
        Ok(())
    }
}
