//! What single keys of `[[step]]` are made of.

use super::HOUR;
use super::source::branch_pattern;
use crate::config::fault::Fault;
use crate::config::pattern::{Files, Pattern};
use crate::config::project::{Only, Retry};
use crate::config::reader::Reader;
use crate::config::tree::Value;
use crate::config::value::{count, duration, text, word};
use crate::model::Verdict;
use std::time::Duration;

/// Longest pattern, in bytes.
const PATTERN_MAX: usize = 200;

/// An exit code and what it means, of `decode`.
pub(super) fn exit_code(code: &str, value: &Value) -> Result<(u8, Verdict), Fault> {
    const MEANINGS: &[(&str, Verdict)] = &[
        ("skipped", Verdict::Skipped),
        ("success", Verdict::Success),
        ("warnings", Verdict::Warnings),
        ("failure", Verdict::Failure),
    ];
    match code.parse::<u8>() {
        // Two ways to write one code would be two codes in one table.
        Ok(number) if number.to_string() == code => Ok((number, word(MEANINGS)(value)?)),
        Ok(_) | Err(_) => Err(Fault::Rule("an exit code is a number from 0 to 255")),
    }
}

/// On which refs, and after which changes, the step runs.
pub(super) fn only(reader: &mut Reader<'_, '_>) -> Option<Only> {
    let branches = reader.distinct("branches", text(branch));
    let refs = reader.distinct("refs", text(reference));
    let files = reader.distinct("files", text(file));
    let mut meant = Files::default();
    for (side, pattern) in files? {
        match side {
            Side::In => meant.include.push(pattern),
            Side::Out => meant.exclude.push(pattern),
        }
    }
    Some(Only { branches: branches?, refs: refs?, files: meant })
}

/// `retry = { times = 2, delay = "10s" }`
pub(super) fn retry(reader: &mut Reader<'_, '_>) -> Option<Retry> {
    let times = reader.required("times", count(1..=10));
    let delay = reader.required("delay", duration(Duration::ZERO..=HOUR));
    Some(Retry { times: times?, delay: delay? })
}

/// What a pattern of files does with what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    In,
    Out,
}

fn glob(text: &str) -> Result<Pattern, Fault> {
    Pattern::new(text).map_err(|error| Fault::Glob(error.kind().clone()))
}

fn branch(text: &str) -> Result<Pattern, Fault> {
    branch_pattern(text)?;
    glob(text)
}

fn reference(text: &str) -> Result<Pattern, Fault> {
    if !text.starts_with("refs/") {
        return Err(Fault::Rule("must be a whole name, like refs/tags/v*; `branches` takes names of branches"));
    }
    if text.len() > PATTERN_MAX || text.chars().any(|c| c.is_control() || c == ' ') {
        return Err(Fault::Rule("a pattern of refs has at most 200 bytes, no spaces and no controls"));
    }
    glob(text)
}

fn file(text: &str) -> Result<(Side, Pattern), Fault> {
    let (side, path) = match text.strip_prefix('!') {
        Some(path) => (Side::Out, path),
        None => (Side::In, text),
    };
    if path.is_empty() || path.len() > PATTERN_MAX || path.chars().any(char::is_control) {
        return Err(Fault::Rule("a pattern of files has 1 to 200 bytes and no controls"));
    }
    if path.starts_with('/') || path.split('/').any(|part| part == "." || part == "..") {
        return Err(Fault::Rule("a path is written as git has it, from the repository's root: docs/**"));
    }
    if path.ends_with('/') {
        return Err(Fault::Rule("a folder has no changes of its own; write folder/** for all that is in it"));
    }
    Ok((side, glob(path)?))
}
