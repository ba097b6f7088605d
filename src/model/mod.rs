//! The words of the domain: names, numbers, verdicts, places. No I/O.

pub mod failure;
pub mod id;
pub mod line;
pub mod name;
pub mod place;
pub mod release;
pub mod unit;
pub mod verdict;

pub use failure::FailureKind;
pub use id::{BuildId, BuildNumber, BuildSpec, CommitId, DeployId, RefName, RequestId, StepIndex};
pub use line::Line;
pub use name::{ProjectName, StepName};
pub use place::Place;
pub use release::ReleaseName;
pub use unit::Trust;
pub use verdict::Verdict;
