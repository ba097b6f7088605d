//! What a build hands out.

use super::foreign;
use crate::model::artifact::ArtifactPath;
use crate::view::BuildView;
use crate::view::text::{bytes, count};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Most that are listed.
const LISTED: usize = 200;
/// What stands in a path as it is (RFC 3986, "unreserved").
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The address of an artifact, relative to that of its build.
pub fn artifact_address(path: &ArtifactPath) -> String {
    format!("artifacts/{}", utf8_percent_encode(path.as_str(), PATH))
}

pub(super) fn section(view: &BuildView) -> Markup {
    html! {
        section aria-labelledby="artifacts" {
            h2 #artifacts { "Artifacts" }
            table {
                thead { tr { th scope="col" { "File" } th.num scope="col" { "Size" } th scope="col" { "SHA-256" } } }
                tbody { @for artifact in view.artifacts.iter().take(LISTED) {
                    tr {
                        th scope="row" { a href=(artifact_address(&artifact.path)) { (foreign(artifact.path.as_str())) } }
                        td.num data-l="size" { (bytes(artifact.size)) }
                        td data-l="SHA-256" { span.c title=(artifact.sha256.as_str()) { (&artifact.sha256.as_str()[..16]) "…" } }
                    }
                } }
            }
            @if let Some(more) = view.artifacts.len().checked_sub(LISTED).filter(|more| *more > 0) {
                p.sub { "And " (count(more, "more file")) "; ci-status " (view.build.id) " --artifacts has all." }
            }
        }
    }
}
