//! What can be wrong with a configuration file.

use super::file::ReadFault;
use super::name::WordFault;
use super::path::PathFault;
use super::quantity::QuantityFault;
use super::url::UrlFault;
use super::wanted::WantedFault;
use crate::model::TargetName;
use crate::model::name::NameError;

/// One thing that is wrong; where it is, is [`super::problem::Problem`]'s part.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error("no project can have the name of this file: {0}")]
    FileName(NameError),
    /// In the TOML parser's words.
    #[error("{0}")]
    Syntax(String),
    #[error("unknown key `{key}` {section}{hint}")]
    UnknownKey { key: String, section: Section, hint: Hint },
    #[error("{what} is not available in this version of unitci{}", instead.map(|i| format!("; {i}")).unwrap_or_default())]
    Planned { what: String, instead: Option<&'static str> },
    #[error(
        "{what} is not for {file}: the administrator says this in /etc/ci/projects.d/{project}.toml",
        file = super::pipeline::FILE
    )]
    Administrator { what: String, project: String },
    #[error("the commit has no {file}; write the steps into one (ci-project(5) tells how), and `ci-config check --repository` \
        says whether it is right", file = super::pipeline::FILE)]
    NoPipeline,
    #[error("no template is called {name:?}{hint}")]
    UnknownTemplate { name: String, hint: Hint },
    #[error("`{key}` is missing {section} ({doc})")]
    Missing { key: &'static str, section: Section, doc: &'static str },
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: &'static str },
    #[error("{found:?} is not a known value{hint}")]
    UnknownWord { found: String, hint: Hint },
    #[error("there is no [[lock]] named {name:?} in ci.toml{hint}")]
    UnknownLock { name: String, hint: Hint },
    #[error("another [[deploy]] has the name {0} already; each needs one of its own")]
    TargetTwice(TargetName),
    #[error("the target {0} has this folder, or one above or below it; each needs one of its own")]
    SharedRoot(TargetName),
    #[error("must be from {min} to {max}")]
    Range { min: String, max: String },
    #[error("must be at least {0}")]
    AtLeast(u64),
    #[error("{0}")]
    Rule(&'static str),
    #[error("this stands in `{0}` twice")]
    Twice(&'static str),
    #[error(transparent)]
    Quantity(#[from] QuantityFault),
    #[error(transparent)]
    Url(#[from] UrlFault),
    #[error(transparent)]
    Path(#[from] PathFault),
    #[error(transparent)]
    Wanted(#[from] WantedFault),
    #[error(transparent)]
    Word(#[from] WordFault),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("not a pattern: {0}")]
    Glob(globset::ErrorKind),
    #[error("not a mail address: {0}")]
    Mail(lettre::address::AddressError),
}

impl Fault {
    /// A value of the wrong kind.
    pub(super) fn expected(expected: &'static str, found: &'static str) -> Fault {
        Fault::Type { expected, found }
    }
}

/// A table of a file, as its header is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section(pub(super) String);

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("above the first [table]") } else { write!(f, "in {}", self.0) }
    }
}

/// What was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    Nearest(String),
    /// The key exists, in another table.
    Belongs(String),
    /// All that would be right.
    Valid(Vec<String>),
}

impl Hint {
    /// The likeliest of the valid words, or all of them.
    pub(super) fn among<'a>(found: &str, valid: impl IntoIterator<Item = &'a str>) -> Hint {
        let valid: Vec<&str> = valid.into_iter().collect();
        match nearest(found, valid.iter().copied()) {
            Some(near) => Hint::Nearest(near.to_owned()),
            None => Hint::Valid(valid.into_iter().map(str::to_owned).collect()),
        }
    }
}

/// The candidate most like `found`, if one is like it at all.
pub(super) fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The bound keeps a hostile key of 100 KiB from being compared at length.
    let found = found.chars().take(64).collect::<String>().to_lowercase();
    let likeness = |candidate: &str| {
        // clap's measure; it takes no notice of two letters swapped in a short word.
        let slip = candidate.len() > 2 && strsim::damerau_levenshtein(&found, candidate) == 1;
        if slip { 1.0 } else { strsim::jaro_winkler(&found, candidate) }
    };
    candidates
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hint::Nearest(name) => write!(f, "; did you mean `{name}`?"),
            Hint::Belongs(section) => write!(f, "; it belongs into {section}"),
            Hint::Valid(all) if all.is_empty() => f.write_str("; there is none"),
            Hint::Valid(all) => write!(f, "; known: {}", all.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let keys = ["url", "branches", "build-on-first-poll", "poll"];
        for (found, near) in [
            ("brances", Some("branches")),
            ("URL", Some("url")),
            ("ulr", Some("url")),
            ("bulid-on-first-poll", Some("build-on-first-poll")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, keys), near, "{found}");
        }
    }
}
