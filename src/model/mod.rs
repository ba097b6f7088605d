//! The words of the domain: names, numbers, verdicts, places. No I/O.

pub mod id;
pub mod name;
pub mod place;
pub mod unit;
pub mod verdict;

pub use id::{BuildId, BuildNumber, BuildSpec, CommitId, DeployId, RefName, RequestId, StepIndex};
pub use name::{ProjectName, StepName};
pub use place::Place;
pub use unit::Trust;
pub use verdict::Verdict;
