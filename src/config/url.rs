//! Addresses of repositories and pages.

use super::probe::Tcp;
use super::project::Url;
use std::net::Ipv6Addr;
use std::path::{Component, Path, PathBuf};

/// Longest address, in bytes.
const URL_MAX: usize = 2000;

/// Why an address is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum UrlFault {
    #[error("an address cannot be empty or longer than {URL_MAX} bytes")]
    Length,
    #[error("an address has no spaces and no control characters")]
    Character,
    #[error("an address does not begin with `-`: a program could take it for an option")]
    Option,
    #[error("git's `{0}::` addresses run programs of their own and are not taken")]
    Helper(String),
    #[error("{0}:// is not taken; known: https://, http://, ssh://, user@host:path, file:// or an absolute path")]
    Scheme(String),
    #[error(
        "not a repository's address; known: https://, http://, ssh://, user@host:path, file:// or an absolute path"
    )]
    Unknown,
    #[error("not a valid address: {0}")]
    Parse(#[from] url::ParseError),
    #[error(
        "a password does not belong here; put `user:password` into /etc/ci/credentials/NAME and write `credential = \"NAME\"`"
    )]
    Password,
    #[error("file:// needs the absolute path of a folder on this machine")]
    File,
    #[error("the path of a repository is absolute and has no `.` or `..`")]
    Path,
    #[error("a host name cannot begin with `-` or be empty")]
    Host,
    #[error("must be an http:// or https:// address")]
    NotWeb,
    #[error("must not have a query or a fragment")]
    Query,
    #[error("must be HOST:PORT, like 127.0.0.1:5432 or [::1]:5432")]
    NotTcp,
}

fn plain(text: &str) -> Result<(), UrlFault> {
    if text.is_empty() || text.len() > URL_MAX {
        Err(UrlFault::Length)
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Err(UrlFault::Character)
    } else if text.starts_with('-') {
        Err(UrlFault::Option)
    } else {
        Ok(())
    }
}

fn with_host(text: &str) -> Result<url::Url, UrlFault> {
    // The parser reads these as people's browsers do, git and curl otherwise.
    if text.contains(":///") || text.contains('\\') {
        return Err(UrlFault::Host);
    }
    let parsed = url::Url::parse(text)?;
    if parsed.password().is_some() {
        return Err(UrlFault::Password);
    }
    match parsed.host_str() {
        // ssh takes a host that begins with a dash for an option (CVE-2017-1000117).
        Some(host) if !host.is_empty() && !host.starts_with('-') && !parsed.username().starts_with('-') => Ok(parsed),
        Some(_) | None => Err(UrlFault::Host),
    }
}

/// A repository's address, by the rules of git-fetch(1) "GIT URLS", less what runs programs.
pub(super) fn repository(text: &str) -> Result<Url, UrlFault> {
    plain(text)?;
    if let Some((helper, _)) = text.split_once("::")
        && helper.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Err(UrlFault::Helper(helper.to_owned()));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return match scheme {
            "http" | "https" => with_host(text).map(|_| Url::Http(text.to_owned())),
            "ssh" => with_host(text).map(|_| Url::Ssh(text.to_owned())),
            "file" => {
                let parsed = url::Url::parse(text)?;
                // The parser resolves `..`; that it was there shows in the text.
                let path = parsed.to_file_path().map_err(|()| UrlFault::File)?;
                if text.split('/').any(|part| part == "..") { Err(UrlFault::Path) } else { local(&path) }
            }
            other => Err(UrlFault::Scheme(other.chars().take(20).collect())),
        };
    }
    if text.starts_with('/') {
        return local(Path::new(text));
    }
    match text.split_once(':') {
        // As git tells a host from a path: a colon before the first slash.
        Some((host, path)) if !host.contains('/') && !path.is_empty() => {
            let (user, host) = host.rsplit_once('@').unwrap_or(("git", host));
            if user.contains(':') || path.contains('@') {
                // me:secret@host:x has its first colon before the password.
                Err(UrlFault::Password)
            } else if host.is_empty() || host.starts_with('-') || user.starts_with('-') || path.starts_with('-') {
                Err(UrlFault::Host)
            } else {
                Ok(Url::Ssh(text.to_owned()))
            }
        }
        Some(_) | None => Err(UrlFault::Unknown),
    }
}

/// A repository's address that somebody else wrote, by the same rules; the error is for people.
pub fn repository_address(text: &str) -> Result<Url, String> {
    repository(text).map_err(|fault| fault.to_string())
}

fn local(path: &Path) -> Result<Url, UrlFault> {
    let normal = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let has_dot = path.to_string_lossy().split('/').any(|part| part == ".");
    if !path.is_absolute() || !normal || has_dot || path == Path::new("/") {
        return Err(UrlFault::Path);
    }
    Ok(Url::Local(path.components().collect::<PathBuf>()))
}

/// A page's address.
pub(super) fn page(text: &str) -> Result<String, UrlFault> {
    plain(text)?;
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(UrlFault::NotWeb);
    }
    with_host(text)?;
    Ok(text.to_owned())
}

/// A page's address that others are made from: without a slash at its end.
pub(super) fn base(text: &str) -> Result<String, UrlFault> {
    let page = page(text)?;
    if page.contains(['?', '#']) { Err(UrlFault::Query) } else { Ok(page.trim_end_matches('/').to_owned()) }
}

/// Where somebody listens: a name or an IPv4 address, or an IPv6 address in brackets, and a port.
pub(super) fn tcp(text: &str) -> Result<Tcp, UrlFault> {
    plain(text)?;
    let (host, port) = text.rsplit_once(':').ok_or(UrlFault::NotTcp)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or(UrlFault::NotTcp)?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(|_| address),
        None => Some(host).filter(|host| {
            let word = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
            word && !host.is_empty()
        }),
    };
    Ok(Tcp { host: host.ok_or(UrlFault::NotTcp)?.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_may_be_given() {
        for (text, want) in [
            ("https://git.example.org/gkp.git", Url::Http("https://git.example.org/gkp.git".into())),
            ("http://me@[::1]:3000/x", Url::Http("http://me@[::1]:3000/x".into())),
            ("ssh://git@host:2222/x.git", Url::Ssh("ssh://git@host:2222/x.git".into())),
            ("git@github.com:a/b.git", Url::Ssh("git@github.com:a/b.git".into())),
            ("host:x.git", Url::Ssh("host:x.git".into())),
            ("/srv/git/x.git", Url::Local("/srv/git/x.git".into())),
            ("/srv/git/x.git/", Url::Local("/srv/git/x.git".into())),
            ("file:///srv/git/a%20b", Url::Local("/srv/git/a b".into())),
        ] {
            assert_eq!(repository(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_git_is_never_given() {
        for (text, says) in [
            ("", "empty"),
            ("ext::sh -c touch% /x", "no spaces"),
            ("ext::sh", "`ext::`"),
            ("fd::17", "`fd::`"),
            ("--upload-pack=touch", "begin with `-`"),
            ("-x:y", "begin with `-`"),
            ("ssh://-oProxyCommand=x/y", "host name"),
            ("git@-oProxyCommand=x:y", "host name"),
            ("host:-x", "host name"),
            ("ssh://host/a\nb", "control"),
            ("https://me:secret@host/x", "credential = \"NAME\""),
            ("me:secret@host:x", "credential = \"NAME\""),
            ("https:///x/y", "host name"),
            ("https://host\\@evil/y", "host name"),
            ("git://host/x", "git:// is not taken"),
            ("ftp://host/x", "ftp:// is not taken"),
            ("repos/x", "not a repository's address"),
            ("./x", "not a repository's address"),
            ("../x:y", "not a repository's address"),
            ("gkp", "not a repository's address"),
            ("file://other-host/x", "on this machine"),
            ("file://x", "on this machine"),
            ("file:///a/../etc", "no `.` or `..`"),
            ("/a/../etc", "no `.` or `..`"),
            ("/a/./b", "no `.` or `..`"),
            ("/", "no `.` or `..`"),
            (&format!("https://host/{}", "x".repeat(2000)), "longer than 2000"),
        ] {
            let error = repository(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn pages() {
        assert_eq!(base("https://ci.example.org/x/").unwrap(), "https://ci.example.org/x");
        assert_eq!(page("http://127.0.0.1:8000/healthz?x=1").unwrap(), "http://127.0.0.1:8000/healthz?x=1");
        for text in ["example.org", "ftp://x/", "javascript:alert(1)", "https://u:p@h/", "http://", "http://a b/"] {
            assert!(page(text).is_err(), "{text}");
        }
        assert!(base("https://x/?a").is_err());
    }

    #[test]
    fn where_somebody_listens() {
        for text in ["127.0.0.1:5432", "[::1]:5432", "localhost:80", "db-1.example.org:65535"] {
            assert_eq!(tcp(text).unwrap().to_string(), text);
        }
        for text in [
            "localhost",
            ":80",
            "::1:80",
            "[::1]",
            "[x]:80",
            "localhost:0",
            "localhost:65536",
            "a/b:80",
            "-x:80",
            "a b:80",
        ] {
            assert!(tcp(text).is_err(), "{text}");
        }
    }
}
