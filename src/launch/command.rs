//! The unit of a deploy command: the project's own `prepare`, `migrate`, checks and `finish`, as the target's user.

use super::carry::{Refusal, refused};
use super::sandbox::text;
use super::step::PATH;
use super::{secret, shell};
use crate::config::probe::Probe;
use crate::config::project::{Deploy, Run, Shell};
use crate::model::{DeployId, Place, ProjectName, ReleaseName, unit};
use crate::order::Stage;
use crate::systemd::{
    Capability, KeyringMode, KillMode, OomPolicy, Output, Property, ProtectProc, ProtectSystem, ServiceType, Transient,
};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

const NO_CAPABILITIES: &[Capability] = &[];

/// One unit a deploy: its commands run one after the other.
pub(super) fn unit_name(project: &ProjectName, deploy: DeployId) -> String {
    unit::command_unit(project, deploy)
}

/// One command of a deploy, and what it is told.
pub(super) struct Command<'a> {
    pub(super) deploy: DeployId,
    pub(super) stage: Stage,
    pub(super) line: usize,
    pub(super) release: &'a ReleaseName,
    pub(super) env: BTreeMap<String, String>,
}

/// A command and its time limit.
fn command_of(config: &Deploy, stage: Stage, line: usize) -> Option<(&str, Duration)> {
    let list = match stage {
        Stage::Prepare => &config.prepare,
        Stage::Migrate => &config.migrate,
        Stage::Finish => &config.finish,
        Stage::Check => {
            let check = config.checks.get(line)?;
            return match &check.probe {
                Probe::Command(command) => Some((command, check.tries.timeout)),
                Probe::Http(_) | Probe::Tcp(_) | Probe::Unit(_) => None,
            };
        }
    };
    Some((list.get(line)?, config.timeout))
}

/// What the core may say to a command. It has secrets, and what would lead its programs elsewhere (`PATH`,
/// `LD_PRELOAD`) is the administrator's to say, in `[deploy] env`.
fn is_told(key: &str) -> bool {
    key == "CI" || key.starts_with("CI_")
}

/// The walls are lower than a step's: a migration reaches what the service reaches, its database's socket in `/run` and
/// its data in `/var`. But it has the rights of the target's user and no more.
pub(super) fn describe(
    place: &Place,
    project: &ProjectName,
    config: &Deploy,
    asked: Command<'_>,
    output: OwnedFd,
) -> Result<Transient, Refusal> {
    let Command { deploy, stage, line, release, env } = asked;
    let (command, timeout) =
        command_of(config, stage, line).ok_or_else(|| refused(format!("[deploy] has no command {line} there")))?;
    let program = shell::program(&Run::Lines { lines: vec![command.to_owned()], shell: Shell::Sh }, "");
    let mut environment =
        BTreeMap::from([("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), "C.UTF-8".to_owned())]);
    environment.extend(config.env.clone());
    environment.extend(env.into_iter().filter(|(key, _)| is_told(key)));
    let folder = config.root.join("releases").join(release.to_string());
    let hidden = [place.credentials(), place.store(), place.builds()].map(|path| format!("-{}", text(&path)));
    let mut properties = match stage {
        Stage::Prepare | Stage::Migrate | Stage::Finish => secret::of_deploy(place, config)?,
        Stage::Check => Vec::new(),
    };
    properties.extend([
        Property::description(&format!("{project} deploy of {release}: {command}")),
        Property::service_type(ServiceType::Exec),
        Property::exec_start(&program.path, &program.arguments),
        Property::remain_after_exit(true),
        Property::user(&config.user),
        Property::slice(&unit::project_slice(project)),
        Property::working_directory(&text(&folder)),
        Property::environment(&environment),
        Property::runtime_max(timeout),
        Property::timeout_stop(Duration::from_secs(10)),
        Property::kill_mode(KillMode::ControlGroup),
        Property::oom_policy(OomPolicy::Kill),
        Property::ignore_sigpipe(false),
        Property::standard_output_fd(output),
        Property::standard_error(Output::Inherit),
        Property::no_new_privileges(true),
        Property::capability_bounding_set(NO_CAPABILITIES),
        Property::protect_system(ProtectSystem::Full),
        Property::protect_proc(ProtectProc::Invisible),
        Property::private_tmp(true),
        Property::private_devices(true),
        Property::protect_kernel_tunables(true),
        Property::protect_kernel_modules(true),
        Property::protect_kernel_logs(true),
        Property::protect_control_groups(true),
        Property::restrict_suid_sgid(true),
        Property::keyring_mode(KeyringMode::Private),
        Property::umask(0o022),
        Property::inaccessible_paths(&hidden.each_ref().map(String::as_str)),
    ]);
    Ok(Transient { unit: unit_name(project, deploy), properties })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_says_what_is_ours_to_say_and_no_more() {
        for (key, told) in [
            ("CI", true),
            ("CI_RELEASE", true),
            ("CIRCUS", false),
            ("ci_release", false),
            ("PATH", false),
            ("LD_PRELOAD", false),
            ("", false),
        ] {
            assert_eq!(is_told(key), told, "{key}");
        }
    }
}
