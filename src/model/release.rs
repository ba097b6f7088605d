//! The name of a release: the folder that a deployed build lives in.

use super::id::{BuildNumber, CommitId};
use super::name::textual;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// `42-3f2a91c`: a build's number and its commit, abbreviated. Releases are ordered by the number, never by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

/// A text that is not a release's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a release; releases are written BUILD-COMMIT, like 42-3f2a91c")]
pub struct ReleaseNameError(String);

impl ReleaseName {
    /// The release that a build becomes.
    pub fn new(build: BuildNumber, commit: &CommitId) -> ReleaseName {
        ReleaseName(format!("{build}-{}", commit.short()))
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The build that it was made from; 0 is what was there before unitci.
    pub fn number(&self) -> BuildNumber {
        let number = self.0.split_once('-').map(|(number, _)| number.parse());
        match number {
            Some(Ok(number)) => BuildNumber(number),
            Some(Err(_)) | None => unreachable!("a release's name is parsed when it is made"),
        }
    }
}

impl FromStr for ReleaseName {
    type Err = ReleaseNameError;
    fn from_str(text: &str) -> Result<Self, ReleaseNameError> {
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let valid = text.split_once('-').is_some_and(|(number, commit)| {
            let canonical = number.parse().is_ok_and(|n: u32| n.to_string() == number);
            canonical && (7..=64).contains(&commit.len()) && commit.bytes().all(hex)
        });
        if valid { Ok(ReleaseName(text.to_owned())) } else { Err(ReleaseNameError(text.chars().take(80).collect())) }
    }
}

impl Ord for ReleaseName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for ReleaseName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

textual!(ReleaseName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_commit() {
        let commit: CommitId = "3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3".parse().unwrap();
        let name = ReleaseName::new(BuildNumber(42), &commit);
        assert_eq!(name.as_str(), "42-3f2a91c");
        assert_eq!(name.as_str().parse::<ReleaseName>().unwrap().number(), BuildNumber(42));
        for bad in [
            "",
            "42",
            "42-",
            "42-3f2a91",
            "-3f2a91c",
            "42-3F2A91C",
            "042-3f2a91c",
            "+1-3f2a91c",
            "42-3f2a91c/..",
            "../x",
            "99999999999-3f2a91c",
            ".42-3f2a91c.tmp",
        ] {
            assert!(bad.parse::<ReleaseName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nine_comes_before_ten() {
        let name = |text: &str| text.parse::<ReleaseName>().unwrap();
        assert!(name("9-ffffff0") < name("10-0000000"));
    }
}
