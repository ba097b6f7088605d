//! Whether a step has anything to do in a build: on this ref, with these changes.

use crate::config::project::{Only, When};
use crate::model::{Changed, RefName};

/// Why a step does not run on this ref; nothing if it does. A bare commit is on no ref.
pub fn elsewhere(only: &Only, reference: Option<&RefName>) -> Option<String> {
    if only.branches.is_empty() && only.refs.is_empty() {
        return None;
    }
    let branch = reference.and_then(RefName::branch);
    let on_branch = branch.is_some_and(|name| only.branches.iter().any(|pattern| pattern.matches(name)));
    let on_ref = reference.is_some_and(|name| only.refs.iter().any(|pattern| pattern.matches(name.as_str())));
    if on_branch || on_ref {
        return None;
    }
    let patterns: Vec<&str> = only.branches.iter().chain(&only.refs).map(|pattern| pattern.as_str()).collect();
    Some(format!("only for {}", patterns.join(", ")))
}

/// Whether it takes the changed files to say if a step is needed.
pub fn looks_at_files(when: When, only: &Only) -> bool {
    when == When::Changed || !only.files.is_every()
}

/// Why a step is not needed after these changes; nothing if it is.
pub fn unneeded(when: When, only: &Only, changed: &Changed) -> Option<String> {
    if !looks_at_files(when, only) {
        return None;
    }
    match changed {
        Changed::Everything => None,
        Changed::Files { since: _, paths } if paths.iter().any(|path| only.files.matches(path)) => None,
        Changed::Files { since, paths: _ } if only.files.is_every() => {
            Some(format!("nothing has changed since build {since}, which was green"))
        }
        Changed::Files { since, paths: _ } => {
            Some(format!("none of its files has changed since build {since}, which was green"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::pattern::{Files, Pattern};
    use crate::model::BuildNumber;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::new(text).unwrap()).collect()
    }

    #[test]
    fn on_which_refs_a_step_runs() {
        let main = Some("refs/heads/main");
        let table: [(&[&str], &[&str], Option<&str>, bool); 10] = [
            (&[], &[], main, true),
            (&[], &[], None, true),
            (&["main"], &[], main, true),
            (&["release/*"], &[], main, false),
            (&["release/*"], &[], Some("refs/heads/release/1"), true),
            (&["v*"], &[], Some("refs/tags/v1"), false),
            (&[], &["refs/tags/v*"], Some("refs/tags/v1"), true),
            (&[], &["refs/tags/v*"], main, false),
            (&["main"], &["refs/tags/**"], Some("refs/tags/a/b"), true),
            (&["main"], &["refs/tags/*"], None, false),
        ];
        for (branches, refs, reference, runs) in table {
            let only = Only { branches: patterns(branches), refs: patterns(refs), files: Files::default() };
            let reference = reference.map(|name| name.parse().unwrap());
            assert_eq!(elsewhere(&only, reference.as_ref()).is_none(), runs, "{branches:?} {refs:?} {reference:?}");
        }
        let only = Only { branches: patterns(&["main"]), refs: patterns(&["refs/tags/*"]), files: Files::default() };
        assert_eq!(elsewhere(&only, None).unwrap(), "only for main, refs/tags/*");
    }

    #[test]
    fn after_which_changes_a_step_is_needed() {
        let docs = Only {
            files: Files { include: patterns(&["docs/**"]), exclude: patterns(&["**/*.png"]) },
            ..Only::default()
        };
        let any = Only::default();
        let files = |paths: &[&str]| Changed::Files {
            since: BuildNumber(7),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        for (when, only, changed, needed) in [
            (When::Changed, &any, files(&[]), false),
            (When::Changed, &any, files(&["x"]), true),
            (When::Changed, &any, Changed::Everything, true),
            (When::Changed, &docs, files(&["x", "docs/a.md"]), true),
            (When::Changed, &docs, files(&["x", "docs/a.png"]), false),
            (When::Changed, &docs, Changed::Everything, true),
            // A condition on files holds with the other words too.
            (When::Success, &docs, files(&["x"]), false),
            (When::Always, &docs, files(&["x"]), false),
            (When::Failure, &docs, files(&["docs/a.md"]), true),
            (When::Success, &any, files(&[]), true),
        ] {
            assert_eq!(unneeded(when, only, &changed).is_none(), needed, "{when:?} {only:?} {changed:?}");
        }
        let why = unneeded(When::Changed, &docs, &files(&["x"])).unwrap();
        assert_eq!(why, "none of its files has changed since build 7, which was green");
    }
}
