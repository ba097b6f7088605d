//! `ci-deploy`: make a build live, or go back; and, as units, everything around a deploy.

use clap::{ArgGroup, Parser};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use unitci::config::{LoadError, Styling};
use unitci::deploy::check::{self, State};
use unitci::deploy::list::{self, Format};
use unitci::deploy::person::{self, Queued, WishError};
use unitci::deploy::{CarryError, ConfigTrouble, carry_out, dispatch, follow};
use unitci::journal;
use unitci::model::{BuildSpec, Outcome, Place, ProjectName};

/// EX_CONFIG of sysexits.h: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

/// Make a green build live: a release beside the others, services restarted and checked, back if they are not well
#[derive(Parser)]
#[command(name = "ci-deploy", version, arg_required_else_help = true)]
#[command(group = ArgGroup::new("mode").args(["rollback", "check", "list", "dispatch", "carry_out"]))]
#[command(group = ArgGroup::new("units").args(["dispatch", "carry_out"]))]
struct Arguments {
    /// The build, or the newest green one of the project's deploy branch
    #[arg(value_name = "PROJECT[:N]", required_unless_present = "units", conflicts_with = "units")]
    build: Option<BuildSpec>,
    /// Go back to the newest good release before the live one, which does not deploy by itself again
    #[arg(long)]
    rollback: bool,
    /// Say what a first deploy would miss, and the commands that mend it; exits 1 if anything is missing or unseen
    #[arg(long)]
    check: bool,
    /// List releases and the last deploys
    #[arg(long)]
    list: bool,
    /// Why, for those who read it later
    #[arg(short = 'm', long, value_name = "REASON", conflicts_with_all = ["check", "list", "units"])]
    reason: Option<String>,
    /// Do not wait for the end; without this, exit 0 is live and well, 1 is not
    #[arg(long, conflicts_with_all = ["check", "list", "units"])]
    no_wait: bool,
    /// Write JSON
    #[arg(long, conflicts_with_all = ["rollback", "units", "reason", "no_wait"])]
    json: bool,
    /// Start what is to be deployed; run by ci-deploy.service
    #[arg(long, hide = true)]
    dispatch: bool,
    /// Carry out a project's deploys; run by ci-deploy@.service
    #[arg(long, hide = true, value_name = "PROJECT")]
    carry_out: Option<ProjectName>,
    /// Take DIR for /
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::under(&arguments.root);
    if arguments.dispatch {
        return unit(|| dispatch::dispatch(&place), |_| ExitCode::FAILURE);
    }
    if let Some(project) = &arguments.carry_out {
        return unit(|| carry_out::carry_out(&place, project), after);
    }
    let Some(spec) = &arguments.build else { return ExitCode::from(2) };
    let format = if arguments.json { Format::Json } else { Format::Text };
    if arguments.check {
        return checked(&place, &spec.project, format);
    }
    if arguments.list {
        return listed(&place, &spec.project, format);
    }
    if arguments.json {
        anstream::eprintln!("ci-deploy: --json is for --check and --list");
        return ExitCode::from(2);
    }
    let queued = match (arguments.rollback, spec.number) {
        (true, Some(number)) => {
            anstream::eprintln!(
                "ci-deploy: --rollback goes to the release before the live one; to a certain build: ci-deploy {}:{number}",
                spec.project
            );
            return ExitCode::from(2);
        }
        (true, None) => person::rollback(&place, &spec.project, arguments.reason),
        (false, _) => person::deploy(&place, spec, arguments.reason),
    };
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

fn wait(place: &Place, spec: &BuildSpec, queued: &Queued, no_wait: bool) -> Result<ExitCode, WishError> {
    let mut out = anstream::stdout();
    let said = writeln!(out, "queued: deploy of {}:{}", spec.project, queued.number);
    said.map_err(follow::FollowError::from)?;
    if no_wait {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(match follow::follow(place, queued.deploy, &mut out)? {
        Outcome::Deployed => ExitCode::SUCCESS,
        Outcome::Failed | Outcome::RolledBack | Outcome::Down | Outcome::Superseded => ExitCode::FAILURE,
    })
}

fn listed(place: &Place, project: &ProjectName, format: Format) -> ExitCode {
    match list::list(place, project, format, &mut anstream::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("ci-deploy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn checked(place: &Place, project: &ProjectName, format: Format) -> ExitCode {
    let findings = match check::check(place, project) {
        Ok(findings) => findings,
        Err(ConfigTrouble::Load(LoadError::Site(errors) | LoadError::Project(errors))) => {
            anstream::eprint!("{}", errors.render(Styling::Ansi));
            return ExitCode::from(EXIT_CONFIG);
        }
        Err(error @ (ConfigTrouble::Load(LoadError::Unknown { .. }) | ConfigTrouble::NoDeploy(_))) => {
            anstream::eprintln!("ci-deploy: {error}");
            return ExitCode::FAILURE;
        }
    };
    match check::write(&findings, format, &mut anstream::stdout()) {
        Ok(()) if findings.iter().all(|finding| finding.state == State::Ok) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("ci-deploy: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}
