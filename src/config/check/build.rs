//! `[build]` and `[[step]]`

use super::step::{exit_code, only, retry};
use super::{HOUR, SECOND, limits};
use crate::config::allow::allow;
use crate::config::fault::Fault;
use crate::config::name::{self, TEXT_MAX, WordFault};
use crate::config::path;
use crate::config::project::{Build, Network, OnFailure, Run, Shell, Step, When};
use crate::config::quantity::DURATION_MAX;
use crate::config::reader::Reader;
use crate::config::tree::Value;
use crate::config::value::{count, duration, flag, size, text, variable, word};
use crate::config::wanted::WantedFiles;
use crate::model::build::StepWords;
use crate::model::{SecretName, StepName};
use std::path::PathBuf;
use std::time::Duration;

/// Most steps of a project; what a page can show and `StepIndex` can count.
const STEPS_MAX: usize = 1000;

pub(super) const SHELLS: &[(&str, Shell)] = &[("sh", Shell::Sh), ("bash", Shell::Bash)];
const NETWORK: &[(&str, Network)] = &[("host", Network::Host), ("none", Network::None)];

pub(super) fn build(reader: &mut Reader<'_, '_>) -> Option<Build> {
    let timeout = reader.required("timeout", duration(SECOND..=DURATION_MAX));
    let stop_grace = reader.required("stop-grace", duration(Duration::ZERO..=HOUR));
    let memory = reader.optional("memory", size(limits::MEMORY_MIN));
    let tasks = reader.required("tasks", count(limits::TASKS));
    let cpu = reader.optional("cpu", limits::cpu);
    let cpu_weight = reader.optional("cpu-weight", count(1..=10_000));
    let disk = reader.optional("disk", size(limits::DISK_MIN));
    let network = reader.required("network", word(NETWORK));
    let outside_network = reader.required("outside-network", word(NETWORK));
    let allow = reader.distinct("allow", text(allow));
    let env = reader.map("env", variable);
    let secrets = reader.distinct("secrets", text(str::parse::<SecretName>));
    let log_max = reader.required("log-max", size(4096));
    let artifacts_folder = reader.required("artifacts-folder", flag);
    let artifacts_max = reader.required("artifacts-max", size(0));
    let cache_max = reader.required("cache-max", size(0));
    let journal_lines = reader.required("journal-lines", journal_lines);
    Some(Build {
        timeout: timeout?,
        stop_grace: stop_grace?,
        memory: memory?,
        tasks: tasks?,
        cpu: cpu?,
        cpu_weight: cpu_weight?,
        disk: disk?,
        network: network?,
        outside_network: outside_network?,
        allow: allow?,
        env: env?,
        secrets: secrets?,
        log_max: log_max?,
        artifacts_folder: artifacts_folder?,
        artifacts_max: artifacts_max?,
        cache_max: cache_max.map(|most| (most > 0).then_some(most))?,
        journal_lines: journal_lines?,
    })
}

fn journal_lines(value: &Value) -> Result<(u32, u32), Fault> {
    const LINES_MAX: u32 = 1_000_000;
    let line_count = count(0..=LINES_MAX);
    if let Value::List(pair) = value
        && let [first, last] = pair.as_slice()
    {
        return Ok((line_count(&first.value)?, line_count(&last.value)?));
    }
    Err(Fault::Rule("must be two integers, the first and the last lines, like [2000, 500]"))
}

pub(super) fn steps(reader: &mut Reader<'_, '_>) -> Option<Vec<Step>> {
    let steps = reader.sections("step", step)?;
    if steps.len() > STEPS_MAX {
        reader.complain("step", Fault::Rule("a project has at most 1000 steps"));
        return None;
    }
    let twice = |index: &usize| steps[..*index].iter().any(|earlier| earlier.name == steps[*index].name);
    let repeated: Vec<usize> = (0..steps.len()).filter(twice).collect();
    for index in &repeated {
        reader.complain_of("step", *index, "name", Fault::Rule("another step has this name already"));
    }
    repeated.is_empty().then_some(steps)
}

fn step(reader: &mut Reader<'_, '_>) -> Option<Step> {
    const ON_FAILURE: &[(&str, OnFailure)] = &[
        ("halt", OnFailure::Halt),
        ("continue", OnFailure::Continue),
        ("warn", OnFailure::Warn),
        ("ignore", OnFailure::Ignore),
    ];
    const WHEN: &[(&str, When)] =
        &[("success", When::Success), ("failure", When::Failure), ("always", When::Always), ("changed", When::Changed)];
    let name = reader.required("name", text(str::parse::<StepName>));
    let description = reader.optional("description", text(name::line));
    let done = reader.optional("done", text(name::line));
    let shell = reader.required("shell", word(SHELLS));
    let run = reader.required("run", |value| run(value, shell.unwrap_or(Shell::Sh)));
    let pty = reader.required("pty", flag);
    let timeout = reader.optional("timeout", duration(SECOND..=DURATION_MAX));
    let no_output = reader.required("no-output", duration(Duration::ZERO..=DURATION_MAX));
    let network = reader.optional("network", word(NETWORK));
    let allow = if reader.is_written("allow") { reader.distinct("allow", text(allow)).map(Some) } else { Some(None) };
    let on_failure = reader.required("on-failure", word(ON_FAILURE));
    let decode = reader.pairs("decode", exit_code);
    let when = reader.required("when", word(WHEN));
    let only = only(reader);
    let retry = reader.optional_section("retry", retry);
    let env = reader.map("env", variable);
    let secrets = secrets_of_step(reader);
    let workdir = reader.optional("workdir", text(path::relative));
    let artifacts = reader.distinct("artifacts", text(WantedFiles::parse));
    let limits = limits::own(reader);
    let junit = reader.required("junit", patterns);
    if matches!(run, Some(Run::Script(_))) && reader.is_written("shell") {
        reader.complain("shell", Fault::Rule("a text that begins with #! names its own interpreter; leave this out"));
        return None;
    }
    shell?;
    Some(Step {
        name: name?,
        words: StepWords { description: description?, done: done? },
        run: run?,
        pty: pty?,
        timeout: timeout?,
        no_output: no_output?,
        network: network?,
        allow: allow?,
        on_failure: on_failure?,
        decode: decode?,
        when: when?,
        only: only?,
        retry: retry?,
        env: env?,
        secrets: secrets?,
        workdir: workdir?.unwrap_or_else(PathBuf::new),
        artifacts: artifacts?,
        junit: junit?,
        limits: limits?,
    })
}

/// Not written is something else than written and empty.
fn secrets_of_step(reader: &mut Reader<'_, '_>) -> Option<Option<Vec<SecretName>>> {
    if !reader.is_written("secrets") {
        return Some(None);
    }
    reader.distinct("secrets", text(str::parse::<SecretName>)).map(Some)
}

/// One pattern or a list of them.
fn patterns(value: &Value) -> Result<Vec<WantedFiles>, Fault> {
    const PATTERNS_MAX: usize = 100;
    let pattern = text(WantedFiles::parse);
    if let Value::Text(_) = value {
        return Ok(vec![pattern(value)?]);
    }
    let Value::List(list) = value else {
        return Err(Fault::expected("a pattern or a list of patterns", value.kind()));
    };
    if list.len() > PATTERNS_MAX {
        return Err(Fault::Rule("at most 100 patterns"));
    }
    list.iter().map(|node| pattern(&node.value)).collect()
}

pub(super) fn run(value: &Value, shell: Shell) -> Result<Run, Fault> {
    if let Value::Text(text) = value {
        return Ok(run_text(text, shell)?);
    }
    let Value::List(lines) = value else {
        return Err(Fault::expected("a text or a list of command lines", value.kind()));
    };
    let line = text(name::command);
    let lines: Vec<String> = lines.iter().map(|node| line(&node.value)).collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(WordFault::Empty.into());
    }
    if lines.iter().map(|line| line.len() + 1).sum::<usize>() > TEXT_MAX {
        return Err(WordFault::TooBig.into());
    }
    Ok(Run::Lines { lines, shell })
}

fn run_text(text: &str, shell: Shell) -> Result<Run, WordFault> {
    let command = name::command(text)?;
    let Some(rest) = text.strip_prefix("#!") else { return Ok(Run::Text { text: command, shell }) };
    // A relative one would be looked for in the workspace.
    if rest.lines().next().unwrap_or_default().trim_start().starts_with('/') {
        Ok(Run::Script(command))
    } else {
        Err(WordFault::Interpreter)
    }
}
