//! `[source]`

use super::{HOUR, MINUTE, SECOND};
use crate::config::fault::Fault;
use crate::config::pattern::Pattern;
use crate::config::project::{BranchPattern, BuildOutside, Source};
use crate::config::quantity::DURATION_MAX;
use crate::config::reader::Reader;
use crate::config::value::{duration, flag, text, word};
use crate::config::{name, url};
use globset::GlobBuilder;
use std::time::Duration;

pub(super) fn source(reader: &mut Reader<'_, '_>) -> Option<Source> {
    let url = reader.required("url", text(url::repository));
    let branches = reader.distinct("branches", text(branch_pattern));
    let outside = reader.distinct("outside", text(outside_pattern));
    let build_outside = reader.required("build-outside", word(BUILD_OUTSIDE));
    let credential = reader.optional("credential", text(name::credential));
    let poll = reader.required("poll", duration(MINUTE..=DURATION_MAX));
    let stable = reader.required("stable", duration(Duration::ZERO..=DURATION_MAX));
    let stable_max = reader.optional("stable-max", duration(Duration::ZERO..=DURATION_MAX));
    let timeout = reader.required("timeout", duration(SECOND..=HOUR));
    let build_on_first_poll = reader.required("build-on-first-poll", flag);
    let (stable, stable_max) = (stable?, stable_max?);
    if stable_max.is_some_and(|max| max < stable) {
        reader.complain("stable-max", Fault::Rule("must not be shorter than `stable`"));
        return None;
    }
    let (outside, build_outside) = (outside?, build_outside?);
    if outside.is_empty() && build_outside != BuildOutside::Never && !reader.is_partial() {
        let rule = "says nothing without `outside`, the patterns of those refs, such as [\"refs/pull/*/head\"]";
        reader.complain("build-outside", Fault::Rule(rule));
        return None;
    }
    Some(Source {
        outside,
        build_outside,
        url: url?,
        branches: branches?,
        credential: credential?,
        poll: poll?,
        stable,
        stable_max: stable_max.unwrap_or(stable * 6),
        timeout: timeout?,
        build_on_first_poll: build_on_first_poll?,
    })
}

const BUILD_OUTSIDE: &[(&str, BuildOutside)] =
    &[("never", BuildOutside::Never), ("ask", BuildOutside::Ask), ("always", BuildOutside::Always)];

/// The folder below `refs/` stands there by its name, so that no pattern takes the team's own refs for a stranger's.
fn outside_pattern(text: &str) -> Result<Pattern, Fault> {
    const GLOB_MAX: usize = 200;
    if text.len() > GLOB_MAX || text.chars().any(|c| c.is_control() || c == ' ') {
        return Err(Fault::Rule("a pattern of refs has at most 200 characters, no spaces and no controls"));
    }
    let folder = text.strip_prefix("refs/").and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
    match folder {
        Some("heads" | "tags") => Err(Fault::Rule("branches and tags are the team's own; see `branches`")),
        Some(folder) if !folder.is_empty() && folder.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            Pattern::new(text).map_err(|error| Fault::Glob(error.kind().clone()))
        }
        Some(_) | None => Err(Fault::Rule("must be the whole name of refs below one folder, like `refs/pull/*/head`")),
    }
}

pub(super) fn branch_pattern(text: &str) -> Result<BranchPattern, Fault> {
    const GLOB_MAX: usize = 200;
    if text.is_empty() || text.len() > GLOB_MAX || text.chars().any(|c| c.is_control() || c == ' ') {
        return Err(Fault::Rule("a branch pattern has 1 to 200 characters, no spaces and no controls"));
    }
    if text.starts_with("refs/") {
        return Err(Fault::Rule("must be a branch's name as people say it: `main`, not `refs/heads/main`"));
    }
    if text.starts_with(['-', '/', '!']) {
        return Err(Fault::Rule("a branch's name does not begin with `-`, `/` or `!`"));
    }
    match GlobBuilder::new(text).literal_separator(true).build() {
        Ok(glob) => Ok(BranchPattern { text: text.to_owned(), glob: glob.compile_matcher() }),
        Err(error) => Err(Fault::Glob(error.kind().clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_refs_are_never_branches() {
        for good in ["refs/pull/*/head", "refs/merge-requests/*/head", "refs/changes/**"] {
            assert_eq!(outside_pattern(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "main",
            "refs/*",
            "refs/**",
            "refs/*/head",
            "refs/heads/*",
            "refs/tags/v*",
            "refs//x",
            "refs/{heads,x}/*",
            "refs/pull/ *",
        ] {
            assert!(outside_pattern(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_star_does_not_cross_a_slash() {
        for (pattern, branch, matches) in [
            ("main", "main", true),
            ("main", "main2", false),
            ("release/*", "release/1.0", true),
            ("release/*", "release/1/0", false),
            ("release/**", "release/1/0", true),
            ("**", "a/b", true),
            ("*", "a/b", false),
            ("{main,next}", "next", true),
        ] {
            assert_eq!(branch_pattern(pattern).unwrap().glob.is_match(branch), matches, "{pattern} {branch}");
        }
        for bad in ["", "a b", "a\n", "refs/heads/main", "-x", "!x", "/x", "[a", "{a", &"x".repeat(201)] {
            assert!(branch_pattern(bad).is_err(), "{bad:?}");
        }
    }
}
