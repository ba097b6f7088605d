//! What is needed to reach one remote, and nothing that reaches another.

use super::credential::{Credential, CredentialError, Token};
use super::failure::GitError;
use crate::config::project::Url;
use crate::model::FailureKind;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A remote with what it is shown and how it is recognized.
#[derive(Debug)]
pub struct Access {
    url: Url,
    credential: Option<Credential>,
    known_hosts: Option<PathBuf>,
}

/// `scheme://host[:port]`, what a token belongs to.
pub(super) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    let default = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default).unwrap_or(&host);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{scheme}://{host}"))
}

impl Access {
    /// Reads the credential and checks that it fits the transport.
    pub fn new(url: Url, credential: Option<&Path>, known_hosts: Option<PathBuf>) -> Result<Access, GitError> {
        let credential = credential.map(Credential::load).transpose()?;
        let unfit = |file: &Path, found, needed| CredentialError::Unfit { file: file.to_owned(), found, needed };
        match (&url, &credential) {
            (Url::Http(_), Some(Credential::Key(file))) => Err(unfit(file, "a private key", "user:token"))?,
            (Url::Ssh(_), Some(Credential::Token(token))) => Err(unfit(&token.file, "user:token", "a private key"))?,
            (Url::Http(_) | Url::Ssh(_) | Url::Local(_), _) => {}
        }
        let access = Access { url, credential, known_hosts };
        let unusable = match &access.url {
            Url::Http(text) => origin(text).is_none(),
            Url::Ssh(text) => text.starts_with('-'),
            Url::Local(path) => !path.is_absolute(),
        };
        if unusable {
            let says = format!("{} is not the address of a repository", access.address().to_string_lossy());
            return Err(GitError::said(FailureKind::Refused, says));
        }
        Ok(access)
    }

    /// The remote.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The remote as git takes it.
    pub(super) fn address(&self) -> OsString {
        match &self.url {
            Url::Http(text) | Url::Ssh(text) => text.into(),
            Url::Local(path) => path.into(),
        }
    }

    /// What a server that was shown it could repeat. A private key is shown to nobody.
    pub fn secret(&self) -> Option<&str> {
        match &self.credential {
            Some(Credential::Token(token)) => Some(&token.secret),
            Some(Credential::Key(_)) | None => None,
        }
    }

    /// The token, if the remote is where it belongs.
    pub(super) fn token(&self, asking: &str) -> Option<&Token> {
        match (&self.url, &self.credential) {
            (Url::Http(url), Some(Credential::Token(token))) if origin(url) == origin(asking) => Some(token),
            (Url::Http(_) | Url::Ssh(_) | Url::Local(_), _) => None,
        }
    }

    /// The section of git's configuration that shows the token to its own host only. Git asks for credentials by
    /// the address that it was redirected to, which then matches no section.
    pub(super) fn configuration(&self) -> String {
        match (&self.url, &self.credential) {
            (Url::Http(url), Some(Credential::Token(_))) => {
                let origin = origin(url).unwrap_or_default();
                format!("[credential \"{origin}\"]\n\thelper = \"{HELPER}\"\n")
            }
            (Url::Http(_) | Url::Ssh(_) | Url::Local(_), _) => String::new(),
        }
    }

    /// The environment of the git program: paths of secrets, never secrets.
    pub(super) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let file = match &self.credential {
            Some(Credential::Key(file)) => file.clone(),
            Some(Credential::Token(token)) => token.file.clone(),
            None => PathBuf::from("/dev/null"),
        };
        let known_hosts = self.known_hosts.clone().unwrap_or_else(|| "/dev/null".into());
        let protocols = match &self.url {
            Url::Http(_) => "https:http",
            Url::Ssh(_) => "ssh",
            Url::Local(_) => "file",
        };
        vec![
            ("CI_CREDENTIAL_FILE", file.into()),
            ("CI_KNOWN_HOSTS", known_hosts.into()),
            ("GIT_ALLOW_PROTOCOL", protocols.into()),
            ("GIT_SSH_COMMAND", SSH.into()),
            ("GIT_SSH_VARIANT", "ssh".into()),
        ]
    }
}

/// gitcredentials(7): reads the one line and says it in git's words. `printf` is the shell's own, so that the token
/// is in no process list. Escaped for git's configuration.
const HELPER: &str = "!f() { test \\\"$1\\\" = get || exit 0; \
    IFS= read -r line < \\\"$CI_CREDENTIAL_FILE\\\" || test -n \\\"$line\\\" || exit 0; \
    printf 'username=%s\\\\npassword=%s\\\\n' \\\"${line%%:*}\\\" \\\"${line#*:}\\\"; }; f";

/// No file of the user's or the machine's changes what this does; a silent server is noticed within a minute.
const SSH: &str = "ssh -F /dev/null -i \"$CI_CREDENTIAL_FILE\" -o UserKnownHostsFile=\"$CI_KNOWN_HOSTS\" \
    -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
    -o ConnectTimeout=20 -o ServerAliveInterval=20 -o ServerAliveCountMax=3 -o ForwardAgent=no -o ClearAllForwardings=yes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_an_origin() {
        for (url, of) in [
            ("https://git.example.org/x.git", Some("https://git.example.org")),
            ("https://Git.Example.org:443/x", Some("https://git.example.org")),
            ("http://u:p@git.example.org:8080/x", Some("http://git.example.org:8080")),
            ("http://[::1]:80/x", Some("http://[::1]")),
            ("https://git.example.org@evil.example/x", Some("https://evil.example")),
            ("https://evil\"]\n/x", None),
            ("https:///x", None),
            ("git.example.org/x", None),
        ] {
            assert_eq!(origin(url).as_deref(), of, "{url}");
        }
        let url = Url::Http("https://git.example.org/x.git".into());
        let token = Token { file: "/c".into(), user: "bot".into(), secret: "s".into() };
        let access = Access { url, credential: Some(Credential::Token(token)), known_hosts: None };
        assert!(access.token("https://git.example.org/other").is_some());
        for elsewhere in ["http://git.example.org/x.git", "https://git.example.org:8443/x", "https://evil.example/x"] {
            assert!(access.token(elsewhere).is_none(), "{elsewhere}");
        }
    }
}
