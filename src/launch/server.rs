//! The socket that systemd passes: who may speak, one thread a connection, and leaving when nobody does.

use super::carry::Launcher;
use crate::model::{Place, unit};
use crate::order::{Order, Reply, WireError, receive, send};
use crate::systemd::{ActivationError, Bus, BusError, PassedFds};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{SockFlag, accept4, getsockopt};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How long `ci-launch` stays when nobody is connected, in milliseconds: long enough for the next order of the same
/// hand-over, short enough to be gone when a person looks.
const IDLE_MILLIS: u16 = 1000;

/// Why `ci-launch` cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Not started by its socket.
    #[error("no socket was passed; ci-launch is started by systemd: systemctl start ci-launch.socket")]
    NoSocket,
    /// What was passed is not what should be.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The core's user is not there.
    #[error("there is no user {}; systemd-sysusers makes it", unit::CORE_USER)]
    NoCoreUser,
    /// The kernel's word.
    #[error("socket: {0}")]
    Socket(#[from] nix::Error),
    /// No systemd to talk to.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Takes orders until nobody has been connected for a second.
pub fn serve(place: &Place) -> Result<(), ServeError> {
    let mut passed = PassedFds::take_all()?;
    let socket = passed.take("ci-launch.socket").ok_or(ServeError::NoSocket)?;
    let core = nix::unistd::User::from_name(unit::CORE_USER)?.ok_or(ServeError::NoCoreUser)?.uid;
    let launcher = Arc::new(Launcher::new(place.clone(), Bus::connect(&place.bus)?)?);
    let connected = Arc::new(AtomicUsize::new(0));
    loop {
        let mut waiting = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, PollTimeout::from(IDLE_MILLIS)) {
            Ok(0) if connected.load(Ordering::SeqCst) == 0 => return Ok(()),
            Ok(0) | Err(nix::Error::EINTR) => continue,
            // Who waits at the socket has systemd start another.
            Ok(_) if launcher.is_cut_off() => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let connection = match accept4(socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            // SAFETY: accept4 has just made this descriptor for us and nobody else knows its number.
            Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
            Err(nix::Error::EINTR | nix::Error::ECONNABORTED | nix::Error::EAGAIN) => continue,
            Err(error) => return Err(error.into()),
        };
        let peer = getsockopt(&connection, PeerCredentials)?;
        if peer.uid() != core.as_raw() {
            tracing::warn!("refused uid {}: only {} gives orders", peer.uid(), unit::CORE_USER);
            continue;
        }
        connected.fetch_add(1, Ordering::SeqCst);
        let (launcher, connected) = (Arc::clone(&launcher), Arc::clone(&connected));
        std::thread::spawn(move || {
            if let Err(error) = converse(&launcher, &connection) {
                tracing::warn!("{error}; the connection is closed");
            }
            connected.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn converse(launcher: &Launcher, connection: &OwnedFd) -> Result<(), WireError> {
    loop {
        let reply = match receive::<Order>(connection.as_fd()) {
            Ok((order, descriptors)) => launcher.carry_out(order, descriptors),
            Err(WireError::Closed) => return Ok(()),
            Err(error @ (WireError::Unreadable(_) | WireError::TooLong(_))) => {
                Reply::Refused { message: error.to_string() }
            }
            Err(error @ WireError::Socket(_)) => return Err(error),
        };
        match send(connection.as_fd(), &reply, &[]) {
            Ok(()) if launcher.is_cut_off() => {
                tracing::warn!("the bus is gone; the next ci-launch connects anew");
                std::process::exit(0);
            }
            Ok(()) => {}
            Err(WireError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
