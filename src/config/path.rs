//! Paths that a project may name.

use std::path::{Component, Path, PathBuf};

/// Folders of the system: no site is put right into one of them.
const SYSTEM_FOLDERS: [&str; 22] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/lost+found",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
];
/// Folders of the system below which there is no place for a site either.
const CLOSED: [&str; 14] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/cache/ci",
    "/var/lib/ci",
];
/// Parts of `/var` that belong to the system as `/var` itself does.
const SYSTEM_VAR: [&str; 8] =
    ["/var/backups", "/var/cache", "/var/lib", "/var/local", "/var/log", "/var/mail", "/var/spool", "/var/tmp"];
/// Longest path, in bytes; Linux has 4096, and names of releases and files come after it.
const PATH_MAX: usize = 1024;

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathFault {
    #[error("a path cannot be empty or longer than {PATH_MAX} bytes")]
    Length,
    #[error("a path here has no control characters")]
    Character,
    #[error("must be an absolute path, like /srv/gkp")]
    NotAbsolute,
    #[error("must be a path below the folder that it belongs to, without a / in front")]
    NotRelative,
    #[error("must be written without `.`, `..` or `//`, and without / at its end")]
    NotNormal,
    #[error("{0} belongs to the system; take a folder of its own, like /srv/gkp")]
    System(String),
}

fn plain(text: &str) -> Result<(), PathFault> {
    if text.is_empty() || text.len() > PATH_MAX {
        Err(PathFault::Length)
    } else if text.chars().any(char::is_control) {
        Err(PathFault::Character)
    } else {
        Ok(())
    }
}

/// An absolute, normalized path.
pub(super) fn absolute(text: &str) -> Result<PathBuf, PathFault> {
    plain(text)?;
    let Some(below) = text.strip_prefix('/') else { return Err(PathFault::NotAbsolute) };
    if below.is_empty() {
        return Ok(PathBuf::from(text));
    }
    relative(below).map(|_| PathBuf::from(text))
}

/// A normalized path that does not lead out of where it starts.
pub(super) fn relative(text: &str) -> Result<PathBuf, PathFault> {
    plain(text)?;
    if text.starts_with('/') {
        return Err(PathFault::NotRelative);
    }
    let path = Path::new(text);
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    // `components` passes over what is doubled, and over a dot that is not in front.
    let rebuilt: PathBuf = path.components().collect();
    if normal && rebuilt.as_os_str() == text { Ok(rebuilt) } else { Err(PathFault::NotNormal) }
}

/// A folder that a site may be put into.
pub(super) fn deploy_root(text: &str) -> Result<PathBuf, PathFault> {
    let path = absolute(text)?;
    let is_system = SYSTEM_FOLDERS.iter().chain(&SYSTEM_VAR).any(|folder| path == Path::new(folder));
    let below = CLOSED.iter().find(|folder| path.starts_with(folder));
    match (is_system, below) {
        (true, _) => Err(PathFault::System(text.to_owned())),
        (false, Some(folder)) => Err(PathFault::System(format!("what is below {folder}"))),
        (false, None) => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_site_may_be() {
        for good in ["/srv/gkp", "/home/gkp/site", "/var/www", "/var/www/gkp", "/data", "/opt/x", "/usrlocal"] {
            assert_eq!(deploy_root(good).unwrap(), Path::new(good));
        }
        for (bad, says) in [
            ("", "empty"),
            ("srv/gkp", "absolute"),
            ("/", "/ belongs to the system"),
            ("/srv", "/srv belongs"),
            ("/home", "/home belongs"),
            ("/var/lib", "/var/lib belongs"),
            ("/etc/nginx", "below /etc belongs"),
            ("/usr/local/site", "below /usr"),
            ("/var/lib/ci/x", "below /var/lib/ci"),
            ("/run/x", "below /run"),
            ("/srv/../etc", "without `.`"),
            ("/srv/gkp/", "without `.`"),
            ("/srv//gkp", "without `.`"),
            ("//srv/gkp", "below the folder"),
            ("/srv/./gkp", "without `.`"),
            ("/srv/g\nkp", "control"),
            (&format!("/{}", "x".repeat(1024)), "longer than 1024"),
        ] {
            let error = deploy_root(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad:?}: {error}");
        }
    }

    #[test]
    fn paths_that_stay_inside() {
        for good in ["media", ".env", "a/b/c", "...", "a b"] {
            assert_eq!(relative(good).unwrap(), Path::new(good));
        }
        for bad in ["", ".", "..", "/a", "a/..", "a/../../b", "./a", "a/.", "a/", "a//b", "a\0b"] {
            assert!(relative(bad).is_err(), "{bad:?}");
        }
    }
}
