//! A connection to a message bus that has a systemd on it.

use super::signal::{Heard, Listener, Pump, owner_rule, says_systemd_is_back};
use crate::model::place::BusAddress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::message::{Flags, Message};
use zbus::zvariant::{DynamicType, Type};

/// The well-known name of the service manager.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
/// The object path of the manager itself.
pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
/// The interface of the manager itself.
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The interface by which any object shows its properties.
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

const DBUS: &str = "org.freedesktop.DBus";
const DBUS_PATH: &str = "/org/freedesktop/DBus";

/// How long one call may take. systemd answers at once, but for a `daemon-reload`, which took seconds on machines with
/// thousands of units.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long systemd may be away from the bus. A `daemon-reexec` takes a fraction of a second.
const RETURN_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a message bus. Clones share it; it closes with the last of them.
#[derive(Debug, Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) pump: Arc<Mutex<Pump>>,
    /// Match rules that stay as long as the connection.
    kept: Mutex<BTreeSet<String>>,
}

impl Drop for Shared {
    /// The pump's thread holds the connection too, and ends only when it is closed.
    fn drop(&mut self) {
        if let Err(error) = self.connection.clone().close() {
            tracing::debug!(%error, "closing a bus connection that was already broken");
        }
    }
}

/// Why the bus or the systemd on it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection could be made.
    #[error("cannot connect to {bus}: {cause}")]
    Connect {
        /// Which bus, in words.
        bus: String,
        /// What zbus says.
        cause: Box<zbus::Error>,
    },
    /// The connection broke.
    #[error("the connection to the bus is gone: {0}")]
    Gone(String),
    /// systemd is not on the bus: it re-executes itself, and has not come back for ten seconds or may have got the call
    /// before it left; or it is not there at all.
    #[error("{method}: systemd left the bus: {message}")]
    Away {
        /// What was called.
        method: &'static str,
        /// Whether the call had gone out to it.
        got: Got,
        /// What the bus says.
        message: String,
    },
    /// No answer within a minute.
    #[error("{method}: no answer within a minute")]
    Silent {
        /// What was called.
        method: &'static str,
    },
    /// The answer is an error.
    #[error("{method} refused: {message} ({name})")]
    Refused {
        /// What was called.
        method: &'static str,
        /// The D-Bus error name, such as `org.freedesktop.systemd1.NoSuchUnit`.
        name: String,
        /// systemd's message.
        message: String,
    },
    /// What was sent or came back is not what the interface says.
    #[error("{method}: {cause}")]
    Protocol {
        /// What was called or heard.
        method: &'static str,
        /// What zbus says.
        cause: Box<zbus::Error>,
    },
}

/// Whether systemd got a call before it left the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// Certainly not.
    Nothing,
    /// Perhaps, and it may have carried it out.
    Perhaps,
}

/// Whether a call may be made again when it is not known what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing, or nothing more the second time.
    Harmless,
    /// It starts or stops something.
    Counts,
}

impl BusError {
    /// Whether the answer was this D-Bus error.
    pub(super) fn is_refusal(&self, wanted: &str) -> bool {
        matches!(self, BusError::Refused { name, .. } if name == wanted)
    }

    pub(super) fn of(method: &'static str, error: zbus::Error) -> BusError {
        if let zbus::Error::MethodError(name, message, _) = error {
            let message = message.unwrap_or_else(|| name.to_string());
            match means_away(&name) {
                Some(got) => BusError::Away { method, got, message },
                None => BusError::Refused { method, name: name.to_string(), message },
            }
        } else if let zbus::Error::InputOutput(io) = &error {
            if io.kind() == std::io::ErrorKind::TimedOut {
                BusError::Silent { method }
            } else {
                BusError::Gone(io.to_string())
            }
        } else {
            BusError::protocol(method, error)
        }
    }

    pub(super) fn protocol(method: &'static str, cause: impl Into<zbus::Error>) -> BusError {
        BusError::Protocol { method, cause: Box::new(cause.into()) }
    }
}

/// The errors with which a bus answers for a name that nobody owns, or whose owner left before it answered. The bus
/// also tries to activate systemd by name, which fails with one of the `Spawn` errors.
fn means_away(error_name: &str) -> Option<Got> {
    match error_name.strip_prefix("org.freedesktop.DBus.Error.")? {
        "NoReply" | "Disconnected" => Some(Got::Perhaps),
        "NameHasNoOwner" | "ServiceUnknown" => Some(Got::Nothing),
        other if other.starts_with("Spawn.") => Some(Got::Nothing),
        _other => None,
    }
}

impl Bus {
    /// Connects and says hello.
    pub fn connect(address: &BusAddress) -> Result<Bus, BusError> {
        let (bus, builder) = match address {
            BusAddress::System => ("the system bus".to_owned(), Builder::system()),
            BusAddress::Session => ("the session bus".to_owned(), Builder::session()),
            BusAddress::At(address) => (address.clone(), Builder::address(address.as_str())),
        };
        let connection = builder
            .and_then(|builder| builder.method_timeout(CALL_TIMEOUT).build())
            .map_err(|cause| BusError::Connect { bus, cause: Box::new(cause) })?;
        Ok(Bus { shared: Arc::new(Shared { connection, pump: Arc::default(), kept: Mutex::default() }) })
    }

    /// Whether the connection is known to have broken; it does not come back.
    pub fn is_gone(&self) -> bool {
        self.shared.pump.lock().unwrap_or_else(PoisonError::into_inner).has_ended()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Calls a method of systemd's and waits for the answer; while systemd re-executes itself, for its return too.
    pub(super) fn call<B: Serialize + DynamicType>(
        &self,
        path: &str,
        interface: &str,
        method: &'static str,
        body: &B,
        again: Again,
    ) -> Result<Message, BusError> {
        let deadline = Instant::now() + RETURN_TIMEOUT;
        loop {
            let reply = self.shared.connection.call_method(Some(SYSTEMD), path, Some(interface), method, body);
            let error = match reply {
                Ok(reply) => return Ok(reply),
                Err(error) => BusError::of(method, error),
            };
            let may_repeat = match &error {
                BusError::Away { got: Got::Nothing, .. } => true,
                BusError::Away { got: Got::Perhaps, .. } => again == Again::Harmless,
                BusError::Connect { .. }
                | BusError::Gone(_)
                | BusError::Silent { .. }
                | BusError::Refused { .. }
                | BusError::Protocol { .. } => false,
            };
            if !(may_repeat && self.await_systemd(deadline)?) {
                return Err(error);
            }
        }
    }

    /// Waits until systemd is on the bus; false when the deadline has passed before.
    fn await_systemd(&self, deadline: Instant) -> Result<bool, BusError> {
        let listener = Listener::open(self, vec![owner_rule()])?;
        let answer = self.shared.connection.call_method(Some(DBUS), DBUS_PATH, Some(DBUS), "NameHasOwner", &(SYSTEMD,));
        let mut there: bool = body_of(&answer.map_err(|error| BusError::of("NameHasOwner", error))?, "NameHasOwner")?;
        while !there {
            match listener.next(deadline)? {
                Heard::Signal(signal) => there = says_systemd_is_back(&signal)?,
                Heard::Woken => {}
                Heard::TimedOut => return Ok(false),
            }
        }
        Ok(Instant::now() < deadline)
    }

    /// Calls a method of the manager object.
    pub(super) fn call_manager<B: Serialize + DynamicType>(
        &self,
        method: &'static str,
        body: &B,
        again: Again,
    ) -> Result<Message, BusError> {
        self.call(MANAGER_PATH, MANAGER, method, body, again)
    }

    /// Reads one property of one of systemd's objects.
    pub(super) fn property<T>(&self, path: &str, interface: &str, name: &'static str) -> Result<T, BusError>
    where
        T: TryFrom<zbus::zvariant::OwnedValue>,
        T::Error: Into<zbus::Error>,
    {
        let reply = self.call(path, PROPERTIES, "Get", &(interface, name), Again::Harmless)?;
        let value: zbus::zvariant::OwnedValue = body_of(&reply, name)?;
        value.try_into().map_err(|cause: T::Error| BusError::protocol(name, cause))
    }

    /// Has the bus deliver the signals that match `rule`.
    pub(super) fn add_match(&self, rule: &str) -> Result<(), BusError> {
        let called = self.shared.connection.call_method(Some(DBUS), DBUS_PATH, Some(DBUS), "AddMatch", &(rule,));
        called.map(drop).map_err(|error| BusError::of("AddMatch", error))
    }

    /// The same for the connection's life; nothing to do the second time.
    pub(super) fn keep_match(&self, rule: String) -> Result<(), BusError> {
        // Held over the call: whoever comes second may go on only when the bus has the rule.
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains(&rule) {
            self.add_match(&rule)?;
            kept.insert(rule);
        }
        Ok(())
    }

    /// Takes one earlier `add_match` back, without waiting for the answer: nobody depends on it.
    pub(super) fn remove_match(&self, rule: &str) -> Result<(), BusError> {
        let message = Message::method_call(DBUS_PATH, "RemoveMatch")
            .and_then(|builder| builder.destination(DBUS))
            .and_then(|builder| builder.interface(DBUS))
            .and_then(|builder| builder.with_flags(Flags::NoReplyExpected))
            .and_then(|builder| builder.build(&(rule,)));
        let sent = message.and_then(|message| self.shared.connection.send(&message));
        sent.map_err(|error| BusError::of("RemoveMatch", error))
    }
}

/// The typed content of a reply or signal.
pub(super) fn body_of<T>(message: &Message, method: &'static str) -> Result<T, BusError>
where
    T: for<'d> Deserialize<'d> + Type,
{
    message.body().deserialize().map_err(|cause| BusError::protocol(method, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_is_not_there_says_which() {
        let error = Bus::connect(&BusAddress::At("unix:path=/nonexistent/bus".to_owned())).unwrap_err();
        assert!(matches!(error, BusError::Connect { .. }));
        assert!(error.to_string().starts_with("cannot connect to unix:path=/nonexistent/bus: "), "{error}");
    }

    #[test]
    fn what_the_bus_says_while_systemd_re_executes() {
        for (name, away) in [
            ("org.freedesktop.DBus.Error.NoReply", Some(Got::Perhaps)),
            ("org.freedesktop.DBus.Error.NameHasNoOwner", Some(Got::Nothing)),
            ("org.freedesktop.DBus.Error.Spawn.ChildExited", Some(Got::Nothing)),
            ("org.freedesktop.DBus.Error.AccessDenied", None),
            ("org.freedesktop.systemd1.NoSuchUnit", None),
        ] {
            assert_eq!(means_away(name), away, "{name}");
        }
    }
}
