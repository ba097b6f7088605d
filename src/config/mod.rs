//! Configuration: text → merged tables → checked values. Nothing downstream checks again.
//!
//! ```text
//! file ─▶ tree (keys known, each value with its place) ─▶ layers (project over template over [defaults] over
//! presets) ─▶ reader + check ─▶ Project, Site; or all that is wrong, as Problems
//! ```
//!
//! What an error stops: one in a project's file that project; one in `[template.NAME]` the projects that name it; any
//! other in `ci.toml` all projects, since what was meant to hold for them is not known.

mod allow;
mod check;
mod explain;
mod fault;
mod file;
pub mod keys;
mod layers;
pub mod limits;
mod load;
mod name;
pub mod order;
mod path;
pub mod pattern;
pub mod pipeline;
mod planned;
pub mod probe;
mod problem;
pub mod project;
mod quantity;
mod reader;
pub mod site;
mod site_file;
pub mod source;
mod tree;
mod url;
mod value;
pub mod wanted;

pub use explain::{Entry, From, Header, explain};
pub use load::{Config, LoadError, load_project, load_site};
pub use name::is_beyond_projects;
pub use pipeline::Pipeline;
pub use problem::{ConfigErrors, Consequence, Problem, Styling, is_obeyed, render};
pub use project::Project;
pub use quantity::duration_of;
pub use site::Site;
pub use url::repository_address;
pub use wanted::WantedFiles;
