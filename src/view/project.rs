//! One project: its line, and what came before.

use super::build::is_at;
use super::overview::{Line, Live, Running, Setup};
use super::target::{OnTarget, put_deploy, put_ended, put_freeze, put_live};
use super::text::bytes;
use super::{Configured, Trouble};
use crate::model::cache::CacheSize;
use crate::model::{Build, BuildId, BuildNumber, CommitId, Deploy, ProjectName, RefName};
use crate::store::{Read, ReleaseRow, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Most deploys that a project's page lists.
const MOST_DEPLOYS: u32 = 10;

/// One project.
#[derive(Debug, Clone)]
pub struct ProjectView {
    /// What the overview says of it.
    pub line: Line,
    /// Its builds, newest first, from where the reader wants to see them.
    pub builds: Vec<Build>,
    /// Where the next page of builds begins; none on the last.
    pub older: Option<BuildNumber>,
    /// Its newest deploys, newest first.
    pub deploys: Vec<Deploy>,
    /// The releases that still have a folder, newest first.
    pub releases: Vec<ReleaseRow>,
    /// The last seen commit of each watched ref.
    pub tips: BTreeMap<RefName, CommitId>,
    /// The build that has built each tip already.
    pub built: BTreeMap<RefName, BuildNumber>,
    /// What HOME and cache took when that was last looked at; none before the first time.
    pub cache: Option<CacheSize>,
    /// `cache-max`, in bytes; none is no limit, or a file that cannot be read.
    pub cache_max: Option<u64>,
}

impl ProjectView {
    /// A project without a store to read; none if there is no such project.
    pub fn of_config(configured: &Configured, name: &ProjectName) -> Option<ProjectView> {
        configured.projects.contains_key(name).then(|| ProjectView::empty(configured, name))
    }

    fn empty(configured: &Configured, name: &ProjectName) -> ProjectView {
        ProjectView {
            line: Line::empty(configured, name),
            builds: Vec::new(),
            older: None,
            deploys: Vec::new(),
            releases: Vec::new(),
            tips: BTreeMap::new(),
            built: BTreeMap::new(),
            cache: None,
            cache_max: configured.projects.get(name).and_then(|p| p.as_ref().ok()).and_then(|p| p.build.cache_max),
        }
    }

    /// The project with `most` builds below a number (or its newest); none if there is no such project.
    pub fn read(
        configured: &Configured,
        read: Read<'_>,
        name: &ProjectName,
        below: Option<BuildNumber>,
        most: u32,
        now: Timestamp,
    ) -> Result<Option<ProjectView>> {
        // One more than is shown tells whether there is a next page.
        let mut builds = read.builds(name, below, most.saturating_add(1))?;
        if builds.is_empty() && below.is_none() && !configured.projects.contains_key(name) {
            return Ok(None);
        }
        let older = builds.len() > most as usize;
        builds.truncate(most as usize);
        let mut view = ProjectView::empty(configured, name);
        view.older = builds.last().filter(|_| older).map(|build| build.id.number);
        view.builds = builds;
        view.deploys = read.deploys(name, MOST_DEPLOYS)?;
        view.releases = read.releases(name)?;
        view.tips = read.tips(name)?;
        view.cache = read.cache(name)?;
        for (reference, tip) in &view.tips {
            if let Some(build) = read.built_already(name, tip, reference.trust())? {
                view.built.insert(reference.clone(), build.id.number);
            }
        }
        let line = &mut view.line;
        line.last = read.last_build(name)?;
        for build in read.unfinished_builds()?.into_iter().filter(|build| build.id.project == *name) {
            let step = read.steps(&build.id)?.into_iter().find(is_at);
            line.running.push(Running { build, step });
        }
        line.waits = super::queue::waits(configured, read)?;
        line.waiting = read.waiting()?.into_iter().filter(|request| request.ask.project == *name).collect();
        for release in view.releases.iter().filter(|release| release.live.is_some()) {
            let made_from = read.build(&BuildId { project: name.clone(), number: release.name.number() })?;
            let by = release.deploy.map(|id| read.deploy(id)).transpose()?.flatten();
            put_live(&mut line.targets, Live::new(release.clone(), made_from.as_ref(), by));
        }
        for deploy in read.last_deploys()?.into_iter().filter(|deploy| deploy.project == *name) {
            put_deploy(&mut line.targets, deploy);
        }
        for deploy in read.last_ended_deploys()?.into_iter().filter(|deploy| deploy.project == *name) {
            put_ended(&mut line.targets, deploy);
        }
        for freeze in read.freezes()?.into_iter().filter(|f| f.target.project == *name && f.holds(now)) {
            put_freeze(&mut line.targets, freeze);
        }
        line.source = read.source(name)?.filter(|_| line.setup != Setup::Retired);
        line.tips.clone_from(&view.tips);
        Ok(Some(view))
    }

    /// What HOME and cache take, and may take: `1.5 GiB of at most 10.0 GiB`.
    pub fn kept(&self) -> Option<String> {
        let size = bytes(self.cache?.bytes);
        Some(match self.cache_max {
            Some(most) => format!("{size} of at most {}", bytes(most)),
            None => size,
        })
    }

    /// Why nothing is live on a target that has nothing live.
    pub fn why_not_live(&self, target: &OnTarget) -> String {
        if let Some(Trouble::Deploy { what, .. }) = Trouble::of_deploy(target.ended.as_ref()) {
            return format!("Nothing is live: the deploy of {what} failed.");
        }
        match &self.line.last {
            _ if !target.automatic => format!("Nothing is live yet: {}.", target.by_hand(&self.line.name)),
            Some(build) if build.state.verdict().is_some_and(|verdict| verdict.is_green()) => {
                "Nothing is live yet: no green build of the deploy branch has been deployed.".to_owned()
            }
            Some(_) => "Nothing is live yet: the first green build goes live.".to_owned(),
            None => "Nothing is live yet: nothing has been built.".to_owned(),
        }
    }
}
