//! `make demo`: a push becomes a live test instance, on a machine booted for it. `KEEP=1` leaves the machine up,
//! `SUITE=trixie` takes Debian 13. It is a test as well: what does not come out as it should ends it, with the journal.

#[path = "../harness/mod.rs"]
mod harness;

mod follow;
mod interrupt;
mod stage;
mod stand;
mod story;

use interrupt::{Interrupt, Interrupted};
use stage::Stage;
use stand::Doors;
use std::process::ExitCode;

fn main() -> ExitCode {
    match demonstrate(&Interrupt::catch()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Interrupted) => {
            anstream::println!("\nInterrupted; the machine is gone.");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(interrupt: &Interrupt) -> Result<(), Interrupted> {
    let (mut stage, doors) = stand::set_up(interrupt.clone())?;
    story::tell(&mut stage, &doors)?;
    stage.summary();
    if std::env::var_os("KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0") {
        keep(&stage, &doors);
        interrupt.wait();
        anstream::println!("\nThe machine goes.");
    }
    Ok(())
}

/// How to get in.
fn keep(stage: &Stage, doors: &Doors) {
    let leader = stage.machine.leader();
    anstream::println!("\nThe machine stays up until Ctrl-C.");
    anstream::println!("  the status page  {}", doors.page());
    anstream::println!("  the shop         {}", doors.site());
    anstream::println!("  a shell in it    nsenter -t {leader} -m -u -i -n -p -C -r -w bash -l");
    anstream::println!("  the developer    in that shell: su - dev, then cd shop, edit, commit, git push");
}
