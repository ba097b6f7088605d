//! `[deploy]`

use super::{HOUR, SECOND, probe};
use crate::config::fault::Fault;
use crate::config::project::Deploy;
use crate::config::reader::Reader;
use crate::config::value::{count, duration, text, variable};
use crate::config::{name, path, url};
use crate::model::RefName;
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn deploy(reader: &mut Reader<'_, '_>) -> Option<Deploy> {
    let branch = reader.optional("branch", text(branch));
    let root = reader.required("root", text(path::deploy_root));
    let user = reader.required("user", text(name::user));
    let site = reader.optional("site", text(url::page));
    let keep_releases = reader.required("keep-releases", count(2..=1000));
    let shared = shared(reader);
    let env = reader.map("env", variable);
    let prepare = reader.list("prepare", text(name::command));
    let migrate = reader.list("migrate", text(name::command));
    let finish = reader.list("finish", text(name::command));
    let timeout = reader.required("timeout", duration(SECOND..=HOUR * 24));
    let restart = reader.distinct("restart", text(name::unit));
    let try_restart = reader.distinct("try-restart", text(name::unit));
    let start = reader.distinct("start", text(name::unit));
    let reload = reader.distinct("reload", text(name::unit));
    let settle = reader.required("settle", duration(Duration::ZERO..=HOUR));
    let checks = probe::checks(reader);
    Some(Deploy {
        branch: branch?,
        root: root?,
        user: user?,
        site: site?,
        keep_releases: keep_releases?,
        shared: shared?,
        env: env?,
        prepare: prepare?,
        migrate: migrate?,
        finish: finish?,
        timeout: timeout?,
        restart: restart?,
        try_restart: try_restart?,
        start: start?,
        reload: reload?,
        settle: settle?,
        checks: checks?,
    })
}

fn branch(text: &str) -> Result<RefName, Fault> {
    let name = RefName::of_branch(text);
    if text.starts_with('-') || text.starts_with("refs/") || name.is_err() {
        return Err(Fault::Rule("must be the name of one branch, like `main`"));
    }
    name.map_err(|_| Fault::Rule("must be the name of one branch, like `main`"))
}

fn shared(reader: &mut Reader<'_, '_>) -> Option<Vec<PathBuf>> {
    let paths = reader.distinct("shared", text(path::relative))?;
    let nested = paths.iter().any(|path| paths.iter().any(|other| other != path && other.starts_with(path)));
    if nested {
        reader.complain("shared", Fault::Rule("one of these paths is inside another; the outer one links it along"));
        return None;
    }
    Some(paths)
}
