//! Globs as they stand in a file: `*` does not cross `/`, `**` does.

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

/// A glob, known to compile; kept and written as its text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// Compiles a glob.
    pub fn new(text: &str) -> Result<Pattern, globset::Error> {
        let glob = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
        Ok(Pattern { text: text.to_owned(), glob })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a name or path is one of those that are meant.
    pub fn matches(&self, name: &str) -> bool {
        self.glob.is_match(name)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = globset::Error;
    fn try_from(text: String) -> Result<Pattern, globset::Error> {
        Pattern::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text
    }
}

/// Which files are meant: all that an include names, or all if there is none, without those that an exclude names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Files {
    /// `docs/**`
    pub include: Vec<Pattern>,
    /// `!docs/drafts/**`
    pub exclude: Vec<Pattern>,
}

impl Files {
    /// Whether a path is one of them.
    pub fn matches(&self, path: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches(path));
        included && !self.exclude.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether nothing is said, and so every file is meant.
    pub fn is_every(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files_are_meant() {
        let list = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect::<Vec<_>>();
        let table: [(&[&str], &[&str], &[&str], &[&str]); 4] = [
            (&[], &[], &["a", "a/b"], &[]),
            (&["src/**", "*.toml"], &[], &["src/a/b.rs", "Cargo.toml"], &["src.rs", "sub/Cargo.toml"]),
            (&["**"], &["docs/**"], &["a", "x/docs/a"], &["docs/a", "docs/b/c"]),
            (&[], &["**/*.md"], &["a.rs"], &["README.md", "a/b.md"]),
        ];
        for (include, exclude, yes, no) in table {
            let files = Files { include: list(include), exclude: list(exclude) };
            for path in yes {
                assert!(files.matches(path), "{path} is one of {include:?} without {exclude:?}");
            }
            for path in no {
                assert!(!files.matches(path), "{path} is none of {include:?} without {exclude:?}");
            }
        }
    }

    #[test]
    fn a_pattern_is_kept_as_its_text() {
        let files = Files { include: vec![Pattern::new("{a,b}/**").unwrap()], exclude: Vec::new() };
        let kept = serde_json::to_string(&files).unwrap();
        assert_eq!(kept, r#"{"include":["{a,b}/**"],"exclude":[]}"#);
        assert_eq!(serde_json::from_str::<Files>(&kept).unwrap(), files);
        assert!(serde_json::from_str::<Files>(r#"{"include":["[a"],"exclude":[]}"#).is_err());
    }
}
