//! `ci-status --serve`: the page on the sockets that systemd passes.

use super::{StatusError, artifact, seen};
use crate::http::{self, Allowed, Asked, Bounds, Reply};
use crate::model::artifact::ArtifactPath;
use crate::model::{BuildId, BuildNumber, Place, ProjectName, RefName, StepIndex, StepRow};
use crate::output::{LogError, LogReader, html};
use crate::page::{self, Clock, Log};
use crate::store::{Store, StoreError};
use crate::systemd::PassedFds;
use crate::view::{BuildView, Configured};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::Markup;
use std::ffi::OsString;
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where the path of an artifact begins in its address.
const ARTIFACT_AT: usize = 4;
/// Where the branch begins in the address of the latest.
const BRANCH_AT: usize = 3;
/// Builds on one page of a project's history.
const BUILDS_PAGE: u32 = 30;
/// First lines of a log on its page.
const HEAD_LINES: usize = 200;
/// Last lines of a log on its page.
const TAIL_LINES: u64 = 1000;
/// Last lines of a log on the page of its build.
const INLINE_LINES: u64 = 60;
/// Most bytes of either part: lines may be long.
const PART_MAX: usize = 256 * 1024;
/// Most bytes on the page of its build.
const INLINE_MAX: usize = 16 * 1024;

/// Serves the page until it has been idle for so long.
pub(super) fn serve(place: &Place, idle: Duration) -> Result<(), StatusError> {
    let mut passed = PassedFds::take_all()?;
    let mut listeners = Vec::new();
    let names: Vec<String> = passed.names().map(str::to_owned).collect();
    for name in names {
        listeners.extend(passed.take(&name).map(TcpListener::from));
    }
    if listeners.is_empty() {
        return Err(StatusError::NoSockets);
    }
    http::leave_on_panic();
    let site = Site::new(place);
    let allowed = Allowed::new(&site.configured().site.base_url);
    let bounds = Bounds { idle, ..Bounds::default() };
    Ok(http::serve(listeners, &bounds, &allowed, move |asked| site.answer(asked))?)
}

/// All pages of one installation.
#[derive(Debug)]
pub struct Site {
    place: Place,
    configured: Mutex<Option<(Vec<FileStamp>, Arc<Configured>)>>,
    stores: Mutex<Vec<Store>>,
}

/// What tells that a file has not changed.
#[derive(Debug, PartialEq, Eq)]
struct FileStamp {
    name: OsString,
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

/// A step's log for a reader.
struct LogStream {
    reader: LogReader,
    offset: u64,
}

impl Read for LogStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read_at(buffer, self.offset).map_err(io::Error::other)?;
        self.offset += n as u64;
        Ok(n)
    }
}

impl Site {
    /// The pages of what is in these places.
    pub fn new(place: &Place) -> Site {
        Site { place: place.clone(), configured: Mutex::default(), stores: Mutex::default() }
    }

    /// Answers what was asked.
    pub fn answer(&self, asked: &Asked) -> Reply {
        let configured = self.configured();
        let clock = Clock { now: Timestamp::now(), zone: TimeZone::system() };
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let home = "../".repeat(path.len().saturating_sub(1));
        let home = if home.is_empty() { "./" } else { &home };
        let reply = self.with_store(|store| self.route(&configured, store, &path, asked, &clock));
        match reply {
            Ok(Some(reply)) => reply,
            Ok(None) => {
                let explanation = "There is no such page. Builds that retention has removed have none any more.";
                let html = page::problem(&configured.site, &clock, "Not found", explanation, home);
                Reply::page(404, html.into_string())
            }
            Err(error) => {
                let html = page::problem(&configured.site, &clock, "Out of order", &error.to_string(), home);
                Reply::page(503, html.into_string()).with("Retry-After", "10")
            }
        }
    }

    fn route(
        &self,
        configured: &Configured,
        store: Option<&Store>,
        path: &[&str],
        asked: &Asked,
        clock: &Clock,
    ) -> Result<Option<Reply>, StatusError> {
        let page = |markup: Markup| Some(Reply::page(200, markup.into_string()));
        let id = |name: &str, number: &str| format!("{name}:{number}").parse::<BuildId>().ok();
        let site = &configured.site;
        Ok(match path {
            [""] => page(page::front(configured, &seen::overview(configured, store)?, clock)),
            ["p", name, ""] => {
                let Ok(name) = name.parse::<ProjectName>() else { return Ok(None) };
                let before = match asked.field("before").map(str::parse) {
                    Some(Ok(number)) => Some(BuildNumber(number)),
                    Some(Err(_)) => return Ok(None),
                    None => None,
                };
                seen::project(configured, store, &name, before, BUILDS_PAGE)?
                    .and_then(|view| page(page::project(site, &view, before, clock)))
            }
            ["p", name] if name.parse::<ProjectName>().is_ok() => Some(Reply::moved(&format!("{name}/"))),
            ["p", name, number] if id(name, number).is_some() => Some(Reply::moved(&format!("{number}/"))),
            ["p", name, number, ""] => match find(store, id(name, number))? {
                Some(view) => {
                    let log = view.telling().map(|step| self.excerpt(&view, step, Part::Inline)).transpose()?.flatten();
                    page(page::build(site, &view, log.as_ref(), clock))
                }
                None => None,
            },
            ["p", name, number, "artifacts", _, ..] => self.artifact(store, id(name, number), asked)?,
            ["p", name, "latest", _, _, ..] => latest(store, name, asked)?,
            ["p", name, number, "log", step] => {
                let Some(view) = find(store, id(name, number))? else { return Ok(None) };
                let (step, whole) = match step.strip_suffix(".txt") {
                    Some(step) => (step, true),
                    None => (*step, false),
                };
                let Some(step) = step.parse().ok().and_then(|index| view.step(StepIndex(index))) else {
                    return Ok(None);
                };
                if whole {
                    self.whole_log(&view, step)?
                } else {
                    let log = self.excerpt(&view, step, Part::Page)?;
                    page(page::log(site, &view, step, log.as_ref(), clock))
                }
            }
            _ => None,
        })
    }

    fn log(&self, view: &BuildView, step: &StepRow) -> Result<Option<LogReader>, LogError> {
        match LogReader::open(&self.place.step_log(&view.build.id, step.index)) {
            Ok(reader) => Ok(Some(reader)),
            Err(LogError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn artifact(
        &self,
        store: Option<&Store>,
        id: Option<BuildId>,
        asked: &Asked,
    ) -> Result<Option<Reply>, StatusError> {
        let (Some(store), Some(id)) = (store, id) else { return Ok(None) };
        let path = asked.decoded_from(ARTIFACT_AT).and_then(|pieces| pieces.join("/").parse().ok());
        let Some(path) = path else { return Ok(None) };
        let Some(artifact) = store.read().artifact(&id, &path)? else { return Ok(None) };
        let file = artifact::open(&self.place, &id, &artifact)?.into_inner();
        let (name, tag) = (artifact.path.file_name(), artifact.sha256.as_str());
        Ok(Some(Reply::download(file, artifact.offset, artifact.size, name, tag)))
    }

    fn whole_log(&self, view: &BuildView, step: &StepRow) -> Result<Option<Reply>, StatusError> {
        let trouble = |source| log_trouble(view, step, source);
        let Some(reader) = self.log(view, step).map_err(trouble)? else { return Ok(None) };
        let length = reader.len().map_err(trouble)?;
        let name =
            format!("inline; filename=\"{}-{}-{}.txt\"", view.build.id.project, view.build.id.number, step.index);
        let stream = Box::new(LogStream { reader, offset: 0 });
        Ok(Some(Reply::stream(stream, length).with("Content-Disposition", &name)))
    }

    fn excerpt(&self, view: &BuildView, step: &StepRow, part: Part) -> Result<Option<Log>, StatusError> {
        let trouble = |source| log_trouble(view, step, source);
        let Some(mut reader) = self.log(view, step).map_err(trouble)? else { return Ok(None) };
        let (lines, most) = match part {
            Part::Page => (TAIL_LINES, PART_MAX),
            Part::Inline => (INLINE_LINES, INLINE_MAX),
        };
        let mut tail = reader.lines_tail(lines, most).map_err(trouble)?;
        let mut head = None;
        let mut left_out = tail.offset;
        if part == Part::Page && tail.offset > 0 {
            let first = reader.lines_head(HEAD_LINES, PART_MAX).map_err(trouble)?;
            let first_end = first.bytes.len() as u64;
            if first_end >= tail.offset {
                // The two meet: all of it is shown.
                tail = reader.read_range(0, 2 * PART_MAX).map_err(trouble)?;
                left_out = 0;
            } else {
                left_out = tail.offset - first_end;
                head = Some(html::render(&first.bytes));
            }
        }
        let tail = html::render(&tail.bytes);
        Ok(Some(Log { step: step.index, name: step.name.clone(), head, left_out, tail }))
    }

    /// The configuration, read again when a file has changed: no reload, no restart.
    fn configured(&self) -> Arc<Configured> {
        let stamps = self.stamps();
        let mut known = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((of, configured)) if *of == stamps => Arc::clone(configured),
            Some(_) | None => {
                let configured = Arc::new(Configured::load(&self.place));
                *known = Some((stamps, Arc::clone(&configured)));
                configured
            }
        }
    }

    fn stamps(&self) -> Vec<FileStamp> {
        let folder = self.place.projects();
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut stamps: Vec<FileStamp> = [self.place.site_file(), folder.clone()]
            .into_iter()
            .chain(files)
            .filter_map(|path| {
                // What cannot be looked at is no part of the comparison; reading it says what is wrong.
                let meta = path.metadata().ok()?;
                Some(FileStamp {
                    inode: meta.ino(),
                    changed: (meta.ctime(), meta.ctime_nsec()),
                    size: meta.len(),
                    name: path.into_os_string(),
                })
            })
            .collect();
        stamps.sort_by(|a, b| a.name.cmp(&b.name));
        stamps
    }

    /// Each thread in work has a connection of its own; one that had an error is not used again.
    fn with_store<T>(&self, work: impl FnOnce(Option<&Store>) -> Result<T, StatusError>) -> Result<T, StatusError> {
        let pool = || self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = pool().pop();
        let store = match spare {
            Some(store) => Some(store),
            None => seen::open_store(&self.place)?,
        };
        let done = work(store.as_ref())?;
        pool().extend(store);
        Ok(done)
    }
}

/// How much of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Its own page.
    Page,
    /// On the page of its build.
    Inline,
}

/// `/p/NAME/latest/BRANCH/FILE`: a file of the newest green build of a branch that has artifacts, or that build's page for
/// an empty one. Both may have slashes in their names; the longest branch that there is, is meant.
fn latest(store: Option<&Store>, name: &str, asked: &Asked) -> Result<Option<Reply>, StatusError> {
    let (Some(store), Ok(name)) = (store, name.parse::<ProjectName>()) else { return Ok(None) };
    let Some(pieces) = asked.decoded_from(BRANCH_AT) else { return Ok(None) };
    let home = "../".repeat(pieces.len());
    for end in (1..pieces.len()).rev() {
        let Ok(reference) = RefName::of_branch(&pieces[..end].join("/")) else { continue };
        let Some(number) = store.read().latest_artifacts(&name, &reference)? else { continue };
        let rest = pieces[end..].join("/");
        if rest.is_empty() {
            return Ok(Some(Reply::found(&format!("{home}{number}/#artifacts"))));
        }
        let Ok(path) = rest.parse::<ArtifactPath>() else { continue };
        if store.read().artifact(&BuildId { project: name.clone(), number }, &path)?.is_some() {
            return Ok(Some(Reply::found(&format!("{home}{number}/{}", page::artifact_address(&path)))));
        }
    }
    Ok(None)
}

fn find(store: Option<&Store>, id: Option<BuildId>) -> Result<Option<BuildView>, StoreError> {
    match id {
        Some(id) => seen::build(store, &id),
        None => Ok(None),
    }
}

fn log_trouble(view: &BuildView, step: &StepRow, source: LogError) -> StatusError {
    StatusError::Log { id: view.build.id.clone(), step: step.name.to_string(), source }
}
