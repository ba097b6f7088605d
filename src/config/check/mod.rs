//! Merged → checked: what each value must be like.

mod build;
mod deploy;
mod limits;
mod order;
mod probe;
mod service;
mod site;
mod source;
mod step;

use super::fault::Fault;
use super::name;
use super::project::{Mode, Notify, NotifyOn, Project, Step, StepsFrom};
use super::reader::Reader;
use super::value::{text, word};
use crate::model::{LockName, ProjectName};
use lettre::Address;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use site::site;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const PIPELINE: &[(&str, StepsFrom)] = &[("project", StepsFrom::Project), ("repository", StepsFrom::Repository)];

/// The locks of `ci.toml`, and how many builds may hold each.
type Locks = BTreeMap<LockName, u32>;

/// A project's merged tree; the locks of `ci.toml`, if it is in order.
pub(super) fn project(name: &ProjectName, reader: &mut Reader<'_, '_>, locks: Option<&Locks>) -> Option<Project> {
    let description = reader.optional("description", text(name::line));
    let source = reader.section("source", source::source);
    let build = reader.section("build", build::build);
    let pipeline = reader.required("pipeline", word(PIPELINE));
    let steps = build::steps(reader);
    if let (Some(StepsFrom::Repository), true) = (pipeline, reader.is_written("step")) {
        let fault = Fault::Rule("with `pipeline = \"repository\"` the steps stand in .ci.toml of the commit, not here");
        reader.complain("step", fault);
    }
    let services = service::services(reader, steps.as_deref());
    let targets = deploy::targets(reader);
    let notify = reader.section("notify", notify);
    let rules = order::rules(reader, locks);
    if source.as_ref().is_some_and(|source| source.mode == Mode::Fresh)
        && rules.as_ref().is_some_and(|r| r.max_builds > 1)
    {
        let fault = Fault::Rule(
            "with `mode = \"fresh\"` one build at a time: others would lose HOME and cache under their feet",
        );
        reader.complain("max-builds", fault);
    }
    Some(Project {
        rules: rules?,
        name: name.clone(),
        description: description?,
        pipeline: pipeline?,
        source: source?,
        build: build?,
        steps: steps?,
        services: services?,
        targets: targets?,
        notify: notify?,
    })
}

/// The tables of a `.ci.toml`.
pub(super) fn pipeline(reader: &mut Reader<'_, '_>) -> Option<Vec<Step>> {
    build::steps(reader)
}

/// What a layer of `ci.toml` says for projects, complete or not.
pub(super) fn layer(reader: &mut Reader<'_, '_>) {
    // Each is called for what it notes; what is missing may come from a layer above.
    reader.optional("description", text(name::line));
    reader.section("source", source::source);
    reader.section("build", build::build);
    reader.required("pipeline", word(PIPELINE));
    let steps = build::steps(reader);
    service::services(reader, steps.as_deref());
    deploy::targets(reader);
    reader.section("notify", notify);
    order::rules(reader, None);
}

fn notify(reader: &mut Reader<'_, '_>) -> Option<Notify> {
    const WORDS: &[(&str, NotifyOn)] =
        &[("change", NotifyOn::Change), ("failure", NotifyOn::Failure), ("always", NotifyOn::Always)];
    let on = reader.required("on", word(WORDS));
    let mail = reader.distinct("mail", text(address));
    Some(Notify { on: on?, mail: mail? })
}

/// A mail address without a name.
fn address(text: &str) -> Result<String, Fault> {
    match text.parse::<Address>() {
        Ok(address) => Ok(address.to_string()),
        Err(error) => Err(Fault::Mail(error)),
    }
}
