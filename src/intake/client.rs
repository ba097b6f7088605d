//! A person's side.

use super::{Answer, Ask, LINE_MAX};
use crate::model::Place;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long the answer may take: a commit waits for others, and a slow disk.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a question is asked when the service leaves or is killed under it. It carries a token, so that it counts
/// once.
const TRIES: u32 = 5;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("{path}: {error}; unitci is not running here (systemctl enable --now ci.target)")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The connection broke each time.
    #[error("no answer: {0}; what was asked may or may not have been taken, ci-status tells")]
    Broken(std::io::Error),
    /// Not in our words.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Asks, and waits for the answer.
pub fn ask(place: &Place, question: &Ask) -> Result<Answer, AskError> {
    let path = place.request_socket();
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    let mut tries = 1;
    loop {
        let stream = UnixStream::connect(&path).map_err(|error| AskError::Unreachable { path: path.clone(), error })?;
        match exchange(stream, &line) {
            Ok(answer) => return Ok(serde_json::from_slice(&answer)?),
            Err(error) if tries == TRIES => return Err(AskError::Broken(error)),
            Err(_) => tries += 1,
        }
    }
}

fn exchange(mut stream: UnixStream, line: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A refusal may come before the question was read.
    match stream.write_all(line) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut answer = Vec::new();
    BufReader::new(stream.take(LINE_MAX)).read_until(b'\n', &mut answer)?;
    if answer.last() == Some(&b'\n') { Ok(answer) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
