//! Running another program: with a deadline, bounded ears, and nothing left of it afterwards.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

/// How much of what a program says on standard error is kept: its end, where the reason stands.
const STDERR_KEPT: usize = 16 << 10;
/// How much of it is passed on to our own standard error: its beginning.
const STDERR_ECHOED: usize = 256 << 10;

/// What a program that ended has said.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: String,
}

/// Why there is nothing to say about how a program ended.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It is not there, or may not be run.
    #[error("cannot run {program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It was killed at the deadline.
    #[error("{program} was not done in time")]
    Late {
        /// Its name.
        program: String,
    },
    /// It was killed because it said too much.
    #[error("{program} printed more than {limit} bytes")]
    Loud {
        /// Its name.
        program: String,
        /// The bound on its standard output, in bytes.
        limit: usize,
    },
    /// A pipe to it broke in an unexpected way.
    #[error("cannot talk to {program}: {source}")]
    Pipe {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

enum Event {
    Out(io::Result<Vec<u8>>),
    Err(io::Result<String>),
    In(io::Result<()>),
    Exit(io::Result<ExitStatus>),
}

/// Runs a program to its end.
///
/// It gets `stdin` and then end of file, may print `limit` bytes, and has until `deadline`; its whole process group
/// is killed when it exceeds either, and when it ends and leaves children behind.
pub fn run(mut command: Command, stdin: Vec<u8>, limit: usize, deadline: Instant) -> Result<Finished, ChildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let started = command.spawn();
    let mut child = started.map_err(|source| ChildError::Start { program: program.clone(), source })?;
    let group = Pid::from_raw(child.id() as i32);
    let (tell, told) = channel();
    listen(&tell, child.stdin.take(), Event::In, move |mut pipe| match pipe.write_all(&stdin) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()), // it did not want to read; its status says more
        done => done,
    });
    listen(&tell, child.stdout.take(), Event::Out, move |pipe| {
        let mut all = Vec::new();
        pipe.take(limit as u64 + 1).read_to_end(&mut all).map(|_| all)
    });
    listen(&tell, child.stderr.take(), Event::Err, hear);
    listen(&tell, Some(child), Event::Exit, |mut child| child.wait());
    let heard = collect(&told, &program, limit, deadline);
    match killpg(group, Signal::SIGKILL) {
        Ok(()) | Err(nix::Error::ESRCH) => heard,
        Err(e) => heard.and(Err(ChildError::Pipe { program, source: e.into() })),
    }
}

/// Does one blocking thing in a thread of its own and tells how it went. The threads are not joined: one that waits
/// for a pipe held by a process that left the group must not hold us up.
fn listen<S: Send + 'static, T: 'static>(
    tell: &Sender<Event>,
    source: Option<S>,
    event: fn(io::Result<T>) -> Event,
    act: impl FnOnce(S) -> io::Result<T> + Send + 'static,
) {
    let tell = tell.clone();
    thread::spawn(move || {
        let done = source.ok_or_else(|| io::Error::other("pipe already taken")).and_then(act);
        // Nobody listens any more once the deadline has passed.
        drop(tell.send(event(done)));
    });
}

fn collect(told: &Receiver<Event>, program: &str, limit: usize, deadline: Instant) -> Result<Finished, ChildError> {
    let pipe = |source| ChildError::Pipe { program: program.to_owned(), source };
    let (mut status, mut stdout, mut stderr) = (None, None, None);
    loop {
        if let (Some(status), Some(_), Some(_)) = (status, &stdout, &stderr) {
            let (stdout, stderr) = (stdout.unwrap_or_default(), stderr.unwrap_or_default());
            return Ok(Finished { status, stdout, stderr });
        }
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Exit(done)) => status = Some(done.map_err(pipe)?),
            Ok(Event::Out(all)) => {
                let all = all.map_err(pipe)?;
                if all.len() > limit {
                    return Err(ChildError::Loud { program: program.to_owned(), limit });
                }
                stdout = Some(all);
            }
            Ok(Event::Err(end)) => stderr = Some(end.map_err(pipe)?),
            Ok(Event::In(done)) => done.map_err(pipe)?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(ChildError::Late { program: program.to_owned() });
            }
        }
    }
}

/// Reads all of a program's standard error, passes it on without control characters, and keeps its end.
fn hear(mut pipe: impl Read) -> io::Result<String> {
    let (mut kept, mut echoed, mut chunk) = (Vec::new(), 0, [0; 4096]);
    loop {
        let count = match pipe.read(&mut chunk) {
            Ok(0) => return Ok(String::from_utf8_lossy(&kept).into_owned()),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let plain = chunk[..count].iter().map(|b| if *b == b'\r' { b'\n' } else { *b });
        let plain: Vec<u8> = plain.filter(|b| !b.is_ascii_control() || matches!(b, b'\n' | b'\t')).collect();
        if echoed < STDERR_ECHOED {
            io::stderr().write_all(&plain)?;
            echoed += plain.len();
        }
        kept.extend_from_slice(&plain);
        if kept.len() > 2 * STDERR_KEPT {
            kept.drain(..kept.len() - STDERR_KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sh(script: &str, stdin: &str, limit: usize, time: Duration) -> Result<Finished, ChildError> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, stdin.into(), limit, Instant::now() + time)
    }

    #[test]
    fn a_program_gets_its_input_and_is_heard() {
        let done = sh("cat; printf 'a\\033[31m\\n' >&2; exit 3", "hello", 100, Duration::from_secs(20)).unwrap();
        assert_eq!((done.stdout.as_slice(), done.stderr.as_str()), (&b"hello"[..], "a[31m\n"));
        assert_eq!(done.status.code(), Some(3));
        let deaf = sh("exec 0<&-; exit 0", &"x".repeat(1 << 20), 100, Duration::from_secs(20)).unwrap();
        assert!(deaf.status.success());
    }

    #[test]
    fn the_bounds_hold() {
        assert!(matches!(
            sh("cat /dev/zero", "", 1000, Duration::from_secs(20)),
            Err(ChildError::Loud { limit: 1000, .. })
        ));
        let started = Instant::now();
        let late = sh("sleep 60 & sleep 60", "", 10, Duration::from_millis(100));
        assert!(matches!(late, Err(ChildError::Late { .. })), "{late:?}");
        let holder = sh("sleep 60 & exit 0", "", 10, Duration::from_millis(300));
        assert!(matches!(holder, Err(ChildError::Late { .. })), "{holder:?}");
        assert!(started.elapsed() < Duration::from_secs(30));
        let absent = run(Command::new("/nonexistent/program"), Vec::new(), 1, Instant::now());
        assert!(matches!(absent, Err(ChildError::Start { .. })));
    }
}
