//! A build and its steps.

use super::id::{BuildId, CommitId, RefName, RequestId, StepIndex};
use super::lock::Holds;
use super::name::StepName;
use super::request::{Change, Origin, Target};
use super::room::Room;
use super::unit::Trust;
use super::verdict::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// `gkp:42`
    pub id: BuildId,
    /// The request that it answers.
    pub request: RequestId,
    /// The ref it is of; none until the fetch has told, or for a bare revision.
    pub reference: Option<RefName>,
    /// What was asked for.
    pub target: Target,
    /// The commit; none until the fetch has told.
    pub commit: Option<CommitId>,
    /// Whether the ref is the team's.
    pub trust: Trust,
    /// Who wanted it.
    pub origin: Origin,
    /// Why, in their words.
    pub reason: Option<String>,
    /// What is new in it, newest first.
    pub changes: Vec<Change>,
    /// When it was queued.
    pub queued: Timestamp,
    /// When the dispatcher made it a build.
    pub created: Timestamp,
    /// Where it stands.
    pub state: BuildState,
    /// Who wants it stopped, when somebody does.
    pub stop: Option<Stop>,
    /// What it has to itself until it is over.
    pub holds: Holds,
}

impl Build {
    /// Where and as whom it lives.
    pub fn room(&self) -> Room {
        Room::of(&self.id.project, self.trust).in_slot(self.holds.slot)
    }
}

/// Where a build stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildState {
    /// The row is there; its supervisor has not taken it yet.
    Starting,
    /// A supervisor has it, or had it when it died.
    Running {
        /// Since when.
        started: Timestamp,
        /// The boot in which it started: another one means that the machine went down in between.
        boot: String,
    },
    /// Over.
    Finished {
        /// Since when it ran; none if it never did.
        started: Option<Timestamp>,
        /// Until when.
        finished: Timestamp,
        /// With what result.
        verdict: Verdict,
        /// One line: what went wrong, or empty.
        summary: String,
    },
}

impl BuildState {
    /// The verdict, once there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            BuildState::Finished { verdict, .. } => Some(*verdict),
            BuildState::Starting | BuildState::Running { .. } => None,
        }
    }
}

/// The recorded wish to stop a build: written before anything is stopped, so that a stop never looks like a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The person, or what did it.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// Its place; 0 is the checkout.
    pub index: StepIndex,
    /// Its name.
    pub name: StepName,
    /// Whether it is a step at all.
    pub role: Role,
    /// What it says of itself.
    pub words: StepWords,
    /// Why this build does without it, once the checkout has told which files have changed.
    pub unneeded: Option<String>,
    /// Where it stands.
    pub state: StepState,
    /// How often it has been begun; 0 if it has not, or if that was before attempts were counted.
    pub attempts: u32,
    /// While a step that failed waits for its next attempt.
    pub again: Option<Again>,
    /// What it used, in all attempts that are over.
    pub usage: Usage,
    /// Size of its log in bytes and lines, once it is over.
    pub log: Option<LogSize>,
}

/// What stands in a row of the build's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// One thing after the other; the checkout is one.
    Step,
    /// A service beside the steps, for the build's length; it comes after them in order.
    Service,
}

impl Role {
    /// As the store has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Step => "step",
            Role::Service => "service",
        }
    }
}

/// What a step says of itself, beside its name (Buildbot's `description` and `descriptionDone`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepWords {
    /// While it runs: `compiling`.
    pub description: Option<String>,
    /// Afterwards: `compile`; without it the description stays.
    pub done: Option<String>,
}

/// An attempt of a step is over, and another follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// When it is due.
    pub due: Timestamp,
    /// How the one that is over ended, in words.
    pub outcome: String,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Not yet begun.
    Pending,
    /// Its unit was asked for; whether that runs is systemd's to say.
    Running {
        /// Since when.
        started: Timestamp,
    },
    /// Over.
    Finished {
        /// Since when it ran; none if it was skipped.
        started: Option<Timestamp>,
        /// Until when.
        finished: Timestamp,
        /// What it contributes to the build.
        verdict: Verdict,
        /// How it ended, in words: `exit code 2`, `killed by SIGSEGV`, `timeout after 20min`.
        outcome: String,
    },
}

/// What a step used, as far as the machine's cgroups tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in microseconds.
    pub cpu_usec: Option<u64>,
    /// Most memory at once, in bytes.
    pub memory_peak: Option<u64>,
    /// Bytes read from block devices.
    #[serde(default)]
    pub io_read: Option<u64>,
    /// Bytes written to block devices.
    #[serde(default)]
    pub io_written: Option<u64>,
}

impl Usage {
    /// What two attempts have used together.
    #[must_use]
    pub fn and(self, other: Usage) -> Usage {
        let sum = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).reduce(u64::saturating_add);
        Usage {
            cpu_usec: sum(self.cpu_usec, other.cpu_usec),
            memory_peak: self.memory_peak.max(other.memory_peak),
            io_read: sum(self.io_read, other.io_read),
            io_written: sum(self.io_written, other.io_written),
        }
    }
}

/// How long a published log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSize {
    /// In bytes.
    pub bytes: u64,
    /// In lines.
    pub lines: u64,
}
