//! `ci-config doctor`: tries what a project's units will do, as they will do it, and names the first thing that fails.
//!
//! The examination goes through `ci-launch` like any build: the same users, sandbox and credential. That is the core's
//! right, so root runs it and becomes the core's user first.

use crate::config::project::Deploy;
use crate::config::{Config, Project};
use crate::model::{Place, ProjectName, unit};
use crate::order::{Order, Orders, Work};
use crate::output::Masker;
use crate::systemd::{ActiveState, Bus, BusError};
use crate::worker::call::{Call, remote};
use crate::worker::protocol::{AskedRef, FetchTask, RefsTask, ReleaseCheckTask, Resolve, SecretsAnswer, SecretsTask};
use nix::unistd::{Uid, User, geteuid, initgroups, setgid, setuid};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing fails.
    Well,
    /// Something does, and has been named.
    Ill,
}

/// Why nothing could be examined.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// Not root.
    #[error("the doctor tries things as the units' own users, which root alone can: sudo ci-config doctor")]
    NotRoot,
    /// The core's user is missing.
    #[error("there is no user {}; make it: systemd-sysusers", unit::CORE_USER)]
    NoCoreUser,
    /// Becoming it failed.
    #[error("becoming the user {0}: {1}")]
    Become(&'static str, nix::Error),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// No such project.
    #[error("there is no project {0}; ci-config check lists what is there")]
    NoSuchProject(ProjectName),
    /// Standard output.
    #[error("standard output: {0}")]
    Write(#[from] std::io::Error),
}

/// The job name of the doctor's workers.
const JOB: &str = "doctor";
/// How long a fetch may take.
const FETCH: Duration = Duration::from_secs(900);
/// What has to be active for anything to happen.
const UNITS: [&str; 4] = ["ci-launch.socket", "ci-build.socket", "ci-build.path", "ci-poll.timer"];

/// One thing that was tried: what, and how it went.
type Tried = (String, Result<String, String>);

fn become_core() -> Result<(), DoctorError> {
    let core = |error| DoctorError::Become(unit::CORE_USER, error);
    let user = User::from_name(unit::CORE_USER).map_err(core)?.ok_or(DoctorError::NoCoreUser)?;
    if geteuid() == user.uid {
        return Ok(());
    }
    if geteuid() != Uid::from_raw(0) {
        return Err(DoctorError::NotRoot);
    }
    let name = CString::new(unit::CORE_USER).map_err(|_| DoctorError::NoCoreUser)?;
    initgroups(&name, user.gid).map_err(core)?;
    setgid(user.gid).map_err(core)?;
    setuid(user.uid).map_err(core)
}

/// Examines one project or all.
pub fn examine(place: &Place, only: Option<&ProjectName>, out: &mut dyn Write) -> Result<Health, DoctorError> {
    let config = Config::load(place);
    if let Some(name) = only
        && !config.projects.contains_key(name)
    {
        return Err(DoctorError::NoSuchProject(name.clone()));
    }
    become_core()?;
    let mut health = Health::Well;
    let bus = Bus::connect(&place.bus)?;
    for name in UNITS {
        let state = bus.state(name)?.active;
        let word = state.as_str().to_owned();
        let tried = if state == ActiveState::Active {
            Ok(word)
        } else {
            Err(format!("{word}; systemctl enable --now ci.target starts all of them"))
        };
        show(out, &(name.to_owned(), tried), &mut health)?;
    }
    for (name, project) in config.projects.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        writeln!(out, "{name}:")?;
        match project {
            Ok(project) => {
                let steps: [fn(&Place, &Project) -> Tried; 4] = [users, refs, mirror, secrets];
                let targets = project.targets.iter().map(|deploy| target(place, project, deploy));
                for tried in steps.into_iter().map(|step| step(place, project)).chain(targets) {
                    let ill = tried.1.is_err();
                    show(out, &tried, &mut health)?;
                    // What comes after it would fail for the same reason.
                    if ill {
                        break;
                    }
                }
            }
            Err(errors) => {
                let first = errors.problems().first().map_or_else(String::new, ToString::to_string);
                show(out, &("configuration".to_owned(), Err(first)), &mut health)?;
            }
        }
    }
    Ok(health)
}

fn show(out: &mut dyn Write, (what, how): &Tried, health: &mut Health) -> std::io::Result<()> {
    use anstyle::{AnsiColor, Reset, Style};
    let (good, bad) =
        (Style::new().fg_color(Some(AnsiColor::Green.into())), Style::new().fg_color(Some(AnsiColor::Red.into())));
    match how {
        Ok(text) => writeln!(out, "  {}ok{}      {what}: {text}", good.render(), Reset.render()),
        Err(text) => {
            *health = Health::Ill;
            writeln!(out, "  {}failed{}  {what}: {text}", bad.render(), Reset.render())
        }
    }
}

fn users(place: &Place, project: &Project) -> Tried {
    let order = Order::Prepare { project: project.name.clone() };
    let users = format!("{}, {}", unit::build_user(&project.name), unit::git_user(&project.name));
    ("users and folders".to_owned(), Orders::to(place).give(&order, &[]).map(|_| users).map_err(|e| e.to_string()))
}

fn call<'a>(place: &'a Place, project: &'a Project, work: Work) -> Call<'a> {
    Call { place, project: &project.name, work, job: JOB }
}

fn refs(place: &Place, project: &Project) -> Tried {
    let task = RefsTask {
        outside: project.source.looks_outside().to_vec(),
        remote: remote(place, project, "refs", JOB),
        timeout: project.source.timeout,
    };
    let found = call(place, project, Work::Refs).make(task, std::io::stderr().as_fd());
    let told = found.map_err(|e| e.to_string()).map(|refs| match &refs.head {
        Some(head) => format!("{} refs, HEAD is {}", refs.refs.len(), head.short()),
        None => "reachable, and empty: push a first commit".to_owned(),
    });
    ("repository".to_owned(), told)
}

fn mirror(place: &Place, project: &Project) -> Tried {
    let task = FetchTask {
        remote: remote(place, project, "fetch", JOB),
        mirror: place.mirror(&project.name),
        refs: Vec::<AskedRef>::new(),
        outside: None,
        resolve: project.source.shape.has_more().then_some(Resolve::Head),
        depth: project.source.depth,
        shape: project.source.shape.clone(),
        timeout: FETCH,
    };
    let fetched = call(place, project, Work::Fetch).make(task, std::io::stderr().as_fd());
    ("fetch".to_owned(), fetched.map(|_| "the mirror is up to date".to_owned()).map_err(|e| e.to_string()))
}

fn secrets(place: &Place, project: &Project) -> Tried {
    let of_deploys = project.targets.iter().filter(|target| !target.secrets.is_empty());
    let works = of_deploys.map(|target| Work::DeploySecrets { target: target.name.clone() });
    let of_steps = (!project.secrets().is_empty()).then_some(Work::Secrets);
    let mut names = BTreeSet::new();
    for work in of_steps.into_iter().chain(works) {
        let told = match call(place, project, work).make(SecretsTask {}, std::io::stderr().as_fd()) {
            Ok(SecretsAnswer { secrets }) => {
                names.extend(secrets.iter().map(|secret| secret.name.to_string()));
                Masker::new(&secrets).map(drop).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = told {
            return ("secrets".to_owned(), Err(why));
        }
    }
    let names: Vec<String> = names.into_iter().collect();
    ("secrets".to_owned(), Ok(if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
}

fn target(place: &Place, project: &Project, deploy: &Deploy) -> Tried {
    let what =
        if deploy.name.is_default() { "deploy target".to_owned() } else { format!("deploy target {}", deploy.name) };
    let task = ReleaseCheckTask { root: deploy.root.clone(), shared: deploy.shared.clone() };
    let told = match call(place, project, Work::Release { target: deploy.name.clone() })
        .make(task, std::io::stderr().as_fd())
    {
        Ok(answer) if answer.missing.is_empty() => Ok(answer.current.map_or_else(
            || format!("{}: ready for the first deploy", deploy.root.display()),
            |live| format!("{}: {} is live", deploy.root.display(), live.name),
        )),
        Ok(answer) => Err(answer.missing().to_string()),
        Err(error) => Err(error.to_string()),
    };
    (what, told)
}
