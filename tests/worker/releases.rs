//! Deploy targets: checked, filled, switched, cleaned.

use super::{LONG, Repo, ask, git_in, kind, run};
use sha2::Digest;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use unitci::config::project::Shape;
use unitci::model::artifact::Sha256;
use unitci::model::{BuildNumber, CommitId, ReleaseName};
use unitci::worker::protocol::{
    Answer, ArtifactHead, Failure, FailureKind, Line, Made, Missing, Release, ReleaseAdoptTask, ReleaseCheckAnswer,
    ReleaseCheckTask, ReleaseMakeAnswer, ReleaseMakeTask, ReleaseRemoveTask, ReleaseSwitchTask, Task,
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

    fn task(&self, build: u32, commit: &CommitId, shared: &[&str], artifacts: usize) -> ReleaseMakeTask {
        self.repo.mirrored();
        let name = ReleaseName::new(BuildNumber(build), commit);
        let shared = shared.iter().map(PathBuf::from).collect();
        let (root, mirror, commit) = (self.root.clone(), self.repo.mirror(), commit.clone());
        let shape = Shape::default();
        ReleaseMakeTask { root, name, commit, mirror, shape, shared, artifacts, timeout: LONG }
    }

    fn make(&self, build: u32, commit: &CommitId, shared: &[&str]) -> Result<(ReleaseName, Made), Failure> {
        let task = self.task(build, commit, shared, 0);
        let name = task.name.clone();
        let ReleaseMakeAnswer { target, made } = ask(task)?;
        assert_eq!(target.missing, []);
        Ok((name, made.unwrap()))
    }

    /// With artifacts: head and bytes of each.
    fn make_with(&self, build: u32, commit: &CommitId, artifacts: &[(ArtifactHead, &str)]) -> Result<Made, Failure> {
        let task: Task = self.task(build, commit, &[], artifacts.len()).into();
        let mut told = serde_json::to_string(&task).unwrap() + "\n";
        for (head, bytes) in artifacts {
            told += &format!("{}\n{bytes}", serde_json::to_string(head).unwrap());
        }
        let output = run(told.as_bytes());
        Answer::<ReleaseMakeAnswer>::parse(&output.stdout).unwrap().into_result().map(|answer| answer.made.unwrap())
    }

    /// The releases that are there, by build number.
    fn releases(&self) -> Vec<ReleaseName> {
        let entries = fs::read_dir(self.root.join("releases")).unwrap();
        let mut names: Vec<ReleaseName> =
            entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
        names.sort();
        names
    }

    fn current(&self) -> Option<Release> {
        ask(ReleaseCheckTask { root: self.root.clone(), shared: vec![] }).unwrap().current
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
    assert_eq!(made, Made::Anew { files: 1 });
    assert_eq!(text(&target.release(&one).join("REVISION")), format!("{first}\n"));
    assert!(!target.root.join("current").exists());
    assert_eq!(target.switch(&one).unwrap(), None);
    assert_eq!(text(&target.root.join("current/README")), "one\n");

    let (two, _) = target.make(2, &second, &shared).unwrap();
    assert_eq!(target.make(2, &second, &shared).unwrap().1, Made::There);
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
    assert_eq!(target.releases(), [one.clone(), two.clone(), ten.clone()]);
    assert_eq!(target.current(), Some(Release { name: two.clone(), commit: Some(second) }));

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
    fs::remove_file(root.join("releases")).unwrap();
    let task = target.task(1, &target.repo.head(), &[], 0);
    let real = ReleaseCheckAnswer { missing: vec![Missing::Current(root.join("current"))], current: None };
    assert_eq!(ask(task).unwrap(), ReleaseMakeAnswer { target: real, made: None });
    let adopted = ask(ReleaseAdoptTask { root: root.clone(), shared: vec![] }).unwrap();
    assert_eq!(adopted.release.as_str(), "0-0000000");
    assert_eq!(target.missing(&[]), []);
    let (one, _) = target.make(1, &target.repo.head(), &[]).unwrap();
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
    fs::create_dir_all(target.root.join("shared/README")).unwrap();
    for (shared, says) in [
        ("dir/sub", "no folder in this commit"),
        ("../shared", "not a path below"),
        ("/etc/passwd", "not a path below"),
        ("", "it is empty"),
        ("README", "a file in this commit, and a folder in shared"),
    ] {
        let failure = target.make(1, &commit, &[shared]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.message.as_str().contains(says), "{shared}: {failure}");
    }
    assert_eq!((target.releases(), target.current()), (vec![], None), "a failed one is none");
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

fn artifact(path: &str, bytes: &'static str) -> (ArtifactHead, &'static str) {
    let sha256 = Sha256::of_sum(sha2::Sha256::digest(bytes).into());
    (ArtifactHead { file: path.parse().unwrap(), size: bytes.len() as u64, sha256, executable: false }, bytes)
}

#[test]
fn what_the_build_handed_out_is_put_over_the_commits_files() {
    let target = Target::new();
    let commit = target.repo.commit("more", &[("bin/shop", "#!/bin/false\n"), ("docs/old", "old\n")]);
    let mut shop = artifact("bin/shop", "#!/bin/true\n");
    shop.0.executable = true;
    let all = [shop, artifact("docs/deep/er/x y", "new\n"), artifact("REVISION", "mine"), artifact("empty", "")];
    assert_eq!(target.make_with(1, &commit, &all), Ok(Made::Anew { files: 3 }));
    let release = target.release(&ReleaseName::new(BuildNumber(1), &commit));
    for (path, is, mode) in [
        ("bin/shop", "#!/bin/true\n", 0o755),
        ("docs/old", "old\n", 0o644),
        ("docs/deep/er/x y", "new\n", 0o644),
        ("empty", "", 0o644),
        ("REVISION", &format!("{commit}\n"), 0o644),
    ] {
        assert_eq!(
            (text(&release.join(path)).as_str(), release.join(path).metadata().unwrap().mode() & 0o777),
            (is, mode)
        );
    }
    // Again it is there, whatever is still on its way.
    assert_eq!(target.make_with(1, &commit, &all), Ok(Made::There));
}

#[test]
fn an_artifact_stays_in_its_release_and_is_what_was_collected() {
    let target = Target::new();
    let outside = target.repo.place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "theirs").unwrap();
    symlink(&outside, target.repo.path().join("dir")).unwrap();
    symlink(outside.join("file"), target.repo.path().join("link")).unwrap();
    let commit = target.repo.commit("links", &[("folder/file", "x")]);
    let other = (artifact("a", "what was collected").0, "what somebody made");
    for (artifacts, says) in [
        ([artifact("dir/x", "1")], "a part of its path is no folder"),
        ([artifact("README/x", "1")], "a part of its path is no folder"),
        ([artifact("folder", "1")], "it is a folder in this commit"),
        ([other], "is not what was collected"),
        ([(artifact("a", "12").0, "1")], "end of file"),
    ] {
        let failure = target.make_with(1, &commit, &artifacts).unwrap_err();
        assert!(failure.message.as_str().contains(says), "{failure}");
        assert_eq!(target.releases(), []);
    }
    // A link of the commit gives way, and nothing goes through it.
    target.make_with(1, &commit, &[artifact("link", "ours")]).unwrap();
    assert_eq!(text(&outside.join("file")), "theirs");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn what_was_there_before_becomes_a_release_and_serves_meanwhile() {
    let target = Target::new();
    let root = &target.root;
    let adopt = || {
        let shared = ["media", "conf/app/.env", "both", "absent", "theirs"].map(PathBuf::from).to_vec();
        ask(ReleaseAdoptTask { root: root.clone(), shared })
    };
    assert!(adopt().unwrap_err().message.as_str().contains("nothing to adopt"));
    for folder in ["current/media/deep", "current/conf/app", "current/both", "shared/both"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in ["current/index", "current/media/deep/logo", "current/conf/app/.env", "current/both/old"] {
        fs::write(root.join(file), file).unwrap();
    }
    symlink("/nonexistent", root.join("current/theirs")).unwrap();
    let whole = |at: &Path| {
        for file in ["index", "media/deep/logo", "conf/app/.env", "both/old"] {
            assert_eq!(text(&at.join(file)), format!("current/{file}"));
        }
    };
    // What a kill before each of the exchanges leaves: a link that leads nowhere yet.
    fs::create_dir_all(root.join("releases")).unwrap();
    symlink("releases/0-0000000", root.join("releases/0-0000000")).unwrap();
    symlink("../../shared/media", root.join("shared/media")).unwrap();
    let adopted = adopt().unwrap();
    let moved = ["media", "conf/app/.env"].map(PathBuf::from).to_vec();
    assert_eq!((adopted.release.as_str(), adopted.shared), ("0-0000000", moved));
    whole(&root.join("current"));
    whole(&root.join("releases/0-0000000"));
    assert_eq!(fs::read_link(root.join("current")).unwrap(), Path::new("releases/0-0000000"));
    assert_eq!(text(&root.join("shared/conf/app/.env")), "current/conf/app/.env");
    assert!(root.join("releases/0-0000000/media").is_symlink() && !root.join("shared/media").is_symlink());
    assert_eq!(target.current(), Some(Release { name: adopted.release, commit: None }));
    // Again is nothing new; after the first deploy there is nothing to adopt.
    assert_eq!(adopt().unwrap().shared, Vec::<PathBuf>::new());
    whole(&root.join("current"));
    let (one, _) = target.make(1, &target.repo.head(), &["media"]).unwrap();
    target.switch(&one).unwrap();
    assert!(adopt().unwrap_err().message.as_str().contains("a link already"));
}
