//! A step that failed and is tried again: whether, and how it reads.

use super::result::Ended;
use crate::config::project::Retry;
use crate::model::Verdict;

/// Whether another attempt follows. Only what the project did itself may go better the next time: not what somebody
/// stopped, not the CI's own trouble, not an output that leaves no room for another.
pub fn follows(retry: Option<&Retry>, attempts: u32, ended: &Ended, verdict: Verdict) -> bool {
    let fair = match ended {
        Ended::Exited(_)
        | Ended::Signalled(_)
        | Ended::OutOfMemory(_)
        | Ended::TooManyTasks { .. }
        | Ended::TooMuchWritten(_)
        | Ended::TimedOut(_)
        | Ended::Silent(_) => true,
        Ended::TooMuchOutput(_) | Ended::BuildTimedOut(_) | Ended::Stopped | Ended::Broken(_) => false,
    };
    fair && verdict == Verdict::Failure && retry.is_some_and(|retry| attempts <= retry.times)
}

/// How the outcome of a step reads that took some attempts.
pub fn outcome(retry: Option<&Retry>, attempts: u32, verdict: Verdict, outcome: &str) -> String {
    let all = retry.map_or(attempts, |retry| retry.times + 1);
    match verdict {
        _ if attempts <= 1 => outcome.to_owned(),
        Verdict::Success if outcome.is_empty() => format!("passed on attempt {attempts}"),
        Verdict::Skipped | Verdict::Success | Verdict::Warnings => format!("{outcome}, on attempt {attempts}"),
        Verdict::Failure if attempts == all => format!("{outcome}, on the last of {attempts} attempts"),
        Verdict::Failure | Verdict::Exception | Verdict::Retry | Verdict::Cancelled => {
            format!("{outcome}, on attempt {attempts} of {all}")
        }
    }
}

/// The line of the log that ends an attempt that another will follow.
pub fn failed(retry: &Retry, attempts: u32, outcome: &str) -> String {
    let delay = jiff::SignedDuration::try_from(retry.delay).unwrap_or(jiff::SignedDuration::MAX);
    let next = if delay.is_zero() { "at once".to_owned() } else { format!("in {delay:#}") };
    format!("[unitci: attempt {attempts} of {}: {outcome}; again {next}]", retry.times + 1)
}

/// The line of the log that begins such another.
pub fn begins(retry: &Retry, attempts: u32) -> String {
    format!("[unitci: attempt {attempts} of {}]", retry.times + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_tried_again() {
        use Verdict::{Cancelled, Exception, Failure, Success, Warnings};
        let twice = Retry { times: 2, delay: Duration::from_secs(10) };
        let second = Duration::from_secs(1);
        for (attempts, ended, verdict, again) in [
            (1, Ended::Exited(1), Failure, true),
            (2, Ended::Exited(1), Failure, true),
            (3, Ended::Exited(1), Failure, false),
            (1, Ended::Exited(0), Success, false),
            // As `decode` has it.
            (1, Ended::Exited(2), Warnings, false),
            (1, Ended::Exited(0), Failure, true),
            (1, Ended::Signalled("SIGSEGV".into()), Failure, true),
            (1, Ended::OutOfMemory(None), Failure, true),
            (1, Ended::TimedOut(second), Failure, true),
            (1, Ended::Silent(second), Failure, true),
            (1, Ended::TooMuchOutput(1), Failure, false),
            (1, Ended::BuildTimedOut(second), Failure, false),
            (1, Ended::Stopped, Cancelled, false),
            (1, Ended::Broken("no bus".into()), Exception, false),
        ] {
            assert_eq!(follows(Some(&twice), attempts, &ended, verdict), again, "{attempts} {ended:?}");
            assert!(!follows(None, attempts, &ended, verdict));
        }
    }

    #[test]
    fn how_attempts_read() {
        let twice = Retry { times: 2, delay: Duration::from_secs(90) };
        for (attempts, verdict, said, reads) in [
            (1, Verdict::Success, "", ""),
            (1, Verdict::Failure, "exit code 1", "exit code 1"),
            (2, Verdict::Success, "", "passed on attempt 2"),
            (
                2,
                Verdict::Warnings,
                "exit code 2, which means warnings",
                "exit code 2, which means warnings, on attempt 2",
            ),
            (3, Verdict::Failure, "exit code 1", "exit code 1, on the last of 3 attempts"),
            (2, Verdict::Failure, "timeout", "timeout, on attempt 2 of 3"),
            (2, Verdict::Cancelled, "stopped", "stopped, on attempt 2 of 3"),
        ] {
            assert_eq!(outcome(Some(&twice), attempts, verdict, said), reads);
        }
        assert_eq!(failed(&twice, 1, "exit code 1"), "[unitci: attempt 1 of 3: exit code 1; again in 1m 30s]");
        assert_eq!(
            failed(&Retry { delay: Duration::ZERO, ..twice }, 1, "x"),
            "[unitci: attempt 1 of 3: x; again at once]"
        );
        assert_eq!(begins(&twice, 2), "[unitci: attempt 2 of 3]");
    }
}
