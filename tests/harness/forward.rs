//! A port of the host's loopback that leads to a port of the machine's.

use super::machine::Machine;
use nix::libc;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A forwarded port, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Forward {
    port: u16,
    closing: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Machine {
    /// Connections to `127.0.0.1:host_port` go to `127.0.0.1:inside_port` of the machine as it is booted now; a
    /// `host_port` of 0 takes a free one. A browser sees what it would see in the machine.
    #[track_caller]
    pub(crate) fn forward(&self, host_port: u16, inside_port: u16) -> Forward {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, host_port))
            .unwrap_or_else(|error| panic!("port {host_port} of the host: {error}"));
        let port = listener.local_addr().expect("the address it listens on").port();
        let namespace = File::open(format!("/proc/{}/ns/net", self.leader())).expect("the machine's network");
        let namespace = Arc::new(namespace);
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    break;
                }
                let namespace = Arc::clone(&namespace);
                // What goes wrong with one connection is for its client to see: the connection ends.
                std::thread::spawn(move || client.and_then(|client| carry(&client, &namespace, inside_port)));
            }
        });
        Forward { port, closing, listener: Some(thread) }
    }
}

impl Forward {
    /// The port of the host.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread out of accept, which has no other way to end.
        if let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
            eprintln!("harness: closing port {}: {error}", self.port);
        }
        if self.listener.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("harness: the thread of port {} panicked", self.port);
        }
    }
}

/// Moves its own thread, which nothing else uses, into the machine's network, and copies both ways until both ends
/// have said all.
fn carry(client: &TcpStream, namespace: &File, port: u16) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `namespace`; the call changes nothing but this thread.
    if unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    std::thread::scope(|threads| {
        let up = threads.spawn(|| pour(client, &server));
        pour(&server, client)?;
        up.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}

fn pour(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}
