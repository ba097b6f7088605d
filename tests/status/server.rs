//! The real program on a real listening socket, passed the way systemd passes it; and a client that shows what came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// `sh` moves the socket from standard input to descriptor 3 and becomes the program, whose pid it knows.
const PASS: &str = "exec 3<&0 </dev/null; ulimit -n \"$FILES\"; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";

pub fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

impl Server {
    pub fn start(root: &Path, idle: u64) -> Server {
        Server::on(&listen(), root, idle, 1024)
    }

    pub fn on(listener: &TcpListener, root: &Path, idle: u64, files: u32) -> Server {
        let address = listener.local_addr().unwrap();
        let passed = OwnedFd::from(listener.try_clone().unwrap());
        let child = Command::new("sh")
            .args(["-c", PASS, env!("CARGO_BIN_EXE_ci-status"), "--serve", "--idle", &idle.to_string(), "--root"])
            .arg(root)
            .env("FILES", files.to_string())
            .stdin(Stdio::from(passed))
            .spawn()
            .unwrap();
        Server { child, address }
    }

    /// Waits until it leaves by itself.
    pub fn left(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    pub fn ask(&self, request: &str) -> Answer {
        Answer::new(&self.raw(request.as_bytes()))
    }

    /// Sends bytes and reads until the server closes.
    pub fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The server may close in the middle of a request that it refuses.
        if stream.write_all(request).is_err() {
            return Vec::new();
        }
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..n]);
        }
        answer
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have left already.
        if self.is_running() {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn new(bytes: &[u8]) -> Answer {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (has, value) = line.split_once(": ")?;
            has.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
