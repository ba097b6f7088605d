//! The words of the domain: names, numbers, verdicts, places. No I/O.

pub mod artifact;
pub mod build;
pub mod changed;
pub mod deploy;
pub mod failure;
pub mod freeze;
pub mod id;
pub mod line;
pub mod lock;
pub mod name;
pub mod place;
pub mod release;
pub mod report;
pub mod request;
pub mod room;
pub mod secret;
pub mod unit;
pub mod verdict;

pub use build::{Build, BuildState, StepRow, StepState, Stop};
pub use changed::Changed;
pub use deploy::{Deploy, DeployState, Outcome, Phase};
pub use failure::FailureKind;
pub use freeze::Freeze;
pub use id::{BuildId, BuildNumber, BuildSpec, CommitId, DeployId, RefName, RequestId, StepIndex, TargetId};
pub use line::Line;
pub use lock::{Holds, Lock, LockMode, LockName, Slot};
pub use name::{ProjectName, StepName, TargetName};
pub use place::Place;
pub use release::ReleaseName;
pub use request::{Approval, Change, NewRequest, Origin, Request, RequestState, Target};
pub use room::Room;
pub use secret::{Secret, SecretName};
pub use unit::Trust;
pub use verdict::Verdict;
