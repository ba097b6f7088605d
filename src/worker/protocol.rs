//! The words between the core and its workers: one [`Task`] in, one [`Answer`] out, both bounded JSON, a line each.

mod artifacts;
mod cache;
mod git;
mod measure;
mod outside;
mod processes;
mod release;
mod results;
mod secret;

pub use self::artifacts::{CollectAnswer, CollectTask, FileHead, HEAD_MAX};
pub use self::cache::{ENTRIES_TOLD, Left, SetAside, SetAsideTask, SurveyAnswer, SurveyTask, SweepAnswer, SweepTask};
pub use self::git::{
    AskedRef, COMMITS_TOLD, CheckoutAnswer, CheckoutTask, FetchAnswer, FetchTask, FetchedRef, GitDir, Keep, REFS_ASKED,
    RefsTask, Remote, TidyTask,
};
pub use self::measure::{MeasureAnswer, MeasureTask};
pub use self::outside::{HealthAnswer, HealthTask, MailAnswer, MailTask, Question};
pub use self::processes::{ProcessesAnswer, ProcessesTask};
pub use self::release::{
    ArtifactHead, Made, Missing, Release, ReleaseAdoptAnswer, ReleaseAdoptTask, ReleaseCheckAnswer, ReleaseCheckTask,
    ReleaseMakeAnswer, ReleaseMakeTask, ReleaseRemoveAnswer, ReleaseRemoveTask, ReleaseSwitchAnswer, ReleaseSwitchTask,
};
pub use self::results::{ReportAnswer, ReportTask, TESTS_ASKED};
pub use self::secret::{SecretsAnswer, SecretsTask};
pub use crate::git::{Commit, History, Refs, Relation, Resolve, Resolved};
pub use crate::model::{FailureKind, Line};

use crate::model::Change;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest task, in bytes.
pub const TASK_MAX: usize = 1 << 20;
/// Longest answer, in bytes: 20,000 refs with names of 80 bytes have 3 MB.
pub const ANSWER_MAX: usize = 4 << 20;
/// How long a worker has that only looks at or renames a few files.
pub const SMALL_JOB: Duration = Duration::from_secs(60);
/// How long one has that is waited for with the store's write lock held: others give up waiting for that after 20 s.
pub const LOCKED_JOB: Duration = Duration::from_secs(10);

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "task")]
pub enum Task {
    /// List a remote's branches and tags.
    Refs(RefsTask),
    /// Bring a mirror up to date and say what is new.
    Fetch(FetchTask),
    /// Pack a mirror when it is time.
    Tidy(TidyTask),
    /// Fill a workspace with exactly one commit.
    Checkout(CheckoutTask),
    /// Say what the credentials hold that this worker was given.
    Secrets(SecretsTask),
    /// Say what a deploy target lacks.
    ReleaseCheck(ReleaseCheckTask),
    /// Make a release beside the current one.
    ReleaseMake(ReleaseMakeTask),
    /// Make a release of what was there before.
    ReleaseAdopt(ReleaseAdoptTask),
    /// Make a release the current one.
    ReleaseSwitch(ReleaseSwitchTask),
    /// Remove releases.
    ReleaseRemove(ReleaseRemoveTask),
    /// Say where the main processes of services run.
    Processes(ProcessesTask),
    /// Ask once how a site is.
    Health(HealthTask),
    /// Hand a message to sendmail.
    Mail(MailTask),
    /// Hand over files.
    Collect(CollectTask),
    /// Say what HOME and cache hold.
    Survey(SurveyTask),
    /// Put HOME and cache, or entries of them, out of the way.
    SetAside(SetAsideTask),
    /// Remove what was put out of the way.
    Sweep(SweepTask),
    /// Read a step's test reports.
    Report(ReportTask),
    /// Add up what a step has written.
    Measure(MeasureTask),
}

impl Task {
    /// A word for the unit's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Task::Refs(_) => "refs",
            Task::Fetch(_) => "fetch",
            Task::Tidy(_) => "tidy",
            Task::Checkout(_) => "checkout",
            Task::Secrets(_) => "secrets",
            Task::ReleaseCheck(_) => "release-check",
            Task::ReleaseMake(_) => "release-make",
            Task::ReleaseAdopt(_) => "release-adopt",
            Task::ReleaseSwitch(_) => "release-switch",
            Task::ReleaseRemove(_) => "release-remove",
            Task::Processes(_) => "processes",
            Task::Health(_) => "health",
            Task::Mail(_) => "mail",
            Task::Collect(_) => "collect",
            Task::Survey(_) => "survey",
            Task::SetAside(_) => "set-aside",
            Task::Sweep(_) => "sweep",
            Task::Report(_) => "report",
            Task::Measure(_) => "measure",
        }
    }

    /// After how long the worker itself gives up, with an answer that says so. A unit's limit lies a little above.
    pub fn timeout(&self) -> Duration {
        match self {
            Task::Refs(task) => task.timeout,
            Task::Fetch(task) => task.timeout,
            Task::Tidy(task) => task.timeout,
            Task::Checkout(task) => task.timeout,
            Task::ReleaseMake(task) => task.timeout,
            Task::ReleaseRemove(task) => task.timeout,
            Task::Mail(task) => task.timeout,
            Task::Collect(task) => task.timeout,
            Task::Report(task) => task.timeout,
            Task::Survey(task) => task.timeout,
            Task::Sweep(task) => task.timeout,
            Task::Measure(task) => task.timeout,
            // It keeps its own limit, and says what it saw.
            Task::Health(task) => task.timeout.saturating_add(SMALL_JOB),
            Task::Secrets(_) | Task::ReleaseCheck(_) | Task::ReleaseSwitch(_) | Task::Processes(_) => SMALL_JOB,
            Task::ReleaseAdopt(_) | Task::SetAside(_) => LOCKED_JOB,
        }
    }
}

/// A task that knows the type of its answer.
pub trait Ask: Into<Task> {
    /// What comes back when it was done.
    type Answer: Serialize + DeserializeOwned;
}

macro_rules! asks {
    ($($task:ident($struct:ty) => $answer:ty;)*) => {$(
        impl From<$struct> for Task {
            fn from(task: $struct) -> Task { Task::$task(task) }
        }
        impl Ask for $struct {
            type Answer = $answer;
        }
    )*};
}

asks! {
    Refs(RefsTask) => Refs;
    Fetch(FetchTask) => FetchAnswer;
    Tidy(TidyTask) => ();
    Checkout(CheckoutTask) => CheckoutAnswer;
    Secrets(SecretsTask) => SecretsAnswer;
    ReleaseCheck(ReleaseCheckTask) => ReleaseCheckAnswer;
    ReleaseMake(ReleaseMakeTask) => ReleaseMakeAnswer;
    ReleaseAdopt(ReleaseAdoptTask) => ReleaseAdoptAnswer;
    ReleaseSwitch(ReleaseSwitchTask) => ReleaseSwitchAnswer;
    ReleaseRemove(ReleaseRemoveTask) => ReleaseRemoveAnswer;
    Processes(ProcessesTask) => ProcessesAnswer;
    Health(HealthTask) => HealthAnswer;
    Mail(MailTask) => MailAnswer;
    Collect(CollectTask) => CollectAnswer;
    Report(ReportTask) => ReportAnswer;
    Survey(SurveyTask) => SurveyAnswer;
    SetAside(SetAsideTask) => ();
    Sweep(SweepTask) => SweepAnswer;
    Measure(MeasureTask) => MeasureAnswer;
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer<T> {
    /// It is done.
    Ok(T),
    /// It could not be done.
    Failed(Failure),
}

/// Why it could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}{}", kind.advice())]
pub struct Failure {
    /// Whose turn it is.
    pub kind: FailureKind,
    /// What happened, for people.
    pub message: Line,
}

impl Failure {
    /// A failure in our own or somebody else's words; they are cut.
    pub fn new(kind: FailureKind, message: &str) -> Failure {
        Failure { kind, message: Line::cut(message) }
    }
}

/// Why what a worker printed is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It ended (or was ended) before it said anything.
    #[error("the worker gave no answer")]
    Silent,
    /// More than [`ANSWER_MAX`].
    #[error("the worker's answer is longer than {ANSWER_MAX} bytes")]
    TooLong,
    /// Not in our words, or with a name or text that we do not accept.
    #[error("the worker's answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl<T: DeserializeOwned> Answer<T> {
    /// Reads what a worker printed, of which the caller has kept at most [`ANSWER_MAX`] bytes and one.
    pub fn parse(printed: &[u8]) -> Result<Answer<T>, AnswerError> {
        if printed.is_empty() {
            return Err(AnswerError::Silent);
        }
        if printed.len() > ANSWER_MAX {
            return Err(AnswerError::TooLong);
        }
        Ok(serde_json::from_slice(printed)?)
    }
}

impl<T> Answer<T> {
    /// The same as a result.
    pub fn into_result(self) -> Result<T, Failure> {
        match self {
            Answer::Ok(answer) => Ok(answer),
            Answer::Failed(failure) => Err(failure),
        }
    }
}

impl From<&Commit> for Change {
    fn from(commit: &Commit) -> Change {
        Change {
            commit: commit.id.clone(),
            author: commit.author.to_string(),
            email: commit.email.to_string(),
            // A clock far off our calendar is the committer's; the commit is no less there.
            time: Timestamp::from_second(commit.time).unwrap_or(Timestamp::UNIX_EPOCH),
            subject: commit.subject.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_not_believed() {
        let good = br#"{"ok":{"head":"refs/heads/main","head_commit":null,"refs":[],"unusable":0}}"#;
        assert!(matches!(Answer::<Refs>::parse(good), Ok(Answer::Ok(_))));
        for bad in [
            r#"{"ok":{"head":"refs/heads/a..b","head_commit":null,"refs":[],"unusable":0}}"#,
            r#"{"ok":{"head":null,"head_commit":"--upload-pack=x","refs":[],"unusable":0}}"#,
            r#"{"failed":{"kind":"unreachable","message":"a\u001b[2Jb"}}"#,
            r#"{"failed":{"kind":"unreachable","message":"x"}} more"#,
            "{",
        ] {
            assert!(matches!(Answer::<Refs>::parse(bad.as_bytes()), Err(AnswerError::Unreadable(_))), "{bad}");
        }
        assert!(matches!(Answer::<Refs>::parse(b""), Err(AnswerError::Silent)));
        assert!(matches!(Answer::<Refs>::parse(&vec![b' '; ANSWER_MAX + 1]), Err(AnswerError::TooLong)));
    }
}
