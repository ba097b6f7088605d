//! `ci-status`: what there is to see, on a terminal, as JSON, and as the status page.

mod args;
mod artifact;
mod cache;
mod detail;
mod error;
mod json;
mod log;
mod paint;
mod queue;
mod report;
mod seen;
mod serve;
mod table;
mod target;
mod why;

pub use args::Args;
pub use error::StatusError;
pub use serve::Site;

use crate::model::{BuildSpec, Place};
use crate::view::Configured;
use anstream::stream::IsTerminal;
use args::{Form, Mode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use paint::Screen;
use std::io::Write;

/// How many builds a project's view lists on a terminal.
const BUILDS_SHOWN: u32 = 10;

/// Does what the command line says.
pub fn run(args: &Args) -> Result<(), StatusError> {
    let place = match &args.root {
        Some(root) => Place::under(root),
        None => Place::system(),
    };
    let mode = args.mode()?;
    if mode == Mode::Serve {
        return serve::serve(&place, std::time::Duration::from_secs(args.idle));
    }
    let width = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    let screen = Screen {
        now: Timestamp::now(),
        zone: TimeZone::system(),
        width: width.map(|(terminal_size::Width(columns), _)| usize::from(columns)),
    };
    let configured = Configured::load(&place);
    let store = seen::open_store(&place)?;
    let store = store.as_ref();
    let text = match (mode, args.form()) {
        (Mode::Log { what, step }, _) => return log::print(&place, &configured, store, what, step),
        (Mode::Artifact { what, path }, _) => return artifact::print(&place, &configured, store, what, path),
        (Mode::Follow { what }, _) => return log::follow(&place, &configured, store, what),
        (Mode::Serve, _) => String::new(),
        (Mode::All, form) => {
            let overview = seen::overview(&configured, store)?;
            match form {
                Form::Text => table::overview(&configured, &overview, &screen),
                Form::Json => json::text(&json::overview(&configured, &overview)),
            }
        }
        (Mode::One(BuildSpec { project, number: None }), form) => {
            let view = seen::project(&configured, store, project, None, BUILDS_SHOWN)?
                .ok_or_else(|| StatusError::no_project(project, &configured))?;
            match form {
                Form::Text => detail::project(&view, &screen),
                Form::Json => json::text(&json::project(&configured, &view)),
            }
        }
        (Mode::One(what), form) => {
            let view = seen::named_build(&configured, store, what)?;
            match form {
                Form::Text => detail::build(&place, &view, &screen),
                Form::Json => json::text(&json::build_view(&configured, &view)),
            }
        }
        (Mode::Artifacts(what), form) => {
            let view = seen::named_build(&configured, store, what)?;
            match form {
                Form::Text => artifact::list(&view, &screen),
                Form::Json => json::text(&artifact::json(&configured, &view)),
            }
        }
        (Mode::Queue, form) => {
            let overview = seen::overview(&configured, store)?;
            match form {
                Form::Text => queue::queue(&overview, &screen),
                Form::Json => json::text(&json::queue(&configured, &overview)),
            }
        }
        (Mode::Why(project), _) => {
            let view = seen::project(&configured, store, project, None, BUILDS_SHOWN)?
                .ok_or_else(|| StatusError::no_project(project, &configured))?;
            why::why(&configured, &view, &screen)
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    match configured.errors.is_empty() {
        true => Ok(()),
        false => Err(StatusError::Config(configured.errors)),
    }
}
