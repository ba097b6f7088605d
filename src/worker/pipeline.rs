//! Reading the steps that a commit says itself.

use super::protocol::{CheckoutTask, Failure, FailureKind};
use crate::config::{ConfigErrors, Pipeline, Styling, pipeline};
use crate::git::Git;
use crate::git::tree::{self, File};
use crate::model::ProjectName;

/// Parses and checks the commit's `.ci.toml`. What is wrong goes to the log whole, and the first of it into the answer.
pub(super) fn of_commit(git: &Git<'_>, task: &CheckoutTask, project: &ProjectName) -> Result<Pipeline, Failure> {
    tree::borrow(git, &task.mirror, &task.commit)?;
    let bytes = match tree::file(git, &task.commit, pipeline::FILE, pipeline::MAX)? {
        File::Content(bytes) => bytes,
        File::Absent => return Err(wrong(&Pipeline::missing())),
        File::Unfit { size } => return Err(wrong(&Pipeline::unfit(size))),
    };
    Pipeline::parse(bytes, Some(project.clone())).map_err(|errors| wrong(&errors))
}

fn wrong(errors: &ConfigErrors) -> Failure {
    eprint!("{}", errors.render(Styling::Plain));
    let first = errors.problems().first().map_or_else(String::new, ToString::to_string);
    let more = match errors.problems().len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more, in the log)", count - 1),
    };
    Failure::new(FailureKind::Commit, &format!("{first}{more}"))
}
