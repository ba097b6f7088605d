//! Ctrl-C: the demonstration ends where it is, and its machine with it.

use nix::sys::signal::{SigSet, Signal};
use std::process;
use std::sync::{Arc, Condvar, Mutex};

/// What a shell gives for a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Somebody wants it to end.
#[derive(Debug)]
pub(crate) struct Interrupted;

/// Whether somebody does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<(Mutex<bool>, Condvar)>);

impl Interrupt {
    /// Takes SIGINT, SIGTERM and SIGHUP from now on; before any other thread is there. A second one ends the process.
    pub(crate) fn catch() -> Interrupt {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block().expect("to block signals");
        let interrupt = Interrupt::default();
        let told = interrupt.clone();
        std::thread::spawn(move || {
            signals.wait().expect("to wait for a signal");
            let (flag, bell) = &*told.0;
            *flag.lock().expect("the flag") = true;
            bell.notify_all();
            signals.wait().expect("to wait for a signal");
            process::exit(EXIT_INTERRUPTED);
        });
        interrupt
    }

    /// An error once somebody has asked.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if *self.0.0.lock().expect("the flag") { Err(Interrupted) } else { Ok(()) }
    }

    /// Returns when somebody asks.
    pub(crate) fn wait(&self) {
        let (flag, bell) = &*self.0;
        let guard = flag.lock().expect("the flag");
        drop(bell.wait_while(guard, |asked| !*asked).expect("the flag"));
    }
}
