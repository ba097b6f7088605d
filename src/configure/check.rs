//! `ci-config check`

use super::{Format, credentials, write_json};
use crate::config::{Config, ConfigErrors, Pipeline, Problem, Styling, pipeline, render};
use crate::model::Place;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Whether anything is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Nothing.
    Sound,
    /// Something, and it has been said.
    Broken,
}

/// Everything that was looked at.
struct Findings {
    projects: usize,
    broken_projects: usize,
    /// Each with the number of its steps, unless it is broken.
    pipelines: Vec<(PathBuf, Option<usize>)>,
    errors: Vec<ConfigErrors>,
    /// Credentials and secrets that are named and not there.
    missing: Vec<String>,
}

/// Checks these files, or all of `/etc/ci`, and writes what is wrong. Fails only if it cannot write.
pub fn check(place: &Place, files: &[PathBuf], format: Format, out: &mut impl Write) -> io::Result<Checked> {
    let findings = if files.is_empty() { all(place) } else { some(place, files) };
    match format {
        Format::Text => write_text(&findings, out)?,
        Format::Json => write_json(&report(&findings), out)?,
    }
    Ok(if findings.errors.is_empty() && findings.missing.is_empty() { Checked::Sound } else { Checked::Broken })
}

fn all(place: &Place) -> Findings {
    let config = Config::load(place);
    let projects = config.projects.len();
    let missing = credentials::missing(place, &config);
    let broken: Vec<ConfigErrors> = config.projects.into_values().filter_map(Result::err).collect();
    let broken_projects = broken.len();
    let errors = config.site.err().into_iter().chain(config.templates).chain(broken).chain(config.others).collect();
    Findings { projects, broken_projects, pipelines: Vec::new(), errors, missing }
}

fn some(place: &Place, files: &[PathBuf]) -> Findings {
    let mut findings =
        Findings { projects: 0, broken_projects: 0, pipelines: Vec::new(), errors: Vec::new(), missing: Vec::new() };
    for file in files {
        if file.file_name() == Some(pipeline::FILE.as_ref()) {
            let read = Pipeline::read(file).and_then(|pipeline| pipeline.steps());
            findings.pipelines.push((file.clone(), read.as_ref().ok().map(Vec::len)));
            findings.errors.extend(read.err());
        } else if file.file_name() == place.site_file().file_name() {
            findings.errors.extend(Config::check_site_file(file));
        } else {
            findings.projects += 1;
            if let Err(errors) = Config::check_file(place, file) {
                findings.broken_projects += 1;
                findings.errors.push(errors);
            }
        }
    }
    findings
}

fn write_text(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    let mut said: Vec<Problem> = Vec::new();
    for errors in &findings.errors {
        // What is wrong in ci.toml shows up in every project that it stops; once is enough.
        let unsaid = errors.except(&said);
        let again = if unsaid.is_empty() { " (what is wrong is said above)" } else { "" };
        writeln!(out, "{}{}{again}\n", render(&unsaid, Styling::Ansi), errors.consequence())?;
        said.extend(unsaid);
    }
    for what in &findings.missing {
        writeln!(out, "{what}\n")?;
    }
    let Findings { projects, broken_projects, pipelines, errors: _, missing: _ } = findings;
    for (file, steps) in pipelines.iter().filter_map(|(file, steps)| Some((file, (*steps)?))) {
        let noun = if steps == 1 { "step" } else { "steps" };
        writeln!(out, "{}: {steps} {noun}, no errors", file.display())?;
    }
    if *projects == 0 && !pipelines.is_empty() {
        return Ok(());
    }
    let noun = if *projects == 1 { "project" } else { "projects" };
    let broken = if *broken_projects == 0 { "none".to_owned() } else { broken_projects.to_string() };
    writeln!(out, "{projects} {noun}, {broken} with errors")
}

#[derive(Serialize)]
struct Report {
    projects: usize,
    projects_with_errors: usize,
    errors: Vec<ErrorReport>,
    /// Credentials and secrets that are named and not there, as far as the caller may see.
    missing: Vec<String>,
}

#[derive(Serialize)]
struct ErrorReport {
    /// What happens now.
    consequence: String,
    problems: Vec<ProblemReport>,
}

#[derive(Serialize)]
struct ProblemReport {
    file: String,
    line: usize,
    column: usize,
    message: String,
}

fn report(findings: &Findings) -> Report {
    let problem = |problem: &Problem| {
        let (line, column) = problem.line_and_column();
        ProblemReport { file: problem.file().display().to_string(), line, column, message: problem.message() }
    };
    let error = |errors: &ConfigErrors| ErrorReport {
        consequence: errors.consequence().to_string(),
        problems: errors.problems().iter().map(problem).collect(),
    };
    Report {
        projects: findings.projects,
        projects_with_errors: findings.broken_projects,
        errors: findings.errors.iter().map(error).collect(),
        missing: findings.missing.clone(),
    }
}
