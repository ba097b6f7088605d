//! The units of workers: one job, its own user, no more of the machine than the job needs.

use super::carry::{Refusal, refused};
use super::sandbox::{identity, in_room, nothing_of_ours, room, text, walls};
use super::secret;
use crate::config::Project;
use crate::config::project::{Deploy, Network, Url};
use crate::model::unit::Trust;
use crate::model::{Place, ProjectName, Room, TargetName, unit};
use crate::order::{Reply, Work};
use crate::systemd::{Capability, CollectMode, ExitType, KillMode, Property, ServiceType, Transient};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

pub(super) const PROGRAM: &str = "/usr/libexec/unitci/ci-worker";
/// A worker keeps its own time limit and says so; systemd's lies this much above.
const MARGIN: Duration = Duration::from_secs(15);
/// What reading reports may take; the largest report that is read has 64 MiB.
const RESULTS_MEMORY: u64 = 512 << 20;
/// The credential that a git worker finds its key or token in.
const GIT_CREDENTIAL: &str = "git";

/// The main process of a service, as systemd names it.
#[derive(Debug, Clone)]
pub(super) struct MainProcess {
    pub(super) unit: String,
    pub(super) pid: u32,
    pub(super) control_group: String,
}

fn word(work: &Work) -> &'static str {
    match work {
        Work::Refs => "refs",
        Work::Fetch => "fetch",
        Work::Tidy => "tidy",
        Work::Checkout { trust: _ } => "checkout",
        Work::Cache { trust: _ } => "cache",
        Work::Results { trust: _, slot: _ } => "results",
        Work::Secrets => "secrets",
        Work::DeploySecrets { target: _ } => "deploy-secrets",
        Work::Release { target: _ } => "release",
        Work::Processes { target: _ } => "processes",
        Work::Health => "health",
        Work::Mail => "mail",
    }
}

pub(super) fn unit_name(project: &ProjectName, work: &Work, job: &str) -> Result<String, Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if job.is_empty() || job.len() > 64 || !job.chars().all(plain) {
        return Err(refused(format!("{job:?} cannot be part of a unit's name")));
    }
    Ok(unit::worker_unit(project, word(work), job))
}

pub(super) fn describe(
    place: &Place,
    project: &Project,
    work: &Work,
    unit: String,
    timeout: Duration,
    arguments: &[String],
    [task, answer, messages]: [OwnedFd; 3],
) -> Result<Transient, Refusal> {
    let mut properties = vec![
        Property::description(&format!("{}: {}", project.name, word(work))),
        Property::service_type(ServiceType::Exec),
        Property::exec_start(PROGRAM, arguments),
        Property::collect_mode(CollectMode::InactiveOrFailed),
        Property::runtime_max(timeout + MARGIN),
        Property::timeout_stop(Duration::from_secs(5)),
        Property::kill_mode(KillMode::ControlGroup),
        Property::standard_input_fd(task),
        Property::standard_output_fd(answer),
        Property::standard_error_fd(messages),
        Property::tasks_max(512),
    ];
    properties.extend(match work {
        Work::Refs => git(place, project, Network::Host, &[])?,
        Work::Fetch => git(place, project, Network::Host, &[&place.mirror(&project.name)])?,
        Work::Tidy => git(place, project, Network::None, &[&place.mirror(&project.name)])?,
        Work::Checkout { trust } => checkout(place, project, *trust)?,
        Work::Cache { trust } => cache(place, project, *trust)?,
        Work::Results { trust, slot } => results(place, project, &room(place, project, *trust)?.in_slot(*slot)),
        Work::Secrets => secrets(place, project, secret::of_project(place, project)?),
        Work::DeploySecrets { target } => {
            secrets(place, project, secret::of_deploy(place, self::target(project, target)?)?)
        }
        Work::Release { target } => release(place, project, self::target(project, target)?),
        Work::Processes { target: _ } => processes(place, project),
        Work::Health => health(place, project),
        Work::Mail => mail(place, project),
    });
    Ok(Transient { unit, properties })
}

/// A worker that only reads its credentials fails to start for one reason, which systemd tells the journal alone.
pub(super) fn explained(work: &Work, refusal: Refusal) -> Refusal {
    if !matches!(work, Work::Secrets | Work::DeploySecrets { .. }) {
        return refusal;
    }
    match refusal {
        Reply::Job { result, message } => {
            Reply::Job { result, message: format!("a secret cannot be read or decrypted: {message}") }
        }
        other @ (Reply::Done | Reply::Exists | Reply::Refused { .. } | Reply::Failed { .. }) => other,
    }
}

/// What the project's git user needs: the mirror if it writes it, its credential, the keys of known hosts, and the
/// repository itself where that is a folder of this machine.
fn git(place: &Place, project: &Project, network: Network, writes: &[&Path]) -> Result<Vec<Property>, Refusal> {
    let mut properties = identity(&project.name, &unit::git_user(&project.name));
    properties.extend(walls(network));
    properties.extend(nothing_of_ours(place));
    properties.push(Property::private_tmp(true));
    // Readable by the group, which the workers that check out and release are given.
    properties.push(Property::umask(0o027));
    let mirrors: Vec<String> = writes.iter().map(|path| text(path)).collect();
    properties.push(Property::bind_paths(&mirrors.iter().map(|m| (m.as_str(), m.as_str())).collect::<Vec<_>>()));
    let known = text(&place.known_hosts());
    let mut shown = vec![(format!("-{known}"), known)];
    if let Url::Local(path) = &project.source.url {
        // Homes and /run are hidden, and a repository may well lie there.
        shown.push((format!("-{}", text(path)), text(path)));
    }
    properties.push(Property::bind_read_only_paths(
        &shown.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect::<Vec<_>>(),
    ));
    if let (Some(name), Network::Host) = (&project.source.credential, network) {
        let file = place.credentials().join(name);
        if !file.exists() {
            return Err(refused(format!(
                "the credential {name} is missing: put the private key, or user:token, into {} (owner root, mode 0600)",
                file.display()
            )));
        }
        properties.push(Property::load_credential(&[(GIT_CREDENTIAL, &text(&file))]));
    }
    Ok(properties)
}

fn mirror_to_read(place: &Place, project: &ProjectName) -> Vec<Property> {
    let mirror = text(&place.mirror(project));
    vec![
        Property::supplementary_groups(&[&unit::git_user(project)]),
        Property::bind_read_only_paths(&[(&mirror, &mirror)]),
    ]
}

fn checkout(place: &Place, project: &Project, trust: Trust) -> Result<Vec<Property>, Refusal> {
    let mut properties = in_room(place, &room(place, project, trust)?);
    properties.extend(walls(Network::None));
    properties.extend(mirror_to_read(place, &project.name));
    properties.push(Property::private_tmp(true));
    Ok(properties)
}

fn cache(place: &Place, project: &Project, trust: Trust) -> Result<Vec<Property>, Refusal> {
    let mut properties = in_room(place, &room(place, project, trust)?);
    properties.extend(walls(Network::None));
    properties.push(Property::private_tmp(true));
    Ok(properties)
}

/// A user that nothing else has, so that nobody looks into its process.
fn secrets(place: &Place, project: &Project, credentials: Vec<Property>) -> Vec<Property> {
    let mut properties = vec![Property::dynamic_user(true), Property::slice(&unit::project_slice(&project.name))];
    properties.extend(walls(Network::None));
    properties.extend(nothing_of_ours(place));
    properties.extend(credentials);
    properties
}

/// The room is there to be read; whatever a report does to its reader, it can change nothing and reach nobody.
fn results(place: &Place, project: &Project, room: &Room) -> Vec<Property> {
    let folder = text(&room.folder(place));
    let mut properties = identity(&project.name, &room.user());
    properties.extend(walls(Network::None));
    properties.extend(nothing_of_ours(place));
    properties.push(Property::private_tmp(true));
    properties.push(Property::bind_read_only_paths(&[(&folder, &folder)]));
    properties.push(Property::memory_max(RESULTS_MEMORY));
    properties
}

/// A target of a project, if its file has it.
pub(super) fn named_target<'a>(project: &'a Project, name: &TargetName) -> Result<&'a Deploy, Refusal> {
    project.target(name).ok_or_else(|| {
        let whose = if name.is_default() { String::new() } else { format!(" for {name}") };
        refused(format!("{} has no [deploy]{whose}", project.name))
    })
}

/// A target and its user: there, and nobody who must not be given work.
pub(super) fn target<'a>(project: &'a Project, name: &TargetName) -> Result<&'a Deploy, Refusal> {
    let deploy = named_target(project, name)?;
    match nix::unistd::User::from_name(&deploy.user) {
        Ok(Some(user)) if user.uid.is_root() => Err(refused(format!("{} is root; a deploy never is", deploy.user))),
        Ok(Some(_)) => Ok(deploy),
        Ok(None) => Err(refused(format!(
            "the user {0} does not exist; make it: useradd --system --home-dir {1} --shell /usr/sbin/nologin {0}",
            deploy.user,
            deploy.root.display()
        ))),
        Err(error) => Err(refused(format!("{}: {error}", deploy.user))),
    }
}

fn release(place: &Place, project: &Project, deploy: &Deploy) -> Vec<Property> {
    let root = text(&deploy.root);
    let mut properties = vec![Property::user(&deploy.user), Property::slice(&unit::project_slice(&project.name))];
    properties.extend(walls(Network::None));
    properties.extend(nothing_of_ours(place));
    properties.extend(mirror_to_read(place, &project.name));
    properties.push(Property::private_tmp(true));
    // Bound, not only writable: the root may lie in a home, and homes are hidden. Missing is the worker's to say.
    properties.push(Property::bind_paths(&[(&format!("-{root}"), &root)]));
    properties
}

/// The command line that has a worker look at these processes: nothing of it comes from the caller.
pub(super) fn look_at(target: &Deploy, processes: &[MainProcess]) -> Vec<String> {
    let root = text(&target.root);
    let words = processes.iter().flat_map(|process| {
        let MainProcess { unit, pid, control_group } = process.clone();
        [unit, pid.to_string(), control_group]
    });
    ["processes".to_owned(), root].into_iter().chain(words).collect()
}

/// May look into any process of the machine, and do nothing else: its own user owns nothing, none of the calls that reach
/// into another process are left, and it reads no task, so that nobody but us says where it looks.
fn processes(place: &Place, project: &Project) -> Vec<Property> {
    let look: &[Capability] = &[Capability::SysPtrace];
    let mut properties = vec![Property::dynamic_user(true), Property::slice(&unit::project_slice(&project.name))];
    properties.extend(walls(Network::None));
    properties.extend(nothing_of_ours(place));
    properties.extend([
        Property::capability_bounding_set(look),
        Property::ambient_capabilities(look),
        Property::system_call_denied(&[
            "@debug",
            "kcmp",
            "process_vm_readv",
            "process_vm_writev",
            "process_madvise",
            // Another process's root has sockets that are hidden from us.
            "@network-io",
        ]),
    ]);
    properties
}

fn health(place: &Place, project: &Project) -> Vec<Property> {
    let mut properties = vec![Property::dynamic_user(true), Property::slice(&unit::project_slice(&project.name))];
    properties.extend(walls(Network::Host));
    properties.extend(nothing_of_ours(place));
    properties
}

/// sendmail of postfix, exim and dma is set-gid and writes to the spool: no wall may stand in the way of that. Those
/// that are made of seccomp filters (devices, kernel) do: systemd.exec(5) has them imply `NoNewPrivileges=`.
fn mail(place: &Place, project: &Project) -> Vec<Property> {
    let hidden =
        [place.credentials(), place.store(), place.builds(), place.wakes()].map(|path| format!("-{}", text(&path)));
    vec![
        Property::user("ci-mail"),
        // exim and dma say "done" when a mail is queued, and go on to deliver it in a child.
        Property::exit_type(ExitType::Cgroup),
        Property::slice(&unit::project_slice(&project.name)),
        Property::private_tmp(true),
        Property::protect_proc(crate::systemd::ProtectProc::Invisible),
        Property::protect_home(crate::systemd::ProtectHome::ReadOnly),
        Property::protect_system(crate::systemd::ProtectSystem::Full),
        Property::protect_control_groups(true),
        Property::inaccessible_paths(&hidden.each_ref().map(String::as_str)),
    ]
}
