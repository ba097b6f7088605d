//! Artifacts: files that a build hands out.

use super::id::StepIndex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest path of an artifact, in bytes.
pub const PATH_MAX: usize = 1024;
/// Most artifacts of a build.
pub const FILES_MAX: usize = 10_000;

/// An artifact's name: a path as the workspace had it, or below `$CI_ARTIFACTS`; relative, normalized, UTF-8, without
/// control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactPath(String);

/// Why a text is no artifact's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an artifact: a path without `.`, `..`, `//` or control characters, at most {PATH_MAX} bytes")]
pub struct ArtifactPathError;

impl ArtifactPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for ArtifactPath {
    type Err = ArtifactPathError;
    fn from_str(text: &str) -> Result<ArtifactPath, ArtifactPathError> {
        let normal = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let good = normal && text.len() <= PATH_MAX && !text.chars().any(char::is_control);
        if good { Ok(ArtifactPath(text.to_owned())) } else { Err(ArtifactPathError) }
    }
}

impl TryFrom<String> for ArtifactPath {
    type Error = ArtifactPathError;
    fn try_from(text: String) -> Result<ArtifactPath, ArtifactPathError> {
        text.parse()
    }
}

impl From<ArtifactPath> for String {
    fn from(path: ArtifactPath) -> String {
        path.0
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A SHA-256 in 64 small hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// From the sum itself.
    pub fn of_sum(sum: [u8; 32]) -> Sha256 {
        Sha256(sum.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Sha256, &'static str> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if digits && text.len() == 64 { Ok(Sha256(text.to_owned())) } else { Err("not a SHA-256") }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Sha256, &'static str> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(sum: Sha256) -> String {
        sum.0
    }
}

/// One artifact of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name.
    pub path: ArtifactPath,
    /// Which step it was collected after, and so in which file it is; step 0 is `$CI_ARTIFACTS`, collected at the end.
    pub step: StepIndex,
    /// Where it begins in that file.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Their checksum, made while they were taken in.
    pub sha256: Sha256,
    /// Whether its owner could execute it.
    pub executable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_an_artifact() {
        for good in ["a", "dist/x-1.0.whl", "a b/ä…", ".hidden", "..."] {
            assert_eq!(good.parse::<ArtifactPath>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "/etc/passwd", "../x", "a/..", "a//b", "a/", "./a", "a\nb", "a\0", &"x".repeat(1025)] {
            assert!(bad.parse::<ArtifactPath>().is_err(), "{bad:?}");
        }
        assert_eq!("dist/x.whl".parse::<ArtifactPath>().unwrap().file_name(), "x.whl");
    }
}
