//! Configuration: text → merged tables → checked values. Nothing downstream checks again.

pub mod project;
pub mod site;

pub use project::Project;
pub use site::Site;
