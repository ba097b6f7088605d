//! Fetching: what moved, what a person asked for, what a kill leaves.

use super::{LONG, Repo, ask, branch, git_in, kind};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use unitci::model::CommitId;
use unitci::worker::protocol::{
    AskedRef, FailureKind, FetchTask, FetchedRef, REFS_ASKED, Relation, Resolve, Resolved, TidyTask,
};

fn news(repo: &Repo, name: &str, old: Option<&CommitId>) -> FetchedRef {
    let refs = vec![AskedRef { name: branch(name), old: old.cloned() }];
    ask(FetchTask { refs, ..repo.fetch_task() }).unwrap().refs.remove(0)
}

fn told(news: &FetchedRef) -> (Relation, Vec<&str>, u64) {
    let (_, history) = news.now.as_ref().unwrap();
    (history.relation, history.commits.iter().map(|commit| commit.subject.as_str()).collect(), history.total)
}

fn resolve(repo: &Repo, asked: Resolve) -> Result<Resolved, FailureKind> {
    let answer = ask(FetchTask { resolve: Some(asked), ..repo.fetch_task() });
    answer.map(|answer| answer.resolved.unwrap()).map_err(|failure| failure.kind)
}

#[test]
fn every_way_a_branch_moves() {
    let repo = Repo::new();
    let first = repo.head();
    let new = news(&repo, "main", None);
    assert_eq!(told(&new), (Relation::New, vec!["first"], 1));
    let (_, history) = new.now.unwrap();
    let commit = &history.commits[0];
    assert_eq!((commit.author.as_str(), commit.email.as_str()), ("Ada", "ada@example.org"));
    assert_eq!(commit.time.to_string(), repo.git(&["log", "-1", "--format=%ct"]));

    repo.commit("second", &[("a", "2")]);
    let third = repo.commit("third", &[("a", "3")]);
    assert_eq!(told(&news(&repo, "main", Some(&first))), (Relation::FastForward, vec!["third", "second"], 2));
    assert_eq!(told(&news(&repo, "main", Some(&third))), (Relation::Same, vec![], 0));
    repo.git(&["reset", "--quiet", "--hard", first.as_str()]);
    assert_eq!(told(&news(&repo, "main", Some(&third))), (Relation::Rewound, vec![], 0));
    repo.commit("other", &[("b", "1")]);
    assert_eq!(told(&news(&repo, "main", Some(&third))), (Relation::Diverged, vec!["other"], 1));
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(told(&news(&repo, "main", Some(&unknown))), (Relation::Forgotten, vec!["other"], 1));

    repo.git(&["branch", "topic"]);
    assert_eq!(told(&news(&repo, "topic", None)), (Relation::New, vec!["other"], 1));
    repo.git(&["branch", "-D", "topic"]);
    repo.git(&["branch", "topic/below"]);
    assert_eq!(news(&repo, "topic", Some(&first)).now, None);
    assert_eq!(told(&news(&repo, "topic/below", None)), (Relation::New, vec!["other"], 1));
}

#[test]
fn long_histories_and_long_subjects_are_cut() {
    let repo = Repo::new();
    let first = repo.head();
    for n in 0..60 {
        repo.commit(&format!("{n} \u{1b}[31m{}", "x".repeat(2000)), &[]);
    }
    let news = news(&repo, "main", Some(&first));
    let (relation, subjects, total) = told(&news);
    assert_eq!((relation, subjects.len(), total), (Relation::FastForward, 50, 60));
    assert!(subjects[0].starts_with("59 [31mxxx") && subjects[0].len() < 600, "{}", subjects[0]);
    let many = vec![AskedRef { name: branch("main"), old: None }; REFS_ASKED + 1];
    assert_eq!(kind(ask(FetchTask { refs: many, ..repo.fetch_task() })), FailureKind::TooLarge);
}

#[test]
fn what_a_person_may_ask_for() {
    let repo = Repo::new();
    let first = repo.head();
    let second = repo.commit("second", &[("a", "2")]);
    repo.git(&["tag", "-a", "-m", "x", "v1", first.as_str()]);
    repo.git(&["branch", "release/1", first.as_str()]);
    let gone = repo.commit("gone", &[("a", "3")]);
    repo.git(&["reset", "--quiet", "--hard", second.as_str()]);
    let revision = |text: &str| Resolve::Revision(text.to_owned());
    let (tag, old) = ("refs/tags/v1".parse().unwrap(), branch("release/1"));
    for (asked, found) in [
        (Resolve::Head, Ok((Some(branch("main")), &second))),
        (Resolve::Branch(old.clone()), Ok((Some(old.clone()), &first))),
        (Resolve::Branch(branch("absent")), Err(FailureKind::NoSuchRef)),
        (revision("v1"), Ok((Some(tag), &first))),
        (revision("release/1"), Ok((Some(old.clone()), &first))),
        (revision("refs/heads/release/1"), Ok((Some(old), &first))),
        (revision(first.as_str()), Ok((None, &first))),
        (revision(first.short()), Ok((None, &first))),
        (revision("abc"), Err(FailureKind::NoSuchRef)),
        (revision("dead1234beef"), Err(FailureKind::NoSuchCommit)),
        (revision(&"0123456789".repeat(4)), Err(FailureKind::NoSuchCommit)),
        (revision("HEAD~1"), Err(FailureKind::NoSuchRef)),
        (revision("--upload-pack=touch /tmp/x"), Err(FailureKind::NoSuchRef)),
        (revision("main:README"), Err(FailureKind::NoSuchRef)),
        (revision(""), Err(FailureKind::NoSuchRef)),
        // No ref holds it any more, but the server still gives it.
        (revision(gone.as_str()), Ok((None, &gone))),
    ] {
        let answer = resolve(&repo, asked.clone()).map(|found| (found.name, found.commit.id));
        assert_eq!(answer, found.map(|(name, commit)| (name, commit.clone())), "{asked:?}");
    }
    // Known whole commits need no server.
    fs::rename(repo.path(), repo.place.path().join("away")).unwrap();
    assert!(resolve(&repo, revision(first.as_str())).is_ok());
    assert_eq!(resolve(&repo, Resolve::Head), Err(FailureKind::NotARepository));
}

#[test]
fn a_mirror_is_made_on_first_use_for_its_group() {
    for format in [&[][..], &["--object-format=sha256"]] {
        let repo = Repo::empty(format);
        assert_eq!(kind(ask(repo.fetch_task())), FailureKind::Empty);
        let commit = repo.commit("first", &[("a", "1")]);
        repo.mirrored();
        assert_eq!(git_in(&repo.mirror(), &["rev-parse", "refs/heads/main"]), commit.as_str());
        assert_eq!(resolve(&repo, Resolve::Head).unwrap().commit.id, commit);
        let mode = |name: &str| fs::metadata(repo.mirror().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("objects"), mode("refs/heads/main")), (0o750, 0o640));
        assert!(!repo.mirror().join("hooks").exists());
        ask(TidyTask { remote: repo.remote(), mirror: repo.mirror(), timeout: LONG }).unwrap();
    }
}

#[test]
fn what_a_kill_leaves_does_not_block() {
    let repo = Repo::new();
    repo.git(&["branch", "a/b"]);
    // In the middle of making it…
    for name in ["HEAD.lock", "config.lock"] {
        fs::write(repo.mirror().join(name), "").unwrap();
    }
    repo.mirrored();
    // …and in the middle of a fetch.
    for name in ["packed-refs.lock", "refs/heads/main.lock", "refs/heads/a/b.lock", "config.lock"] {
        fs::write(repo.mirror().join(name), "").unwrap();
    }
    let second = repo.commit("second", &[("a", "2")]);
    repo.git(&["branch", "-f", "a/b"]);
    repo.mirrored();
    assert_eq!(git_in(&repo.mirror(), &["rev-parse", "main", "a/b"]), format!("{second}\n{second}"));
}

#[test]
fn a_broken_object_is_refused() {
    let repo = Repo::new();
    let evil = repo.place.path().join("tree");
    let blob = repo.git(&["hash-object", "-w", "README"]);
    fs::write(&evil, format!("100644 blob {blob}\t.git\n")).unwrap();
    let tree = std::process::Command::new("git")
        .args(["mktree"])
        .current_dir(repo.path())
        .stdin(fs::File::open(&evil).unwrap())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let commit = repo.git(&["commit-tree", "-m", "evil", tree.trim()]);
    repo.git(&["update-ref", "refs/heads/evil", &commit]);
    assert_eq!(kind(ask(repo.fetch_task())), FailureKind::Refused);
}
