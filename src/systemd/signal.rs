//! Hearing signals: one thread per bus takes them off the connection, so that whoever waits can do so with a deadline.

use super::bus::{Bus, BusError, SYSTEMD, body_of};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;
use zbus::blocking::MessageIterator;
use zbus::message::{Message, Type};

/// The thread that reads signals. zbus stops reading a connection while a queue of it is full, so this thread does
/// nothing but hand on.
#[derive(Debug, Default)]
pub(super) enum Pump {
    /// Nobody has listened yet: programs that only call methods do without the thread.
    #[default]
    Idle,
    /// Running, for these listeners.
    Running(Vec<Sender<Event>>),
    /// The connection broke, and this is why.
    Ended(String),
}

impl Pump {
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Pump::Idle | Pump::Running(_) => false,
            Pump::Ended(_) => true,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Signal(Message),
    Woken,
    Gone(String),
}

/// What a listener's wait ended with.
#[derive(Debug)]
pub(super) enum Heard {
    Signal(Message),
    Woken,
    TimedOut,
}

/// A match rule, and how long the bus is to keep it.
#[derive(Debug)]
pub(super) enum Rule {
    /// As long as the listener is there.
    Own(String),
    /// As long as the connection: many listeners have the same, one after the other, and each adding costs as much as
    /// any call.
    Standing(String),
}

/// An ear for some match rules. It hears what other listeners of the same bus asked for too.
#[derive(Debug)]
pub(super) struct Listener {
    bus: Bus,
    rules: Vec<String>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

/// The rule for systemd arriving on the bus or leaving it.
pub(super) fn owner_rule() -> Rule {
    Rule::Standing(format!(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SYSTEMD}'"
    ))
}

/// The rule for one signal of the manager object, whatever it is about.
pub(super) fn standing_rule(member: &str) -> Rule {
    Rule::Standing(manager_rule(member))
}

/// The text of a rule for one signal of the manager object.
pub(super) fn manager_rule(member: &str) -> String {
    use super::bus::{MANAGER, MANAGER_PATH};
    format!("type='signal',sender='{SYSTEMD}',path='{MANAGER_PATH}',interface='{MANAGER}',member='{member}'")
}

/// Whether this is the signal `member`.
pub(super) fn is(signal: &Message, member: &str) -> bool {
    signal.header().member().is_some_and(|name| name.as_str() == member)
}

/// Whether this signal says that systemd is back on the bus, after a `daemon-reexec`.
pub(super) fn says_systemd_is_back(signal: &Message) -> Result<bool, BusError> {
    if !is(signal, "NameOwnerChanged") {
        return Ok(false);
    }
    let (name, _old, new): (String, String, String) = body_of(signal, "NameOwnerChanged")?;
    Ok(name == SYSTEMD && !new.is_empty())
}

impl Listener {
    /// Begins to listen. When this returns, the bus has the rules: what happens from now on is heard.
    pub(super) fn open(bus: &Bus, rules: Vec<Rule>) -> Result<Listener, BusError> {
        let (sender, events) = mpsc::channel();
        enlist(bus, sender.clone())?;
        let mut listener = Listener { bus: bus.clone(), rules: Vec::with_capacity(rules.len()), sender, events };
        for rule in rules {
            match rule {
                Rule::Own(rule) => {
                    bus.add_match(&rule)?;
                    listener.rules.push(rule);
                }
                Rule::Standing(rule) => bus.keep_match(rule)?,
            }
        }
        Ok(listener)
    }

    pub(super) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Waits for the next signal, for being woken, or until the deadline.
    pub(super) fn next(&self, deadline: Instant) -> Result<Heard, BusError> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.events.recv_timeout(left) {
            Ok(Event::Signal(signal)) => Ok(Heard::Signal(signal)),
            Ok(Event::Woken) => Ok(Heard::Woken),
            Ok(Event::Gone(why)) => Err(BusError::Gone(why)),
            // The listener holds a sender itself, so the channel cannot be disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(Heard::TimedOut),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for rule in &self.rules {
            if let Err(error) = self.bus.remove_match(rule) {
                tracing::debug!(%error, "a match rule stays until the connection closes");
            }
        }
    }
}

/// Adds a listener to the pump and starts its thread for the first one.
fn enlist(bus: &Bus, listener: Sender<Event>) -> Result<(), BusError> {
    let shared = bus.shared();
    let mut pump = lock(&shared.pump);
    match &mut *pump {
        Pump::Running(listeners) => listeners.push(listener),
        Pump::Ended(why) => return Err(BusError::Gone(why.clone())),
        Pump::Idle => {
            // The queue begins here, before any rule is added, so the thread may start when it likes.
            let messages = MessageIterator::from(&shared.connection);
            let handle = Arc::clone(&shared.pump);
            let started = thread::Builder::new().name("bus".to_owned()).spawn(move || run(messages, &handle));
            started.map_err(|error| BusError::Gone(error.to_string()))?;
            *pump = Pump::Running(vec![listener]);
        }
    }
    Ok(())
}

fn run(messages: MessageIterator, pump: &Mutex<Pump>) {
    let mut why = "closed".to_owned();
    for message in messages {
        match message {
            Ok(message) if message.message_type() == Type::Signal => tell(&mut lock(pump), &Event::Signal(message)),
            Ok(_answer) => {}
            Err(error) => why = error.to_string(),
        }
    }
    let mut pump = lock(pump);
    tell(&mut pump, &Event::Gone(why.clone()));
    *pump = Pump::Ended(why);
}

/// Hands an event to all listeners, and forgets those that have gone.
fn tell(pump: &mut Pump, event: &Event) {
    match pump {
        Pump::Running(listeners) => listeners.retain(|listener| listener.send(event.clone()).is_ok()),
        Pump::Idle | Pump::Ended(_) => {}
    }
}

/// A panic elsewhere leaves the list of listeners whole, so a poisoned lock is taken all the same.
fn lock(pump: &Mutex<Pump>) -> MutexGuard<'_, Pump> {
    pump.lock().unwrap_or_else(PoisonError::into_inner)
}
