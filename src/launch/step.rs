//! The unit of a step.

use super::carry::Refusal;
use super::sandbox::{identity, kernel_walls, nothing_of_ours, step_user, text, walls};
use super::shell::{self, SCRIPT};
use crate::config::Project;
use crate::config::project::StepsFrom;
use crate::model::{Place, unit};
use crate::order::{Shutdown, StepOrder};
use crate::systemd::{KillMode, OomPolicy, Property, ProtectHome, ServiceType, Transient};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What every step and deploy command finds; documented in ci-build(1).
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What a step has; one that its commit says has no more than the administrator gives the build.
fn time(project: &Project, order: &StepOrder) -> Duration {
    match project.pipeline {
        StepsFrom::Project => order.timeout,
        StepsFrom::Repository => order.timeout.min(project.build.timeout),
    }
}

pub(super) fn describe(
    place: &Place,
    project: &Project,
    order: &StepOrder,
    output: OwnedFd,
) -> Result<Transient, Refusal> {
    let name = unit::step_unit(&order.build, order.step);
    let user = step_user(&project.name, order.trust)?;
    let own = place.cache(&project.name);
    let workspace = own.join("workspace");
    let program = shell::program(&order.run, &format!("/run/credentials/{name}"));

    let mut environment: BTreeMap<String, String> = order.env.clone();
    for (key, value) in [("PATH", PATH.to_owned()), ("HOME", text(&own.join("home"))), ("LANG", "C.UTF-8".to_owned())] {
        environment.entry(key.to_owned()).or_insert(value);
    }

    let mut properties = vec![
        Property::description(&format!("{} step {}: {}", order.build, order.step, order.name)),
        Property::service_type(ServiceType::Exec),
        Property::exec_start(&program.path, &program.arguments),
        // How it ended must be there for a supervisor that was not when it ended.
        Property::remain_after_exit(true),
        Property::runtime_max(time(project, order)),
        Property::timeout_stop(project.build.stop_grace),
        Property::kill_mode(KillMode::ControlGroup),
        Property::send_sigkill(true),
        Property::oom_policy(OomPolicy::Kill),
        Property::ignore_sigpipe(false),
        Property::standard_output_fd(output),
        Property::standard_error(crate::systemd::Output::Inherit),
        Property::environment(&environment),
        Property::working_directory(&text(&workspace.join(&order.workdir))),
        Property::tasks_max(project.build.tasks),
        Property::remove_ipc(true),
        Property::log_extra_fields(&[
            ("CI_PROJECT", project.name.as_str()),
            ("CI_BUILD", &order.build.number.to_string()),
            ("CI_STEP", order.name.as_str()),
        ]),
    ];
    match order.shutdown {
        Shutdown::SupervisorFirst => properties.push(Property::before(&[&unit::build_unit(&order.build)])),
        Shutdown::Any => {}
    }
    properties.extend(project.build.memory.map(Property::memory_max));
    properties.extend(program.script.map(|script| Property::set_credential(SCRIPT, script.as_bytes())));
    properties.extend(identity(&project.name, &user));
    properties.extend(walls(project.build.network));
    properties.extend(kernel_walls());
    // The build's own /tmp is bound over it, so this is for what else looks at the unit: nothing of it is shared.
    properties.push(Property::private_tmp(true));
    // Not even an empty one: nothing that a step runs has a reason to look there.
    properties.push(Property::protect_home(ProtectHome::Yes));
    properties.extend(nothing_of_ours(place));
    let (own, tmp) = (text(&own), text(&own.join("tmp")));
    properties.push(Property::bind_paths(&[(&own, &own), (&tmp, "/tmp"), (&tmp, "/var/tmp")]));
    Ok(Transient { unit: name, properties })
}
