//! The seam to systemd: its manager over D-Bus, and the two protocols it speaks with its own services.
//!
//! ```text
//! BusAddress ─▶ Bus ─┬─▶ start_transient(Transient ◀── Property…)      the launcher
//!                    ├─▶ run_job, queue_job, kill_unit, reset_failed     the launcher
//!                    └─▶ state, watch, list_units, job_of, system_state  everybody: reading needs no privilege
//! NOTIFY_SOCKET ─▶ Notifier      LISTEN_FDS ─▶ PassedFds                  services, towards their own manager
//! ```

mod activation;
mod bus;
mod exit;
mod job;
mod manager;
mod notify;
mod property;
mod sandbox;
mod signal;
mod transient;
mod unit;
mod usage;
mod watch;
mod word;

pub use activation::{ActivationError, PassedFds};
pub use bus::{Bus, BusError, Got};
pub use exit::Exit;
pub use job::{JobError, JobKind, JobResult};
pub use manager::{ListedUnit, SystemState, Verb, Whom};
pub use notify::{Notifier, NotifyError};
pub use property::{CollectMode, ExitType, KillMode, OomPolicy, Output, Property, ServiceType};
pub use sandbox::{Capability, KeyringMode, Namespaces, ProtectHome, ProtectProc, ProtectSystem};
pub use transient::{StartError, Transient};
pub use unit::{ActiveState, LoadState, ServiceResult, SubState, UnitState};
pub use usage::{Accounting, Measured, Usage, denied_in, measure, tasks_file};
pub use watch::{Seen, Waker, Watch};
