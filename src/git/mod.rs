//! The seam to git: listing remotes, keeping mirrors, reading history, filling folders.
//!
//! libgit2 lists the refs of http(s) remotes; everything else is the `git` program, which knows reftable, SHA-256
//! and ssh. Only workers call in here.
//!
//! ```text
//! access      url + credential + known hosts: what is needed to reach a remote
//!   └▶ scratch     a private folder: git's whole configuration, and a git dir that borrows only objects
//!        └▶ program     the git program in that surrounding
//!             ├▶ refs        what a remote has (here libgit2 goes first)
//!             ├▶ mirror      fetch; resolve what a person asked for
//!             ├▶ modules     a commit's submodules, beside the mirror
//!             ├▶ lfs         what git-lfs keeps for a commit
//!             ├▶ history     which commits lie between two
//!             ├▶ changed     which paths differ between two
//!             ├▶ tree        exactly one commit into an empty folder
//!             └▶ disposable  a .git for steps, never read again
//! ```

pub mod access;
pub mod changed;
pub mod credential;
pub mod disposable;
pub mod failure;
pub mod history;
pub mod lfs;
pub mod mirror;
pub mod modules;
pub mod program;
pub mod refs;
pub mod scratch;
pub mod tree;

pub use access::Access;
pub use failure::GitError;
pub use history::{Commit, History, Relation};
pub use mirror::{Mirror, Resolve, Resolved};
pub use program::Git;
pub use refs::Refs;
pub use scratch::Scratch;
