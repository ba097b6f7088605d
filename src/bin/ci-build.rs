//! `ci-build`: build something now; and, as units, everything around a build.

use clap::{ArgGroup, Parser};
use std::process::ExitCode;
use unitci::build::person::{self, WishError, Wished};
use unitci::build::{dispatch, supervise, take};
use unitci::journal;
use unitci::model::{BuildId, BuildSpec, Place, RefName};

/// Build a project's newest commit, unless it is built already
#[derive(Parser)]
#[command(name = "ci-build", version, arg_required_else_help = true)]
#[command(group = ArgGroup::new("mode").args(["stop", "take_requests", "dispatch", "supervise"]))]
struct Arguments {
    /// The project, or PROJECT:N with --stop
    #[arg(required_unless_present_any = ["take_requests", "dispatch", "supervise"])]
    project: Option<BuildSpec>,
    /// Build now, whether or not it is built already, before all that waits
    #[arg(short, long)]
    force: bool,
    /// Build this branch
    #[arg(short, long, value_parser = RefName::of_branch, conflicts_with = "revision")]
    branch: Option<RefName>,
    /// Build this tag or commit; it is not deployed by itself
    #[arg(short, long)]
    revision: Option<String>,
    /// Why, for those who read it later
    #[arg(short = 'm', long, value_name = "REASON")]
    reason: Option<String>,
    /// Wait for the verdict: exit 0 when it is green, 1 when not
    #[arg(short, long)]
    wait: bool,
    /// Wait, and show what the steps print
    #[arg(long)]
    follow: bool,
    /// Stop a running build, or all that runs and waits of a project
    #[arg(long, conflicts_with_all = ["force", "branch", "revision", "wait", "follow"])]
    stop: bool,
    /// Take requests; run by ci-request.service
    #[arg(long, hide = true)]
    take_requests: bool,
    /// Start what may start; run by ci-build.service
    #[arg(long, hide = true)]
    dispatch: bool,
    /// Supervise a build; run by ci-build@.service
    #[arg(long, hide = true, value_name = "BUILD")]
    supervise: Option<BuildId>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::system();
    if let Some(build) = &arguments.supervise {
        return unit(|| supervise::supervise(&place, build));
    }
    if arguments.dispatch {
        return unit(|| dispatch::dispatch(&place));
    }
    if arguments.take_requests {
        return unit(|| take::take_requests(&place));
    }
    match ask(&place, arguments) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("ci-build: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs as a unit: messages go to the journal, and systemd starts what failed again.
fn unit<E: std::fmt::Display>(work: impl FnOnce() -> Result<(), E>) -> ExitCode {
    if let Err(error) = journal::init("ci-build") {
        eprintln!("ci-build: {error}");
    }
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(place: &Place, arguments: Arguments) -> Result<ExitCode, WishError> {
    let Some(spec) = arguments.project else { return Ok(ExitCode::from(2)) };
    if arguments.stop {
        return person::stop_and_tell(place, &spec, arguments.reason).map(|()| ExitCode::SUCCESS);
    }
    if let Some(number) = spec.number {
        anstream::eprintln!(
            "ci-build: {}:{number} is a build that is there; to build anew: ci-build {0}",
            spec.project
        );
        return Ok(ExitCode::from(2));
    }
    let wish = person::Wish {
        project: spec.project,
        branch: arguments.branch,
        revision: arguments.revision,
        force: arguments.force,
        reason: arguments.reason,
    };
    let build = match person::wish(place, &wish)? {
        Wished::Built(build, verdict) => {
            let verdict = verdict.map_or_else(|| "it is running".to_owned(), |v| v.to_string());
            anstream::println!("nothing new: the tip of {} is build {build} ({verdict})", wish.project);
            if !(arguments.wait || arguments.follow) {
                return Ok(ExitCode::SUCCESS);
            }
            build
        }
        Wished::Queued(request) => {
            if !(arguments.wait || arguments.follow) {
                anstream::println!("queued as request {request}; watch it: ci-status {}", wish.project);
                return Ok(ExitCode::SUCCESS);
            }
            anstream::eprintln!("queued as request {request}");
            person::wait_for_build(place, request)?
        }
    };
    person::wait_and_tell(place, &build, arguments.follow)
}
