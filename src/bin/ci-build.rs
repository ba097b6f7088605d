//! `ci-build`: build something now; and, as units, everything around a build.

use clap::Parser;
use std::process::ExitCode;
use unitci::build::{dispatch, supervise};
use unitci::cli::build::Arguments;
use unitci::intake::{RetryFrom, Running};
use unitci::journal;
use unitci::model::{BuildId, Place, ProjectName, RequestId};
use unitci::person::{self, WishError, Wished};
use unitci::requests;

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
        return unit(|| requests::take_requests(&place));
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
    if arguments.approve {
        return person::approve_and_tell(place, &spec, arguments.branch).map(|()| ExitCode::SUCCESS);
    }
    if arguments.retry {
        let Some(number) = spec.number else {
            anstream::eprintln!("ci-build: --retry needs a build: ci-build --retry {}:N", spec.project);
            return Ok(ExitCode::from(2));
        };
        let from = match (arguments.from, arguments.from_failed) {
            (Some(step), _) => RetryFrom::Step { step },
            (None, true) => RetryFrom::Failed,
            (None, false) => RetryFrom::Start,
        };
        let project = spec.project;
        let build = BuildId { project: project.clone(), number };
        let request = person::retry(place, &build, from, arguments.reason)?;
        return watch(place, &project, request, arguments.wait, arguments.follow);
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
        running: if arguments.now { Running::Stops } else { Running::RunsOn },
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
        Wished::Queued(request, stopping) => {
            for build in stopping {
                anstream::eprintln!("{build} is being stopped");
            }
            return watch(place, &wish.project, request, arguments.wait, arguments.follow);
        }
    };
    person::wait_and_tell(place, &build, arguments.follow)
}

/// Says that a request is queued, and waits for its build if that is wanted.
fn watch(
    place: &Place,
    project: &ProjectName,
    request: RequestId,
    wait: bool,
    follow: bool,
) -> Result<ExitCode, WishError> {
    if !(wait || follow) {
        anstream::println!("queued as request {request}; watch it: ci-status {project}");
        return Ok(ExitCode::SUCCESS);
    }
    anstream::eprintln!("queued as request {request}");
    let build = person::wait_for_build(place, request)?;
    person::wait_and_tell(place, &build, follow)
}
