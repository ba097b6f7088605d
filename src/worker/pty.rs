//! `ci-worker pty PROGRAM …`: runs a step's program on a terminal of its own, in the step's own unit and sandbox, and
//! passes on what it prints. It ends exactly as the program did, so that whoever looks at the unit sees no difference.
//!
//! ```text
//! program ─ stdout, stderr ─▶ pseudo-terminal ─▶ ci-worker pty ─▶ the step's pipe
//! ```

use super::say::say;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// What programs are told of the window: wider than the classic one, since nobody's screen is the limit.
const WINDOW: Winsize = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
/// How often the terminal is read before something else is looked at: more than it holds at once, and an end to it
/// though something that the program left behind never stops printing.
const TURN: usize = 64;
/// As a shell says it: found and not to be executed, and not found.
const NOT_EXECUTED: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How the program ended.
enum End {
    Exited(i32),
    Killed(Signal),
}

/// Runs the program; returns only for one that exited by itself or could not be started.
pub fn main(command: &[OsString]) -> ExitCode {
    match run(command) {
        Ok(End::Exited(status)) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Ok(End::Killed(signal)) => die_of(signal),
        Err(error) => {
            let program = command.first().map(|word| word.to_string_lossy()).unwrap_or_default();
            say!("{program}: {error}");
            ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTED })
        }
    }
}

fn run(command: &[OsString]) -> io::Result<End> {
    let [program, arguments @ ..] = command else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut heard = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        heard.add(signal);
    }
    // Taken over before there is a child, which begins with what is blocked here.
    heard.thread_block()?;
    let signals = SignalFd::with_flags(&heard, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let OpenptyResult { master, slave } = openpty(&WINDOW, None)?;
    let mut modes = tcgetattr(&slave)?;
    // The log is no screen: a line ends with a newline alone, and nobody types.
    modes.output_flags.remove(OutputFlags::ONLCR);
    modes.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&slave, SetArg::TCSANOW, &modes)?;
    fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;

    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::null()).stdout(slave.try_clone()?).stderr(slave);
    // SAFETY: these are system calls that may be made between fork and exec, and nothing is allocated.
    unsafe {
        child.pre_exec(move || {
            heard.thread_unblock()?;
            setsid()?;
            // Its standard output is the terminal by now, and becomes that of its session.
            if libc::ioctl(libc::STDOUT_FILENO, libc::TIOCSCTTY, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let started = child.spawn()?;
    // With it our own ends of the terminal go: it is over when the program's are.
    drop(child);
    let pid = Pid::from_raw(i32::try_from(started.id()).map_err(io::Error::other)?);
    pass_on(File::from(master), &signals, pid)
}

/// Passes output on until the program has ended, and what it had printed by then.
fn pass_on(master: File, signals: &SignalFd, child: Pid) -> io::Result<End> {
    let mut terminal = Some(master);
    loop {
        let mut waiting = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        waiting.extend(terminal.as_ref().map(|terminal| PollFd::new(terminal.as_fd(), PollFlags::POLLIN)));
        match poll(&mut waiting, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if let Some(open) = &mut terminal
            && !copy(open)?
        {
            terminal = None;
        }
        while let Some(signal) = signals.read_signal()? {
            forward(signal.ssi_signo, signal.ssi_pid, child);
        }
        let end = match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, status) => End::Exited(status),
            WaitStatus::Signaled(_, signal, _) => End::Killed(signal),
            WaitStatus::StillAlive
            | WaitStatus::Stopped(..)
            | WaitStatus::Continued(_)
            | WaitStatus::PtraceEvent(..)
            | WaitStatus::PtraceSyscall(_) => continue,
        };
        // What it left behind may hold the terminal for ever; what it said itself is there by now.
        if let Some(open) = &mut terminal {
            copy(open)?;
        }
        return Ok(end);
    }
}

/// Copies what is there; false when nothing will come any more, or nobody takes it: then the terminal hangs up.
fn copy(terminal: &mut File) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let mut out = io::stdout().lock();
    for _ in 0..TURN {
        let got = match terminal.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // What the kernel says when the last program has closed the terminal.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => return Ok(false),
            Err(error) => return Err(error),
        };
        match out.write_all(&buffer[..got]).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A signal that was sent to this process goes on to the program. systemd, process 1, sends its own to all of the unit:
/// from us it would come a second time.
fn forward(number: u32, sender: u32, child: Pid) {
    let signal = i32::try_from(number).ok().and_then(|number| Signal::try_from(number).ok());
    match signal {
        Some(Signal::SIGCHLD) | None => {}
        Some(_) if sender == 1 => {}
        Some(signal) => {
            if let Err(error) = kill(child, signal) {
                say!("{signal} cannot be passed on: {error}");
            }
        }
    }
}

/// Ends by the same signal, without a core of our own.
fn die_of(signal: Signal) -> ExitCode {
    let ended = || -> nix::Result<()> {
        set_dumpable(false)?;
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        if signal != Signal::SIGKILL {
            // SAFETY: the default action runs no code of ours.
            unsafe { sigaction(signal, &default) }?;
        }
        let mut only = SigSet::empty();
        only.add(signal);
        only.thread_unblock()?;
        kill(Pid::this(), signal)
    };
    if let Err(error) = ended() {
        say!("the program ended by {signal}: {error}");
    }
    // As a shell says it; reached only if the signal did not end us.
    ExitCode::from(128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(0)))
}
