//! What a service tells its manager: sd_notify(3), over the socket in `NOTIFY_SOCKET`.
//!
//! Ours and not a crate's: sd-notify 0.5 has no barrier, without which nobody knows when a descriptor is safe.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The longest name of a stored descriptor, in bytes (sd_notify(3), `FDNAME=`).
const FD_NAME_MAX: usize = 255;

/// A line to the service manager that started this service.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: UnixAddr,
}

/// Why the manager was not told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// `NOTIFY_SOCKET` is neither a path nor an abstract name.
    #[error("NOTIFY_SOCKET={0:?} is not an address of a Unix socket")]
    Address(std::ffi::OsString),
    /// A name that `FDNAME=` does not take.
    #[error("{0:?} cannot name a stored descriptor: at most 255 printable ASCII characters, no colon")]
    Name(String),
    /// The message did not go out.
    #[error("cannot notify the service manager: {0}")]
    Send(#[from] io::Error),
    /// The manager has not worked through what it was told.
    #[error("the service manager has not read its notifications within {} ms", .0.as_millis())]
    Barrier(Duration),
}

impl From<Errno> for NotifyError {
    fn from(errno: Errno) -> NotifyError {
        NotifyError::Send(errno.into())
    }
}

impl Notifier {
    /// From `NOTIFY_SOCKET`; `None` when no manager asked to be told.
    pub fn from_env() -> Result<Option<Notifier>, NotifyError> {
        std::env::var_os("NOTIFY_SOCKET").map(|address| Notifier::to(&address)).transpose()
    }

    fn to(address: &OsStr) -> Result<Notifier, NotifyError> {
        let manager = match address.as_bytes() {
            [b'/', ..] => UnixAddr::new(address.as_bytes()),
            [b'@', name @ ..] => UnixAddr::new_abstract(name),
            _ => return Err(NotifyError::Address(address.to_owned())),
        };
        Ok(Notifier { socket: UnixDatagram::unbound()?, manager: manager? })
    }

    /// The service is up (`Type=notify`).
    pub fn ready(&self) -> Result<(), NotifyError> {
        self.send("READY=1", None)
    }

    /// The service is going down.
    pub fn stopping(&self) -> Result<(), NotifyError> {
        self.send("STOPPING=1", None)
    }

    /// One line for `systemctl status`; what follows a line break is left out.
    pub fn status(&self, text: &str) -> Result<(), NotifyError> {
        let line = text.lines().next().unwrap_or_default();
        self.send(&format!("STATUS={line}"), None)
    }

    /// The present start, stop or run may take this much longer from now on.
    pub fn extend_timeout(&self, by: Duration) -> Result<(), NotifyError> {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()), None)
    }

    /// Has the manager keep a descriptor, which the next instance of this service gets back under `name`, and waits until
    /// it has it. The unit needs `FileDescriptorStoreMax=`; without it the descriptor is dropped and nobody is told.
    ///
    /// It stays when its other end is closed: a pipe whose writer has gone may still be full.
    pub fn store(&self, name: &str, fd: BorrowedFd<'_>, timeout: Duration) -> Result<(), NotifyError> {
        check_name(name)?;
        self.send(&format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}"), Some(fd))?;
        self.barrier(timeout)
    }

    /// Has the manager close what it keeps under `name`.
    pub fn forget(&self, name: &str) -> Result<(), NotifyError> {
        check_name(name)?;
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None)
    }

    /// Waits until the manager has worked through everything it was told before.
    pub fn barrier(&self, timeout: Duration) -> Result<(), NotifyError> {
        let (ours, theirs) = io::pipe()?;
        // The manager closes its copy when it gets to this message; the protocol wants nothing else in it.
        self.send("BARRIER=1", Some(theirs.as_fd()))?;
        drop(theirs);
        let limit = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut hung_up = [PollFd::new(ours.as_fd(), PollFlags::empty())];
        loop {
            match poll(&mut hung_up, limit) {
                Ok(0) => return Err(NotifyError::Barrier(timeout)),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn send(&self, message: &str, fd: Option<BorrowedFd<'_>>) -> Result<(), NotifyError> {
        let raw = fd.map(|fd| [fd.as_raw_fd()]);
        let rights = raw.as_ref().map(|fds| [ControlMessage::ScmRights(fds)]);
        let control: &[ControlMessage<'_>] = rights.as_ref().map_or(&[], |rights| rights);
        let text = [IoSlice::new(message.as_bytes())];
        sendmsg(self.socket.as_raw_fd(), &text, control, MsgFlags::MSG_NOSIGNAL, Some(&self.manager))?;
        Ok(())
    }
}

/// The rule of `fdname_is_valid` in systemd: a bad name would be replaced by `stored` in silence.
fn check_name(name: &str) -> Result<(), NotifyError> {
    let valid = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b':';
    if name.len() <= FD_NAME_MAX && name.bytes().all(valid) { Ok(()) } else { Err(NotifyError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use std::io::{IoSliceMut, Read};
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    use std::thread;

    /// One message as a manager takes it: its text, and the descriptors that came with it.
    fn receive(manager: &UnixDatagram) -> (String, Vec<OwnedFd>) {
        let mut bytes = [0; 4096];
        let mut space = nix::cmsg_space!([i32; 4]);
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let message =
            recvmsg::<()>(manager.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).unwrap();
        let mut fds = Vec::new();
        for control in message.cmsgs().unwrap() {
            let ControlMessageOwned::ScmRights(raw) = control else { panic!("{control:?}") };
            // SAFETY: the kernel has just made these for us, and nothing else knows them.
            fds.extend(raw.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
        let length = message.bytes;
        (String::from_utf8(bytes[..length].to_vec()).unwrap(), fds)
    }

    #[test]
    fn messages_are_those_of_the_protocol() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.ready().unwrap();
        notifier.stopping().unwrap();
        notifier.status("step 2 of 3\nREADY=1").unwrap();
        notifier.extend_timeout(Duration::from_millis(1500)).unwrap();
        notifier.forget("step-2").unwrap();
        for text in [
            "READY=1",
            "STOPPING=1",
            "STATUS=step 2 of 3",
            "EXTEND_TIMEOUT_USEC=1500000",
            "FDSTOREREMOVE=1\nFDNAME=step-2",
        ] {
            assert_eq!(receive(&manager).0, text);
        }
    }

    #[test]
    fn a_stored_descriptor_is_with_the_manager_when_store_returns() {
        let name = format!("unitci-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}"))).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let managing = thread::spawn(move || {
            let (text, stored) = receive(&manager);
            let (barrier, ends) = receive(&manager);
            drop(ends);
            (text, stored, barrier)
        });
        notifier.store("step-2", writer.as_fd(), Duration::from_secs(10)).unwrap();
        drop(writer);
        let (text, stored, barrier) = managing.join().unwrap();
        assert_eq!((text.as_str(), barrier.as_str()), ("FDSTORE=1\nFDPOLL=0\nFDNAME=step-2", "BARRIER=1"));
        // The manager's copy is the same pipe: nothing ends before it is closed.
        nix::unistd::write(&stored[0], b"kept").unwrap();
        drop(stored);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "kept");
    }

    #[test]
    fn a_manager_that_does_not_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        assert!(matches!(notifier.barrier(Duration::from_millis(1)), Err(NotifyError::Barrier(_))));
    }

    #[test]
    fn bad_addresses_and_names_are_refused() {
        for address in ["", "run/systemd/notify", "vsock:2:1"] {
            assert!(matches!(Notifier::to(OsStr::new(address)), Err(NotifyError::Address(_))), "{address}");
        }
        for name in ["a:b", "a\nb", "é", &"a".repeat(256)] {
            assert!(matches!(check_name(name), Err(NotifyError::Name(_))), "{name}");
        }
        check_name(&"a".repeat(255)).unwrap();
    }
}
