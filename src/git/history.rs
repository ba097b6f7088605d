//! Which commits lie between two, and how the two stand to each other.

use super::failure::GitError;
use super::program::Git;
use crate::model::{CommitId, FailureKind, Line};
use serde::{Deserialize, Serialize};

/// Most commits that are told of one change.
pub const COMMITS_MAX: usize = 50;

/// One commit, as told to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// The author's name.
    pub author: Line,
    /// The author's address.
    pub email: Line,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// The first paragraph of its message.
    pub subject: Line,
}

/// How a ref's new commit stands to its old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// There is no old one.
    New,
    /// They are one.
    Same,
    /// The new one is built on the old one.
    FastForward,
    /// The new one is an ancestor of the old one.
    Rewound,
    /// Each has commits that the other has not: a force push.
    Diverged,
    /// The old one is not in the mirror any more.
    Forgotten,
}

/// What a change brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How the two stand.
    pub relation: Relation,
    /// Commits that are in the new and not in the old, newest first, at most [`COMMITS_MAX`]; the new one alone
    /// when there is no old one to compare it with.
    pub commits: Vec<Commit>,
    /// How many there are in all.
    pub total: u64,
}

/// Compares a new commit, which is there, with an old one.
pub fn between(git: &Git<'_>, old: Option<&CommitId>, new: &CommitId) -> Result<History, GitError> {
    let alone = |relation| Ok(History { relation, commits: vec![commit(git, new)?], total: 1 });
    let Some(old) = old else { return alone(Relation::New) };
    if old == new {
        return Ok(History { relation: Relation::Same, commits: Vec::new(), total: 0 });
    }
    if exists(git, old.as_str())?.is_none() {
        return alone(Relation::Forgotten);
    }
    let counted = git.print(["rev-list", "--left-right", "--count", &format!("{old}...{new}"), "--"])?;
    let mut counts = counted.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(lost)), Some(Ok(total))) = (counts.next(), counts.next()) else {
        return Err(GitError::said(FailureKind::Internal, format!("git counts {counted:?} commits")));
    };
    let relation = match (lost, total) {
        (0, 0) => Relation::Same,
        (0, _) => Relation::FastForward,
        (_, 0) => Relation::Rewound,
        (_, _) => Relation::Diverged,
    };
    let commits = log(git, &[&format!("{old}..{new}")], COMMITS_MAX)?;
    Ok(History { relation, commits, total })
}

/// One commit.
pub fn commit(git: &Git<'_>, id: &CommitId) -> Result<Commit, GitError> {
    let missing = || GitError::said(FailureKind::NoSuchCommit, format!("there is no commit {id}"));
    log(git, &["--no-walk", id.as_str()], 1)?.pop().ok_or_else(missing)
}

/// The commit that a name stands for, if there is one here. `name` must be harmless: checked by the caller.
pub(super) fn exists(git: &Git<'_>, name: &str) -> Result<Option<CommitId>, GitError> {
    let peeled = format!("{name}^{{commit}}");
    let found = git.try_print(["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled])?;
    Ok(found.and_then(|text| text.trim().parse().ok()))
}

fn log(git: &Git<'_>, range: &[&str], count: usize) -> Result<Vec<Commit>, GitError> {
    // Truncated by git already: a subject may have any length.
    let format = "--format=%H%x00%<(300,trunc)%an%x00%<(300,trunc)%ae%x00%ct%x00%<(300,trunc)%s%x00";
    let count = format!("--max-count={count}");
    let mut command = git.command(["log", "--no-mailmap", "--encoding=UTF-8", &count, format]);
    command.args(range).arg("--");
    let text = git.print_from(command)?;
    let fields: Vec<&str> = text.split('\0').collect();
    let read = |c: &[&str]| -> Option<Commit> {
        let [id, author, email, time, subject] = c else { return None };
        let (id, time) = (id.trim().parse().ok()?, time.parse().ok()?);
        Some(Commit { id, author: Line::cut(author), email: Line::cut(email), time, subject: Line::cut(subject) })
    };
    let all: Option<Vec<Commit>> = fields.chunks_exact(5).map(read).collect();
    all.ok_or_else(|| GitError::said(FailureKind::Internal, "git's log cannot be read"))
}
