//! The unit of a step.

use super::allow;
use super::carry::Refusal;
use super::limits;
use super::sandbox::{in_room, kernel_walls, room, text, walls};
use super::secret;
use super::service;
use super::shell::{self, SCRIPT};
use super::work::PROGRAM;
use crate::config::Project;
use crate::config::limits::{Limit, Limits, Table};
use crate::config::project::{Network, StepsFrom};
use crate::model::{Place, Trust, unit};
use crate::order::{Shutdown, StepOrder};
use crate::systemd::{Accounting, KillMode, OomPolicy, Property, ProtectHome, ServiceType, Transient};
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
/// What kind of terminal `pty` is: what log and page can show of it are colours.
const TERM: &str = "xterm-256color";

/// What a step may have of the machine.
#[derive(Debug, PartialEq, Eq)]
struct Reach {
    network: Network,
    limits: Limits,
}

/// From the project's file, by the step's name; the order can only narrow it. A step that the file does not name any
/// more has what holds for all.
fn reach(project: &Project, order: &StepOrder) -> Reach {
    let step = project.steps.iter().find(|step| step.name == order.name);
    let network = step.and_then(|step| step.network).unwrap_or(project.build.network);
    let limits = project.limits(&order.name);
    let ordered = order.memory.map(|most| Limit { most, table: Table::Step });
    let network = match order.trust {
        Trust::Inside => network,
        Trust::Outside => network.narrower(project.build.outside_network),
    };
    Reach {
        network: order.network.map_or(network, |most| network.narrower(most)),
        limits: Limits { memory: limits.memory.into_iter().chain(ordered).min_by_key(|limit| limit.most), ..limits },
    }
}

pub(super) fn describe(
    place: &Place,
    project: &Project,
    order: &StepOrder,
    accounting: Accounting,
    output: OwnedFd,
) -> Result<Transient, Refusal> {
    let name = unit::step_unit(&order.build, order.step);
    let room = room(place, project, order.trust)?.in_slot(order.slot);
    let program = shell::program(&order.run, &format!("/run/credentials/{name}"));

    let on_terminal = ["pty".to_owned(), program.path.clone()].into_iter().chain(program.arguments.iter().cloned());
    let (path, arguments) = match order.pty {
        true => (PROGRAM, on_terminal.collect()),
        false => (program.path.as_str(), program.arguments.clone()),
    };

    let mut environment: BTreeMap<String, String> = order.env.clone();
    if order.pty {
        environment.entry("TERM".to_owned()).or_insert_with(|| TERM.to_owned());
    }
    for (key, value) in [("PATH", PATH.to_owned()), ("HOME", text(&room.home(place))), ("LANG", "C.UTF-8".to_owned())] {
        environment.entry(key.to_owned()).or_insert(value);
    }

    let mut properties = vec![
        Property::description(&format!("{} step {}: {}", order.build, order.step, order.name)),
        Property::service_type(ServiceType::Exec),
        Property::exec_start(path, &arguments),
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
        Property::working_directory(&text(&room.workspace(place).join(&order.workdir))),
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
    let reach = reach(project, order);
    let named = project.steps.iter().find(|step| step.name == order.name);
    properties.extend(limits::properties(&reach.limits, accounting));
    properties.extend(program.script.map(|script| Property::set_credential(SCRIPT, script.as_bytes())));
    properties.extend(walls(reach.network));
    properties.extend(kernel_walls());
    // The build's own /tmp is bound over it, so this is for what else looks at the unit: nothing of it is shared.
    properties.push(Property::private_tmp(true));
    // Shared memory, semaphores and message queues are this step's own, and go with it.
    properties.push(Property::private_ipc(true));
    // Not even an empty one: nothing that a step runs has a reason to look there.
    properties.push(Property::protect_home(ProtectHome::Yes));
    properties.extend(secret::of_step(place, project, order)?);
    properties.extend(in_room(place, &room));
    properties.extend(allow::lift(allow::of(&project.build, named, order.trust)));
    properties.extend(order.service.iter().flat_map(service::properties));
    let tmp = text(&room.tmp(place));
    // systemd follows a link that stands where `tmp` was: the next step would see what it points to as its /tmp, /run
    // with the bus for one. A mount point can be neither renamed nor removed (rename(2), EBUSY), so it is one itself.
    properties.push(Property::bind_paths(&[(&tmp, &tmp), (&tmp, "/tmp"), (&tmp, "/var/tmp")]));
    Ok(Transient { unit: name, properties })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_project;
    use crate::config::project::{Run, Shell};
    use crate::model::{BuildId, BuildNumber, StepIndex};
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn an_order_narrows_what_the_file_gives_and_never_widens_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::under(folder.path());
        std::fs::create_dir_all(place.projects()).unwrap();
        std::fs::write(place.site_file(), "").unwrap();
        let name: crate::model::ProjectName = "gkp".parse().unwrap();
        let file = "source.url = '/srv/gkp.git'\nbuild.memory = '2G'\nbuild.network = 'none'\n
            [[step]]\nname = 'fetch'\nrun = 'true'\nnetwork = 'host'\nmemory = '512M'\n[[step]]\nname = 'test'\nrun = 'true'";
        std::fs::write(place.project_file(&name), file).unwrap();
        let (_, project) = load_project(&place, &name).unwrap();
        use Network::{Host, None as Closed};
        for (step, ordered, given) in [
            ("fetch", (None, None), (Host, Some(512 << 20))),
            ("fetch", (Some(Host), Some(1 << 30)), (Host, Some(512 << 20))),
            ("fetch", (Some(Closed), Some(1 << 20)), (Closed, Some(1 << 20))),
            ("test", (None, None), (Closed, Some(2 << 30))),
            ("test", (Some(Host), Some(4 << 30)), (Closed, Some(2 << 30))),
            ("gone", (Some(Host), None), (Closed, Some(2 << 30))),
        ] {
            let order = StepOrder {
                build: BuildId { project: name.clone(), number: BuildNumber(1) },
                step: StepIndex(1),
                name: step.parse().unwrap(),
                trust: Trust::Inside,
                run: Run::Text { text: "true".into(), shell: Shell::Sh },
                pty: false,
                workdir: PathBuf::new(),
                env: BTreeMap::new(),
                secrets: Vec::new(),
                timeout: Duration::from_secs(1),
                network: ordered.0,
                memory: ordered.1,
                slot: crate::model::Slot::default(),
                shutdown: Shutdown::Any,
                service: None,
                beside: None,
            };
            let reach = reach(&project, &order);
            let memory = reach.limits.memory.map(|limit| limit.most);
            assert_eq!((reach.network, memory), given, "{step} {ordered:?}");
        }
    }
}
