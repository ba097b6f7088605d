//! Which of a build's artifacts go into its release.

use crate::config::WantedFiles;
use crate::model::artifact::Artifact;

/// Those that any pattern means, in their order; or the first pattern that means none: a release without what was asked
/// for is no release.
pub fn wanted<'a>(all: &[Artifact], patterns: &'a [WantedFiles]) -> Result<Vec<Artifact>, &'a WantedFiles> {
    let meant = |pattern: &WantedFiles| all.iter().any(|artifact| pattern.takes(artifact.path.as_str()));
    match patterns.iter().find(|pattern| !meant(pattern)) {
        Some(idle) => Err(idle),
        None => {
            let goes = |artifact: &&Artifact| patterns.iter().any(|pattern| pattern.takes(artifact.path.as_str()));
            Ok(all.iter().filter(goes).cloned().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StepIndex;
    use crate::model::artifact::Sha256;

    #[test]
    fn each_pattern_means_something_or_there_is_no_release() {
        let artifact = |path: &str| Artifact {
            path: path.parse().unwrap(),
            step: StepIndex(1),
            offset: 0,
            size: 0,
            sha256: Sha256::of_sum([0; 32]),
            executable: false,
        };
        let all = ["dist/a.whl", "dist/b.whl", "docs/index.html"].map(artifact);
        for (patterns, outcome) in [
            (&[][..], Ok(vec![])),
            (&["dist/*"][..], Ok(vec!["dist/a.whl", "dist/b.whl"])),
            (&["docs", "**/b.whl"][..], Ok(vec!["dist/b.whl", "docs/index.html"])),
            (&["**", "dist/a.whl"][..], Ok(vec!["dist/a.whl", "dist/b.whl", "docs/index.html"])),
            (&["dist", "bin/*", "lib"][..], Err("bin/*")),
        ] {
            let patterns: Vec<WantedFiles> = patterns.iter().map(|text| WantedFiles::parse(text).unwrap()).collect();
            let chosen = wanted(&all, &patterns);
            let chosen = chosen.as_ref().map(|all| all.iter().map(|artifact| artifact.path.as_str()).collect());
            assert_eq!(chosen.map_err(|pattern| pattern.as_str()), outcome, "{patterns:?}");
        }
    }
}
