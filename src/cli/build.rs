//! The command line of `ci-build`.

use crate::model::{BuildId, BuildSpec, RefName, StepName};
use clap::{ArgGroup, Parser};

/// Build a project's newest commit, unless it is built already
#[derive(Parser)]
#[command(name = "ci-build", version, arg_required_else_help = true)]
#[command(group = ArgGroup::new("mode").args(["stop", "approve", "retry", "take_requests", "dispatch", "supervise"]))]
pub struct Arguments {
    /// The project, PROJECT:N with --stop and --retry, or PROJECT:REQUEST with --approve
    #[arg(required_unless_present_any = ["take_requests", "dispatch", "supervise"])]
    pub project: Option<BuildSpec>,
    /// Build now, whether or not it is built already, before all that waits
    #[arg(short, long)]
    pub force: bool,
    /// With --force: stop the build of the same branch that runs
    #[arg(long, requires = "force", conflicts_with = "revision")]
    pub now: bool,
    /// Build this branch, or any ref by its whole name
    #[arg(short, long, value_parser = RefName::of_words, conflicts_with = "revision")]
    pub branch: Option<RefName>,
    /// Build this tag or commit; it is not deployed by itself
    #[arg(short, long)]
    pub revision: Option<String>,
    /// Why, for those who read it later
    #[arg(short = 'm', long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Wait for the verdict: exit 0 when it is green, 1 when not
    #[arg(short, long)]
    pub wait: bool,
    /// Wait, and show what the steps print
    #[arg(long)]
    pub follow: bool,
    /// Stop a running build, or all that runs and waits of a project
    #[arg(long, conflicts_with_all = ["force", "branch", "revision", "wait", "follow"])]
    pub stop: bool,
    /// Agree to the build of a commit from outside: of this request, or of what waits for -b REF
    #[arg(long, conflicts_with_all = ["force", "revision", "reason", "wait", "follow"])]
    pub approve: bool,
    /// Do a build again that is over, PROJECT:N: its commit, with the steps that the project has now
    #[arg(long, conflicts_with_all = ["force", "branch", "revision"])]
    pub retry: bool,
    /// With --retry: begin at the step that failed first
    #[arg(long, requires = "retry", conflicts_with = "from")]
    pub from_failed: bool,
    /// With --retry: begin at this step
    #[arg(long, requires = "retry", value_name = "STEP")]
    pub from: Option<StepName>,
    /// Take requests; run by ci-request.service
    #[arg(long, hide = true)]
    pub take_requests: bool,
    /// Start what may start; run by ci-build.service
    #[arg(long, hide = true)]
    pub dispatch: bool,
    /// Supervise a build; run by ci-build@.service
    #[arg(long, hide = true, value_name = "BUILD")]
    pub supervise: Option<BuildId>,
}
