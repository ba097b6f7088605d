//! The words of the domain: names, numbers, verdicts, places. No I/O.

pub mod build;
pub mod deploy;
pub mod id;
pub mod name;
pub mod place;
pub mod request;
pub mod unit;
pub mod verdict;

pub use build::{Build, BuildState, StepRow, StepState, Stop};
pub use deploy::{Deploy, DeployState, Outcome, Phase, ReleaseName};
pub use id::{BuildId, BuildNumber, BuildSpec, CommitId, DeployId, RefName, RequestId, StepIndex};
pub use name::{ProjectName, StepName};
pub use place::Place;
pub use request::{Change, NewRequest, Origin, Request, RequestState, Target};
pub use unit::Trust;
pub use verdict::Verdict;
