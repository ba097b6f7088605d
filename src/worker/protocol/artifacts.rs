//! Handing files over: the one answer that is a stream. Each file is one line of JSON ([`FileHead`]) and its bytes; what
//! follows the last file is the line of the ordinary answer. A stream that does not end with one is not believed.

use crate::config::WantedFiles;
use crate::model::artifact::ArtifactPath;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Longest head, in bytes: the longest path, each byte of it escaped.
pub const HEAD_MAX: usize = 8 * 1024;

/// Hand over files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectTask {
    /// The folder that they are in; nothing is handed over if it is not there.
    pub folder: PathBuf,
    /// Which files.
    pub patterns: Vec<WantedFiles>,
    /// Most bytes of all of them.
    pub bytes_max: u64,
    /// Most of them.
    pub files_max: usize,
    /// For how long at most.
    pub timeout: Duration,
}

/// What precedes the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHead {
    /// Its path below the folder.
    pub file: ArtifactPath,
    /// How many bytes follow.
    pub size: u64,
    /// Whether its owner may execute it.
    #[serde(default)]
    pub executable: bool,
}

/// All has been handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectAnswer {
    /// How many things that a pattern matches were not handed over: links, FIFOs, odd names. Each is told in the log.
    pub refused: u32,
}
