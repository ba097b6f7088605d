//! HTTP on sockets that systemd passes: the one place that knows `tiny_http`.
//!
//! `tiny_http` has no timeouts and no bounds on connections or headers; the kernel and the unit set them: the listening
//! socket's `SO_RCVTIMEO`, which accepted sockets inherit, ends both a slow client and an idle server, and the unit's
//! `LimitNOFILE=`, `TasksMax=` and `MemoryMax=` bound the rest. Out of descriptors, `accept` fails and the server ends
//! in order, or ([`leave_on_panic`]) with 75; the next connection starts a new one.

mod guard;
mod range;
mod reply;

pub use guard::{Allowed, Refusal};
pub use reply::{Asked, Body, Kind, Reply};

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::mem::forget;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tiny_http::{Header, Method, Request, Response, Server};

/// What the server is ready to spend.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Without a new connection for this long it ends; also the longest silence of a client.
    pub idle: Duration,
    /// Pages in work at once, for each listening socket.
    pub workers: usize,
    /// Streams in work at once, over all sockets.
    pub streams: usize,
    /// How long streams may go on once the server ends.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { idle: Duration::from_secs(15), workers: 4, streams: 16, drain: Duration::from_secs(60) }
    }
}

type Headers = Vec<(&'static str, String)>;

/// Longest body that `tiny_http` reads by itself before it hands the request on.
const BODY_READ: usize = 1024;
/// Requests with a longer body that may be set aside before the server ends to get their descriptors back.
const SET_ASIDE: usize = 32;
/// Longest target of a request that is looked at, in bytes.
const URL_MAX: usize = 2048;

/// Why the sockets cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The timeouts cannot be set.
    #[error("cannot set the timeout of a listening socket: {0}")]
    Timeout(#[source] nix::Error),
    /// No server on that socket.
    #[error("cannot serve a listening socket: {0}")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Counts what is in work, so that the end can wait for it.
#[derive(Debug, Default)]
struct InWork {
    now: Mutex<usize>,
    fewer: Condvar,
}

impl InWork {
    fn begin(self: &Arc<Self>) -> Ticket {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ticket(Arc::clone(self))
    }

    fn wait_for_none(&self, most: Duration) {
        let until = Instant::now() + most;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        while *now > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            now = self.fewer.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Something in work.
struct Ticket(Arc<InWork>);

impl Drop for Ticket {
    fn drop(&mut self) {
        *self.0.now.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

/// Answers requests on all sockets until one of them has been idle or cannot accept any more; then waits for what is
/// in work. `answer` is called by many threads.
pub fn serve(
    listeners: Vec<TcpListener>,
    bounds: &Bounds,
    allowed: &Allowed,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Result<(), HttpError> {
    let (over, ended) = channel();
    let desk = Arc::new(Desk {
        answer: Box::new(answer),
        allowed: allowed.clone(),
        in_work: Arc::default(),
        streams: AtomicUsize::new(0),
        most_streams: bounds.streams,
        aside: AtomicUsize::new(0),
    });
    for listener in listeners {
        let patience =
            nix::sys::time::TimeVal::new(bounds.idle.as_secs().cast_signed(), bounds.idle.subsec_micros().into());
        for option in [Patience::Read, Patience::Write] {
            option.set(&listener, &patience).map_err(HttpError::Timeout)?;
        }
        let server = Server::from_listener(listener, None).map_err(HttpError::Serve)?;
        let server = Arc::new(server);
        for _ in 0..bounds.workers {
            let (server, desk, over) = (Arc::clone(&server), Arc::clone(&desk), over.clone());
            std::thread::spawn(move || desk.work(&server, &over));
        }
        // Dropping a server makes it connect to itself; on a socket that systemd holds, that starts the service again.
        forget(server);
    }
    drop(over);
    // An error is the same news: no worker is left.
    if ended.recv().is_ok() {
        desk.in_work.wait_for_none(bounds.drain);
    }
    Ok(())
}

/// Ends the process with 75 (`EX_TEMPFAIL`) when any of its threads panics. `tiny_http` unwraps the duplicate of a
/// connection's descriptor: when that is the one too many, its accepting thread would die in silence and leave a
/// server that answers nobody.
pub fn leave_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(75);
    }));
}

/// The two directions of a socket's timeout; accepted sockets inherit both.
enum Patience {
    Read,
    Write,
}

impl Patience {
    fn set(&self, socket: &impl AsFd, time: &nix::sys::time::TimeVal) -> nix::Result<()> {
        use nix::sys::socket::{setsockopt, sockopt};
        match self {
            Patience::Read => setsockopt(socket, sockopt::ReceiveTimeout, time),
            Patience::Write => setsockopt(socket, sockopt::SendTimeout, time),
        }
    }
}

struct Desk {
    answer: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
    allowed: Allowed,
    in_work: Arc<InWork>,
    streams: AtomicUsize,
    most_streams: usize,
    aside: AtomicUsize,
}

impl Desk {
    fn work(self: &Arc<Self>, server: &Server, over: &Sender<()>) {
        // An error is the end of the accepting thread: idle, or out of descriptors.
        while let Ok(request) = server.recv() {
            let ticket = self.in_work.begin();
            if !self.take(request, ticket) {
                break;
            }
        }
        if over.send(()).is_err() {
            // Another worker was first, and the main thread waits for nobody else.
        }
    }

    /// Answers one request; false when the server should end.
    fn take(self: &Arc<Self>, request: Request, ticket: Ticket) -> bool {
        let head = *request.method() == Method::Head;
        if request.body_length().is_some_and(|length| length > BODY_READ) {
            // tiny_http allocates a refused body's whole length when the request is dropped, and reads it to its end:
            // so this one is not dropped. An upgrade is its only answer that leaves the request's body alone.
            let refusal = Reply::text(413, "This server takes no request bodies.\n");
            forget(request.upgrade("none", response(refusal.status, refusal.headers(), io::empty(), Some(0))));
            return self.aside.fetch_add(1, Ordering::Relaxed) < SET_ASIDE;
        }
        let mut reply = self.reply(&request, head);
        if let Some(range) = range_of(&request, &reply).filter(|_| !head) {
            reply = reply.cut(&range);
        }
        let headers = reply.headers();
        if reply.etag().is_some_and(|etag| known_to_client(&request, &etag)) {
            send(request, response(304, headers, io::empty(), Some(0)));
            return true;
        }
        match reply.body {
            Body::Text(text) => {
                let length = text.len();
                send(request, response(reply.status, headers, Cursor::new(text), Some(length)));
            }
            Body::Stream { length, .. } | Body::File { length, .. } if head => {
                send(request, response(reply.status, headers, io::empty(), usize::try_from(length).ok()));
            }
            Body::Stream { reader, length } => {
                self.stream(request, reply.status, headers, reader.take(length), ticket);
            }
            Body::File { mut file, offset, length } => match file.seek(SeekFrom::Start(offset)) {
                Ok(_) => {
                    let reader: Box<dyn Read + Send> = Box::new(file);
                    self.stream(request, reply.status, headers, reader.take(length), ticket);
                }
                Err(error) => {
                    let broken = Reply::text(500, &format!("This file cannot be read: {error}\n"));
                    send(request, response(broken.status, broken.headers(), io::empty(), Some(0)));
                }
            },
        }
        true
    }

    fn reply(&self, request: &Request, head: bool) -> Reply {
        let hosts: Vec<&str> =
            request.headers().iter().filter(|h| h.field.equiv("Host")).map(|h| h.value.as_str()).collect();
        if let Err(refusal) = self.allowed.check(&hosts) {
            return Reply::text(refusal.status(), &format!("{refusal}\n"));
        }
        if *request.method() != Method::Get && !head {
            return Reply::text(405, "This server answers GET and HEAD only.\n").with("Allow", "GET, HEAD");
        }
        if request.url().len() > URL_MAX {
            return Reply::text(414, "This address is too long.\n");
        }
        match Asked::parse(request.url()) {
            Some(asked) => (self.answer)(&asked),
            None => Reply::text(400, "This is not an address of this server.\n"),
        }
    }

    /// A stream has a thread of its own: a slow reader holds no worker.
    fn stream(
        self: &Arc<Self>,
        request: Request,
        status: u16,
        headers: Headers,
        body: io::Take<Box<dyn Read + Send>>,
        ticket: Ticket,
    ) {
        if self.streams.fetch_add(1, Ordering::Relaxed) >= self.most_streams {
            self.streams.fetch_sub(1, Ordering::Relaxed);
            let busy = Reply::text(503, "").with("Retry-After", "60");
            return send(request, response(503, busy.headers(), io::empty(), Some(0)));
        }
        let desk = Arc::clone(self);
        std::thread::spawn(move || {
            let length = usize::try_from(body.limit()).ok();
            send(request, response(status, headers, body, length));
            desk.streams.fetch_sub(1, Ordering::Relaxed);
            drop(ticket);
        });
    }
}

/// The range that is asked for, unless it is of a file that has changed since (RFC 9110, section 13.1.5).
fn range_of(request: &Request, reply: &Reply) -> Option<String> {
    let header = |name: &'static str| {
        let mut found = request.headers().iter().filter(move |header| header.field.equiv(name));
        found.next().map(|header| header.value.as_str().to_owned())
    };
    let same = header("If-Range").is_none_or(|known| reply.tag() == Some(known.trim()));
    header("Range").filter(|_| same)
}

fn known_to_client(request: &Request, etag: &str) -> bool {
    request
        .headers()
        .iter()
        .filter(|header| header.field.equiv("If-None-Match"))
        .any(|header| header.value.as_str().split(',').any(|known| known.trim() == etag))
}

/// A known length always goes as `Content-Length`: for a client of HTTP/1.0, tiny_http would hold an unknown one in
/// memory to count it.
fn response<R: Read>(status: u16, headers: Headers, body: R, length: Option<usize>) -> Response<R> {
    let headers = headers.into_iter().filter_map(|(name, value)| Header::from_bytes(name, value).ok()).collect();
    Response::new(status.into(), headers, body, length, None).with_chunked_threshold(usize::MAX)
}

/// A client that has gone is no trouble of ours.
fn send<R: Read>(request: Request, response: Response<R>) {
    drop(request.respond(response));
}
