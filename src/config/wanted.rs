//! Patterns of files in a workspace: `build/*.xml`, `dist/**`, `report.txt`.

use super::path::{self, PathFault};
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One part of a pattern, between two slashes.
#[derive(Debug, Clone)]
pub enum Part {
    /// `**`: any number of folders, none among them.
    Folders,
    /// One name.
    Name(GlobMatcher),
}

/// A pattern of paths below the workspace; never out of it. `*` does not cross `/`, `**` does; one that matches a folder
/// means all that is in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WantedFiles {
    text: String,
    parts: Vec<Part>,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WantedFault {
    /// It is no path below the workspace.
    #[error("a pattern is a path below the workspace, without `.`, `..` or `//`, and without / in front or at its end")]
    Path,
    /// `**` does not stand alone between slashes.
    #[error("** stands for folders and is a part of its own, like in build/**/*.xml")]
    Folders,
    /// The glob itself.
    #[error("not a pattern: {0}")]
    Glob(globset::ErrorKind),
}

impl From<PathFault> for WantedFault {
    fn from(_: PathFault) -> WantedFault {
        WantedFault::Path
    }
}

impl WantedFiles {
    /// Reads one.
    pub fn parse(text: &str) -> Result<WantedFiles, WantedFault> {
        path::relative(text)?;
        let parts = text.split('/').map(part).collect::<Result<_, _>>()?;
        Ok(WantedFiles { text: text.to_owned(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parts, from the workspace down.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it means this file; `path` is relative and normalized.
    pub fn takes(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        takes(&self.parts, &names)
    }
}

fn takes(parts: &[Part], names: &[&str]) -> bool {
    match (parts.split_first(), names.split_first()) {
        // What is left lies in a folder that was meant; `**` alone at the end means what is in it, too.
        (None, _) => true,
        (Some((Part::Folders, [])), _) => !names.is_empty(),
        (Some((Part::Folders, rest)), name) => takes(rest, names) || name.is_some_and(|(_, names)| takes(parts, names)),
        (Some((Part::Name(glob), rest)), Some((name, names))) => glob.is_match(name) && takes(rest, names),
        (Some((Part::Name(_), _)), None) => false,
    }
}

fn part(text: &str) -> Result<Part, WantedFault> {
    if text == "**" {
        return Ok(Part::Folders);
    }
    if text.contains("**") {
        return Err(WantedFault::Folders);
    }
    // A brace with a slash in it would be torn apart here, and then be no glob.
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map(|glob| Part::Name(glob.compile_matcher())).map_err(|error| WantedFault::Glob(error.kind().clone()))
}

impl PartialEq for WantedFiles {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for WantedFiles {}

impl TryFrom<String> for WantedFiles {
    type Error = WantedFault;
    fn try_from(text: String) -> Result<WantedFiles, WantedFault> {
        WantedFiles::parse(&text)
    }
}

impl From<WantedFiles> for String {
    fn from(pattern: WantedFiles) -> String {
        pattern.text
    }
}

impl fmt::Display for WantedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files_a_pattern_means() {
        for (pattern, path, meant) in [
            ("dist/*.whl", "dist/a.whl", true),
            ("dist/*.whl", "dist/sub/a.whl", false),
            ("dist/*.whl", "a.whl", false),
            ("dist", "dist/sub/a.whl", true),
            ("dist", "dist", true),
            ("dist", "distribution", false),
            ("dist/**", "dist/a", true),
            ("dist/**", "dist", false),
            ("**", "a/b", true),
            ("**/a", "a", true),
            ("**/a", "x/y/a", true),
            ("**/a", "x/y/b", false),
            ("x/**/a", "x/a", true),
            ("x/**/a", "y/a", false),
        ] {
            assert_eq!(WantedFiles::parse(pattern).unwrap().takes(path), meant, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_a_pattern() {
        for (text, says) in [
            ("build/*.xml", ""),
            ("**/TEST-*.xml", ""),
            ("dist", ""),
            ("a/{b,c}/[!x]*.txt", ""),
            ("/etc/passwd", "below the workspace"),
            ("../other/x", "below the workspace"),
            ("a/../../x", "below the workspace"),
            ("a//b", "below the workspace"),
            ("", "below the workspace"),
            ("a/b**", "a part of its own"),
            ("a/[", "not a pattern"),
            ("{a,b/c}", "not a pattern"),
        ] {
            match WantedFiles::parse(text) {
                Ok(_) => assert_eq!(says, "", "{text:?} was taken"),
                Err(fault) => assert!(!says.is_empty() && fault.to_string().contains(says), "{text:?}: {fault}"),
            }
        }
    }
}
