//! What a remote has: its HEAD, branches and tags.

use super::access::Access;
use super::failure::GitError;
use super::program::Git;
use crate::config::pattern::Pattern;
use crate::config::project::Url;
use crate::model::{CommitId, FailureKind, RefName};
use git2::{Cred, Direction, ProxyOptions, RemoteCallbacks, Repository};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Instant;

/// Most refs that we take from one remote. One that has more is an error, since a missing ref reads as deleted.
pub const REFS_MAX: usize = 20_000;

/// The refs of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// The branch that HEAD names; it need not exist yet.
    pub head: Option<RefName>,
    /// Where HEAD is; none while the repository is empty.
    pub head_commit: Option<CommitId>,
    /// `refs/heads/*`, `refs/tags/*` and what else was asked for, by name; an annotated tag is what it points at.
    pub refs: Vec<(RefName, CommitId)>,
    /// How many were left out for names that git itself would not take.
    pub unusable: u32,
}

impl Refs {
    /// Whether nobody has pushed anything yet.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty() && self.head_commit.is_none()
    }

    /// Where a ref is.
    pub fn find(&self, name: &RefName) -> Option<&CommitId> {
        self.refs.iter().find(|(found, _)| found == name).map(|(_, commit)| commit)
    }
}

/// Collects what a server says, whoever asked it.
struct Listing<'a> {
    /// Whole names of other refs that are wanted.
    also: &'a [Pattern],
    head: Option<RefName>,
    head_commit: Option<CommitId>,
    refs: BTreeMap<RefName, CommitId>,
    unusable: u32,
}

impl<'a> Listing<'a> {
    fn new(also: &'a [Pattern]) -> Listing<'a> {
        Listing { also, head: None, head_commit: None, refs: BTreeMap::new(), unusable: 0 }
    }

    fn symref(&mut self, name: &str, target: &str) {
        if name == "HEAD" {
            self.head = target.parse().ok().filter(|target: &RefName| target.branch().is_some());
        }
    }

    fn add(&mut self, name: &str, object: &str) -> Result<(), GitError> {
        // Without its ^{} it is the tag that came just before: what it points at replaces it.
        let name = name.strip_suffix("^{}").unwrap_or(name);
        let ours = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        let ours = ours || self.also.iter().any(|pattern| pattern.matches(name));
        match (name.parse::<RefName>(), object.parse::<CommitId>()) {
            (_, Ok(commit)) if name == "HEAD" => self.head_commit = Some(commit),
            (Ok(name), Ok(commit)) if ours => drop(self.refs.insert(name, commit)),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => self.unusable += u32::from(ours),
        }
        if self.refs.len() > REFS_MAX {
            let says = format!("the repository has more than {REFS_MAX} refs that are looked at");
            return Err(GitError::said(FailureKind::TooLarge, says));
        }
        Ok(())
    }

    fn done(self) -> Refs {
        let refs = self.refs.into_iter().collect();
        Refs { head: self.head, head_commit: self.head_commit, refs, unusable: self.unusable }
    }
}

/// Asks a remote for its refs.
///
/// Over http libgit2 goes first: its timeouts and errors are typed. What it does not know (SHA-256, an odd answer),
/// the program gets to see, and its word is final. Local repositories go to the program at once: a worker lists one
/// remote, and libgit2 begins by loading the machine's certificate authorities, which takes ten times as long as
/// all of `git ls-remote` (105 ms against 10).
///
/// Beside branches and tags those refs are listed whose whole names match `also`.
pub fn list(git: &Git<'_>, access: &Access, also: &[Pattern]) -> Result<Refs, GitError> {
    let library = match access.url() {
        Url::Http(_) => by_library(git, access, also),
        Url::Ssh(_) | Url::Local(_) => return by_program(git, access, also),
    };
    match library {
        Err(GitError::Said { kind: FailureKind::Internal, message }) => match by_program(git, access, also) {
            // A web page of one line is an empty repository to the program ("dumb" http).
            Ok(refs) if refs.is_empty() && message.contains("content-type") => {
                Err(GitError::said(FailureKind::NotARepository, message))
            }
            listed => listed,
        },
        // To libgit2 some nonsense is an empty repository, which would read as "everything was deleted".
        Ok(refs) if refs.is_empty() => by_program(git, access, also),
        Ok(_) | Err(_) => library,
    }
}

fn by_library(git: &Git<'_>, access: &Access, also: &[Pattern]) -> Result<Refs, GitError> {
    let refused = |error: git2::Error| GitError::of_library(&error);
    configure_library(git.deadline()).map_err(refused)?;
    let repository = Repository::open_bare(git.scratch().git_dir()).map_err(refused)?;
    let address = access.address();
    let address = address.to_str().ok_or_else(|| GitError::said(FailureKind::Refused, "the address is not UTF-8"))?;
    // The scratch's configuration forbids redirects to other hosts, which the program then follows without token:
    // libgit2 would keep it.
    let mut remote = repository.remote_anonymous(address).map_err(refused)?;
    let shown = Cell::new(false);
    let mut callbacks = RemoteCallbacks::new();
    callbacks.credentials(|asking, _, _| match access.token(asking) {
        Some(token) if !shown.replace(true) => Cred::userpass_plaintext(&token.user, &token.secret),
        Some(_) => Err(auth("the server refuses the credential")),
        None => Err(auth("the server asks for a credential, and none is configured for it")),
    });
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    let connection = remote.connect_auth(Direction::Fetch, Some(callbacks), Some(proxy)).map_err(refused)?;
    let mut listing = Listing::new(also);
    for head in connection.list().map_err(refused)? {
        if let Some(target) = head.symref_target() {
            listing.symref(head.name(), target);
        }
        listing.add(head.name(), &head.oid().to_string())?;
    }
    Ok(listing.done())
}

fn auth(says: &str) -> git2::Error {
    git2::Error::new(git2::ErrorCode::Auth, git2::ErrorClass::Http, says)
}

/// libgit2 waits for ever by itself, and reads configuration of the user and the machine.
fn configure_library(deadline: Instant) -> Result<(), git2::Error> {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    let left = i32::try_from(left).unwrap_or(i32::MAX).max(1);
    let levels = [git2::ConfigLevel::System, git2::ConfigLevel::Global, git2::ConfigLevel::XDG];
    // SAFETY: these set global variables of libgit2 without locks; a worker does one job, in one thread, and no
    // other part of this program uses libgit2.
    unsafe {
        git2::opts::set_server_connect_timeout_in_milliseconds(left)?;
        git2::opts::set_server_timeout_in_milliseconds(left)?;
        for level in levels {
            git2::opts::set_search_path(level, "/nonexistent")?;
        }
    }
    Ok(())
}

fn by_program(git: &Git<'_>, access: &Access, also: &[Pattern]) -> Result<Refs, GitError> {
    let mut command = git.command(["-c", "http.followRedirects=initial", "ls-remote", "--symref", "--quiet", "--"]);
    command.arg(access.address()).args(["HEAD", "refs/heads/*", "refs/tags/*"]);
    // Git's own globs are not ours: up to the first character that could be one.
    let beginning = |pattern: &Pattern| pattern.as_str().split(['*', '?', '[', '{', '\\']).next().map(str::to_owned);
    command.args(also.iter().filter_map(beginning).map(|beginning| beginning + "*"));
    let text = git.print_from(command)?;
    let mut listing = Listing::new(also);
    for (value, name) in text.lines().filter_map(|line| line.split_once('\t')) {
        match value.strip_prefix("ref: ") {
            Some(target) => listing.symref(name, target),
            None => listing.add(name, value)?,
        }
    }
    Ok(listing.done())
}
