//! `ci-deploy --list`: the releases of a project and its last deploys.

use crate::config::is_obeyed;
use crate::model::deploy::DeployOrigin;
use crate::model::{
    BuildNumber, CommitId, Deploy, DeployId, DeployState, Outcome, Phase, Place, ProjectName, ReleaseName, TargetId,
    TargetName,
};
use crate::store::{ReleaseRow, Store, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::{self, Write};

/// How many deploys are listed.
const DEPLOYS: u32 = 10;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Serialize)]
struct List {
    project: ProjectName,
    releases: Vec<Release>,
    deploys: Vec<Listed>,
}

#[derive(Serialize)]
struct Release {
    target: TargetName,
    name: ReleaseName,
    build: BuildNumber,
    commit: Option<CommitId>,
    standing: &'static str,
    live_since: Option<Timestamp>,
}

#[derive(Serialize)]
struct Listed {
    id: DeployId,
    target: TargetName,
    build: BuildNumber,
    commit: Option<CommitId>,
    origin: DeployOrigin,
    reason: Option<String>,
    queued: Timestamp,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    phase: Option<Phase>,
    outcome: Option<Outcome>,
    summary: Option<String>,
}

/// Writes them, newest first; of one target or of all.
pub fn list(
    place: &Place,
    project: &ProjectName,
    target: Option<&TargetName>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), ListError> {
    let store = Store::open_read_only(place)?;
    let read = store.read();
    let target = target.map(|target| TargetId { project: project.clone(), target: target.clone() });
    let (releases, deploys) = match &target {
        Some(target) => (read.releases_on(target)?, read.deploys_to(target, DEPLOYS)?),
        None => (read.releases(project)?, read.deploys(project, DEPLOYS)?),
    };
    let list = List {
        project: project.clone(),
        releases: releases.into_iter().map(release).collect(),
        deploys: deploys.into_iter().map(listed).collect(),
    };
    let text = match format {
        Format::Text => text(&list, &TimeZone::system()),
        Format::Json => serde_json::to_string_pretty(&list).map_err(io::Error::from)? + "\n",
    };
    out.write_all(harmless(&text).as_bytes())?;
    Ok(())
}

fn release(row: ReleaseRow) -> Release {
    let ReleaseRow { target, name, commit, standing, live, deploy: _ } = row;
    let commit = commit.is_known().then_some(commit);
    Release { target, build: name.number(), name, commit, standing: standing.as_str(), live_since: live }
}

fn listed(deploy: Deploy) -> Listed {
    let (started, finished, phase, outcome, summary) = match deploy.state {
        DeployState::Waiting => (None, None, None, None, None),
        DeployState::Running { started, phase } => (Some(started), None, Some(phase), None, None),
        DeployState::Finished { started, finished, outcome, summary } => {
            (started, Some(finished), None, Some(outcome), Some(summary).filter(|summary| !summary.is_empty()))
        }
    };
    Listed {
        id: deploy.id,
        target: deploy.target,
        build: deploy.number,
        commit: deploy.commit.is_known().then_some(deploy.commit),
        origin: deploy.origin,
        reason: deploy.reason,
        queued: deploy.created,
        started,
        finished,
        phase,
        outcome,
        summary,
    }
}

/// Summaries and reasons are other people's words.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn text(list: &List, zone: &TimeZone) -> String {
    let List { project, releases, deploys } = list;
    if releases.is_empty() && deploys.is_empty() {
        return format!(
            "nothing of {project} has been deployed yet; ci-deploy --check {project} tells what is missing\n"
        );
    }
    // A column that says the same in every line is left out.
    let named = releases.iter().map(|release| &release.target).chain(deploys.iter().map(|deploy| &deploy.target));
    let several = named.clone().any(|target| !target.is_default());
    let width = if several { named.map(|target| target.as_str().len()).max().unwrap_or(0).max(6) + 1 } else { 0 };
    let on = |target: &str| if several { format!("{target:<width$}") } else { String::new() };
    let time = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut text = format!("{}{:<18} {:<6} {:<20} COMMIT\n", on("TARGET"), "RELEASE", "IS", "LIVE SINCE");
    for Release { target, name, build: _, commit, standing, live_since } in releases {
        let live = live_since.map_or_else(|| "-".to_owned(), time);
        let commit = commit.as_ref().map_or("not known", CommitId::as_str);
        text += &format!("{}{name:<18} {standing:<6} {live:<20} {commit}\n", on(target.as_str()));
    }
    text += &format!("\n{}{:<20} {:<8} {:<12} WHY\n", on("TARGET"), "DEPLOY", "BUILD", "CAME TO");
    for deploy in deploys {
        let came_to = match (deploy.outcome, deploy.phase) {
            (Some(outcome), _) => outcome.as_str(),
            (None, Some(phase)) => phase.as_str(),
            (None, None) => "waiting",
        };
        let mut why = deploy.origin.describe();
        for more in [&deploy.reason, &deploy.summary].into_iter().flatten() {
            why += &format!("; {}", more.replace('\n', " "));
        }
        let (target, queued) = (on(deploy.target.as_str()), time(deploy.queued));
        text += &format!("{target}{queued:<20} {:<8} {came_to:<12} {why}\n", deploy.build);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{NewDeploy, Standing};

    #[test]
    fn a_person_and_a_program_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::under(folder.path());
        std::fs::create_dir_all(place.store()).unwrap();
        let (project, at) = ("gkp".parse::<ProjectName>().unwrap(), |s| Timestamp::from_second(s).unwrap());
        let commit: CommitId = "a".repeat(40).parse().unwrap();
        let mut store = Store::open(&place).unwrap();
        let shown = |format| {
            let mut out = Vec::new();
            list(&place, &project, None, format, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(shown(Format::Text).starts_with("nothing of gkp has been deployed yet"));
        store
            .write(|tx| {
                let target = TargetId { project: project.clone(), target: "default".parse().unwrap() };
                let demo = TargetId { project: project.clone(), target: "demo".parse().unwrap() };
                let new = NewDeploy {
                    target: demo.clone(),
                    number: BuildNumber(2),
                    commit: commit.clone(),
                    origin: DeployOrigin::Person { name: "anna".to_owned(), red: None },
                    reason: Some("de\u{1b}mo".to_owned()),
                };
                let id = tx.queue_deploy(&new, at(10))?;
                tx.deploy_phase(id, Phase::Prepare, at(11))?;
                tx.set_release(&demo, &"2-aaaaaaa".parse().unwrap(), &commit, Standing::Bad)?;
                tx.set_release(&target, &"0-0000000".parse().unwrap(), &CommitId::none(), Standing::Good)?;
                tx.set_live(&target, &"0-0000000".parse().unwrap(), id, at(5))?;
                tx.finish_deploy(id, Outcome::RolledBack, "it was sick", at(12)).map(drop)
            })
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(&shown(Format::Json)).unwrap();
        assert_eq!(json["releases"][0]["standing"], "bad");
        assert_eq!(json["releases"][1]["live_since"], "1970-01-01T00:00:05Z");
        assert_eq!(json["releases"][1]["commit"], serde_json::Value::Null);
        assert_eq!(json["deploys"][0]["outcome"], "rolled-back");
        assert_eq!(json["deploys"][0]["summary"], "it was sick");
        let text = shown(Format::Text);
        assert!(text.contains("asked for by anna; de\u{fffd}mo; it was sick"), "{text}");
        assert!(text.contains("\ndefault 0-0000000") && text.contains("\ndemo    2-aaaaaaa"), "{text}");
        assert!(text.contains("0-0000000") && text.contains("not known"), "{text}");
    }
}
