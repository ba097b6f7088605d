//! The core's side: who may ask, how much and how long, and leaving when nobody does.

use super::{Answer, Ask, LINE_MAX, Refusal};
use crate::model::unit::PEOPLE_GROUP;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long the service stays when nobody is connected, in milliseconds.
const IDLE_MILLIS: u16 = 1000;
/// How long a client may take for its question and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most clients that are listened to at once; others wait in the socket's backlog.
const AT_ONCE: usize = 64;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user's name.
    pub name: String,
}

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The kernel's word on the listening socket.
    #[error("request socket: {0}")]
    Socket(#[from] std::io::Error),
}

/// Who may ask: root and the members of `ci-users`, as the user database says now.
fn admit(uid: Uid) -> Result<Peer, String> {
    let user = User::from_uid(uid).map_err(|e| e.to_string())?.ok_or_else(|| format!("uid {uid} has no name"))?;
    if uid.is_root() {
        return Ok(Peer { name: user.name });
    }
    let name = CString::new(user.name.as_str()).map_err(|e| e.to_string())?;
    let groups: Vec<Gid> = getgrouplist(&name, user.gid).map_err(|e| e.to_string())?;
    let people = Group::from_name(PEOPLE_GROUP).map_err(|e| e.to_string())?;
    match people {
        Some(people) if groups.contains(&people.gid) => Ok(Peer { name: user.name }),
        _ => Err(format!(
            "{0} is not in the group {PEOPLE_GROUP}; an administrator adds you: adduser {0} {PEOPLE_GROUP}",
            user.name
        )),
    }
}

/// Takes questions until nobody has been connected for a second. `decide` answers one; it is called from many threads.
pub fn serve(listener: &UnixListener, decide: &(dyn Fn(Ask, &Peer) -> Answer + Sync)) -> Result<(), ServeError> {
    let connected = Arc::new(AtomicUsize::new(0));
    listener.set_nonblocking(true)?;
    std::thread::scope(|threads| {
        loop {
            let busy = connected.load(Ordering::SeqCst);
            let wait = if busy >= AT_ONCE { 10 } else { IDLE_MILLIS };
            let interest = if busy >= AT_ONCE { PollFlags::empty() } else { PollFlags::POLLIN };
            let mut waiting = [PollFd::new(listener.as_fd(), interest)];
            match poll(&mut waiting, PollTimeout::from(wait)) {
                Ok(0) if busy == 0 => return Ok(()),
                Ok(0) | Err(nix::Error::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(ServeError::Socket(error.into())),
            }
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error.into()),
            };
            connected.fetch_add(1, Ordering::SeqCst);
            let connected = Arc::clone(&connected);
            threads.spawn(move || {
                if let Err(error) = converse(stream, decide) {
                    tracing::debug!("a client left: {error}");
                }
                connected.fetch_sub(1, Ordering::SeqCst);
            });
        }
    })
}

fn converse(mut stream: UnixStream, decide: &dyn Fn(Ask, &Peer) -> Answer) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let credentials = getsockopt(&stream, PeerCredentials)?;
    let answer = match admit(Uid::from_raw(credentials.uid())) {
        Ok(peer) => match read_ask(&stream) {
            Ok(ask) => decide(ask, &peer),
            Err(message) => Answer::Refused { refusal: Refusal::Garbage, message },
        },
        Err(message) => {
            tracing::warn!("refused: {message}");
            Answer::Refused { refusal: Refusal::Stranger, message }
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// One line within [`PATIENCE`], however slowly its bytes drip.
fn read_ask(stream: &UnixStream) -> Result<Ask, String> {
    let until = std::time::Instant::now() + PATIENCE;
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LINE_MAX + 1));
    loop {
        let piece = reader.fill_buf().map_err(|e| format!("the question did not come: {e}"))?;
        if piece.is_empty() {
            break;
        }
        let end = piece.iter().position(|b| *b == b'\n');
        let taken = end.map_or(piece.len(), |at| at + 1);
        line.extend_from_slice(&piece[..taken]);
        reader.consume(taken);
        if end.is_some() {
            break;
        }
        if std::time::Instant::now() > until {
            return Err("the question took too long".to_owned());
        }
    }
    if line.len() as u64 > LINE_MAX {
        return Err(format!("the question is longer than {LINE_MAX} bytes"));
    }
    if line.last() != Some(&b'\n') {
        return Err("the question ends in the middle".to_owned());
    }
    serde_json::from_slice(&line).map_err(|e| format!("not understood: {e}"))
}
