//! Handing a message to the machine's sendmail.

use super::protocol::{Failure, FailureKind, Line, MailAnswer, MailTask};
use crate::child::{self, ChildError};
use std::process::Command;
use std::time::Instant;

/// sendmail has nothing to say on standard output.
const OUTPUT_MAX: usize = 64 << 10;

pub(super) fn send(task: &MailTask, deadline: Instant) -> Result<MailAnswer, Failure> {
    let mut command = Command::new(&task.sendmail);
    command.args(["-t", "-oi"]);
    let done = child::run(command, task.message.clone().into(), OUTPUT_MAX, deadline).map_err(|e| {
        let kind = match e {
            ChildError::Start { .. } => FailureKind::Refused,
            ChildError::Late { .. } => FailureKind::Timeout,
            ChildError::Loud { .. } => FailureKind::TooLarge,
            ChildError::Pipe { .. } => FailureKind::Internal,
        };
        Failure::new(kind, &e.to_string())
    })?;
    if done.status.success() {
        return Ok(MailAnswer::Sent);
    }
    let stdout = String::from_utf8_lossy(&done.stdout);
    let said = [&done.stderr, stdout.as_ref()].into_iter().find(|text| !text.trim().is_empty());
    let last = said.and_then(|text| text.trim_end().lines().next_back());
    Ok(MailAnswer::Rejected { status: done.status.code(), said: Line::cut(last.unwrap_or("it gave no reason")) })
}
