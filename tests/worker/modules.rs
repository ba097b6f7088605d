//! Submodules and files of git-lfs: fetched beside the mirror, checked out without a network.

use super::checkouts::{plain, workspace};
use super::server::{Server, git_backend, write};
use super::{Repo, ask, git_in};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use unitci::config::project::{Shape, Url};
use unitci::model::CommitId;
use unitci::worker::protocol::{CheckoutTask, Failure, FailureKind, FetchTask, Keep, Remote, Resolve};

fn shape() -> Shape {
    Shape { submodules: true, ..Shape::default() }
}

/// A repository beside the project's.
fn beside(repo: &Repo, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let path = repo.place.path().join(name);
    if !path.exists() {
        fs::create_dir(&path).unwrap();
        git_in(&path, &["init", "--quiet", "--initial-branch=main", "."]);
    }
    for (file, text) in files {
        fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
        fs::write(path.join(file), text).unwrap();
    }
    git_in(&path, &["add", "-A"]);
    git_in(&path, &["commit", "--quiet", "--allow-empty", "-m", name]);
    path
}

/// Puts a submodule into a repository's next commit, as git itself would; `url` is what .gitmodules says.
fn link(of: &Path, path: &str, url: &str, at: &Path) {
    let commit = git_in(at, &["rev-parse", "HEAD"]);
    git_in(of, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    let name = path.replace('/', "-");
    git_in(of, &["config", "--file", ".gitmodules", &format!("submodule.{name}.path"), path]);
    git_in(of, &["config", "--file", ".gitmodules", &format!("submodule.{name}.url"), url]);
    git_in(of, &["add", ".gitmodules"]);
    git_in(of, &["commit", "--quiet", "-m", &format!("submodule {path}")]);
}

fn fetch(repo: &Repo, commit: &CommitId) -> Result<(), Failure> {
    let resolve = Some(Resolve::Revision(commit.to_string()));
    ask(FetchTask { resolve, shape: shape(), ..repo.fetch_task() }).map(drop)
}

fn read(repo: &Repo, path: &str) -> String {
    fs::read_to_string(workspace(repo).join(path)).unwrap_or_else(|error| format!("{path}: {error}"))
}

#[test]
fn submodules_and_theirs_are_exactly_their_commits() {
    let repo = Repo::new();
    let deep = beside(&repo, "deep", &[("d", "deep\n")]);
    let lib = beside(&repo, "lib", &[("l", "one\n"), ("dropped", "x")]);
    link(&lib, "inner", "../deep", &deep);
    link(&repo.path(), "vendor/lib", "../lib", &lib);
    let first = repo.head();
    // What its repository has by now is not what the commit says.
    beside(&repo, "lib", &[("l", "two\n")]);
    fetch(&repo, &first).unwrap();
    let task = |commit: &CommitId, keep| CheckoutTask { shape: shape(), keep, ..plain(&repo, commit) };
    let answer = ask(task(&first, Keep::Homes)).unwrap();
    assert_eq!((read(&repo, "vendor/lib/l"), read(&repo, "vendor/lib/inner/d")), ("one\n".into(), "deep\n".into()));
    assert_eq!(answer.files, 3 + 4 + 1, "README, .gitmodules, the links and what is in them");
    assert!(!workspace(&repo).join("vendor/lib/.git").exists());

    // Without them the folder is empty, and nothing is asked of anybody.
    ask(plain(&repo, &first)).unwrap();
    assert_eq!(fs::read_dir(workspace(&repo).join("vendor/lib")).unwrap().count(), 0);

    // A build that keeps its products: a submodule that moved begins anew, one that did not is left.
    ask(task(&first, Keep::Homes)).unwrap();
    fs::write(workspace(&repo).join("vendor/lib/product"), "x").unwrap();
    let again = Keep::Untracked { previous: vec![first.clone()] };
    ask(task(&first, again.clone())).unwrap();
    assert_eq!(read(&repo, "vendor/lib/product"), "x");
    fs::remove_file(lib.join("dropped")).unwrap();
    beside(&repo, "lib", &[]);
    link(&repo.path(), "vendor/lib", "../lib", &lib);
    let second = repo.head();
    fetch(&repo, &second).unwrap();
    ask(task(&second, again)).unwrap();
    assert_eq!(read(&repo, "vendor/lib/l"), "two\n");
    for gone in ["vendor/lib/product", "vendor/lib/dropped"] {
        assert!(!workspace(&repo).join(gone).exists(), "{gone}");
    }
    // All is there: no repository is needed any more.
    fs::rename(&lib, repo.place.path().join("moved")).unwrap();
    fetch(&repo, &second).unwrap();
    // A commit whose submodules were never fetched is not half checked out.
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "third"]);
    let third = repo.head();
    repo.mirrored();
    ask(task(&third, Keep::Homes)).unwrap();
    fs::remove_dir_all(repo.mirror().join("unitci-modules")).unwrap();
    assert_eq!(ask(task(&third, Keep::Homes)).unwrap_err().kind, FailureKind::NoSuchCommit);
}

#[test]
fn submodules_of_the_same_server_come_with_its_token_and_from_plain_files_too() {
    let repo = Repo::new();
    let smart = beside(&repo, "smart", &[("s", "one\n")]);
    let plain_files = beside(&repo, "plain", &[("p", "one\n")]);
    link(&repo.path(), "smart", "../../smart/.git", &smart);
    link(&repo.path(), "plain", "../../plain/.git", &plain_files);
    // What is asked for is no branch's tip any more; a server of plain files gives no commit by its name.
    beside(&repo, "smart", &[("s", "two\n")]);
    beside(&repo, "plain", &[("p", "two\n")]);
    git_in(&plain_files, &["update-server-info"]);
    let root = repo.place.path().to_owned();
    let server = Server::start(move |request, stream| {
        if request.headers.get("authorization").is_none_or(|shown| shown != "Basic Ym90OnMzY3JldA==") {
            let ask = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return write(stream, ask.as_bytes());
        }
        let path = request.target.split('?').next().unwrap_or_default();
        if !path.starts_with("/plain/") {
            return git_backend(&root, request, stream);
        }
        let file = fs::read(root.join(&path[1..]));
        let status = if file.is_ok() { "200 OK" } else { "404 Not Found" };
        let body = file.unwrap_or_default();
        write(
            stream,
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes(),
        );
        write(stream, &body);
    });
    let token = repo.place.path().join("token");
    fs::write(&token, "bot:s3cret\n").unwrap();
    let remote = Remote { url: Url::Http(server.url("/repo/.git")), credential: Some(token), known_hosts: None };
    ask(FetchTask { remote, resolve: Some(Resolve::Head), shape: shape(), ..repo.fetch_task() }).unwrap();
    ask(CheckoutTask { shape: shape(), ..plain(&repo, &repo.head()) }).unwrap();
    assert_eq!([read(&repo, "smart/s"), read(&repo, "plain/p")], ["one\n", "one\n"]);
}

#[test]
fn hostile_gitmodules_are_the_commits_failure() {
    let mark = std::env::temp_dir().join(format!("unitci-evil-{}", std::process::id()));
    let evil = format!("touch {}", mark.display());
    let outside = tempfile::tempdir().unwrap();
    git_in(outside.path(), &["init", "--quiet", "--initial-branch=main", "."]);
    fs::write(outside.path().join("secret"), "secret").unwrap();
    git_in(outside.path(), &["add", "-A"]);
    git_in(outside.path(), &["commit", "--quiet", "-m", "secret"]);
    let away = outside.path().display().to_string();
    for (url, says) in [
        (away.as_str(), "from where its project comes from"),
        (&format!("file://{away}"), "from where its project comes from"),
        ("../../../../../../../../../etc", "it leads out"),
        (&format!("../../{}", outside.path().file_name().unwrap().to_str().unwrap()), "from where"),
        (&format!("ext::sh -c '{evil}'"), "no spaces"),
        (&format!("-u{evil}"), "submodule"),
        ("--upload-pack=evil", "begin with `-`"),
        ("http://127.0.0.1:9/x", "by https"),
        ("ssh://git@127.0.0.1/x", "by https"),
        ("../no-such-repository", "submodule lib: "),
    ] {
        let repo = Repo::new();
        link(&repo.path(), "lib", "../x", outside.path());
        git_in(&repo.path(), &["config", "--file", ".gitmodules", "submodule.lib.url", url]);
        repo.git(&["add", ".gitmodules"]);
        repo.git(&["commit", "--quiet", "-m", "hostile"]);
        let commit = repo.head();
        let failure = match fetch(&repo, &commit) {
            Err(failure) => failure,
            Ok(()) => panic!("{url}"),
        };
        assert!(failure.message.as_str().contains(says), "{url}: {failure}");
        assert!(matches!(failure.kind, FailureKind::Commit | FailureKind::NotARepository), "{failure}");
        // It is that commit's failure: whoever does not want its submodules has it, and all else of the repository.
        repo.mirrored();
        ask(plain(&repo, &commit)).unwrap();
        assert!(!mark.exists(), "{url}");
    }
    // A submodule without an address, one that nobody has pushed, and one that is in itself.
    let repo = Repo::new();
    let lib = beside(&repo, "lib", &[("l", "1")]);
    repo.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},lib", git_in(&lib, &["rev-parse", "HEAD"])),
    ]);
    repo.git(&["commit", "--quiet", "-m", "no address"]);
    assert_eq!(fetch(&repo, &repo.head()).unwrap_err().kind, FailureKind::Commit);
    fs::write(
        repo.path().join(".gitmodules"),
        "[include]\n\tpath = /etc/passwd\n[submodule \"../../x\"]\n\tpath = lib\n\turl = ../lib\n",
    )
    .unwrap();
    repo.git(&["add", ".gitmodules"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},lib", "0123456789".repeat(4))]);
    repo.git(&["commit", "--quiet", "-m", "never pushed"]);
    let never = fetch(&repo, &repo.head()).unwrap_err();
    assert!(matches!(never.kind, FailureKind::Commit | FailureKind::Refused), "{never}");
}

#[test]
fn pointers_become_files_and_nothing_else_does() {
    let repo = Repo::new();
    let content = "the large file\n";
    let oid = "38ff1c3d3ea6e97a4d7bb1e2d1eb0d1b5a5a3b5a3b5a3b5a3b5a3b5a3b5a3b5a";
    let pointer =
        |oid: &str, size: usize| format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n");
    let good = pointer(oid, content.len());
    repo.commit("attributes", &[(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")]);
    fs::write(repo.path().join("run.bin"), &good).unwrap();
    fs::set_permissions(repo.path().join("run.bin"), Permissions::from_mode(0o755)).unwrap();
    let away = pointer(&format!("{}{}", "../".repeat(20), "e".repeat(4)), 5);
    let commit = repo
        .commit("large", &[("a b.bin", &good), ("plain.txt", &good), ("small.bin", "no pointer"), ("away.bin", &away)]);
    repo.mirrored();
    let lfs = CheckoutTask { shape: Shape { lfs: true, ..Shape::default() }, ..plain(&repo, &commit) };
    let missing = ask(lfs.clone()).unwrap_err();
    assert!(missing.kind == FailureKind::NoSuchCommit && missing.message.as_str().contains("git-lfs"), "{missing}");
    let folder = repo.mirror().join("lfs/objects").join(&oid[..2]).join(&oid[2..4]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(oid), content).unwrap();
    ask(lfs.clone()).unwrap();
    assert_eq!([read(&repo, "run.bin"), read(&repo, "a b.bin")], [content, content]);
    assert_eq!(
        [read(&repo, "plain.txt"), read(&repo, "small.bin"), read(&repo, "away.bin")],
        [&good, "no pointer", &away]
    );
    assert_eq!(fs::metadata(workspace(&repo).join("run.bin")).unwrap().permissions().mode() & 0o777, 0o755);
    ask(plain(&repo, &commit)).unwrap();
    assert_eq!(read(&repo, "run.bin"), good);
}
