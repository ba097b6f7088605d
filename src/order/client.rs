//! The core's side: give an order, get the reply, connect again when `ci-launch` has gone.

use super::wire::{WireError, receive, send};
use super::{Order, Reply};
use crate::model::Place;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// How often an order is given before `ci-launch` counts as unreachable. It leaves when it is idle, and may be killed;
/// each time its socket starts the next one.
const TRIES: u32 = 5;

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// `ci-launch` cannot be reached.
    #[error("{path}: {error}; is ci-launch.socket active?")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: nix::Error,
    },
    /// The wire broke, and again at every new try.
    #[error("ci-launch: {0}")]
    Wire(#[from] WireError),
    /// It will not be done.
    #[error("{0}")]
    Refused(String),
    /// It could not be done now.
    #[error("{0}")]
    Failed(String),
    /// The job ended otherwise than well.
    #[error("{message}")]
    Job {
        /// systemd's word: `failed`, `timeout`, `dependency` …
        result: String,
        /// What is to be said of it.
        message: String,
    },
}

/// What an order came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// It was carried out now.
    Done,
    /// The unit was there already.
    Exists,
}

/// A connection to `ci-launch`, made when first needed.
#[derive(Debug)]
pub struct Orders {
    path: PathBuf,
    connection: Option<OwnedFd>,
}

impl Orders {
    /// Nothing is connected yet.
    pub fn to(place: &Place) -> Orders {
        Orders { path: place.launch_socket(), connection: None }
    }

    fn connection(&mut self) -> Result<BorrowedFd<'_>, OrderError> {
        if self.connection.is_none() {
            let made = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
                .and_then(|fd| UnixAddr::new(&self.path).and_then(|to| connect(fd.as_raw_fd(), &to)).map(|()| fd));
            let fd = made.map_err(|error| OrderError::Unreachable { path: self.path.clone(), error })?;
            self.connection = Some(fd);
        }
        // The branch above has just filled it.
        self.connection.as_ref().map(AsFd::as_fd).ok_or(OrderError::Wire(WireError::Closed))
    }

    fn exchange(&mut self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> Result<Reply, OrderError> {
        let connection = self.connection()?;
        send(connection, order, descriptors)?;
        Ok(receive::<Reply>(connection)?.0)
    }

    /// Gives an order and waits for the reply. When `ci-launch` goes away meanwhile the order is given again: every
    /// order can be, and one that had been carried out before is answered with [`Given::Exists`].
    pub fn give(&mut self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> Result<Given, OrderError> {
        let mut tries = 1;
        let reply = loop {
            match self.exchange(order, descriptors) {
                Ok(reply) => break reply,
                Err(OrderError::Wire(WireError::Closed)) if tries < TRIES => {
                    self.connection = None;
                    tries += 1;
                }
                Err(error) => {
                    self.connection = None;
                    return Err(error);
                }
            }
        };
        match reply {
            Reply::Done => Ok(Given::Done),
            Reply::Exists => Ok(Given::Exists),
            Reply::Job { result, message } => Err(OrderError::Job { result, message }),
            Reply::Refused { message } => Err(OrderError::Refused(message)),
            Reply::Failed { message } => Err(OrderError::Failed(message)),
        }
    }
}
