//! Emptying a project's caches.

use super::WishError;
use crate::intake::{Answer, Ask, ask};
use crate::model::{Place, ProjectName};
use crate::view::text::bytes;
use std::io::Write;

/// Has HOME and cache of a project emptied, and says how much that was.
pub fn empty_and_tell(place: &Place, project: &ProjectName) -> Result<(), WishError> {
    match ask(place, &Ask::EmptyCache { project: project.clone() })? {
        Answer::Emptied { bytes: freed, more } => {
            let tail = if more { "; the rest goes with the next build, or when this is run again" } else { "" };
            Ok(writeln!(anstream::stdout(), "{project}: {} freed{tail}", bytes(freed))?)
        }
        answer @ (Answer::Refused { .. }
        | Answer::Queued { .. }
        | Answer::Stopping { .. }
        | Answer::Approved { .. }
        | Answer::Held { .. }
        | Answer::Looking
        | Answer::Deploying { .. }
        | Answer::Foreseen { .. }
        | Answer::Adopted { .. }) => Err(WishError::of(answer)),
    }
}
