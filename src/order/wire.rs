//! Packets with descriptors.

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Longest packet in bytes: what the kernel's default socket buffer (`net.core.wmem_default`, 212,992) holds of one.
pub const ORDER_MAX: usize = 160 * 1024;
/// Most descriptors in a packet: task, answer, messages.
const DESCRIPTORS: usize = 3;

/// Why a packet could not be sent, received or read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side has closed.
    #[error("the connection is closed")]
    Closed,
    /// Longer than [`ORDER_MAX`].
    #[error("an order of {0} bytes is too long; at most {ORDER_MAX} fit")]
    TooLong(usize),
    /// Not what is spoken here.
    #[error("not understood: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The socket's own trouble.
    #[error("socket: {0}")]
    Socket(#[from] nix::Error),
}

/// Sends one packet.
pub fn send<T: Serialize>(socket: BorrowedFd<'_>, what: &T, descriptors: &[BorrowedFd<'_>]) -> Result<(), WireError> {
    let text = serde_json::to_vec(what)?;
    if text.len() > ORDER_MAX {
        return Err(WireError::TooLong(text.len()));
    }
    let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&text)], control, MsgFlags::MSG_NOSIGNAL, None) {
        Ok(_) => Ok(()),
        Err(nix::Error::EPIPE | nix::Error::ECONNRESET) => Err(WireError::Closed),
        Err(error) => Err(error.into()),
    }
}

/// Receives one packet and the descriptors that came with it.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> Result<(T, Vec<OwnedFd>), WireError> {
    let mut buffer = vec![0; ORDER_MAX + 1];
    let mut control = cmsg_space!([std::os::fd::RawFd; DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Ok(message) => break message,
            Err(nix::Error::EINTR) => {}
            Err(nix::Error::ECONNRESET) => return Err(WireError::Closed),
            Err(error) => return Err(error.into()),
        }
    };
    let mut descriptors = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = part {
            for fd in raw {
                // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    let length = message.bytes;
    match length {
        0 => Err(WireError::Closed),
        length if length > ORDER_MAX => Err(WireError::TooLong(length)),
        length => Ok((serde_json::from_slice(&buffer[..length])?, descriptors)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Order, Reply};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn an_order_arrives_with_its_descriptors() {
        let (here, there) = pair();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let order = Order::Prepare { project: "gkp".parse().unwrap() };
        send(here.as_fd(), &order, &[writer.as_fd()]).unwrap();
        drop(writer);
        let (received, mut descriptors): (Order, _) = receive(there.as_fd()).unwrap();
        assert_eq!(received, order);
        std::fs::File::from(descriptors.pop().unwrap()).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), descriptors.len()), ("through", 0));
    }

    #[test]
    fn what_is_no_order_is_an_error_and_the_connection_lives() {
        let (here, there) = pair();
        let long = "x".repeat(ORDER_MAX);
        assert!(matches!(send(here.as_fd(), &long, &[]), Err(WireError::TooLong(_))));
        nix::unistd::write(&here, b"{\"order\":\"format-disk\"}").unwrap();
        assert!(matches!(receive::<Order>(there.as_fd()), Err(WireError::Unreadable(_))));
        send(here.as_fd(), &Reply::Done, &[]).unwrap();
        assert_eq!(receive::<Reply>(there.as_fd()).unwrap().0, Reply::Done);
        drop(here);
        assert!(matches!(receive::<Reply>(there.as_fd()), Err(WireError::Closed)));
    }
}
