//! What a project keeps from build to build, entry by entry.

use super::place::Place;
use super::room::Room;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

/// Where entries lie: what stands directly in one of these goes or stays as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shelf {
    /// `$CI_CACHE`
    Cache,
    /// `$HOME/.cache`, where the XDG Base Directory Specification wants what can be made again.
    HomeCache,
    /// `$HOME`, but for `.cache`.
    Home,
}

impl Shelf {
    /// All of them.
    pub const ALL: [Shelf; 3] = [Shelf::Cache, Shelf::HomeCache, Shelf::Home];
    /// The folder in `$HOME` that is a shelf of its own.
    pub const DOT_CACHE: &str = ".cache";

    /// The folders that lead to it, in the room's folder.
    pub fn path(self) -> &'static [&'static str] {
        match self {
            Shelf::Cache => &[Room::CACHE],
            Shelf::HomeCache => &[Room::HOME, Shelf::DOT_CACHE],
            Shelf::Home => &[Room::HOME],
        }
    }

    /// As a step knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Shelf::Cache => "$CI_CACHE",
            Shelf::HomeCache => "$HOME/.cache",
            Shelf::Home => "$HOME",
        }
    }
}

/// One entry's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryName {
    /// On which shelf.
    pub shelf: Shelf,
    /// Its name there: whatever a step has called it.
    pub name: OsString,
}

impl EntryName {
    /// As a step knows it, for people: `$CI_CACHE/pip`.
    pub fn describe(&self) -> String {
        format!("{}/{}", self.shelf.as_str(), self.name.to_string_lossy())
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    #[serde(flatten)]
    pub at: EntryName,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
    /// When one of its files was last read or written, in seconds since 1970, as far as the file system tells: a read
    /// may be told a day late (`relatime`, mount(8)).
    pub used: i64,
    /// Whether nobody knows how much it holds: its owner has shut a folder in it, or made it too deep or too much to look at.
    pub shut: bool,
}

/// What HOME and cache of a project took when that was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSize {
    /// In bytes.
    pub bytes: u64,
    /// When.
    pub measured: Timestamp,
}

impl Room {
    /// Where the entries of a shelf lie.
    pub fn shelf(&self, place: &Place, shelf: Shelf) -> PathBuf {
        shelf.path().iter().fold(self.folder(place), |folder, name| folder.join(name))
    }
}
