//! A credential: one file, and what it holds says what it is for.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes that a credential has; an RSA key of 16384 bits has 13 KB.
const CREDENTIAL_MAX: u64 = 64 << 10;

/// What a remote is shown. Only its file's path is ever given to another program.
#[derive(Clone)]
pub enum Credential {
    /// A private key, for ssh.
    Key(PathBuf),
    /// `user:token`, for http(s).
    Token(Token),
}

/// A user's name with a token or password.
#[derive(Clone)]
pub struct Token {
    /// Where it stands, as one line.
    pub file: PathBuf,
    /// The part before the first colon.
    pub user: String,
    /// All after it.
    pub secret: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Key(file) => write!(f, "Key({})", file.display()),
            Credential::Token(token) => write!(f, "Token({})", token.file.display()),
        }
    }
}

/// Why a file is no credential. What it holds is never part of the message.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It cannot be read.
    #[error("cannot read the credential {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is neither of the two.
    #[error("the credential {} is neither a private key nor one line with user:token", file.display())]
    Neither {
        /// The file.
        file: PathBuf,
    },
    /// ssh refuses such a key, with a message that says nothing.
    #[error("the private key {} does not end with a newline, so ssh cannot read it", file.display())]
    Unterminated {
        /// The file.
        file: PathBuf,
    },
    /// The transport has no use for it.
    #[error("the credential {} is {found}, and this repository needs {needed}", file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// What it is.
        found: &'static str,
        /// What the transport takes.
        needed: &'static str,
    },
}

impl Credential {
    /// Reads a credential's file.
    pub fn load(file: &Path) -> Result<Credential, CredentialError> {
        let failed = |source| CredentialError::Read { file: file.to_owned(), source };
        let mut text = String::new();
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(CREDENTIAL_MAX).read_to_string(&mut text).map_err(failed)?;
        Credential::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Credential, CredentialError> {
        let file = file.to_owned();
        if text.contains("PRIVATE KEY-----") {
            let whole = text.ends_with('\n');
            return if whole { Ok(Credential::Key(file)) } else { Err(CredentialError::Unterminated { file }) };
        }
        let line = text.strip_suffix('\n').unwrap_or(text);
        match line.split_once(':') {
            Some((user, secret)) if !user.is_empty() && !secret.is_empty() && !line.contains(char::is_control) => {
                Ok(Credential::Token(Token { file, user: user.to_owned(), secret: secret.to_owned() }))
            }
            Some(_) | None => Err(CredentialError::Neither { file }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_holds_says_what_it_is() {
        let file = Path::new("/c/gkp-git");
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n";
        assert!(matches!(Credential::parse(file, key), Ok(Credential::Key(_))));
        assert!(matches!(Credential::parse(file, key.trim_end()), Err(CredentialError::Unterminated { .. })));
        for text in ["bot:s3:cret", "bot:s3:cret\n"] {
            let Ok(Credential::Token(token)) = Credential::parse(file, text) else { panic!("{text}") };
            assert_eq!((token.user.as_str(), token.secret.as_str()), ("bot", "s3:cret"));
        }
        for text in ["", "hunter2", "bot:", ":hunter2", "bot:hunter2\r\n", "bot:hunter2\nmore", "bot:hunter2\n\n"] {
            let error = Credential::parse(file, text).unwrap_err();
            assert!(matches!(error, CredentialError::Neither { .. }), "{text:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        let token = Credential::parse(file, "bot:hunter2").unwrap();
        assert!(!format!("{token:?}").contains("hunter2"));
    }
}
