//! Deploy targets: checked, filled, switched, cleaned.

use super::{LONG, Repo, ask, git_in, kind};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use unitci::config::project::Shape;
use unitci::model::{BuildNumber, CommitId, ReleaseName};
use unitci::worker::protocol::{
    Failure, FailureKind, Line, Missing, ReleaseCheckTask, ReleaseListTask, ReleaseMakeAnswer, ReleaseMakeTask,
    ReleaseRemoveTask, ReleaseSwitchTask,
};

struct Target {
    repo: Repo,
    root: PathBuf,
}

impl Target {
    fn new() -> Target {
        let repo = Repo::new();
        let root = repo.place.path().join("srv");
        fs::create_dir(&root).unwrap();
        Target { repo, root }
    }

    fn make(
        &self,
        build: u32,
        commit: &CommitId,
        shared: &[&str],
    ) -> Result<(ReleaseName, ReleaseMakeAnswer), Failure> {
        self.repo.mirrored();
        let name = ReleaseName::new(BuildNumber(build), commit);
        let shared = shared.iter().map(PathBuf::from).collect();
        let (root, mirror, commit) = (self.root.clone(), self.repo.mirror(), commit.clone());
        let shape = Shape::default();
        let task = ReleaseMakeTask { root, name: name.clone(), commit, mirror, shape, shared, timeout: LONG };
        ask(task).map(|answer| (name, answer))
    }

    fn switch(&self, name: &ReleaseName) -> Result<Option<ReleaseName>, Failure> {
        let build = format!("gkp:{}", name.number()).parse().unwrap();
        let who = Line::cut("a push\n by Ada");
        ask(ReleaseSwitchTask { root: self.root.clone(), name: name.clone(), build, who }).map(|answer| answer.previous)
    }

    fn missing(&self, shared: &[&str]) -> Vec<Missing> {
        let shared = shared.iter().map(PathBuf::from).collect();
        ask(ReleaseCheckTask { root: self.root.clone(), shared }).unwrap().missing
    }

    fn release(&self, name: &ReleaseName) -> PathBuf {
        self.root.join("releases").join(name.as_str())
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn from_the_first_release_to_the_third() {
    let target = Target::new();
    let first = target.repo.head();
    let second = target.repo.commit("second", &[("README", "two\n"), ("REVISION", "mine"), ("media/logo", "x")]);
    fs::create_dir_all(target.root.join("shared/media")).unwrap();
    fs::create_dir_all(target.root.join("shared/conf/app")).unwrap();
    fs::write(target.root.join("shared/conf/app/.env"), "SECRET=1").unwrap();
    let shared = ["media", "conf/app/.env"];
    assert_eq!(target.missing(&shared), []);

    let (one, made) = target.make(1, &first, &shared).unwrap();
    assert_eq!(made, ReleaseMakeAnswer::Made { files: 1 });
    assert_eq!(text(&target.release(&one).join("REVISION")), format!("{first}\n"));
    assert!(!target.root.join("current").exists());
    assert_eq!(target.switch(&one).unwrap(), None);
    assert_eq!(text(&target.root.join("current/README")), "one\n");

    let (two, _) = target.make(2, &second, &shared).unwrap();
    assert_eq!(target.make(2, &second, &shared).unwrap().1, ReleaseMakeAnswer::There);
    assert_eq!(text(&target.release(&two).join("REVISION")), format!("{second}\n"));
    assert_eq!(text(&target.release(&two).join("conf/app/.env")), "SECRET=1");
    assert_eq!(fs::read_link(target.release(&two).join("media")).unwrap(), Path::new("../../shared/media"));
    assert_eq!(target.switch(&two).unwrap(), Some(one.clone()));
    assert_eq!(target.switch(&two).unwrap(), Some(two.clone()), "again is nothing new");
    assert_eq!(fs::read_link(target.root.join("current")).unwrap(), Path::new("releases").join(two.as_str()));
    let log = text(&target.root.join("revisions.log"));
    let lines: Vec<&str> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, [format!("{one} gkp:1 a push by Ada"), format!("{two} gkp:2 a push by Ada")]);

    let (ten, _) = target.make(10, &first, &[]).unwrap();
    fs::create_dir(target.root.join("releases/notes")).unwrap();
    let listed = ask(ReleaseListTask { root: target.root.clone() }).unwrap();
    let names: Vec<&ReleaseName> = listed.releases.iter().map(|release| &release.name).collect();
    assert_eq!((names, listed.current), (vec![&one, &two, &ten], Some(two.clone())));
    assert_eq!(listed.releases[1].commit, Some(second));

    for left in [".7-3f2a91c.tmp/half", ".8-3f2a91c.gone/half"] {
        fs::create_dir_all(target.root.join("releases").join(left)).unwrap();
    }
    let names = vec![one.clone(), two.clone(), "99-0000000".parse().unwrap()];
    let removed = ask(ReleaseRemoveTask { root: target.root.clone(), names, timeout: LONG }).unwrap().removed;
    assert_eq!(removed, [one, "99-0000000".parse().unwrap()]);
    let mut left: Vec<String> = fs::read_dir(target.root.join("releases"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [ten.to_string(), two.to_string(), "notes".into()]);
    assert_eq!(text(&target.root.join("shared/conf/app/.env")), "SECRET=1", "removing follows no link");
}

#[test]
fn what_stands_in_the_way_is_said() {
    let target = Target::new();
    let root = &target.root;
    assert_eq!(target.missing(&["media"]), [Missing::Shared(root.join("shared/media"))]);
    fs::create_dir(root.join("current")).unwrap();
    fs::write(root.join("releases"), "").unwrap();
    assert_eq!(target.missing(&[]), [Missing::Current(root.join("current")), Missing::Folder(root.join("releases"))]);
    let adopt = Missing::Current(root.join("current")).to_string();
    let (_, command) = adopt.split_once("adopt it: ").unwrap();
    fs::remove_file(root.join("releases")).unwrap();
    let (one, _) = target.make(1, &target.repo.head(), &[]).unwrap();
    assert_eq!(kind(target.switch(&one)), FailureKind::Refused);
    let adopted = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(adopted.success(), "{command}");
    assert_eq!(target.missing(&[]), []);
    assert_eq!(target.switch(&one).unwrap(), Some("0-0000000".parse().unwrap()));
    let absent = ask(ReleaseCheckTask { root: root.join("absent"), shared: vec![] }).unwrap();
    assert_eq!(absent.missing, [Missing::Root(root.join("absent"))]);
}

#[test]
fn a_release_stays_in_its_place() {
    let target = Target::new();
    let outside = target.repo.place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, target.repo.path().join("dir")).unwrap();
    symlink(outside.join("file"), target.repo.path().join("REVISION")).unwrap();
    let commit = target.repo.commit("links", &[]);
    fs::create_dir_all(target.root.join("shared/dir/sub")).unwrap();
    for (shared, says) in [
        ("dir/sub", "no folder in this commit"),
        ("../x", "not a path below"),
        ("/etc/passwd", "not a path below"),
        ("", "it is empty"),
        ("absent", "not in the shared folder yet"),
    ] {
        let failure = target.make(1, &commit, &[shared]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.message.as_str().contains(says), "{shared}: {failure}");
    }
    let listed = ask(ReleaseListTask { root: target.root.clone() }).unwrap();
    assert_eq!((listed.releases, listed.current), (vec![], None), "a failed one is none");
    let (one, _) = target.make(1, &commit, &["dir"]).unwrap();
    assert_eq!(text(&target.release(&one).join("REVISION")), format!("{commit}\n"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // Another commit under the same name, a release that is a link, a switch to nothing.
    fs::write(target.release(&one).join("REVISION"), "other\n").unwrap();
    assert_eq!(kind(target.make(1, &commit, &[])), FailureKind::Refused);
    let two = ReleaseName::new(BuildNumber(2), &commit);
    assert_eq!(kind(target.switch(&two)), FailureKind::Refused);
    symlink(&outside, target.release(&two)).unwrap();
    assert_eq!(kind(target.make(2, &commit, &[])), FailureKind::Refused);
    assert_eq!(kind(target.switch(&two)), FailureKind::Refused);
    git_in(&target.repo.mirror(), &["fsck", "--no-progress"]);
}
