//! Whose fault it is when a worker cannot do its job.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a job could not be done, and so what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Nobody answers, or the server says that it is in trouble: try again later.
    Unreachable,
    /// The credential is missing, unusable or refused: the administrator's turn.
    Auth,
    /// The server is not who it should be (ssh host key, TLS certificate): the administrator's turn.
    HostKey,
    /// Something answers, but there is no repository.
    NotARepository,
    /// The repository has no commit yet.
    Empty,
    /// The branch or tag is not there.
    NoSuchRef,
    /// The commit is not there, or the server does not give it.
    NoSuchCommit,
    /// It took longer than allowed: try again later.
    Timeout,
    /// No space, or no permission to write where the job writes.
    Disk,
    /// More than the bounds of an answer.
    TooLarge,
    /// What was asked, or what came, is against the rules.
    Refused,
    /// The commit itself is wrong: its author's turn.
    Commit,
    /// A defect, or a case not known yet.
    Internal,
}

impl FailureKind {
    /// Whether the same job may well succeed a little later with nothing changed on this machine.
    pub fn is_temporary(self) -> bool {
        match self {
            FailureKind::Unreachable | FailureKind::Timeout => true,
            FailureKind::Auth
            | FailureKind::HostKey
            | FailureKind::NotARepository
            | FailureKind::Empty
            | FailureKind::NoSuchRef
            | FailureKind::NoSuchCommit
            | FailureKind::Disk
            | FailureKind::TooLarge
            | FailureKind::Refused
            | FailureKind::Commit
            | FailureKind::Internal => false,
        }
    }
}

impl FailureKind {
    /// What to do about it, where the message itself does not say; to be put behind it.
    pub fn advice(self) -> &'static str {
        match self {
            FailureKind::HostKey => {
                "; if it is the right one: its ssh key (ssh-keyscan HOST) belongs into /etc/ci/known_hosts, \
                 the authority of its certificate among the system's"
            }
            FailureKind::Unreachable
            | FailureKind::Auth
            | FailureKind::NotARepository
            | FailureKind::Empty
            | FailureKind::NoSuchRef
            | FailureKind::NoSuchCommit
            | FailureKind::Timeout
            | FailureKind::Disk
            | FailureKind::TooLarge
            | FailureKind::Refused
            | FailureKind::Commit
            | FailureKind::Internal => "",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FailureKind::Unreachable => "unreachable",
            FailureKind::Auth => "not authorized",
            FailureKind::HostKey => "server not verified",
            FailureKind::NotARepository => "not a repository",
            FailureKind::Empty => "empty repository",
            FailureKind::NoSuchRef => "no such ref",
            FailureKind::NoSuchCommit => "no such commit",
            FailureKind::Timeout => "timed out",
            FailureKind::Disk => "cannot write",
            FailureKind::TooLarge => "too large",
            FailureKind::Refused => "refused",
            FailureKind::Commit => "the commit is wrong",
            FailureKind::Internal => "internal error",
        })
    }
}
