//! What went wrong, and what kind of trouble that is.

use super::credential::CredentialError;
use crate::child::{ChildError, Finished};
use crate::model::FailureKind;
use std::io;
use std::path::PathBuf;

/// Why git could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Git, or the server through it, said no.
    #[error("{message}")]
    Said {
        /// What kind of no.
        kind: FailureKind,
        /// In whose words: git's, libgit2's or ours.
        message: String,
    },
    /// The program did not run to its end.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The credential's file.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// One of our own files.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl GitError {
    /// Something that we found ourselves.
    pub fn said(kind: FailureKind, message: impl Into<String>) -> GitError {
        GitError::Said { kind, message: message.into() }
    }

    /// Whose turn it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            GitError::Said { kind, .. } => *kind,
            GitError::Child(ChildError::Late { .. }) => FailureKind::Timeout,
            GitError::Child(ChildError::Loud { .. }) => FailureKind::TooLarge,
            GitError::Child(ChildError::Start { .. } | ChildError::Pipe { .. }) => FailureKind::Internal,
            GitError::Credential(_) => FailureKind::Auth,
            GitError::Io { .. } => FailureKind::Disk,
        }
    }

    /// From what the git program said when it failed.
    pub(super) fn of_program(done: &Finished) -> GitError {
        let own: Vec<&str> = done.stderr.lines().filter(|line| !line.starts_with("remote:")).collect();
        let kind = KNOWN.iter().find(|(_, text)| own.iter().any(|line| line.contains(text)));
        let kind = kind.map_or(FailureKind::Internal, |(kind, _)| *kind);
        // git ends with advice; what happened is in its first line that says so.
        let says = |line: &&&str| line.starts_with("fatal: ") || line.starts_with("error: ");
        let told = own.iter().find(|line| line.starts_with("ssh: ")).or_else(|| own.iter().find(says));
        let last = own.iter().rev().find(|line| !line.trim().is_empty());
        let line = told.or(last).map_or_else(|| format!("git ended with {}", done.status), |line| (*line).to_owned());
        let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned();
        // "unknown repository extension found:", and its name on the next line.
        if line.starts_with("unknown repository extension") && done.stderr.contains("refstorage") {
            let says = "the repository is in the reftable format, and git on this machine is older than 2.45";
            return GitError::said(FailureKind::NotARepository, says);
        }
        let detail = own.iter().map(|line| line.trim()).find(|line| DETAILS.iter().any(|text| line.contains(text)));
        GitError::said(kind, detail.map_or_else(|| line.clone(), |detail| format!("{line} ({detail})")))
    }

    /// From what libgit2 said.
    pub(super) fn of_library(error: &git2::Error) -> GitError {
        let text = error.message();
        let kind = match (error.code(), error.class()) {
            (git2::ErrorCode::Timeout, _) => FailureKind::Timeout,
            (git2::ErrorCode::Auth, _) => FailureKind::Auth,
            (git2::ErrorCode::Certificate, _) | (_, git2::ErrorClass::Ssl) => FailureKind::HostKey,
            (_, git2::ErrorClass::Net | git2::ErrorClass::Os)
                if ["failed to connect", "failed to resolve"].iter().any(|known| text.contains(known)) =>
            {
                FailureKind::Unreachable
            }
            _ => FailureKind::Internal,
        };
        GitError::said(kind, text)
    }
}

/// Where ssh says what git's own message leaves out.
const DETAILS: [&str; 4] =
    ["host key is known for", "HOST IDENTIFICATION HAS CHANGED", "Host key verification failed", "Permission denied ("];

/// What git, curl and ssh write in the C locale, most telling first: ssh follows its reason with git's general
/// "Could not read from remote repository".
const KNOWN: &[(FailureKind, &str)] = &[
    (FailureKind::Disk, "No space left on device"),
    (FailureKind::Disk, "Disk quota exceeded"),
    (FailureKind::Disk, "Read-only file system"),
    (FailureKind::HostKey, "Host key verification failed"),
    (FailureKind::HostKey, "REMOTE HOST IDENTIFICATION HAS CHANGED"),
    (FailureKind::HostKey, "SSL certificate problem"),
    (FailureKind::HostKey, "server certificate verification failed"),
    (FailureKind::HostKey, "SSL: no alternative certificate subject name"),
    (FailureKind::HostKey, "certificate subject name"),
    (FailureKind::Auth, "Permission denied ("),
    (FailureKind::Auth, "Authentication failed"),
    (FailureKind::Auth, "could not read Username"),
    (FailureKind::Auth, "could not read Password"),
    (FailureKind::Auth, "HTTP Basic: Access denied"),
    (FailureKind::Auth, "returned error: 401"),
    (FailureKind::Auth, "returned error: 403"),
    (FailureKind::Auth, "Load key "),
    (FailureKind::Unreachable, "Could not resolve host"),
    (FailureKind::Unreachable, "Name or service not known"),
    (FailureKind::Unreachable, "Temporary failure in name resolution"),
    (FailureKind::Unreachable, "Couldn't connect to server"),
    (FailureKind::Unreachable, "Could not connect to server"),
    (FailureKind::Unreachable, "Failed to connect to"),
    (FailureKind::Unreachable, "Connection refused"),
    (FailureKind::Unreachable, "Connection timed out"),
    (FailureKind::Unreachable, "No route to host"),
    (FailureKind::Unreachable, "Network is unreachable"),
    (FailureKind::Unreachable, "returned error: 5"),
    (FailureKind::Unreachable, "returned error: 429"),
    (FailureKind::NoSuchRef, "couldn't find remote ref"),
    (FailureKind::NoSuchCommit, "not our ref"),
    (FailureKind::NoSuchCommit, "Server does not allow request for unadvertised object"),
    (FailureKind::Refused, "' not allowed"),
    (FailureKind::Refused, "unable to update url base from redirection"),
    (FailureKind::Refused, "fsck error"),
    (FailureKind::Refused, "mismatched algorithms"),
    (FailureKind::NotARepository, "does not appear to be a git repository"),
    (FailureKind::NotARepository, "not a git repository"),
    (FailureKind::NotARepository, "invalid gitfile format"),
    (FailureKind::NotARepository, "is this a git repository?"),
    (FailureKind::NotARepository, "' not found"),
    (FailureKind::NotARepository, "Repository not found"),
    (FailureKind::NotARepository, "No such file or directory"),
    (FailureKind::NotARepository, "returned error: 4"),
    (FailureKind::NotARepository, "invalid server response"),
    (FailureKind::NotARepository, "protocol error"),
    (FailureKind::NotARepository, "bad line length"),
    (FailureKind::NotARepository, "invalid ls-refs response"),
    (FailureKind::NotARepository, "unexpected end of file"),
    (FailureKind::Unreachable, "Connection reset"),
    (FailureKind::Unreachable, "Empty reply from server"),
    (FailureKind::Unreachable, "the remote end hung up"),
    (FailureKind::Unreachable, "early EOF"),
    (FailureKind::Unreachable, "RPC failed"),
    (FailureKind::Unreachable, "Could not read from remote repository"),
    (FailureKind::Unreachable, "unable to access"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn what_programs_say_is_sorted() {
        for (stderr, kind, message) in [
            (
                "ssh: connect to host x port 22: Connection refused\nfatal: Could not read from remote repository.\n\n\
                 Please make sure you have the correct access rights\nand the repository exists.\n",
                FailureKind::Unreachable,
                "ssh: connect to host x port 22: Connection refused",
            ),
            (
                "git@x: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n",
                FailureKind::Auth,
                "Could not read from remote repository. (git@x: Permission denied (publickey).)",
            ),
            (
                "No ED25519 host key is known for x and you have requested strict checking.\n\
                 Host key verification failed.\nfatal: Could not read from remote repository.\n",
                FailureKind::HostKey,
                "Could not read from remote repository. (No ED25519 host key is known for x and you have requested \
                 strict checking.)",
            ),
            (
                "fatal: unable to access 'http://h/x/': The requested URL returned error: 503\n",
                FailureKind::Unreachable,
                "unable to access 'http://h/x/': The requested URL returned error: 503",
            ),
            (
                "remote: No space left on device\nfatal: repository 'http://h/x/' not found\n",
                FailureKind::NotARepository,
                "repository 'http://h/x/' not found",
            ),
            ("", FailureKind::Internal, "git ended with exit status: 128"),
        ] {
            let done = Finished { status: ExitStatus::from_raw(128 << 8), stdout: vec![], stderr: stderr.into() };
            let error = GitError::of_program(&done);
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
        }
    }
}
