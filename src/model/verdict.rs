//! What became of a step and of a build.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The result of a step or build, ordered by badness as in Buildbot's `process/results`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It did not run.
    Skipped,
    /// It did what it should.
    Success,
    /// It did what it should, with something to look at.
    Warnings,
    /// The project's own fault.
    Failure,
    /// The CI's own trouble, never the project's fault.
    Exception,
    /// Given up for another try.
    Retry,
    /// Stopped because somebody said so.
    Cancelled,
}

impl Verdict {
    /// All of them, mildest first.
    pub const ALL: [Verdict; 7] = [
        Verdict::Skipped,
        Verdict::Success,
        Verdict::Warnings,
        Verdict::Failure,
        Verdict::Exception,
        Verdict::Retry,
        Verdict::Cancelled,
    ];

    /// The word for it in store, JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Skipped => "skipped",
            Verdict::Success => "success",
            Verdict::Warnings => "warnings",
            Verdict::Failure => "failure",
            Verdict::Exception => "exception",
            Verdict::Retry => "retry",
            Verdict::Cancelled => "cancelled",
        }
    }

    /// Whether a commit with this result may go live.
    pub fn is_green(self) -> bool {
        matches!(self, Verdict::Success | Verdict::Warnings)
    }

    /// The worse of two.
    pub fn and(self, other: Verdict) -> Verdict {
        self.max(other)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no verdict.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a verdict")]
pub struct VerdictError(String);

impl FromStr for Verdict {
    type Err = VerdictError;
    fn from_str(text: &str) -> Result<Self, VerdictError> {
        Verdict::ALL.into_iter().find(|v| v.as_str() == text).ok_or_else(|| VerdictError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badness_is_buildbots_order() {
        assert!(Verdict::ALL.is_sorted());
        assert_eq!(Verdict::Success.and(Verdict::Warnings), Verdict::Warnings);
        assert_eq!(Verdict::Cancelled.and(Verdict::Failure), Verdict::Cancelled);
        assert_eq!(Verdict::Skipped.and(Verdict::Success), Verdict::Success);
    }

    #[test]
    fn words_round_trip_and_only_green_is_green() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.to_string().parse::<Verdict>().unwrap(), verdict);
            assert_eq!(verdict.is_green(), matches!(verdict, Verdict::Success | Verdict::Warnings));
        }
        assert!("red".parse::<Verdict>().is_err());
    }
}
