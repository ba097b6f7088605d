//! The core's side: give an order, get the reply, connect again when `ci-launch` has gone.

use super::wire::{WireError, receive, send};
use super::{Order, Reply};
use crate::model::Place;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For how long an order is given again. `ci-launch` leaves when it is idle, and may be killed: its socket starts the
/// next one. An upgrade restarts that socket, and systemd re-executes itself. None of that is a build's fault.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries, so that what is coming back can.
const PAUSE: Duration = Duration::from_millis(100);

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

    /// Gives an order and waits for the reply. When `ci-launch` is away or goes away meanwhile, or could not do it now, the
    /// order is given again for ten seconds: every order can be, and one that had been carried out before is answered
    /// with [`Given::Exists`].
    pub fn give(&mut self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> Result<Given, OrderError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let given = self.exchange(order, descriptors).and_then(understood);
            let Err(error) = &given else { return given };
            if error.breaks_the_connection() {
                self.connection = None;
            }
            if !error.may_pass(order) || Instant::now() + PAUSE > deadline {
                return given;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn understood(reply: Reply) -> Result<Given, OrderError> {
    match reply {
        Reply::Done => Ok(Given::Done),
        Reply::Exists => Ok(Given::Exists),
        Reply::Job { result, message } => Err(OrderError::Job { result, message }),
        Reply::Refused { message } => Err(OrderError::Refused(message)),
        Reply::Failed { message } => Err(OrderError::Failed(message)),
    }
}

impl OrderError {
    fn breaks_the_connection(&self) -> bool {
        match self {
            OrderError::Unreachable { .. } | OrderError::Wire(_) => true,
            OrderError::Refused(_) | OrderError::Failed(_) | OrderError::Job { .. } => false,
        }
    }

    /// Whether another try may come to something else. A service of the project is not restarted again for a reply that
    /// was long in coming.
    fn may_pass(&self, order: &Order) -> bool {
        match self {
            OrderError::Unreachable { error, .. } => matches!(error, Errno::ECONNREFUSED | Errno::ENOENT),
            OrderError::Wire(WireError::Closed) => true,
            OrderError::Failed(_) => !matches!(order, Order::Service { .. }),
            OrderError::Wire(_) | OrderError::Refused(_) | OrderError::Job { .. } => false,
        }
    }
}
