//! Which files a build has to prove anew.

use super::id::BuildNumber;

/// What is different from the last green build of the same ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These files, as paths in the repository.
    Files {
        /// That build.
        since: BuildNumber,
        /// All of them; empty if both built the same tree.
        paths: Vec<String>,
    },
    /// Everything counts as changed: there is no such build, its commit is gone, the paths are too many to tell, or
    /// somebody forces the build.
    Everything,
}
