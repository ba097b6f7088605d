//! What a check expects of one release.

use crate::config::probe::{Http, Probe};
use crate::model::{BuildNumber, CommitId};
use std::collections::BTreeMap;

/// The probe of one release: `%{commit}` and `%{build}` filled in. Of a release whose commit nobody knows, what names it
/// is not looked at.
pub fn of_release(probe: &Probe, build: BuildNumber, commit: Option<&CommitId>) -> Probe {
    let filled = |text: &String| {
        let text = text.replace("%{build}", &build.to_string());
        match commit {
            Some(commit) => Some(text.replace("%{commit}", commit.as_str())),
            None => (!text.contains("%{commit}")).then_some(text),
        }
    };
    match probe {
        Probe::Http(http) => {
            let header: BTreeMap<String, String> =
                http.header.iter().filter_map(|(name, text)| Some((name.clone(), filled(text)?))).collect();
            let contains = http.contains.as_ref().and_then(filled);
            Probe::Http(Http { url: http.url.clone(), status: http.status, contains, header })
        }
        Probe::Tcp(_) | Probe::Command(_) | Probe::Unit(_) => probe.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_names_the_release_that_it_checks() {
        let sha = "a".repeat(40);
        let known: CommitId = sha.parse().unwrap();
        let probe = |contains: Option<&str>, header: &[(&str, &str)]| {
            Probe::Http(Http {
                url: "http://127.0.0.1/".to_owned(),
                status: 200,
                contains: contains.map(str::to_owned),
                header: header.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            })
        };
        let both = format!("{sha} 7");
        for (written, commit, expected) in [
            (probe(None, &[]), Some(&known), probe(None, &[])),
            (probe(Some("ok"), &[]), None, probe(Some("ok"), &[])),
            (probe(Some("b%{build}"), &[]), None, probe(Some("b7"), &[])),
            (probe(Some("%{commit} %{build}"), &[]), Some(&known), probe(Some(&both), &[])),
            (probe(Some("%{commit}"), &[]), None, probe(None, &[])),
            (probe(None, &[("X-Release", "%{commit} %{build}")]), Some(&known), probe(None, &[("X-Release", &both)])),
            (probe(None, &[("A", "%{commit}"), ("B", "%{build}")]), None, probe(None, &[("B", "7")])),
            (Probe::Command("echo %{commit}".to_owned()), Some(&known), Probe::Command("echo %{commit}".to_owned())),
        ] {
            assert_eq!(of_release(&written, BuildNumber(7), commit), expected, "{written:?}");
        }
    }
}
