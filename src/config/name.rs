//! Names of other houses: variables, users, units, credentials.

/// Longest value of a variable and longest text of a command, in bytes; execve(2) has 128 KiB for one string, and
/// what we put around it needs room.
pub(super) const TEXT_MAX: usize = 100 * 1024;

/// Why a name or text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordFault {
    #[error("{0:?} is not the name of a variable: letters, digits and _, no digit first")]
    Variable(String),
    #[error("the variable {0} is set by the CI itself")]
    OwnVariable(String),
    #[error("not the name of a credential: letters, digits and . _ -, no dot first")]
    Credential,
    #[error("not the name of a user: letters, digits, _ and -, at most 31, no digit or - first")]
    User,
    #[error("a site is never deployed as root")]
    Root,
    #[error("{0} is a user of the CI itself; a site has one of its own")]
    OwnUser(String),
    #[error("not the full name of a service, socket, timer or target, like gkp.service")]
    Unit,
    #[error("not the name of a header: letters, digits and -")]
    Header,
    #[error("{0} is a template; name an instance, like {1}")]
    UnitTemplate(String, String),
    #[error("{0} belongs to the CI itself")]
    OwnUnit(String),
    #[error("{0} belongs to the system; a project does not restart it")]
    SystemUnit(String),
    #[error("must not be empty")]
    Empty,
    #[error("must be one line")]
    OneLine,
    #[error("must not have more than {0} characters")]
    Long(usize),
    #[error(
        "must not have more than {TEXT_MAX} bytes, which is what the kernel lets a program be given; put it into a script of the repository"
    )]
    TooBig,
    #[error("must not contain NUL")]
    Nul,
    #[error("`#!` must be followed by the absolute path of an interpreter")]
    Interpreter,
    #[error("{0:?} is not filled in; known: %{{commit}}, %{{build}}")]
    Placeholder(String),
}

/// A variable that a project may set.
pub(super) fn variable(name: &str) -> Result<(), WordFault> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !word || name.is_empty() || name.len() > 255 || name.as_bytes()[0].is_ascii_digit() {
        return Err(WordFault::Variable(name.chars().take(64).collect()));
    }
    // The rest of these are systemd's, systemd.exec(5) "ENVIRONMENT VARIABLES IN SPAWNED PROCESSES".
    let own = ["CI", "HOME", "USER", "LOGNAME", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "INVOCATION_ID", "MAINPID"];
    if own.contains(&name) || name.starts_with("CI_") || name.starts_with("LISTEN_") {
        return Err(WordFault::OwnVariable(name.to_owned()));
    }
    Ok(())
}

/// A credential, as a file in `/etc/ci/credentials`.
pub(super) fn credential(name: &str) -> Result<String, WordFault> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !word || name.is_empty() || name.len() > 255 || name.starts_with('.') {
        Err(WordFault::Credential)
    } else {
        Ok(name.to_owned())
    }
}

/// A user that may own a site, by systemd's strict rule for names (systemd.io/USER_NAMES).
pub(super) fn user(name: &str) -> Result<String, WordFault> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !word || !first || name.len() > 31 {
        Err(WordFault::User)
    } else if name == "root" {
        Err(WordFault::Root)
    } else if [crate::model::unit::CORE_USER, "ci-mail", "ci-status"].contains(&name)
        || ["cib-", "cix-", "cig-"].iter().any(|ours| name.starts_with(ours))
    {
        Err(WordFault::OwnUser(name.to_owned()))
    } else {
        Ok(name.to_owned())
    }
}

/// A unit: systemd.unit(5).
pub(super) fn any_unit(name: &str) -> Result<String, WordFault> {
    unit_stem(name).map(|_| name.to_owned())
}

/// The name of a unit without its type.
fn unit_stem(name: &str) -> Result<&str, WordFault> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_.\\-@".contains(&byte));
    let stem = [".service", ".socket", ".timer", ".target"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let Some(stem) = stem.filter(|stem| word && !stem.is_empty() && !stem.starts_with('@') && name.len() <= 255) else {
        return Err(WordFault::Unit);
    };
    if let Some(prefix) = stem.strip_suffix('@') {
        return Err(WordFault::UnitTemplate(name.to_owned(), format!("{prefix}@1{}", &name[stem.len()..])));
    }
    Ok(stem)
}

/// A unit that a deploy may start, restart or reload.
pub(super) fn unit(name: &str) -> Result<String, WordFault> {
    let stem = unit_stem(name)?;
    let prefix = stem.split('@').next().unwrap_or(stem);
    if prefix.starts_with("ci-") || prefix == "ci" {
        return Err(WordFault::OwnUnit(name.to_owned()));
    }
    let system = ["dbus", "dbus-broker", "init", "polkit", "getty", "serial-getty", "user"];
    if prefix.starts_with("systemd-") || system.contains(&prefix) || name.ends_with(".target") && is_special(prefix) {
        return Err(WordFault::SystemUnit(name.to_owned()));
    }
    Ok(name.to_owned())
}

/// Whether a unit is one that no deploy restarts or reloads: systemd's own, or unitci's.
pub fn is_beyond_projects(unit: &str) -> bool {
    matches!(self::unit(unit), Err(WordFault::OwnUnit(_) | WordFault::SystemUnit(_)))
}

/// Targets whose start changes the state of the whole machine, from systemd.special(7).
fn is_special(target: &str) -> bool {
    const SPECIAL: [&str; 22] = [
        "basic",
        "ctrl-alt-del",
        "default",
        "emergency",
        "exit",
        "final",
        "graphical",
        "halt",
        "hibernate",
        "hybrid-sleep",
        "initrd",
        "kexec",
        "multi-user",
        "network",
        "poweroff",
        "reboot",
        "rescue",
        "shutdown",
        "sleep",
        "soft-reboot",
        "suspend",
        "sysinit",
    ];
    SPECIAL.contains(&target) || target.starts_with("runlevel") || target.starts_with("suspend-")
}

/// A header of HTTP, as the common ones are written.
pub(super) fn header(name: &str) -> Result<(), WordFault> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if word && !name.is_empty() && name.len() <= 255 { Ok(()) } else { Err(WordFault::Header) }
}

/// One line for people.
pub(super) fn line(text: &str) -> Result<String, WordFault> {
    const LINE_MAX: usize = 200;
    if text.trim().is_empty() {
        Err(WordFault::Empty)
    } else if text.chars().any(char::is_control) {
        Err(WordFault::OneLine)
    } else if text.chars().count() > LINE_MAX {
        Err(WordFault::Long(LINE_MAX))
    } else {
        Ok(text.to_owned())
    }
}

/// A text that becomes one argument or variable of a program.
pub(super) fn argument(text: &str) -> Result<String, WordFault> {
    if text.contains('\0') {
        Err(WordFault::Nul)
    } else if text.len() > TEXT_MAX {
        Err(WordFault::TooBig)
    } else {
        Ok(text.to_owned())
    }
}

/// A command line, or several.
pub(super) fn command(text: &str) -> Result<String, WordFault> {
    if text.trim().is_empty() { Err(WordFault::Empty) } else { argument(text) }
}

/// What a page must contain; `%{commit}` and `%{build}` are known.
pub(super) fn pattern(text: &str) -> Result<String, WordFault> {
    for (at, _) in text.match_indices("%{") {
        if !["%{commit}", "%{build}"].iter().any(|known| text[at..].starts_with(known)) {
            let shown = text[at..].split_inclusive('}').next().unwrap_or_default();
            return Err(WordFault::Placeholder(shown.chars().take(40).collect()));
        }
    }
    command(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_houses() {
        type Check = fn(&str) -> Result<(), WordFault>;
        let credential: Check = |name| super::credential(name).map(|_| ());
        let user: Check = |name| super::user(name).map(|_| ());
        let unit: Check = |name| super::unit(name).map(|_| ());
        let any_unit: Check = |name| super::any_unit(name).map(|_| ());
        let pattern: Check = |text| super::pattern(text).map(|_| ());
        let line: Check = |text| super::line(text).map(|_| ());
        let command: Check = |text| super::command(text).map(|_| ());
        for (check, text, says) in [
            (variable as Check, "PIP_INDEX_URL", ""),
            (variable, "_x1", ""),
            (variable, "PATH", ""),
            (variable, "CIAO", ""),
            (variable, "", "not the name of a variable"),
            (variable, "1A", "not the name of a variable"),
            (variable, "A-B", "not the name of a variable"),
            (variable, "A=B", "not the name of a variable"),
            (variable, "CI", "set by the CI"),
            (variable, "CI_COMMIT", "set by the CI"),
            (variable, "HOME", "set by the CI"),
            (credential, "gkp-git", ""),
            (credential, "a.b_c", ""),
            (credential, ".hidden", "no dot first"),
            (credential, "../shadow", "not the name of a credential"),
            (credential, "", "not the name of a credential"),
            (user, "gkp", ""),
            (user, "www-data", ""),
            (user, "_gkp", ""),
            (user, "root", "never deployed as root"),
            (user, "0", "not the name of a user"),
            (user, "-x", "not the name of a user"),
            (user, "a b", "not the name of a user"),
            (user, "unitci", "user of the CI"),
            (user, "cib-gkp", "user of the CI"),
            (user, "ci-mail", "user of the CI"),
            (user, "ci-status", "user of the CI"),
            (user, "ci-shop", ""),
            (header, "X-Release", ""),
            (header, "", "name of a header"),
            (header, "X Release", "name of a header"),
            (any_unit, "systemd-resolved.service", ""),
            (any_unit, "postgresql@15-main.service", ""),
            (any_unit, "gkp", "full name"),
            (any_unit, "gkp@.service", "like gkp@1.service"),
            (unit, "gkp.service", ""),
            (unit, "gunicorn@gkp.socket", ""),
            (unit, "app\\x2done.service", ""),
            (unit, "nginx.service", ""),
            (unit, "gkp.target", ""),
            (unit, "gkp", "full name"),
            (unit, "gkp.mount", "full name"),
            (unit, ".service", "full name"),
            (unit, "a/b.service", "full name"),
            (unit, "a*.service", "full name"),
            (unit, "--now.service", ""),
            (unit, "gkp@.service", "like gkp@1.service"),
            (unit, "ci-build.service", "belongs to the CI"),
            (unit, "ci-deploy@gkp.service", "belongs to the CI"),
            (unit, "systemd-journald.service", "belongs to the system"),
            (unit, "dbus.socket", "belongs to the system"),
            (unit, "init.service", "belongs to the system"),
            (unit, "reboot.target", "belongs to the system"),
            (pattern, "ok %{commit} %{build} 100%", ""),
            (pattern, "%{branch}!", "\"%{branch}\" is not filled in"),
            (pattern, "%{commit", "is not filled in"),
            (line, "The client's shop", ""),
            (line, "  ", "empty"),
            (line, "a\nb", "one line"),
            (line, &"x".repeat(201), "more than 200"),
            (command, "make\n", ""),
            (command, "\n", "empty"),
            (command, "a\0", "NUL"),
            (command, &"x".repeat(TEXT_MAX + 1), "more than 102400 bytes"),
        ] {
            match check(text) {
                Ok(()) => assert_eq!(says, "", "{text:?} was taken"),
                Err(fault) => {
                    let fault = fault.to_string();
                    assert!(!says.is_empty() && fault.contains(says), "{text:?}: {fault}");
                }
            }
        }
    }
}
