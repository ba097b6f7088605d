//! `ci-deploy --check`: what a first deploy would miss, with the commands that mend it. Looks with the eyes of the
//! caller and changes nothing; what the caller may not see is said to be unseen, never to be well.

use super::halt::ConfigTrouble;
use super::list::Format;
use crate::config::{load_project, project};
use crate::model::{Place, ProjectName, ServiceAction, TargetName};
use crate::plan::target::meant;
use crate::systemd::{ActiveState, Bus, BusError, LoadState};
use nix::unistd::{Gid, Uid, User, getgrouplist};
use serde::Serialize;
use std::ffi::CString;
use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it must be.
    Ok,
    /// Not there, or not as it must be.
    Missing,
    /// The caller may not look.
    Unseen,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Missing => "missing",
            State::Unseen => "unseen",
        }
    }
}

/// One thing that a deploy needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, and what was seen.
    pub what: String,
    /// How it is.
    pub state: State,
    /// Commands, or words, that mend it.
    pub mend: Vec<String>,
}

fn ok(what: impl Into<String>) -> Finding {
    Finding { what: what.into(), state: State::Ok, mend: Vec::new() }
}

fn missing(what: impl Into<String>, mend: &[String]) -> Finding {
    Finding { what: what.into(), state: State::Missing, mend: mend.to_vec() }
}

fn unseen(what: impl Into<String>) -> Finding {
    let mend = vec!["run this as root, who may look everywhere".to_owned()];
    Finding { what: what.into(), state: State::Unseen, mend }
}

/// What was found of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Which.
    pub target: TargetName,
    /// One for each thing that was looked at.
    pub findings: Vec<Finding>,
}

/// Looks at everything that a deploy of this project needs, on one target or all of them.
pub fn check(place: &Place, name: &ProjectName, target: Option<&TargetName>) -> Result<Vec<Checked>, ConfigTrouble> {
    let (_, project) = load_project(place, name)?;
    let targets = match (target, project.targets.is_empty()) {
        (None, false) => project.targets.iter().collect(),
        (named, _) => vec![meant(&project, named)?],
    };
    let bus = Bus::connect(&place.bus);
    Ok(targets.into_iter().map(|target| look(&bus, name, target)).collect())
}

fn look(bus: &Result<Bus, BusError>, project: &ProjectName, target: &project::Deploy) -> Checked {
    let (user, mut findings) = user(target);
    findings.extend(root(project, target, user.as_ref()));
    match bus {
        Ok(bus) => findings.extend(services(bus, target)),
        Err(error) => findings.push(unseen(format!("services: {error}"))),
    }
    Checked { target: target.name.clone(), findings }
}

/// Writes one line for each thing, and the commands below it.
pub fn write(checked: &[Checked], format: Format, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Listed<'a> {
        target: &'a TargetName,
        #[serde(flatten)]
        finding: &'a Finding,
    }
    match format {
        Format::Json => {
            let mut listed = Vec::new();
            for Checked { target, findings } in checked {
                listed.extend(findings.iter().map(|finding| Listed { target, finding }));
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&listed)?)
        }
        Format::Text => checked.iter().try_for_each(|Checked { target, findings }| {
            if checked.len() > 1 {
                writeln!(out, "target {target}:")?;
            }
            findings.iter().try_for_each(|Finding { what, state, mend }| {
                writeln!(out, "{:<8} {what}", state.as_str())?;
                mend.iter().try_for_each(|line| writeln!(out, "         -> {line}"))
            })
        }),
    }
}

fn user(target: &project::Deploy) -> (Option<User>, Vec<Finding>) {
    let name = &target.user;
    match User::from_name(name) {
        Ok(Some(user)) if user.uid.is_root() => {
            (None, vec![missing(format!("user {name} is root"), &["choose another `user` in [deploy]".to_owned()])])
        }
        Ok(Some(user)) => (Some(user), vec![ok(format!("user {name}"))]),
        Ok(None) => {
            let home = target.root.display();
            let mend = format!("useradd --system --home-dir {home} --shell /usr/sbin/nologin {name}");
            (None, vec![missing(format!("user {name} does not exist"), &[mend])])
        }
        Err(error) => (None, vec![unseen(format!("user {name}: {error}"))]),
    }
}

/// What is at a path, itself and not what it links to.
fn at(path: &Path) -> io::Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn root(project: &ProjectName, target: &project::Deploy, user: Option<&User>) -> Vec<Finding> {
    let (root, name) = (&target.root, &target.user);
    let shown = root.display();
    let mut findings = match root.metadata() {
        Ok(there) if there.is_dir() => folder(root, &there, name, user),
        Ok(_) => vec![missing(format!("{shown} is not a folder"), &[format!("mv {shown} {shown}.old")])],
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mend = [format!("mkdir -p {shown}"), format!("chown {name}: {shown}")];
            return vec![missing(format!("{shown} does not exist"), &mend)];
        }
        Err(error) => return vec![unseen(format!("{shown}: {error}"))],
    };
    // Adopting is the user's own work: first it must be able to.
    let able = user.is_some() && findings.iter().all(|finding| finding.state == State::Ok);
    findings.push(current(root, project, &target.name, user.filter(|_| able)));
    findings.extend(["releases", "shared"].map(|name| real(root, name)));
    findings.extend(target.shared.iter().map(|path| shared(root, path, name)));
    findings
}

fn folder(root: &Path, there: &Metadata, name: &str, user: Option<&User>) -> Vec<Finding> {
    let shown = root.display();
    match user.map(|user| may_write(there, user)) {
        // Without the user there is nobody to ask for; that is said already.
        None => vec![ok(format!("{shown} is a folder"))],
        Some(Ok(true)) => vec![ok(format!("{shown} is a folder that {name} may write"))],
        Some(Ok(false)) => {
            vec![missing(format!("{shown}: {name} may not write there"), &[format!("chown {name}: {shown}")])]
        }
        Some(Err(error)) => vec![unseen(format!("{shown}: groups of {name}: {error}"))],
    }
}

/// By owner, group and mode, as the kernel does without access control lists.
fn may_write(there: &Metadata, user: &User) -> nix::Result<bool> {
    const WRITE_AND_SEARCH: u32 = 0o3;
    let mode = there.permissions().mode();
    let bits = if Uid::from_raw(there.uid()) == user.uid {
        mode >> 6
    } else {
        let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
        let groups = getgrouplist(&name, user.gid)?;
        if groups.contains(&Gid::from_raw(there.gid())) { mode >> 3 } else { mode }
    };
    Ok(bits & WRITE_AND_SEARCH == WRITE_AND_SEARCH)
}

fn current(root: &Path, project: &ProjectName, target: &TargetName, able: Option<&User>) -> Finding {
    let path = root.join("current");
    let shown = path.display();
    match at(&path) {
        Ok(None) => ok(format!("{shown} is free; the first deploy makes it")),
        Ok(Some(there)) if there.is_symlink() => ok(format!("{shown} is a link")),
        Ok(Some(there)) if there.is_dir() => {
            let which = if target.is_default() { String::new() } else { format!(" --target {target}") };
            let adopt = format!("ci-deploy --adopt{which} {project}");
            let mend = match able {
                Some(user) if user.uid.as_raw() == there.uid() => vec![adopt],
                // A folder that moves is written to: its `..` changes.
                Some(user) => vec![format!("chown -hR {}: {shown}", user.name), adopt],
                None => Vec::new(),
            };
            missing(format!("{shown} is real, not a link; adopted, it stays as what to go back to"), &mend)
        }
        Ok(Some(_)) => missing(format!("{shown} is no folder"), &[format!("mv {shown} {shown}.old")]),
        Err(error) => unseen(format!("{shown}: {error}")),
    }
}

fn real(root: &Path, name: &str) -> Finding {
    let path = root.join(name);
    let shown = path.display();
    match at(&path) {
        Ok(None) => ok(format!("{shown} is free; the first deploy makes it")),
        Ok(Some(there)) if there.is_dir() => ok(format!("{shown} is a folder")),
        Ok(Some(_)) => missing(format!("{shown} is not a folder"), &[format!("mv {shown} {shown}.old")]),
        Err(error) => unseen(format!("{shown}: {error}")),
    }
}

fn shared(root: &Path, path: &Path, user: &str) -> Finding {
    let path = root.join("shared").join(path);
    let shown = path.display();
    match path.try_exists() {
        Ok(true) => ok(format!("{shown} is there")),
        Ok(false) => {
            let folder = path.parent().unwrap_or(root).display().to_string();
            let mend = [
                format!("install -d -o {user} -g {user} {folder}"),
                format!(
                    "put there what all releases share, or an empty folder: install -d -o {user} -g {user} {shown}"
                ),
            ];
            missing(format!("{shown} does not exist"), &mend)
        }
        Err(error) => unseen(format!("{shown}: {error}")),
    }
}

fn services(bus: &Bus, target: &project::Deploy) -> Vec<Finding> {
    target.services().map(|(action, unit)| service(bus, unit, action == ServiceAction::Reload)).collect()
}

fn service(bus: &Bus, unit: &str, must_run: bool) -> Finding {
    let state = match bus.state(unit) {
        Ok(state) => state,
        Err(error) => return unseen(format!("{unit}: {error}")),
    };
    match state.load {
        LoadState::Loaded if must_run && state.active != ActiveState::Active => {
            let mend = [format!("systemctl enable --now {unit}")];
            missing(format!("{unit} is {}; only what runs can be reloaded", state.active), &mend)
        }
        LoadState::Loaded => ok(format!("{unit} is known to systemd, {}", state.active)),
        LoadState::NotFound => {
            let mend = [format!("write /etc/systemd/system/{unit}"), "systemctl daemon-reload".to_owned()];
            missing(format!("{unit} is not known to systemd"), &mend)
        }
        LoadState::Masked => missing(format!("{unit} is masked"), &[format!("systemctl unmask {unit}")]),
        LoadState::BadSetting | LoadState::Error | LoadState::Other(_) => {
            missing(format!("{unit} cannot be loaded ({})", state.load), &[format!("systemd-analyze verify {unit}")])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_lies_in_the_way_of_a_first_deploy() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(current(root, &"gkp".parse().unwrap(), &TargetName::default(), None).state, State::Ok);
        assert_eq!(real(root, "releases").state, State::Ok);
        assert_eq!(shared(root, Path::new("media"), "gkp").state, State::Missing);

        fs::create_dir_all(root.join("shared/media")).unwrap();
        fs::create_dir(root.join("current")).unwrap();
        symlink("/", root.join("releases")).unwrap();
        assert_eq!(shared(root, Path::new("media"), "gkp").state, State::Ok);
        assert_eq!(real(root, "releases").state, State::Missing);
        let project = "gkp".parse().unwrap();
        let owner = User::from_uid(Uid::from_raw(root.join("current").metadata().unwrap().uid())).unwrap().unwrap();
        let other = User { uid: Uid::from_raw(65534), name: "gkp".to_owned(), ..owner.clone() };
        let chown = format!("chown -hR gkp: {}", root.join("current").display());
        for (able, mend) in [
            (None, vec![]),
            (Some(&owner), vec!["ci-deploy --adopt gkp"]),
            (Some(&other), vec![chown.as_str(), "ci-deploy --adopt gkp"]),
        ] {
            let adoption = current(root, &project, &TargetName::default(), able);
            assert_eq!(
                (adoption.state, adoption.mend),
                (State::Missing, mend.into_iter().map(str::to_owned).collect())
            );
        }
        fs::remove_dir(root.join("current")).unwrap();
        symlink("releases/1-aaaaaaa", root.join("current")).unwrap();
        assert_eq!(current(root, &project, &TargetName::default(), None).state, State::Ok);
    }

    #[test]
    fn who_may_write_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let there = |mode| {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            folder.path().metadata().unwrap()
        };
        let owner = User::from_uid(Uid::from_raw(there(0o700).uid())).unwrap().unwrap();
        let stranger =
            User { name: "nobody".to_owned(), uid: Uid::from_raw(65534), gid: Gid::from_raw(65534), ..owner.clone() };
        for (mode, own, other) in
            [(0o700, true, false), (0o500, false, false), (0o707, true, true), (0o775, true, false)]
        {
            assert_eq!(may_write(&there(mode), &owner), Ok(own), "{mode:o}");
            assert_eq!(may_write(&there(mode), &stranger), Ok(other), "{mode:o}");
        }
    }
}
