//! Throw-away Debian machines with a real systemd, booted for one test and gone after it.
//!
//! ```text
//! Root (mmdebstrap, once) ─▶ Disk (overlay, tmpfs upper) ─▶ Machine (nspawn, own cgroup) ─▶ run / crash / reboot
//!                                                             ├▶ Network (veth, NAT, DNS, CA, pip)
//!                                                             ├▶ Forward (a port of the host leads inside)
//!                                                             └▶ install_into (`make install DESTDIR=`)
//! ```
//!
//! A target takes it with `#[path = "../harness/mod.rs"] mod harness;`. Everything here panics with the whole story
//! when it fails: the caller is a test. Root is needed; the first call says what else is.
#![allow(dead_code, unused_imports, reason = "each test target uses its own part of the harness")]

mod blueprint;
mod carry;
mod cgroup;
mod disk;
mod forward;
mod host;
mod install;
mod journal;
mod limits;
mod machine;
mod net;
mod nspawn;
mod root;
mod run;
mod wait;

pub(crate) use blueprint::Blueprint;
pub(crate) use forward::Forward;
pub(crate) use install::install_into;
pub(crate) use journal::Entry;
pub(crate) use machine::Machine;
pub(crate) use root::Suite;
pub(crate) use run::Output;
