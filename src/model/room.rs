//! The room of a build: where and as whom it lives.

use super::lock::Slot;
use super::name::ProjectName;
use super::place::Place;
use super::unit::{self, Trust};
use std::path::PathBuf;

/// One project's users and folders are its rooms. Builds of the team's refs live in one, builds of refs from outside in
/// another, with another user: nothing that one leaves behind is in the other's reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Room {
    /// Whose room.
    pub project: ProjectName,
    /// For whose commits.
    pub trust: Trust,
    /// Which of its workspaces; builds that run at once share all else.
    pub slot: Slot,
}

impl Room {
    /// What a build is made in, filled anew for each.
    pub const WORKSPACE: &str = "workspace";
    /// The steps' `/tmp`, emptied for each build.
    pub const TMP: &str = "tmp";
    /// `$HOME`, kept from build to build.
    pub const HOME: &str = "home";
    /// `$CI_CACHE`, kept from build to build.
    pub const CACHE: &str = "cache";

    /// `$CI_ARTIFACTS`, emptied for each build.
    pub const ARTIFACTS: &str = "artifacts";

    /// The room for a project's builds of such commits.
    pub fn of(project: &ProjectName, trust: Trust) -> Room {
        Room { project: project.clone(), trust, slot: Slot::default() }
    }

    /// The same room with another workspace.
    pub fn in_slot(self, slot: Slot) -> Room {
        Room { slot, ..self }
    }

    /// `workspace`, and `workspace-1` beside it for a second build at the same time; likewise `tmp`.
    pub fn of_slot(base: &str, slot: Slot) -> String {
        match slot {
            Slot(0) => base.to_owned(),
            Slot(number) => format!("{base}-{number}"),
        }
    }

    /// `cib-gkp`, or `cix-gkp` for refs from outside: who checks out and runs the steps.
    pub fn user(&self) -> String {
        match self.trust {
            Trust::Inside => unit::build_user(&self.project),
            Trust::Outside => unit::outside_user(&self.project),
        }
    }

    /// `/var/cache/ci/gkp`, or `/var/cache/ci/gkp.outside`: all of it. No project's name has a dot, so no room is another
    /// project's.
    pub fn folder(&self, place: &Place) -> PathBuf {
        match self.trust {
            Trust::Inside => place.rooms().join(self.project.as_str()),
            Trust::Outside => place.rooms().join(format!("{}.outside", self.project)),
        }
    }

    /// `/var/cache/ci/gkp/workspace`
    pub fn workspace(&self, place: &Place) -> PathBuf {
        self.folder(place).join(Room::of_slot(Room::WORKSPACE, self.slot))
    }

    /// `/var/cache/ci/gkp/artifacts`
    pub fn artifacts(&self, place: &Place) -> PathBuf {
        self.folder(place).join(Room::of_slot(Room::ARTIFACTS, self.slot))
    }

    /// `/var/cache/ci/gkp/tmp`
    pub fn tmp(&self, place: &Place) -> PathBuf {
        self.folder(place).join(Room::of_slot(Room::TMP, self.slot))
    }

    /// `/var/cache/ci/gkp/home`
    pub fn home(&self, place: &Place) -> PathBuf {
        self.folder(place).join(Room::HOME)
    }

    /// `/var/cache/ci/gkp/cache`
    pub fn cache(&self, place: &Place) -> PathBuf {
        self.folder(place).join(Room::CACHE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_at_the_same_time_share_all_but_workspace_and_tmp() {
        let place = Place::system();
        let first = Room::of(&"gkp".parse().unwrap(), Trust::Inside);
        let second = first.clone().in_slot(Slot(1));
        assert_eq!(second.workspace(&place), PathBuf::from("/var/cache/ci/gkp/workspace-1"));
        assert_eq!(second.tmp(&place), PathBuf::from("/var/cache/ci/gkp/tmp-1"));
        assert_eq!(
            (second.user(), second.home(&place), second.cache(&place)),
            (first.user(), first.home(&place), first.cache(&place))
        );
    }

    #[test]
    fn no_two_rooms_share_a_user_or_a_folder() {
        let place = Place::system();
        let mut users = std::collections::BTreeSet::new();
        let mut folders = std::collections::BTreeSet::new();
        for name in ["gkp", "gkp-x", "gkp-outside", "x-gkp", "outside"] {
            for trust in [Trust::Inside, Trust::Outside] {
                let room = Room::of(&name.parse().unwrap(), trust);
                assert!(users.insert(room.user()), "{room:?}");
                assert!(folders.insert(room.folder(&place)), "{room:?}");
                assert!(room.home(&place).starts_with(room.folder(&place)));
            }
        }
    }
}
