//! Asking remotes, and keeping mirrors.

use super::protocol::{
    AskedRef, COMMITS_TOLD, Failure, FailureKind, FetchAnswer, FetchTask, FetchedRef, REFS_ASKED, Refs, RefsTask,
    Remote, TidyTask,
};
use crate::git::{Access, Git, GitError, History, Mirror, Resolve, Scratch, history, refs};
use crate::model::Secret;
use crate::output::Masker;
use std::time::Instant;

impl From<GitError> for Failure {
    fn from(error: GitError) -> Failure {
        Failure::new(error.kind(), &error.to_string())
    }
}

fn access(remote: &Remote) -> Result<Access, GitError> {
    Access::new(remote.url.clone(), remote.credential.as_deref(), remote.known_hosts.clone())
}

/// A failure whose words come from git or the server, which were shown the token and may repeat it.
fn covered(access: &Access, error: GitError) -> Failure {
    let secret = |secret: &str| Some(Secret { name: "token".parse().ok()?, bytes: secret.into() });
    // One that is too short to be masked is a word like any other.
    match access.secret().and_then(secret).and_then(|secret| Masker::new(&[secret]).ok()) {
        Some(masker) => Failure::new(error.kind(), &masker.cover(&error.to_string())),
        None => error.into(),
    }
}

pub(super) fn refs(task: &RefsTask, deadline: Instant) -> Result<Refs, Failure> {
    let access = access(&task.remote)?;
    let scratch = Scratch::new(Some(&access))?;
    let listed = refs::list(&Git::borrowing(&scratch, Some(&access), deadline), &access, &task.outside);
    listed.map_err(|error| covered(&access, error))
}

pub(super) fn fetch(task: &FetchTask, deadline: Instant) -> Result<FetchAnswer, Failure> {
    if task.refs.len() > REFS_ASKED {
        let says = format!("{} refs are more than {REFS_ASKED} at once", task.refs.len());
        return Err(Failure::new(FailureKind::TooLarge, &says));
    }
    let access = access(&task.remote)?;
    fetch_from(task, &access, deadline).map_err(|error| covered(&access, error))
}

fn fetch_from(task: &FetchTask, access: &Access, deadline: Instant) -> Result<FetchAnswer, GitError> {
    let scratch = Scratch::new(Some(access))?;
    let git = Git::borrowing(&scratch, Some(access), deadline);
    let mirror = Mirror::open(&git, access, &task.mirror)?;
    if !is_here(&mirror, task)? {
        mirror.fetch()?;
        if let Some(name) = &task.outside {
            mirror.fetch_outside(name)?;
        }
    }
    let mut left = COMMITS_TOLD;
    let news = |asked| news(&mirror, asked, &mut left);
    let refs = task.refs.iter().map(news).collect::<Result<_, GitError>>()?;
    let resolved = task.resolve.as_ref().map(|asked| mirror.resolve(asked)).transpose()?;
    Ok(FetchAnswer { refs, resolved })
}

/// Whether all that is asked is in the mirror already.
fn is_here(mirror: &Mirror<'_>, task: &FetchTask) -> Result<bool, GitError> {
    match (&task.resolve, task.refs.as_slice()) {
        (Some(asked), []) if mirror.has(asked)? => Ok(true),
        (Some(Resolve::Branch(name)), []) => mirror.is_current(Some(name)),
        (Some(Resolve::Branch(name)), [only]) if only.name == *name => mirror.is_current(Some(name)),
        (Some(Resolve::Head), []) => mirror.is_current(None),
        (Some(Resolve::Head | Resolve::Branch(_) | Resolve::Revision(_)) | None, _) => Ok(false),
    }
}

/// The news of one ref; `left` is how many commits the answer still has room for.
fn news(mirror: &Mirror<'_>, asked: &AskedRef, left: &mut usize) -> Result<FetchedRef, GitError> {
    let name = asked.name.clone();
    let Some(now) = mirror.tip(&name)? else { return Ok(FetchedRef { name, now: None }) };
    let mut history: History = history::between(mirror.git(), asked.old.as_ref(), &now)?;
    history.commits.truncate((*left).max(1));
    *left = left.saturating_sub(history.commits.len());
    Ok(FetchedRef { name, now: Some((now, history)) })
}

pub(super) fn tidy(task: &TidyTask, deadline: Instant) -> Result<(), Failure> {
    let access = Access::new(task.remote.url.clone(), None, None)?;
    let scratch = Scratch::new(None)?;
    let git = Git::borrowing(&scratch, None, deadline);
    Ok(Mirror::open(&git, &access, &task.mirror)?.tidy()?)
}
