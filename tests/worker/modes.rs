//! Workspaces that keep something, lack something, or have a `.git`.

use super::checkouts::{found, plain, rich, truth, workspace};
use super::{Repo, ask, branch, git_in};
use std::fs::{self, Permissions};
use std::num::NonZeroU32;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use unitci::config::project::Shape;
use unitci::model::CommitId;
use unitci::worker::protocol::{CheckoutTask, FetchTask, GitDir, Keep, Resolve};

/// A checkout over what the commits before left.
fn over(repo: &Repo, previous: &[&CommitId], commit: &CommitId) -> CheckoutTask {
    let previous = previous.iter().map(|commit| (*commit).clone()).collect();
    CheckoutTask { keep: Keep::Untracked { previous }, ..plain(repo, commit) }
}

/// All tracked files are the commit's; says what else is there.
#[track_caller]
fn besides(repo: &Repo, commit: &CommitId) -> Vec<String> {
    let mut there = found(repo, &workspace(repo));
    for (path, what) in truth(repo, commit) {
        assert_eq!(there.remove(&path), Some(what), "{path}");
    }
    there.into_keys().collect()
}

fn when(path: &Path) -> (i64, i64, u64) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.mtime(), metadata.mtime_nsec(), metadata.ino())
}

#[test]
fn what_is_not_tracked_stays_and_what_is_the_same_keeps_its_time() {
    let repo = Repo::new();
    let first = repo.commit("first", &[("src/a.c", "a"), ("src/b.c", "b"), ("old/gone.c", "x"), ("becomes/a", "file")]);
    fs::remove_dir_all(repo.path().join("old")).unwrap();
    fs::remove_dir_all(repo.path().join("becomes")).unwrap();
    let second = repo.commit("second", &[("src/b.c", "B"), ("new/c.c", "c"), ("becomes", "a file now")]);
    repo.mirrored();
    let ws = workspace(&repo);
    // Nobody knows what is there: from the beginning.
    fs::create_dir_all(ws.join("stranger")).unwrap();
    ask(over(&repo, &[], &first)).unwrap();
    assert_eq!(besides(&repo, &first), Vec::<String>::new());

    fs::write(ws.join("src/a.o"), "product").unwrap();
    fs::write(ws.join("old/kept.o"), "product").unwrap();
    fs::create_dir(ws.join("new")).unwrap();
    fs::write(ws.join("new/c.c"), "a product in the way").unwrap();
    let (a, b, o) = (when(&ws.join("src/a.c")), when(&ws.join("src/b.c")), when(&ws.join("src/a.o")));
    let answer = ask(over(&repo, &[&first], &second)).unwrap();
    assert_eq!(besides(&repo, &second), ["old/kept.o", "src/a.o"]);
    assert_eq!(answer.files as usize, truth(&repo, &second).len());
    assert_eq!((when(&ws.join("src/a.c")), when(&ws.join("src/a.o"))), (a, o), "untouched");
    assert_ne!(when(&ws.join("src/b.c")), b);
    // Back again, broken off, and once more.
    ask(over(&repo, &[&second, &first, &second], &first)).unwrap();
    assert_eq!(besides(&repo, &first), ["old/kept.o", "src/a.o"]);
    assert!(!ws.join("new").exists(), "an empty folder goes with its last file");
    // A commit that nobody has any more tells nothing.
    let forgotten = "0123456789".repeat(4).parse().unwrap();
    ask(over(&repo, &[&forgotten], &second)).unwrap();
    assert_eq!(besides(&repo, &second), Vec::<String>::new());
}

#[test]
fn a_tracked_file_is_the_commits_whatever_a_step_did_to_it() {
    let repo = Repo::new();
    let before = repo.commit("before", &[("dropped/deep/file", "x"), ("dropped.txt", "x")]);
    fs::remove_dir_all(repo.path().join("dropped")).unwrap();
    fs::remove_file(repo.path().join("dropped.txt")).unwrap();
    let commit = rich(&repo);
    repo.mirrored();
    let ws = workspace(&repo);
    ask(over(&repo, &[], &before)).unwrap();
    let outside = repo.place.path().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    for kept in ["c.txt", "kept", "deep/file", "deep/c.txt"] {
        fs::write(outside.join(kept), "kept").unwrap();
    }
    let as_it_was = found(&repo, &outside);
    let attack = || {
        // A repository of the step's own, that says that all is as it should be.
        git_in(&ws, &["init", "--quiet", "."]);
        git_in(&ws, &["add", "--all"]);
        git_in(&ws, &["update-index", "--assume-unchanged", "README"]);
        for (key, value) in [("filter.evil.smudge", "echo evil"), ("core.fsmonitor", "touch evil")] {
            git_in(&ws, &["config", key, value]);
        }
        fs::write(ws.join(".git/info/attributes"), "* filter=evil\n").unwrap();
        // The same size and the same time, but other bytes.
        let readme = ws.join("README");
        let time = fs::metadata(&readme).unwrap().modified().unwrap();
        let length = fs::read(&readme).unwrap().len();
        fs::write(&readme, "x".repeat(length)).unwrap();
        fs::File::options().write(true).open(&readme).unwrap().set_modified(time).unwrap();
    };
    attack();
    // Where a folder was there is a link, and where a file was a folder, a link, a pipe.
    fs::remove_dir_all(ws.join("dropped")).unwrap();
    symlink(&outside, ws.join("dropped")).unwrap();
    symlink(&outside, ws.join("sub")).unwrap();
    fs::create_dir_all(ws.join("a.txt/in")).unwrap();
    symlink(outside.join("kept"), ws.join("b.bin")).unwrap();
    symlink("/etc/passwd", ws.join("link")).unwrap();
    nix::unistd::mkfifo(&ws.join("run.sh"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    ask(over(&repo, &[&before], &commit)).unwrap();
    assert_eq!(besides(&repo, &commit), ["dropped"], "a link that is not tracked is a step's own product");
    assert!(!ws.join(".git").exists());

    attack();
    for (path, mode) in [("a.txt", 0o666), ("run.sh", 0o644), ("sub", 0o000), ("-dash", 0o000)] {
        fs::set_permissions(ws.join(path), Permissions::from_mode(mode)).unwrap();
    }
    fs::hard_link(ws.join("b.bin"), outside.join("hard")).unwrap();
    fs::write(ws.join(".gitattributes"), "* eol=crlf\n").unwrap();
    fs::remove_file(ws.join("README")).unwrap();
    symlink(ws.join("README"), ws.join("README")).unwrap();
    fs::set_permissions(&ws, Permissions::from_mode(0o000)).unwrap();
    symlink(&outside, repo.place.path().join("cache/.staged")).unwrap();
    ask(over(&repo, &[&commit], &commit)).unwrap();
    assert_eq!(besides(&repo, &commit), ["dropped"]);
    assert_eq!(fs::metadata(ws.join("a.txt")).unwrap().mode() & 0o777, 0o644);
    assert_eq!(fs::metadata(ws.join("sub")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::metadata(ws.join("b.bin")).unwrap().nlink(), 1);
    fs::remove_file(outside.join("hard")).unwrap();
    assert_eq!(found(&repo, &outside), as_it_was, "nothing outside was touched");

    // The workspace itself is a link.
    fs::remove_dir_all(&ws).unwrap();
    symlink(&outside, &ws).unwrap();
    ask(over(&repo, &[&commit], &commit)).unwrap();
    assert_eq!(besides(&repo, &commit), Vec::<String>::new());
    assert_eq!(found(&repo, &outside), as_it_was);
}

#[test]
fn a_fresh_build_finds_empty_homes() {
    let repo = Repo::new();
    repo.mirrored();
    let commit = repo.head();
    ask(plain(&repo, &commit)).unwrap();
    let left = ["home/.profile", "cache/objects/x", "workspace/product"]
        .map(|path| repo.place.path().join("cache").join(path));
    for path in &left {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "left").unwrap();
    }
    ask(plain(&repo, &commit)).unwrap();
    assert_eq!(left.each_ref().map(|path| path.exists()), [true, true, false]);
    ask(CheckoutTask { keep: Keep::Nothing, ..plain(&repo, &commit) }).unwrap();
    assert_eq!(left.map(|path| path.exists()), [false, false, false]);
    assert!(repo.place.path().join("cache/home").is_dir());
}

#[test]
fn a_sparse_workspace_has_what_is_named() {
    let repo = Repo::new();
    let commit = repo.commit("all", &[("src/a/x", "1"), ("src/b/y", "2"), ("docs/z", "3"), ("Makefile", "all:")]);
    repo.mirrored();
    for (sparse, there) in [
        (&[][..], &["Makefile", "README", "docs/z", "src/a/x", "src/b/y"][..]),
        (&["/src/", "/Makefile"], &["Makefile", "src/a/x", "src/b/y"]),
        (&["src/**", "!src/b/**"], &["src/a/x"]),
        (&["/nothing"], &[]),
    ] {
        let shape = Shape { sparse: sparse.iter().map(|text| (*text).to_owned()).collect(), ..Shape::default() };
        for keep in [Keep::Homes, Keep::Untracked { previous: vec![commit.clone()] }] {
            let git_dir = Some(GitDir { branch: None, depth: None });
            let task = CheckoutTask { shape: shape.clone(), keep, git_dir, ..plain(&repo, &commit) };
            let answer = ask(CheckoutTask { git_dir: None, ..task.clone() }).unwrap();
            assert_eq!(answer.files as usize, there.len(), "{sparse:?}");
            let found = found(&repo, &workspace(&repo));
            if task.keep == Keep::Homes {
                assert_eq!(found.keys().collect::<Vec<_>>(), there, "{sparse:?}");
            }
            ask(task).unwrap();
            assert_eq!(git_in(&workspace(&repo), &["status", "--porcelain", "--untracked-files=no"]), "", "{sparse:?}");
        }
    }
}

#[test]
fn a_git_dir_for_steps() {
    for format in [&[][..], &["--object-format=sha256"]] {
        let repo = Repo::empty(format);
        repo.commit("first", &[("README", "one\n")]);
        repo.git(&["tag", "-a", "-m", "x", "v1"]);
        let commit =
            repo.commit("second", &[("README", "two\n"), (".gitattributes", "*.txt eol=crlf\n"), ("a.txt", "a\n")]);
        repo.git(&["branch", "elsewhere"]);
        let last = repo.commit("third", &[]);
        repo.mirrored();
        git_in(&repo.mirror(), &["config", "uploadpack.packObjectsHook", "touch /tmp/unitci-evil"]);
        let ws = workspace(&repo);
        let short = repo.git(&["rev-parse", "--short", commit.as_str()]);
        for (branch_name, head) in [(Some("main"), "main"), (Some("feature/x"), "feature/x"), (None, "HEAD")] {
            let git_dir = Some(GitDir { branch: branch_name.map(branch), depth: None });
            for keep in [Keep::Homes, Keep::Untracked { previous: vec![commit.clone()] }] {
                ask(CheckoutTask { git_dir: git_dir.clone(), keep, ..plain(&repo, &commit) }).unwrap();
                assert_eq!(git_in(&ws, &["describe", "--dirty"]), format!("v1-1-g{short}"));
                assert_eq!(git_in(&ws, &["rev-parse", "--abbrev-ref", "HEAD"]), head);
                assert_eq!(git_in(&ws, &["rev-list", "--count", "HEAD"]), "2");
                assert_eq!(git_in(&ws, &["status", "--porcelain"]), "");
                git_in(&ws, &["fsck", "--strict"]);
                assert!(!git_in(&ws, &["rev-list", "--all"]).contains(last.as_str()), "only the commit's own history");
            }
        }
        let git_dir = Some(GitDir { branch: None, depth: NonZeroU32::new(1) });
        ask(CheckoutTask { git_dir, ..plain(&repo, &commit) }).unwrap();
        assert_eq!(git_in(&ws, &["log", "--format=%s"]), "second");
        assert!(!Path::new("/tmp/unitci-evil").exists());
    }
}

#[test]
fn a_mirror_with_a_depth() {
    let repo = Repo::new();
    let first = repo.head();
    for n in 0..10 {
        repo.commit(&format!("commit {n}"), &[("a", &n.to_string())]);
    }
    let tip = repo.head();
    let count = || git_in(&repo.mirror(), &["rev-list", "--count", "--all"]);
    let shallow = FetchTask { depth: NonZeroU32::new(3), ..repo.fetch_task() };
    ask(shallow.clone()).unwrap();
    assert_eq!(count(), "3");
    let git_dir = Some(GitDir { branch: Some(branch("main")), depth: None });
    let answer = ask(CheckoutTask { git_dir, ..plain(&repo, &tip) }).unwrap();
    assert_eq!(answer.commit.subject.as_str(), "commit 9");
    assert_eq!(found(&repo, &workspace(&repo)).len(), truth(&repo, &tip).len() + git_files(&repo));
    assert_eq!(git_in(&workspace(&repo), &["rev-list", "--count", "HEAD"]), "3");
    // What is deeper down is there when it is asked for by its name.
    let asked = FetchTask { resolve: Some(Resolve::Revision(first.to_string())), ..shallow.clone() };
    assert_eq!(ask(asked).unwrap().resolved.unwrap().commit.id, first);
    ask(plain(&repo, &first)).unwrap();
    assert_eq!(found(&repo, &workspace(&repo)), truth(&repo, &first));
    // New commits keep to the depth, and without it all of the history comes.
    repo.commit("one more", &[("a", "x")]);
    ask(shallow).unwrap();
    assert_eq!(git_in(&repo.mirror(), &["rev-list", "--count", "main"]), "3");
    repo.mirrored();
    assert_eq!(git_in(&repo.mirror(), &["rev-list", "--count", "main"]), "12");
}

fn git_files(repo: &Repo) -> usize {
    found(repo, &workspace(repo).join(".git")).len()
}
