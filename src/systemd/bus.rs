//! A connection to a message bus that has a systemd on it.

use super::signal::Pump;
use crate::model::place::BusAddress;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
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

/// A connection to a message bus. Clones share it; it closes with the last of them.
#[derive(Debug, Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) pump: Arc<Mutex<Pump>>,
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
    /// systemd is not on the bus just now: it re-executes itself, or is not there at all. Whether the call was carried
    /// out before is not known.
    #[error("{method}: systemd left the bus: {message}")]
    Away {
        /// What was called.
        method: &'static str,
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

impl BusError {
    /// Whether systemd may be back in a moment.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, BusError::Away { .. })
    }

    /// Whether the answer was this D-Bus error.
    pub(super) fn is_refusal(&self, wanted: &str) -> bool {
        matches!(self, BusError::Refused { name, .. } if name == wanted)
    }

    pub(super) fn of(method: &'static str, error: zbus::Error) -> BusError {
        if let zbus::Error::MethodError(name, message, _) = error {
            let message = message.unwrap_or_else(|| name.to_string());
            if means_away(&name) {
                BusError::Away { method, message }
            } else {
                BusError::Refused { method, name: name.to_string(), message }
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
fn means_away(error_name: &str) -> bool {
    error_name.strip_prefix("org.freedesktop.DBus.Error.").is_some_and(|short| {
        matches!(short, "NoReply" | "NameHasNoOwner" | "ServiceUnknown" | "Disconnected") || short.starts_with("Spawn.")
    })
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
        Ok(Bus { shared: Arc::new(Shared { connection, pump: Arc::default() }) })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Calls a method of systemd's and waits for the answer.
    pub(super) fn call<B: Serialize + DynamicType>(
        &self,
        path: &str,
        interface: &str,
        method: &'static str,
        body: &B,
    ) -> Result<Message, BusError> {
        let reply = self.shared.connection.call_method(Some(SYSTEMD), path, Some(interface), method, body);
        reply.map_err(|error| BusError::of(method, error))
    }

    /// Calls a method of the manager object.
    pub(super) fn call_manager<B: Serialize + DynamicType>(
        &self,
        method: &'static str,
        body: &B,
    ) -> Result<Message, BusError> {
        self.call(MANAGER_PATH, MANAGER, method, body)
    }

    /// Reads one property of one of systemd's objects.
    pub(super) fn property<T>(&self, path: &str, interface: &str, name: &'static str) -> Result<T, BusError>
    where
        T: TryFrom<zbus::zvariant::OwnedValue>,
        T::Error: Into<zbus::Error>,
    {
        let reply = self.call(path, PROPERTIES, "Get", &(interface, name))?;
        let value: zbus::zvariant::OwnedValue = body_of(&reply, name)?;
        value.try_into().map_err(|cause: T::Error| BusError::protocol(name, cause))
    }

    /// Has the bus deliver the signals that match `rule`.
    pub(super) fn add_match(&self, rule: &str) -> Result<(), BusError> {
        let called = self.shared.connection.call_method(Some(DBUS), DBUS_PATH, Some(DBUS), "AddMatch", &(rule,));
        called.map(drop).map_err(|error| BusError::of("AddMatch", error))
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
            ("org.freedesktop.DBus.Error.NoReply", true),
            ("org.freedesktop.DBus.Error.NameHasNoOwner", true),
            ("org.freedesktop.DBus.Error.Spawn.ChildExited", true),
            ("org.freedesktop.DBus.Error.AccessDenied", false),
            ("org.freedesktop.systemd1.NoSuchUnit", false),
        ] {
            assert_eq!(means_away(name), away, "{name}");
        }
    }
}
