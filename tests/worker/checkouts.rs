//! A workspace is exactly its commit, whatever was there.

use super::{LONG, Repo, ask, git_in, kind};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use unitci::model::{CommitId, Slot, Trust};
use unitci::worker::protocol::{CheckoutAnswer, CheckoutTask, Failure, FailureKind};

fn checkout(repo: &Repo, commit: &CommitId) -> Result<CheckoutAnswer, Failure> {
    let folder = repo.place.path().join("cache");
    fs::create_dir_all(&folder).unwrap();
    ask(CheckoutTask {
        trust: Trust::Inside,
        mirror: repo.mirror(),
        commit: commit.clone(),
        folder,
        slot: Slot::default(),
        since: None,
        timeout: LONG,
    })
}

/// Which paths a checkout of one commit tells to have changed since another.
fn changed(repo: &Repo, since: &CommitId, commit: &CommitId) -> Option<Vec<String>> {
    let folder = repo.place.path().join("cache");
    fs::create_dir_all(&folder).unwrap();
    let (since, commit) = (Some(since.clone()), commit.clone());
    ask(CheckoutTask {
        trust: Trust::Inside,
        mirror: repo.mirror(),
        commit,
        folder,
        slot: Slot::default(),
        since,
        timeout: LONG,
    })
    .unwrap()
    .changed
}

fn workspace(repo: &Repo) -> PathBuf {
    repo.place.path().join("cache/workspace")
}

/// What the repository says a commit is: path → mode and blob.
fn truth(repo: &Repo, commit: &CommitId) -> BTreeMap<String, (String, String)> {
    let listed = repo.git(&["ls-tree", "-r", "-z", commit.as_str()]);
    let parse = |entry: &str| {
        let (meta, path) = entry.split_once('\t')?;
        let mut words = meta.split(' ').map(str::to_owned);
        let (mode, _, blob) = (words.next()?, words.next()?, words.next()?);
        Some((path.to_owned(), (mode, blob)))
    };
    listed.split('\0').filter_map(parse).collect()
}

/// What is in a folder, in the same terms.
fn found(repo: &Repo, folder: &Path) -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(here).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let (mode, content) = if metadata.is_symlink() {
                let link = repo.place.path().join("link");
                fs::write(&link, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()).unwrap();
                ("120000", link)
            } else {
                (if metadata.permissions().mode() & 0o100 == 0 { "100644" } else { "100755" }, path.clone())
            };
            let blob = repo.git(&["hash-object", "--no-filters", content.to_str().unwrap()]);
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            all.insert(name, (mode.to_owned(), blob));
        }
    }
    all
}

/// A commit with everything that a checkout can get wrong.
fn rich(repo: &Repo) -> CommitId {
    repo.commit("attributes", &[(".gitattributes", "*.bin -text filter=evil\n*.txt filter=evil\n*.id ident\n")]);
    symlink("README", repo.path().join("link")).unwrap();
    symlink("/etc", repo.path().join("away")).unwrap();
    fs::write(repo.path().join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(repo.path().join("run.sh"), Permissions::from_mode(0o755)).unwrap();
    repo.commit(
        "rich \u{1b}[1m",
        &[
            ("a.txt", "one\r\ntwo\n"),
            ("b.bin", "\0\r\n"),
            ("sub/deep/c.txt", "c"),
            ("ünï cödé \t\"q\"", "x"),
            ("-dash", "x"),
        ],
    )
}

#[test]
fn a_fresh_workspace_is_the_commit() {
    for format in [&[][..], &["--object-format=sha256"]] {
        let repo = Repo::empty(format);
        repo.commit("first", &[("README", "one\n")]);
        let commit = rich(&repo);
        repo.mirrored();
        let answer = checkout(&repo, &commit).unwrap();
        let truth = truth(&repo, &commit);
        assert_eq!(found(&repo, &workspace(&repo)), truth);
        assert_eq!((answer.files as usize, answer.commit.subject.as_str()), (truth.len(), "rich [1m"));
        assert!(!workspace(&repo).join(".git").exists());
        for folder in ["home", "cache", "tmp"] {
            assert!(repo.place.path().join("cache").join(folder).is_dir(), "{folder}");
        }
    }
}

#[test]
fn what_has_changed_is_told_in_bounds() {
    for format in [&[][..], &["--object-format=sha256"]] {
        let repo = Repo::empty(format);
        let first = repo.commit("first", &[("README", "one\n"), ("old name", "a text that is moved\n")]);
        // Attributes, hooks and drivers of the repository have no say in it.
        repo.commit("attributes", &[(".gitattributes", "* diff=evil -diff\n")]);
        repo.git(&["mv", "old name", "ünï\tcode"]);
        let second = repo.commit("second", &[("src/a.rs", "x"), ("README", "two\n")]);
        let many: Vec<String> = (0..5001).map(|number| format!("many/{number}")).collect();
        let third = repo.commit("third", &many.iter().map(|path| (path.as_str(), "x")).collect::<Vec<_>>());
        repo.mirrored();
        let told = changed(&repo, &first, &second).unwrap();
        assert_eq!(told, [".gitattributes", "README", "old name", "src/a.rs", "ünï\tcode"]);
        assert_eq!(changed(&repo, &second, &first).unwrap().len(), 5, "an older commit differs as much");
        assert_eq!(changed(&repo, &first, &first).unwrap(), [""; 0]);
        assert_eq!(changed(&repo, &second, &third), None, "too many to tell");
        let unknown = "1".repeat(first.as_str().len()).parse().unwrap();
        assert_eq!(changed(&repo, &unknown, &first), None, "nobody knows");
    }
}

#[test]
fn whatever_a_step_left_is_gone_and_nothing_outside() {
    let repo = Repo::new();
    let commit = rich(&repo);
    repo.mirrored();
    checkout(&repo, &commit).unwrap();
    let (ws, outside) = (workspace(&repo), repo.place.path().join("outside"));
    let cache = repo.place.path().join("cache");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    // A repository with a filter, hooks and attributes of the step's own.
    git_in(&ws, &["init", "--quiet", "."]);
    for (key, value) in [("filter.evil.smudge", "echo evil"), ("core.fsmonitor", "touch evil"), ("core.hooksPath", "h")]
    {
        git_in(&ws, &["config", key, value]);
    }
    fs::create_dir_all(ws.join(".git/info")).unwrap();
    fs::write(ws.join(".git/info/attributes"), "* filter=evil\n").unwrap();
    fs::write(ws.join(".gitattributes"), "* filter=evil eol=crlf\n").unwrap();
    fs::write(ws.join("a.txt"), "changed").unwrap();
    fs::remove_dir_all(ws.join("sub")).unwrap();
    symlink(&outside, ws.join("sub")).unwrap();
    let deep: PathBuf = std::iter::repeat_n("d", 300).collect();
    fs::create_dir_all(ws.join(deep)).unwrap();
    fs::create_dir_all(ws.join("locked/in")).unwrap();
    fs::write(cache.join("tmp/left"), "x").unwrap();
    fs::write(cache.join("cache/kept"), "kept").unwrap();
    for locked in ["locked/in", "locked", "."] {
        fs::set_permissions(ws.join(locked), Permissions::from_mode(0o000)).unwrap();
    }
    checkout(&repo, &commit).unwrap();
    assert_eq!(found(&repo, &ws), truth(&repo, &commit));
    assert_eq!(fs::read_dir(cache.join("tmp")).unwrap().count(), 0);
    // And once more, with the folders themselves turned into links.
    for (folder, target) in [("workspace", &outside), ("tmp", &outside), ("home", &outside)] {
        fs::remove_dir_all(cache.join(folder)).unwrap();
        symlink(target, cache.join(folder)).unwrap();
    }
    checkout(&repo, &commit).unwrap();
    assert_eq!(found(&repo, &ws), truth(&repo, &commit));
    assert!(fs::symlink_metadata(cache.join("home")).unwrap().is_dir());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(cache.join("cache/kept")).unwrap(), "kept");
}

#[test]
fn only_the_objects_of_a_mirror_are_read() {
    let repo = Repo::new();
    let commit = rich(&repo);
    repo.mirrored();
    let mark = repo.place.path().join("ran");
    let evil = format!("touch {}", mark.display());
    for (key, value) in [
        ("filter.evil.smudge", evil.as_str()),
        ("filter.evil.required", "true"),
        ("core.fsmonitor", &evil),
        ("core.autocrlf", "true"),
        ("core.sparseCheckout", "true"),
    ] {
        git_in(&repo.mirror(), &["config", key, value]);
    }
    fs::create_dir_all(repo.mirror().join("hooks")).unwrap();
    fs::write(repo.mirror().join("hooks/post-checkout"), format!("#!/bin/sh\n{evil}\n")).unwrap();
    fs::set_permissions(repo.mirror().join("hooks/post-checkout"), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(repo.mirror().join("info")).unwrap();
    fs::write(repo.mirror().join("info/attributes"), "* eol=crlf\n").unwrap();
    fs::write(repo.mirror().join("info/sparse-checkout"), "/README\n").unwrap();
    let other = repo.head();
    git_in(&repo.mirror(), &["update-ref", &format!("refs/replace/{commit}"), other.as_str()]);
    checkout(&repo, &commit).unwrap();
    assert_eq!(found(&repo, &workspace(&repo)), truth(&repo, &commit));
    assert!(!mark.exists());
}

#[test]
fn a_commit_that_is_not_there() {
    let repo = Repo::new();
    repo.mirrored();
    let tree: CommitId = repo.git(&["rev-parse", "HEAD^{tree}"]).parse().unwrap();
    for absent in ["0123456789".repeat(4).parse().unwrap(), tree] {
        assert_eq!(kind(checkout(&repo, &absent)), FailureKind::NoSuchCommit);
    }
}
