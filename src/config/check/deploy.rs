//! `[deploy]` and `[[deploy]]`

use super::{HOUR, SECOND, probe};
use crate::config::fault::Fault;
use crate::config::project::Deploy;
use crate::config::reader::Reader;
use crate::config::value::{count, duration, flag, text, variable};
use crate::config::wanted::WantedFiles;
use crate::config::{name, path, url};
use crate::model::{RefName, SecretName, TargetName};
use std::path::PathBuf;
use std::time::Duration;

/// All targets of a project. No two may have one name, nor get into each other's folder.
pub(super) fn targets(reader: &mut Reader<'_, '_>) -> Option<Vec<Deploy>> {
    let targets = reader.either("deploy", deploy)?;
    let mut sound = true;
    for (index, target) in targets.iter().enumerate() {
        let overlap = |other: &Deploy| target.root.starts_with(&other.root) || other.root.starts_with(&target.root);
        for earlier in &targets[..index] {
            if earlier.name == target.name {
                reader.complain_of("deploy", index, "name", Fault::TargetTwice(target.name.clone()));
            } else if overlap(earlier) {
                reader.complain_of("deploy", index, "root", Fault::SharedRoot(earlier.name.clone()));
            } else {
                continue;
            }
            sound = false;
        }
    }
    sound.then_some(targets)
}

fn deploy(reader: &mut Reader<'_, '_>) -> Option<Deploy> {
    let name = reader.required("name", text(str::parse::<TargetName>));
    let branch = reader.optional("branch", text(branch));
    let automatic = reader.required("automatic", flag);
    let root = reader.required("root", text(path::deploy_root));
    let user = reader.required("user", text(name::user));
    let site = reader.optional("site", text(url::page));
    let keep_releases = reader.required("keep-releases", count(2..=1000));
    let shared = shared(reader);
    let artifacts = reader.distinct("artifacts", text(WantedFiles::parse));
    let env = reader.map("env", variable);
    let secrets = reader.distinct("secrets", text(str::parse::<SecretName>));
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
        name: name?,
        branch: branch?,
        automatic: automatic?,
        root: root?,
        user: user?,
        site: site?,
        keep_releases: keep_releases?,
        shared: shared?,
        artifacts: artifacts?,
        env: env?,
        secrets: secrets?,
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
