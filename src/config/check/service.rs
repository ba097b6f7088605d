//! `[[service]]`

use super::build::{SHELLS, run};
use super::{HOUR, SECOND, limits};
use crate::config::fault::Fault;
use crate::config::limits::OwnLimits;
use crate::config::name;
use crate::config::project::{Run, Service, Shell, Step};
use crate::config::reader::Reader;
use crate::config::value::{count, duration, size, text, variable, word};
use crate::model::{SecretName, StepName};

/// Most services of a project: each keeps a pipe in the supervisor's fd store.
const SERVICES_MAX: usize = 8;

/// Names are those of logs, which services share with steps.
pub(super) fn services(reader: &mut Reader<'_, '_>, steps: Option<&[Step]>) -> Option<Vec<Service>> {
    let services = reader.sections("service", service)?;
    if services.len() > SERVICES_MAX {
        reader.complain("service", Fault::Rule("a project has at most 8 services"));
        return None;
    }
    let mut right = true;
    for (index, service) in services.iter().enumerate() {
        let fault = if services[..index].iter().any(|earlier| earlier.name == service.name) {
            Fault::Rule("another service has this name already")
        } else if service.name.as_str() == "checkout"
            || steps.is_some_and(|steps| steps.iter().any(|step| step.name == service.name))
        {
            Fault::Rule("a step has this name already")
        } else {
            continue;
        };
        reader.complain_of("service", index, "name", fault);
        right = false;
    }
    right.then_some(services)
}

fn service(reader: &mut Reader<'_, '_>) -> Option<Service> {
    let name = reader.required("name", text(str::parse::<StepName>));
    let shell = reader.required("shell", word(SHELLS));
    let run = reader.required("run", |value| run(value, shell.unwrap_or(Shell::Sh)));
    let ready = reader.optional("ready", text(name::command));
    let ready_timeout = reader.required("ready-timeout", duration(SECOND..=HOUR));
    let env = reader.map("env", variable);
    let secrets = reader.distinct("secrets", text(str::parse::<SecretName>));
    let memory = reader.optional("memory", size(limits::MEMORY_MIN));
    let tasks = reader.optional("tasks", count(limits::TASKS));
    let cpu = reader.optional("cpu", limits::cpu);
    if matches!(run, Some(Run::Script(_))) && reader.is_written("shell") {
        reader.complain("shell", Fault::Rule("a text that begins with #! names its own interpreter; leave this out"));
        return None;
    }
    shell?;
    Some(Service {
        name: name?,
        run: run?,
        ready: ready?,
        ready_timeout: ready_timeout?,
        env: env?,
        secrets: secrets?,
        limits: OwnLimits { memory: memory?, tasks: tasks?, cpu: cpu?, disk: None },
    })
}
