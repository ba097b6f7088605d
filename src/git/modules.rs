//! Submodules: fetched beside a mirror, by what a commit's `.gitmodules` says. Whoever pushes writes that.
//!
//! All submodules of a project share one store of objects in the mirror's folder. A checkout takes a submodule's commit
//! out of it by its name alone, so an address matters nowhere but here.

use super::access::{Access, origin, server};
use super::failure::GitError;
use super::history;
use super::mirror::Mirror;
use super::program::Git;
use super::scratch::{ObjectFormat, Scratch};
use super::tree::{self, File};
use crate::config::project::Url;
use crate::config::repository_address;
use crate::model::{CommitId, FailureKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// The store, in the mirror's folder.
pub const STORE: &str = "unitci-modules";
/// Most submodules of a commit, theirs counted in.
pub const MODULES_MAX: usize = 100;
/// How deep they may be in each other.
pub const DEPTH_MAX: usize = 8;
/// Longest `.gitmodules`, in bytes.
const GITMODULES_MAX: u64 = 256 << 10;

/// A submodule of some commit.
#[derive(Debug)]
struct Module {
    path: String,
    commit: CommitId,
    url: Url,
    depth: usize,
}

fn wrong(says: String) -> GitError {
    GitError::said(FailureKind::Commit, says)
}

/// Fetches all submodules of a commit of the mirror that are not there yet.
pub fn fetch(mirror: &Mirror<'_>, access: &Access, commit: &CommitId) -> Result<(), GitError> {
    let git = mirror.git();
    let mut found = modules(git, commit, access.url(), access.url(), 1)?;
    if found.is_empty() {
        return Ok(());
    }
    let store = git.git_dir().join(STORE);
    if !store.join("HEAD").exists() {
        fs::create_dir_all(&store).map_err(|source| GitError::Io { doing: "make", path: store.clone(), source })?;
        let format = format!("--object-format={}", ObjectFormat::of(commit.as_str()).as_str());
        git.owning(&store).print(["init", "--quiet", "--bare", "--template=", &format])?;
    }
    let own = git.owning(&store);
    let mut seen = BTreeSet::new();
    while let Some(module) = found.pop() {
        if !seen.insert((module.commit.clone(), module.path.clone())) {
            continue;
        }
        if seen.len() > MODULES_MAX {
            return Err(wrong(format!("the commit has more than {MODULES_MAX} submodules")));
        }
        if history::exists(&own, module.commit.as_str())?.is_none() {
            fetch_one(&own, access, &module)?;
        }
        let below = modules(&own, &module.commit, &module.url, access.url(), module.depth + 1)?;
        if module.depth >= DEPTH_MAX && !below.is_empty() {
            return Err(wrong(format!("submodule {}: more than {DEPTH_MAX} lie in each other", module.path)));
        }
        found.extend(below);
    }
    Ok(())
}

/// Only the commit's own tree is needed. A server that gives no commit by its name is asked for everything.
fn fetch_one(store: &Git<'_>, access: &Access, module: &Module) -> Result<(), GitError> {
    let access = access.beside(module.url.clone());
    let scratch = Scratch::new(Some(&access))?;
    let git = Git::borrowing(&scratch, Some(&access), store.deadline()).owning(store.git_dir());
    // Nobody may read this any more; `eprintln!` would panic then.
    let (at, from) = (module.commit.short(), access.address());
    drop(writeln!(io::stderr(), "submodule {} at {at} from {}", module.path, from.to_string_lossy()));
    let run = |depth: &[&str], refspecs: &[String]| {
        let mut command = git.command(["fetch", "--force", "--no-tags", "--no-auto-maintenance", "--quiet"]);
        command.args(["--no-recurse-submodules", "--no-write-fetch-head", "--update-shallow"]).args(depth);
        command.arg("--").arg(access.address()).args(refspecs);
        git.print_from(command)
    };
    let commit = &module.commit;
    let done = match run(&["--depth=1"], &[format!("+{commit}:refs/unitci/at/{commit}")]) {
        Err(error)
            if matches!(error.kind(), FailureKind::NoSuchCommit | FailureKind::Internal | FailureKind::NoSuchRef) =>
        {
            run(&[], &[format!("+refs/heads/*:refs/unitci/of/{commit}/*")])
        }
        done => done,
    };
    let named = |error: GitError| GitError::said(error.kind(), format!("submodule {}: {error}", module.path));
    done.map_err(named)?;
    if history::exists(&git, commit.as_str())?.is_none() {
        let address = access.address();
        let says =
            format!("submodule {}: {} has no commit {commit}; was it pushed?", module.path, address.to_string_lossy());
        return Err(wrong(says));
    }
    Ok(())
}

/// The submodules of one commit that `git` has; `base` is where its repository comes from, `project` the project's.
fn modules(git: &Git<'_>, commit: &CommitId, base: &Url, project: &Url, depth: usize) -> Result<Vec<Module>, GitError> {
    let listed = git.listing(git.command(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]))?;
    let mut links = Vec::new();
    for entry in listed.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"160000 commit ")) {
        let entry = String::from_utf8_lossy(entry);
        let (meta, path) = entry.split_once('\t').unwrap_or((&entry, ""));
        let commit = meta.rsplit(' ').next().unwrap_or_default().parse::<CommitId>();
        let commit = commit.map_err(|_| wrong(format!("submodule {path:?} is at no commit")))?;
        links.push((path.to_owned(), commit));
        if links.len() > MODULES_MAX {
            return Err(wrong(format!("the commit has more than {MODULES_MAX} submodules")));
        }
    }
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let addresses = addresses(git, commit)?;
    let module = |(path, commit): (String, CommitId)| {
        let text = addresses.get(&path).ok_or_else(|| wrong(format!("submodule {path:?} is not in .gitmodules")))?;
        let url = resolve(base, text, project).map_err(|why| wrong(format!("submodule {path:?}: {text:?}: {why}")))?;
        Ok(Module { path, commit, url, depth })
    };
    links.into_iter().map(module).collect()
}

/// Path → address, as `.gitmodules` has them. Names are compared and never used.
fn addresses(git: &Git<'_>, commit: &CommitId) -> Result<BTreeMap<String, String>, GitError> {
    match tree::file(git, commit, ".gitmodules", GITMODULES_MAX)? {
        File::Content(_) => {}
        File::Absent => return Err(wrong("the commit has submodules and no .gitmodules".to_owned())),
        File::Unfit { size: _ } => return Err(wrong(".gitmodules is no file, or too long to be one".to_owned())),
    }
    let blob = format!("--blob={commit}:.gitmodules");
    let keys = r"^submodule\..*\.(path|url)$";
    let done = git.finish(git.command(["config", "--no-includes", "-z", &blob, "--get-regexp", keys]))?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let mut named: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for (key, value) in text.split('\0').filter_map(|entry| entry.split_once('\n')) {
        match key.rsplit_once('.') {
            Some((name, "path")) => named.entry(name).or_default().0 = Some(value),
            Some((name, "url")) => named.entry(name).or_default().1 = Some(value),
            Some(_) | None => {}
        }
    }
    let pair = |(path, url): (Option<&str>, Option<&str>)| Some((path?.to_owned(), url?.to_owned()));
    Ok(named.into_values().filter_map(pair).collect())
}

/// An address of a submodule by the rules of gitsubmodules(7), less what a project has not been given.
fn resolve(base: &Url, text: &str, project: &Url) -> Result<Url, String> {
    let relative = text.starts_with("./") || text.starts_with("../");
    let url = if relative { repository_address(&joined(base, text)?)? } else { repository_address(text)? };
    let allowed = match (&url, project) {
        (Url::Http(one), Url::Http(other)) => one.starts_with("https://") || origin(one) == origin(other),
        (Url::Http(one), Url::Ssh(_) | Url::Local(_)) => one.starts_with("https://"),
        (Url::Ssh(one), Url::Ssh(other)) => server(one) == server(other),
        (Url::Local(one), Url::Local(other)) => {
            other.parent().is_some_and(|folder| folder != Path::new("/") && one.starts_with(folder))
        }
        (Url::Ssh(_) | Url::Local(_), Url::Http(_) | Url::Ssh(_) | Url::Local(_)) => false,
    };
    let why = "a submodule comes by https, or from where its project comes from";
    if allowed { Ok(url) } else { Err(why.to_owned()) }
}

/// Goes up and down from the address of the repository that names the submodule.
fn joined(base: &Url, text: &str) -> Result<String, String> {
    let up = |path: &str| -> Result<String, String> {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.pop().is_none() => return Err("it leads out of its server".to_owned()),
                ".." => {}
                part => parts.push(part),
            }
        }
        Ok(parts.join("/"))
    };
    match base {
        Url::Local(path) => {
            let normal = path.components().filter(|part| matches!(part, Component::Normal(_))).collect::<PathBuf>();
            Ok(format!("/{}", up(&normal.to_string_lossy())?))
        }
        Url::Http(address) | Url::Ssh(address) => match address.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                Ok(format!("{scheme}://{authority}/{}", up(path)?))
            }
            None => {
                let (server, path) = address.split_once(':').unwrap_or((address, ""));
                let root = if path.starts_with('/') { "/" } else { "" };
                Ok(format!("{server}:{root}{}", up(path)?))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_submodule_may_come_from() {
        let http = Url::Http("https://git.example.org/team/gkp.git".into());
        let plain = Url::Http("http://git.example.org:8080/team/gkp.git".into());
        let ssh = Url::Ssh("ssh://git@host:22/team/gkp.git".into());
        let scp = Url::Ssh("git@host:team/gkp.git".into());
        let local = Url::Local("/srv/git/gkp.git".into());
        let is = |base: &Url, text: &str| match resolve(base, text, base) {
            Ok(Url::Http(url) | Url::Ssh(url)) => url,
            Ok(Url::Local(path)) => path.display().to_string(),
            Err(why) => format!("no: {why}"),
        };
        for (base, text, url) in [
            (&http, "../lib.git", "https://git.example.org/team/lib.git"),
            (&http, "../../other/lib", "https://git.example.org/other/lib"),
            (&http, "./lib.git", "https://git.example.org/team/gkp.git/lib.git"),
            (&http, "https://elsewhere.example/x.git", "https://elsewhere.example/x.git"),
            (&plain, "../lib.git", "http://git.example.org:8080/team/lib.git"),
            (&ssh, "../lib.git", "ssh://git@host:22/team/lib.git"),
            (&scp, "../lib.git", "git@host:team/lib.git"),
            (&scp, "git@host:other/x", "git@host:other/x"),
            (&scp, "https://elsewhere.example/x.git", "https://elsewhere.example/x.git"),
            (&local, "../lib.git", "/srv/git/lib.git"),
            (&local, "/srv/git/deep/lib.git", "/srv/git/deep/lib.git"),
            (&local, "file:///srv/git/lib.git", "/srv/git/lib.git"),
        ] {
            assert_eq!(is(base, text), url, "{text}");
        }
        for (base, text) in [
            (&http, "../../../x"),
            (&http, "../../../../etc"),
            (&http, "http://git.example.org/team/x"),
            (&http, "http://169.254.169.254/x"),
            (&http, "/srv/git/x.git"),
            (&http, "file:///etc"),
            (&http, "ssh://git@host/x"),
            (&http, "ext::sh -c id"),
            (&http, "-u./evil"),
            (&http, "--upload-pack=evil"),
            (&http, "../-x\n"),
            (&http, "https://u:p@git.example.org/x"),
            (&ssh, "ssh://git@other/x"),
            (&ssh, "ssh://root@host:22/x"),
            (&ssh, "ssh://-oProxyCommand=x/y"),
            (&scp, "git@other:x"),
            (&scp, "../../../x"),
            (&local, "../../home/x.git"),
            (&local, "../../../../../../etc"),
            (&local, "/home/anna/private.git"),
            (&local, "/srv/git/../../home/x"),
            (&local, "http://127.0.0.1:8010/"),
            (&local, ""),
        ] {
            assert!(is(base, text).starts_with("no: "), "{text}: {}", is(base, text));
        }
        // A submodule's own submodules are held to the project, not to the submodule.
        let elsewhere = Url::Http("https://elsewhere.example/x.git".into());
        assert!(resolve(&elsewhere, "../y.git", &http).is_ok());
        assert!(resolve(&Url::Local("/srv/git/deep/lib.git".into()), "../../../x", &local).is_err());
    }
}
