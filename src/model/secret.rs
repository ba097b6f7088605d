//! Secrets: what a step is given as a file, and nobody else is to see.

use super::name::{NameError, textual};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest name, in bytes.
pub const SECRET_NAME_MAX: usize = 64;
/// What the file of an encrypted secret ends with, as systemd-creds(1) has it.
pub const ENCRYPTED: &str = ".cred";

/// A secret's name: its file in `/etc/ci/credentials`, and in `$CREDENTIALS_DIRECTORY` of a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "secret's name";
        const RULE: &str = "with letters, digits and . _ -, no dot first and no .cred last";
        let first = text.chars().next().ok_or(NameError::Empty(WHAT))?;
        if text.len() > SECRET_NAME_MAX {
            return Err(NameError::TooLong { what: WHAT, max: SECRET_NAME_MAX, len: text.len() });
        }
        let refuse = |found| Err(NameError::Character { what: WHAT, rule: RULE, found });
        // systemd and we have names of our own that begin so.
        if first == '.' || text.ends_with(ENCRYPTED) {
            return refuse('.');
        }
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
            Some(found) => refuse(found),
            None => Ok(SecretName(text.to_owned())),
        }
    }
}

textual!(SecretName);

/// A secret with what it holds. Shows its name alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Which.
    pub name: SecretName,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}, {} bytes)", self.name, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_files_and_never_leave_their_folder() {
        for good in ["pypi-token", "a", "npm.rc", "AWS_KEY"] {
            assert_eq!(good.parse::<SecretName>().unwrap().as_str(), good);
        }
        for bad in ["", ".script", "..", "a/b", "a b", "a:b", "a\n", "token.cred", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debugging_a_secret_does_not_print_it() {
        let secret = Secret { name: "token".parse().unwrap(), bytes: b"hunter2".to_vec() };
        assert_eq!(format!("{secret:?}"), "Secret(token, 7 bytes)");
    }
}
