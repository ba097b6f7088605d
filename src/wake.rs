//! Wakes: empty files whose path units start the service that is to look at the store.
//!
//! A wake carries no truth. It is made after the commit that it tells of, and taken before the store is read, so that
//! one which comes meanwhile starts the service once more.

use crate::model::Place;
use std::fs::{File, remove_file};
use std::io::{ErrorKind, Result};

/// Who is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// `ci-poll.service`: a person wants a look.
    Poll,
    /// `ci-build.service`: something waits, a build has ended, or one is to be stopped.
    Build,
    /// `ci-deploy.service`: something is to be deployed.
    Deploy,
    /// `ci-notify.service`: something is to be told.
    Notify,
}

impl Wake {
    fn path(self, place: &Place) -> std::path::PathBuf {
        place.wakes().join(match self {
            Wake::Poll => "poll",
            Wake::Build => "build",
            Wake::Deploy => "deploy",
            Wake::Notify => "notify",
        })
    }

    /// Wakes. When it fails the work is done at the next timer; the caller says so and goes on.
    pub fn up(self, place: &Place) -> Result<()> {
        File::create(self.path(place)).map(drop)
    }

    /// Wakes, and leaves a warning when that fails.
    pub fn up_or_warn(self, place: &Place) {
        if let Err(error) = self.up(place) {
            tracing::warn!("{}: {error}; it is done at the next timer instead", self.path(place).display());
        }
    }

    /// The woken one takes the wake, first of all.
    pub fn take(self, place: &Place) -> Result<()> {
        match remove_file(self.path(place)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
