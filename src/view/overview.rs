//! All projects, one line each.

use super::target::{OnTarget, put_deploy, put_ended, put_freeze, put_live};
use super::{Configured, Folder, Trouble};
use crate::model::{
    Build, BuildId, CommitId, Deploy, DeployState, ProjectName, RefName, Request, RequestId, StepRow, Verdict,
};
use crate::plan::queue::Why;
use crate::store::{Read, ReleaseRow, Result, SourceRow};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// All projects.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// By name: those configured, and those that were and still have builds.
    pub lines: Vec<Line>,
}

/// What the configuration says of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setup {
    /// Its file is in order.
    Ready {
        /// `description`
        description: Option<String>,
    },
    /// Its file has errors; the first.
    Broken(String),
    /// It has no file any more: no polls, history stays.
    Retired,
}

/// One project at a glance.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub name: ProjectName,
    /// Its configuration.
    pub setup: Setup,
    /// Its newest finished build.
    pub last: Option<Build>,
    /// Its builds that are not over.
    pub running: Vec<Running>,
    /// Its requests in the queue, oldest first.
    pub waiting: Vec<Request>,
    /// What those wait for that cannot start now.
    pub waits: BTreeMap<RequestId, Why>,
    /// What is on each of its targets.
    pub targets: Vec<OnTarget>,
    /// How polling goes.
    pub source: Option<SourceRow>,
    /// The last seen commit of each ref; read only while there is no build.
    pub tips: BTreeMap<RefName, CommitId>,
}

/// A build that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The build.
    pub build: Build,
    /// The step it is at; none between two steps.
    pub step: Option<StepRow>,
}

/// The live release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The release.
    pub release: ReleaseRow,
    /// Its commit's subject; none once its build is no longer kept.
    pub subject: Option<String>,
    /// The deploy that made it live: its own, or that of another release which was undone.
    pub by: Option<Deploy>,
}

/// The colour of a state. It never stands alone: a word and a sign go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// As it should be.
    Green,
    /// Worth a look.
    Yellow,
    /// Broken.
    Red,
    /// At work.
    Blue,
    /// Nothing to say.
    Grey,
}

impl Light {
    /// A verdict's.
    pub fn of(verdict: Verdict) -> Light {
        match verdict {
            Verdict::Success => Light::Green,
            Verdict::Warnings => Light::Yellow,
            Verdict::Failure | Verdict::Exception => Light::Red,
            Verdict::Skipped | Verdict::Retry | Verdict::Cancelled => Light::Grey,
        }
    }

    /// The sign beside the word.
    pub fn sign(self) -> &'static str {
        match self {
            Light::Green => "✓",
            Light::Yellow => "!",
            Light::Red => "✗",
            Light::Blue => "▸",
            Light::Grey => "–",
        }
    }
}

/// What a project is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// A build runs.
    Building,
    /// A deploy runs or waits.
    Deploying,
    /// A request waits.
    Waiting,
    /// Nothing.
    Idle,
}

impl Line {
    /// What is wrong, worst first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let config = match &self.setup {
            Setup::Broken(error) => Some(Trouble::Config(error.clone())),
            Setup::Ready { .. } | Setup::Retired => None,
        };
        let deploys = self.targets.iter().filter_map(|target| Trouble::of_deploy(target.ended.as_ref()));
        let (mut all, others): (Vec<Trouble>, Vec<Trouble>) = deploys.partition(Trouble::is_down);
        all.extend(config.into_iter().chain(others).chain(Trouble::of_source(self.source.as_ref())));
        all
    }

    /// Whether neither the new nor the old version runs on one of its targets.
    pub fn is_down(&self) -> bool {
        self.troubles().iter().any(Trouble::is_down)
    }

    /// What it is doing.
    pub fn activity(&self) -> Activity {
        let deploying = self.targets.iter().any(OnTarget::is_busy);
        match (self.running.is_empty(), deploying, self.waiting.is_empty()) {
            (false, _, _) => Activity::Building,
            (true, true, _) => Activity::Deploying,
            (true, false, false) => Activity::Waiting,
            (true, false, true) => Activity::Idle,
        }
    }

    /// The colour of the whole: trouble is red whatever the last build says.
    pub fn light(&self) -> Light {
        match (self.troubles().is_empty(), self.last.as_ref().and_then(|build| build.state.verdict())) {
            (false, _) => Light::Red,
            (true, Some(verdict)) => Light::of(verdict),
            (true, None) => Light::Grey,
        }
    }

    /// What a waiting request waits for, in words; `moment` writes a time.
    pub fn why_waits(&self, request: &Request, moment: impl Fn(Timestamp) -> String) -> String {
        self.waits.get(&request.id).map_or_else(|| "about to start".to_owned(), |why| why.describe(moment))
    }

    /// How many changed refs of strangers have not been queued for want of room, in words.
    pub fn strangers_left(&self) -> Option<String> {
        let left = self.source.as_ref().map_or(0, |source| source.outside_left);
        let refs = super::text::count(left as usize, "changed ref");
        (left > 0).then(|| format!("{refs} from outside left for a later poll: too many at once, or waiting"))
    }

    /// What goes on with a project that has not been built, and what to do.
    pub fn before_first_build(&self) -> String {
        if let Some(request) = self.waiting.iter().find(|request| request.approval.is_there()) {
            return match request.ask.not_before {
                Some(_) => "waiting until its branch has been quiet".to_owned(),
                None => "waiting for its turn".to_owned(),
            };
        }
        let now = format!("now: ci-build {}", self.name);
        let head = self.source.as_ref().and_then(|source| source.head.as_ref());
        let watched = head.and_then(|head| Some((head, self.tips.get(head)?))).or_else(|| self.tips.iter().next());
        match (watched, self.tips.len(), &self.source) {
            (Some((reference, tip)), 1, _) => {
                format!("watching {} at {}; builds at the next push; {now}", reference.short(), tip.short())
            }
            (Some((reference, tip)), n, _) => format!(
                "watching {} at {} and {}; builds at the next push; {now}",
                reference.short(),
                tip.short(),
                super::text::count(n - 1, "other ref")
            ),
            (None, _, Some(_)) => format!("nothing to watch seen in the repository yet; {now}"),
            (None, _, None) => format!("not looked at yet; the first poll does (ci-poll {}); {now}", self.name),
        }
    }
}

fn setup(configured: &Configured, name: &ProjectName) -> Setup {
    match configured.projects.get(name) {
        Some(Ok(project)) => Setup::Ready { description: project.description.clone() },
        Some(Err(error)) => Setup::Broken(error.clone()),
        None => match configured.folder {
            Folder::Seen => Setup::Retired,
            Folder::Unreadable => Setup::Broken("its file cannot be looked at".to_owned()),
        },
    }
}

impl Line {
    pub(super) fn empty(configured: &Configured, name: &ProjectName) -> Line {
        Line {
            name: name.clone(),
            setup: setup(configured, name),
            last: None,
            running: Vec::new(),
            waiting: Vec::new(),
            waits: BTreeMap::new(),
            targets: configured
                .projects
                .get(name)
                .and_then(|p| p.as_ref().ok())
                .map(OnTarget::of_project)
                .unwrap_or_default(),
            source: None,
            tips: BTreeMap::new(),
        }
    }
}

impl Live {
    /// What is live, in a few words.
    pub fn what(&self) -> &str {
        match &self.subject {
            Some(subject) => subject,
            None if self.release.commit.is_known() => self.release.commit.short(),
            None => "what was there before unitci",
        }
    }

    pub(super) fn new(release: ReleaseRow, build: Option<&Build>, by: Option<Deploy>) -> Live {
        Live { release, subject: build.and_then(super::subject).map(str::to_owned), by }
    }

    /// Who or what made it live, and why.
    pub fn why(&self) -> Option<String> {
        let by = self.by.as_ref()?;
        if by.release() == self.release.name {
            return Some(by.why());
        }
        let why = match &by.state {
            DeployState::Finished { summary, .. } if !summary.is_empty() => format!(": {summary}"),
            DeployState::Waiting | DeployState::Running { .. } | DeployState::Finished { .. } => String::new(),
        };
        Some(format!("back from build {}{why}", by.number))
    }
}

impl Overview {
    /// Without a store: nothing has ever been built or polled.
    pub fn of_config(configured: &Configured) -> Overview {
        Overview { lines: configured.projects.keys().map(|name| Line::empty(configured, name)).collect() }
    }

    /// Everything, in about ten queries.
    pub fn read(configured: &Configured, read: Read<'_>, now: Timestamp) -> Result<Overview> {
        let mut lines: BTreeMap<ProjectName, Line> =
            configured.projects.keys().map(|name| (name.clone(), Line::empty(configured, name))).collect();
        for build in read.last_builds()? {
            let name = build.id.project.clone();
            lines.entry(name.clone()).or_insert_with(|| Line::empty(configured, &name)).last = Some(build);
        }
        let mut steps: BTreeMap<BuildId, StepRow> = read.running_steps()?.into_iter().collect();
        for build in read.unfinished_builds()? {
            let name = build.id.project.clone();
            let step = steps.remove(&build.id);
            let line = lines.entry(name.clone()).or_insert_with(|| Line::empty(configured, &name));
            line.running.push(Running { build, step });
        }
        let mut waits = super::queue::waits(configured, read)?;
        for request in read.waiting()? {
            if let Some(line) = lines.get_mut(&request.ask.project) {
                line.waits.extend(waits.remove_entry(&request.id));
                line.waiting.push(request);
            }
        }
        let (made_from, mut made_by) = (read.live_builds()?, read.live_deploys()?);
        for (name, release) in read.live_releases()? {
            let build = made_from.iter().find(|b| b.id.project == name && b.id.number == release.name.number());
            if let Some(line) = lines.get_mut(&name) {
                let by = made_by.iter().position(|deploy| Some(deploy.id) == release.deploy);
                put_live(&mut line.targets, Live::new(release, build, by.map(|at| made_by.swap_remove(at))));
            }
        }
        for deploy in read.last_deploys()? {
            if let Some(line) = lines.get_mut(&deploy.project) {
                put_deploy(&mut line.targets, deploy);
            }
        }
        for deploy in read.last_ended_deploys()? {
            if let Some(line) = lines.get_mut(&deploy.project) {
                put_ended(&mut line.targets, deploy);
            }
        }
        for freeze in read.freezes()?.into_iter().filter(|freeze| freeze.holds(now)) {
            if let Some(line) = lines.get_mut(&freeze.target.project) {
                put_freeze(&mut line.targets, freeze);
            }
        }
        for source in read.sources()? {
            // A retired project is not polled any more: what its last poll said is no trouble of today.
            if let Some(line) = lines.get_mut(&source.project).filter(|line| line.setup != Setup::Retired) {
                line.source = Some(source);
            }
        }
        for line in lines.values_mut().filter(|line| line.last.is_none() && line.running.is_empty()) {
            line.tips = read.tips(&line.name)?;
        }
        Ok(Overview { lines: lines.into_values().collect() })
    }
}
