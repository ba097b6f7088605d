//! The command line of `ci-deploy`.

use crate::model::{BuildSpec, TargetId, TargetName};
use clap::{ArgGroup, Parser};
use std::path::PathBuf;

/// Make a green build live: a release beside the others, services restarted and checked, back if they are not well
#[derive(Parser)]
#[command(name = "ci-deploy", version, arg_required_else_help = true)]
#[command(group = ArgGroup::new("mode")
    .args(["rollback", "check", "adopt", "list", "freeze", "thaw", "dispatch", "carry_out"]))]
#[command(group = ArgGroup::new("units").args(["dispatch", "carry_out"]))]
pub struct Arguments {
    /// The build, or the newest green one of the target's branch
    #[arg(value_name = "PROJECT[:N]", required_unless_present = "units", conflicts_with = "units")]
    pub build: Option<BuildSpec>,
    /// Which of the project's targets; without it the only one, or the one without a name
    #[arg(short, long, value_name = "TARGET", conflicts_with = "units")]
    pub target: Option<TargetName>,
    /// Go back to the newest good release before the live one, which does not deploy by itself again
    #[arg(long)]
    pub rollback: bool,
    /// Say what a first deploy would miss, and the commands that mend it; exits 1 if anything is missing or unseen
    #[arg(long)]
    pub check: bool,
    /// Make a release of the folder that is in the place of `current`, the first to go back to; what is shared moves to shared/
    #[arg(long)]
    pub adopt: bool,
    /// List releases and the last deploys
    #[arg(long)]
    pub list: bool,
    /// Have nothing new go live until --until, on this target or all of the project; a rollback is possible all the same
    #[arg(long, requires = "until")]
    pub freeze: bool,
    /// The end of a freeze: 15:00, "2026-11-27 09:00", or a duration like 2h; at most 30 days ahead
    #[arg(long, value_name = "TIME", requires = "freeze")]
    pub until: Option<String>,
    /// End a freeze now
    #[arg(long)]
    pub thaw: bool,
    /// Deploy PROJECT:N although it is not green; says who and why wherever the deploy is shown
    #[arg(long, requires = "reason", conflicts_with = "mode")]
    pub even_if_red: bool,
    /// Say step by step what would happen, with units, users and paths, and change nothing
    #[arg(long, conflicts_with_all = ["check", "adopt", "list", "freeze", "thaw", "units", "no_wait"])]
    pub dry_run: bool,
    /// Why, for those who read it later
    #[arg(short = 'm', long, value_name = "REASON", conflicts_with_all = ["check", "adopt", "list", "thaw", "units"])]
    pub reason: Option<String>,
    /// Do not wait for the end; without this, exit 0 is live and well, 1 is not
    #[arg(long, conflicts_with_all = ["check", "adopt", "list", "freeze", "thaw", "units"])]
    pub no_wait: bool,
    /// Write JSON
    #[arg(long, conflicts_with_all = ["rollback", "adopt", "freeze", "thaw", "units", "reason", "no_wait", "dry_run"])]
    pub json: bool,
    /// Start what is to be deployed; run by ci-deploy.service
    #[arg(long, hide = true)]
    pub dispatch: bool,
    /// Carry out the deploys to a target; run by ci-deploy@.service
    #[arg(long, hide = true, value_name = "PROJECT[:TARGET]")]
    pub carry_out: Option<TargetId>,
    /// Take DIR for /
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}
