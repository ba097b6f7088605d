//! The result algebra: what a step contributes, whether the next one runs, what the build is.
//! The rules are Buildbot's (`process/results`, `decodeRC`, `haltOnFailure`, `warnOnFailure`, `alwaysRun`).

use crate::config::limits::Limit;
use crate::config::project::{OnFailure, When};
use crate::model::Verdict;
use std::collections::BTreeMap;
use std::time::Duration;

/// What exit codes mean that say more than "failed" (Buildbot's `decodeRC`); without an entry 0 is success and all else
/// failure. Its verdicts are those of the project: skipped, success, warnings, failure.
pub type Decode = BTreeMap<u8, Verdict>;

/// How a step's main process ended, and whether we had a hand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that was not ours, by its name.
    Signalled(String),
    /// The kernel killed it, or one of its children, for want of memory; the limit, if it was the step's own.
    OutOfMemory(Option<Limit>),
    /// It exited with this status after it could not make a process, for want of `tasks`.
    TooManyTasks {
        /// Its exit status.
        status: i32,
        /// How many it may have.
        limit: Limit,
    },
    /// It wrote more than it may.
    TooMuchWritten(Limit),
    /// It ran longer than this.
    TimedOut(Duration),
    /// It printed nothing for this long.
    Silent(Duration),
    /// It printed more than this many bytes.
    TooMuchOutput(u64),
    /// The whole build ran longer than this.
    BuildTimedOut(Duration),
    /// Somebody stopped the build.
    Stopped,
    /// It could not be started, or nobody knows how it ended: the CI's own trouble.
    Broken(String),
}

fn minutes(time: Duration) -> String {
    let time = jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX);
    format!("{time:#}")
}

/// Bytes in full, in the largest unit of IEC 80000-13 that goes into them: `512 MiB`.
fn bytes(count: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if count >= size && count.is_multiple_of(size) {
            return format!("{} {unit}", count / size);
        }
    }
    format!("{count} bytes")
}

/// What the end of a step means before `on-failure` is asked, and how it reads.
pub fn judge(ended: &Ended, decode: &Decode) -> (Verdict, String) {
    if let Ended::Exited(code) = ended
        && let Some(verdict) = u8::try_from(*code).ok().and_then(|code| decode.get(&code))
    {
        return (*verdict, decoded(*code, *verdict));
    }
    match ended {
        Ended::Exited(0) => (Verdict::Success, String::new()),
        Ended::Exited(code) => (Verdict::Failure, format!("exit code {code}")),
        // Without control groups of version 2 systemd cannot tell that it was the kernel, for want of memory.
        Ended::Signalled(signal) if signal == "SIGKILL" => {
            (Verdict::Failure, "killed by SIGKILL, which was not ours: perhaps out of memory".to_owned())
        }
        Ended::Signalled(signal) => (Verdict::Failure, format!("killed by {signal}")),
        Ended::OutOfMemory(Some(Limit { most, table })) => (
            Verdict::Failure,
            format!("killed: out of memory at {}; `memory` in {} allows more", bytes(*most), table.as_str()),
        ),
        // Not its own limit: that of all builds together, or the machine's memory.
        Ended::OutOfMemory(None) => (
            Verdict::Failure,
            "killed: out of memory with all that runs beside it; MemoryMax= of ci.slice allows more, `memory` keeps \
             one step from taking it all"
                .to_owned(),
        ),
        Ended::TooManyTasks { status, limit: Limit { most, table } } => (
            Verdict::Failure,
            format!("exit code {status} after it hit `tasks` = {most}; `tasks` in {} allows more", table.as_str()),
        ),
        Ended::TooMuchWritten(Limit { most, table }) => (
            Verdict::Failure,
            format!("stopped: more than {} written; `disk` in {} allows more", bytes(*most), table.as_str()),
        ),
        Ended::TimedOut(limit) => {
            (Verdict::Failure, format!("timeout: stopped after {}; `timeout` of the step allows more", minutes(*limit)))
        }
        Ended::Silent(limit) => (
            Verdict::Failure,
            format!("timeout: no output for {}; `no-output` of the step allows more", minutes(*limit)),
        ),
        Ended::TooMuchOutput(limit) => (
            Verdict::Failure,
            format!("stopped: more than {} of output; `log-max` in [build] allows more", bytes(*limit)),
        ),
        Ended::BuildTimedOut(limit) => (
            Verdict::Failure,
            format!("timeout: the build was stopped after {}; `timeout` in [build] allows more", minutes(*limit)),
        ),
        Ended::Stopped => (Verdict::Cancelled, "stopped".to_owned()),
        Ended::Broken(why) => (Verdict::Exception, why.clone()),
    }
}

/// How an exit code reads that the project has given a meaning.
fn decoded(code: i32, verdict: Verdict) -> String {
    match (code, verdict) {
        (0, Verdict::Success) => String::new(),
        (_, Verdict::Failure) => format!("exit code {code}"),
        (
            _,
            Verdict::Skipped
            | Verdict::Success
            | Verdict::Warnings
            | Verdict::Exception
            | Verdict::Retry
            | Verdict::Cancelled,
        ) => format!("exit code {code}, which means {verdict}"),
    }
}

/// What a step's own verdict contributes to its build.
pub fn contribution(verdict: Verdict, on_failure: OnFailure) -> Verdict {
    match (verdict, on_failure) {
        (Verdict::Failure, OnFailure::Warn) => Verdict::Warnings,
        (Verdict::Failure, OnFailure::Ignore) => Verdict::Success,
        (Verdict::Failure, OnFailure::Halt | OnFailure::Continue) => Verdict::Failure,
        (
            Verdict::Skipped
            | Verdict::Success
            | Verdict::Warnings
            | Verdict::Exception
            | Verdict::Retry
            | Verdict::Cancelled,
            _,
        ) => verdict,
    }
}

/// Where a build stands between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The worst contribution so far.
    pub worst: Verdict,
    /// Whether a step has ended it: only `always` and `failure` steps still run.
    pub halted: bool,
}

impl Progress {
    /// Before the first step.
    pub const START: Progress = Progress { worst: Verdict::Success, halted: false };

    /// After a step with this verdict.
    #[must_use]
    pub fn after(self, verdict: Verdict, on_failure: OnFailure) -> Progress {
        let ends = match verdict {
            Verdict::Failure => on_failure == OnFailure::Halt,
            Verdict::Exception | Verdict::Retry | Verdict::Cancelled => true,
            Verdict::Skipped | Verdict::Success | Verdict::Warnings => false,
        };
        Progress { worst: self.worst.and(contribution(verdict, on_failure)), halted: self.halted || ends }
    }

    /// Whether a step runs now.
    pub fn runs(self, when: When) -> bool {
        match when {
            When::Always => true,
            // Whether something has changed is decided by the files.
            When::Success | When::Changed => !self.halted,
            When::Failure => self.worst == Verdict::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::Table;

    #[test]
    fn exit_codes_mean_what_the_project_says() {
        use Verdict::{Failure, Skipped, Success, Warnings};
        let decode = Decode::from([(2, Warnings), (3, Success), (4, Failure), (77, Skipped)]);
        for (code, verdict, outcome) in [
            (0, Success, ""),
            (1, Failure, "exit code 1"),
            (2, Warnings, "exit code 2, which means warnings"),
            (3, Success, "exit code 3, which means success"),
            (4, Failure, "exit code 4"),
            (77, Skipped, "exit code 77, which means skipped"),
            (255, Failure, "exit code 255"),
        ] {
            assert_eq!(judge(&Ended::Exited(code), &decode), (verdict, outcome.to_owned()), "{code}");
        }
        let strange = Decode::from([(0, Failure), (1, Success)]);
        assert_eq!([0, 1, 2].map(|code| judge(&Ended::Exited(code), &strange).0), [Failure, Success, Failure]);
        // Only what the program says itself has a meaning of its own.
        let all = (0..=255).map(|code| (code, Success)).collect();
        assert_eq!(judge(&Ended::Signalled("SIGKILL".into()), &all).0, Failure);
        assert_eq!(judge(&Ended::TimedOut(Duration::from_secs(1)), &all).0, Failure);
        assert_eq!(judge(&Ended::Stopped, &all).0, Verdict::Cancelled);
    }

    #[test]
    fn how_ends_are_judged() {
        let table = [
            (Ended::Exited(0), Verdict::Success, ""),
            (Ended::Exited(2), Verdict::Failure, "exit code 2"),
            (Ended::Signalled("SIGSEGV".into()), Verdict::Failure, "killed by SIGSEGV"),
            (
                Ended::OutOfMemory(Some(Limit { most: 512 << 20, table: Table::Build })),
                Verdict::Failure,
                "killed: out of memory at 512 MiB; `memory` in [build] allows more",
            ),
            (Ended::OutOfMemory(None), Verdict::Failure, "killed: out of memory with all that runs beside it"),
            (
                Ended::TooManyTasks { status: 2, limit: Limit { most: 64, table: Table::Step } },
                Verdict::Failure,
                "exit code 2 after it hit `tasks` = 64; `tasks` in its [[step]] allows more",
            ),
            (
                Ended::TooMuchWritten(Limit { most: 10 << 30, table: Table::Build }),
                Verdict::Failure,
                "stopped: more than 10 GiB written; `disk` in [build] allows more",
            ),
            (Ended::TimedOut(Duration::from_secs(1200)), Verdict::Failure, "timeout: stopped after 20m"),
            (Ended::Silent(Duration::from_secs(90)), Verdict::Failure, "timeout: no output for 1m 30s"),
            (Ended::Stopped, Verdict::Cancelled, "stopped"),
            (Ended::Broken("no bus".into()), Verdict::Exception, "no bus"),
        ];
        for (ended, verdict, outcome) in table {
            let judged = judge(&ended, &Decode::new());
            assert_eq!(judged.0, verdict, "{ended:?}");
            assert!(judged.1.starts_with(outcome), "{ended:?}: {}", judged.1);
        }
    }

    /// Buildbot 4.3, `process/buildstep.py` and `process/results.py`: `computeResultAndTermination`, `worst_status`, and
    /// `Build.getNextStep` for whether a step runs. The flags are those with which each of our words is documented.
    mod buildbot {
        use super::super::{OnFailure, Verdict};

        struct Flags {
            halt_on_failure: bool,
            flunk_on_failure: bool,
            warn_on_failure: bool,
        }

        fn flags(on_failure: OnFailure) -> Flags {
            let (halt_on_failure, flunk_on_failure, warn_on_failure) = match on_failure {
                OnFailure::Halt => (true, true, false),
                OnFailure::Continue => (false, true, false),
                OnFailure::Warn => (false, false, true),
                OnFailure::Ignore => (false, false, false),
            };
            Flags { halt_on_failure, flunk_on_failure, warn_on_failure }
        }

        /// `for s in (CANCELLED, RETRY, EXCEPTION, FAILURE, WARNINGS, SUCCESS, SKIPPED): if s in (a, b): return s`
        fn worst_status(a: Verdict, b: Verdict) -> Verdict {
            use Verdict::{Cancelled, Exception, Failure, Retry, Skipped, Success, Warnings};
            let order = [Cancelled, Retry, Exception, Failure, Warnings, Success, Skipped];
            order.into_iter().find(|s| *s == a || *s == b).unwrap()
        }

        /// The overall result after a step, and whether the build ends.
        pub(super) fn compute(result: Verdict, on_failure: OnFailure, previous: Verdict) -> (Verdict, bool) {
            let flags = flags(on_failure);
            let (mut possible_overall_result, mut terminate) = (result, false);
            if result == Verdict::Failure {
                if !flags.flunk_on_failure {
                    possible_overall_result = Verdict::Success;
                }
                if flags.warn_on_failure {
                    possible_overall_result = Verdict::Warnings;
                }
                if flags.flunk_on_failure {
                    possible_overall_result = Verdict::Failure;
                }
                terminate = flags.halt_on_failure;
            } else if [Verdict::Exception, Verdict::Retry, Verdict::Cancelled].contains(&result) {
                terminate = true;
            }
            (worst_status(previous, possible_overall_result), terminate)
        }
    }

    #[test]
    fn the_algebra_is_buildbots() {
        let words = [OnFailure::Halt, OnFailure::Continue, OnFailure::Warn, OnFailure::Ignore];
        let ways: Vec<(Verdict, OnFailure)> =
            Verdict::ALL.iter().flat_map(|verdict| words.map(|word| (*verdict, word))).collect();
        // All builds of one, two and three steps: 28 + 28² + 28³.
        let mut builds: Vec<Vec<(Verdict, OnFailure)>> = vec![Vec::new()];
        for _ in 0..3 {
            let longer = builds.iter().flat_map(|build| ways.iter().map(|way| [&build[..], &[*way]].concat()));
            builds = builds.iter().cloned().chain(longer.collect::<Vec<_>>()).collect();
        }
        for steps in builds {
            let (mut ours, mut worst, mut terminated) = (Progress::START, Verdict::Success, false);
            for (verdict, on_failure) in &steps {
                ours = ours.after(*verdict, *on_failure);
                let (result, terminate) = buildbot::compute(*verdict, *on_failure, worst);
                worst = result;
                terminated |= terminate;
            }
            assert_eq!((ours.worst, ours.halted), (worst, terminated), "{steps:?}");
            // `alwaysRun` steps run after a termination, all others do not.
            assert_eq!((ours.runs(When::Success), ours.runs(When::Always)), (!terminated, true), "{steps:?}");
        }
    }

    #[test]
    fn what_steps_contribute_and_whether_the_next_runs() {
        use OnFailure::{Continue, Halt, Ignore, Warn};
        use Verdict::{Cancelled, Exception, Failure, Skipped, Success, Warnings};
        // (steps so far, the build's worst, next runs when success/failure/always)
        let table: [(&[(Verdict, OnFailure)], Verdict, [bool; 3]); 11] = [
            (&[], Success, [true, false, true]),
            (&[(Success, Halt)], Success, [true, false, true]),
            (&[(Skipped, Halt)], Success, [true, false, true]),
            (&[(Failure, Halt)], Failure, [false, true, true]),
            (&[(Failure, Continue)], Failure, [true, true, true]),
            (&[(Failure, Warn)], Warnings, [true, false, true]),
            (&[(Failure, Ignore)], Success, [true, false, true]),
            (&[(Warnings, Halt), (Success, Halt)], Warnings, [true, false, true]),
            (&[(Failure, Continue), (Success, Halt)], Failure, [true, true, true]),
            (&[(Exception, Ignore)], Exception, [false, false, true]),
            (&[(Failure, Continue), (Cancelled, Warn)], Cancelled, [false, false, true]),
        ];
        for (steps, worst, runs) in table {
            let progress = steps.iter().fold(Progress::START, |p, (verdict, on)| p.after(*verdict, *on));
            assert_eq!(progress.worst, worst, "{steps:?}");
            assert_eq!([When::Success, When::Failure, When::Always].map(|w| progress.runs(w)), runs, "{steps:?}");
        }
    }
}
