//! `ci-deploy`: make a build live, or go back; and, as units, everything around a deploy.

use clap::Parser;
use jiff::Zoned;
use std::io::Write;
use std::process::ExitCode;
use unitci::cli::deploy::Arguments;
use unitci::config::{LoadError, Styling};
use unitci::deploy::check::{self, State};
use unitci::deploy::list::{self, Format};
use unitci::deploy::{CarryError, ConfigTrouble, carry_out, dispatch, dry_run};
use unitci::intake::DeployWish;
use unitci::journal;
use unitci::model::{BuildId, BuildSpec, Outcome, Place, ProjectName, TargetName};
use unitci::person::{self, Deploying, Foreseen, WishError};
use unitci::plan::freeze::until;

/// EX_CONFIG of sysexits.h: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::under(&arguments.root);
    if arguments.dispatch {
        return unit(|| dispatch::dispatch(&place), |_| ExitCode::FAILURE);
    }
    if let Some(target) = &arguments.carry_out {
        return unit(|| carry_out::carry_out(&place, target), after);
    }
    let Some(spec) = &arguments.build else { return ExitCode::from(2) };
    let format = if arguments.json { Format::Json } else { Format::Text };
    if arguments.check {
        return checked(&place, &spec.project, arguments.target.as_ref(), format);
    }
    if arguments.list {
        return listed(&place, &spec.project, arguments.target.as_ref(), format);
    }
    if arguments.json {
        anstream::eprintln!("ci-deploy: --json is for --check and --list");
        return ExitCode::from(2);
    }
    if arguments.adopt {
        return told(person::adopt_and_tell(&place, &spec.project, arguments.target, &mut anstream::stdout()));
    }
    if arguments.freeze || arguments.thaw {
        return held_back(&place, &spec.project, &arguments);
    }
    let wish = match (arguments.rollback, spec.number) {
        (true, Some(number)) => {
            anstream::eprintln!(
                "ci-deploy: --rollback goes to the release before the live one; to a certain build: ci-deploy {}:{number}",
                spec.project
            );
            return ExitCode::from(2);
        }
        (true, None) => DeployWish::Rollback,
        (false, number) => DeployWish::Deploy { number, even_if_red: arguments.even_if_red },
    };
    if arguments.dry_run {
        return foretold(&place, &spec.project, arguments.target, wish);
    }
    let queued = person::deploy(&place, &spec.project, arguments.target, wish, arguments.reason);
    match queued.and_then(|queued| wait(&place, spec, &queued, arguments.no_wait)) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("ci-deploy: {error}");
            if error.is_only_blind() {
                anstream::eprintln!("ci-deploy: it is queued all the same");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// A freeze, or its end.
fn held_back(place: &Place, project: &ProjectName, arguments: &Arguments) -> ExitCode {
    let (target, mut out) = (arguments.target.clone(), anstream::stdout());
    told(match arguments.until.as_deref().map(|words| until(words, &Zoned::now())) {
        Some(Ok(end)) => person::freeze_and_tell(place, project, target, end, arguments.reason.clone(), &mut out),
        Some(Err(error)) => {
            anstream::eprintln!("ci-deploy: {error}");
            return ExitCode::from(2);
        }
        None => person::thaw_and_tell(place, project, target, &mut out),
    })
}

fn told(done: Result<(), WishError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("ci-deploy: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn foretold(place: &Place, project: &ProjectName, target: Option<TargetName>, wish: DeployWish) -> ExitCode {
    let foreseen = match person::foresee(place, project, target.clone(), wish) {
        Ok(foreseen) => foreseen,
        Err(error) => return told(Err(error)),
    };
    let Foreseen { number, commit, origin } = foreseen;
    let build = BuildId { project: project.clone(), number };
    match dry_run::tell(place, &build, target.as_ref(), &commit, &origin, &mut anstream::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("ci-deploy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs as a unit: messages go to the journal, and systemd starts what failed again.
fn unit<E: std::fmt::Display>(work: impl FnOnce() -> Result<(), E>, code: impl FnOnce(&E) -> ExitCode) -> ExitCode {
    if let Err(error) = journal::init("ci-deploy") {
        anstream::eprintln!("ci-deploy: {error}");
    }
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            code(&error)
        }
    }
}

fn after(error: &CarryError) -> ExitCode {
    match error {
        CarryError::Configuration { .. } => ExitCode::from(EXIT_CONFIG),
        CarryError::Store(_)
        | CarryError::Bus(_)
        | CarryError::Order(_)
        | CarryError::Io { .. }
        | CarryError::Notify(_)
        | CarryError::Signals(_)
        | CarryError::NotAUnit(_) => ExitCode::FAILURE,
    }
}

fn wait(place: &Place, spec: &BuildSpec, queued: &Deploying, no_wait: bool) -> Result<ExitCode, WishError> {
    let mut out = anstream::stdout();
    let said = writeln!(out, "queued: deploy of {}:{}", spec.project, queued.number);
    said.map_err(WishError::from)?;
    if no_wait {
        person::tell_if_held(place, queued.deploy, &mut out)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(match person::follow(place, queued.deploy, &mut out)? {
        Outcome::Deployed => ExitCode::SUCCESS,
        Outcome::Failed | Outcome::RolledBack | Outcome::Down | Outcome::Superseded => ExitCode::FAILURE,
    })
}

fn listed(place: &Place, project: &ProjectName, target: Option<&TargetName>, format: Format) -> ExitCode {
    match list::list(place, project, target, format, &mut anstream::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("ci-deploy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn checked(place: &Place, project: &ProjectName, target: Option<&TargetName>, format: Format) -> ExitCode {
    let checked = match check::check(place, project, target) {
        Ok(checked) => checked,
        Err(ConfigTrouble::Load(LoadError::Site(errors) | LoadError::Project(errors))) => {
            anstream::eprint!("{}", errors.render(Styling::Ansi));
            return ExitCode::from(EXIT_CONFIG);
        }
        Err(
            error @ (ConfigTrouble::Load(LoadError::Unknown { .. })
            | ConfigTrouble::NoDeploy(_)
            | ConfigTrouble::Target(_)),
        ) => {
            anstream::eprintln!("ci-deploy: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut findings = checked.iter().flat_map(|target| &target.findings);
    match check::write(&checked, format, &mut anstream::stdout()) {
        Ok(()) if findings.all(|finding| finding.state == State::Ok) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("ci-deploy: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}
