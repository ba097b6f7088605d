//! The order of the queue: which requests become builds now, with which workspace and locks, and what each of the others
//! waits for. All of it follows from the rows and the configuration of the moment: nothing is held by who has died.

use crate::config::order::{Bounds, MemoryBounds, Rules};
use crate::model::{Build, BuildId, Holds, Lock, LockMode, LockName, ProjectName, Request, RequestId, Slot, Trust};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'a> {
    /// The requests that wait.
    pub waiting: &'a [Request],
    /// The builds that are not over.
    pub unfinished: &'a [Build],
    /// What the projects' files say; a project that is not there has what is the default.
    pub rules: &'a BTreeMap<ProjectName, Rules>,
    /// What `ci.toml` says.
    pub bounds: &'a Bounds,
    /// What is short, in words, while builds wait for memory.
    pub short: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// What becomes of a waiting request now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It becomes a build that has this to itself.
    Starts(Holds),
    /// It waits.
    Waits(Why),
}

/// What a request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Its branch has moved just now.
    Until(Timestamp),
    /// A person has to agree first.
    Approval(ProjectName, RequestId),
    /// The machine is short of memory.
    Memory(String),
    /// As many builds run as may.
    Places(u32),
    /// As many builds of its project run as may.
    Project(Vec<BuildId>),
    /// A lock that builds hold.
    Lock(LockName, Vec<BuildId>),
    /// A lock that is free or shared, and for which another request waits longer.
    Promised(LockName, ProjectName),
}

impl Why {
    /// For people; `moment` writes a time.
    pub fn describe(&self, moment: impl Fn(Timestamp) -> String) -> String {
        let list = |builds: &[BuildId]| builds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Why::Until(time) => format!("not before {}", moment(*time)),
            Why::Approval(project, id) => format!("waits for approval: ci-build --approve {project}:{id}"),
            Why::Memory(what) => format!("waits for memory: {what}"),
            Why::Places(1) => "waits for its turn: one build runs at a time".to_owned(),
            Why::Places(most) => format!("waits for its turn: {most} builds run at a time"),
            Why::Project(builds) if builds.is_empty() => "waits for another build of its project".to_owned(),
            Why::Project(builds) => format!("waits for {} of its project", list(builds)),
            Why::Lock(name, builds) if builds.is_empty() => format!("waits for lock {name}"),
            Why::Lock(name, builds) => format!("waits for lock {name}, held by {}", list(builds)),
            Why::Promised(name, project) => format!("waits for lock {name}, for which {project} waits longer"),
        }
    }
}

/// Decides for every waiting request, in the order in which they are considered: forced ones first, then by priority, to
/// which each minute of waiting adds one, so that none waits for ever; at last by age.
pub fn decide(queue: &Queue<'_>) -> Vec<(RequestId, Turn)> {
    let mut order: Vec<&Request> = queue.waiting.iter().collect();
    let stranger = |request: &Request| request.ask.trust == Trust::Outside;
    order.sort_by_key(|request| {
        (!request.ask.origin.goes_first(), stranger(request), -queue.rank(request), request.first, request.id)
    });
    let mut state = State {
        free: (queue.bounds.max_builds as usize).saturating_sub(queue.unfinished.len()),
        busy: BTreeMap::new(),
        strangers: BTreeMap::new(),
        holders: BTreeMap::new(),
        promised: BTreeMap::new(),
    };
    for build in queue.unfinished {
        state.take(&build.id.project, Some(&build.id), &build.holds, build.trust);
    }
    order.into_iter().map(|request| (request.id, state.turn(queue, request))).collect()
}

impl Queue<'_> {
    fn rules(&self, project: &ProjectName) -> Rules {
        self.rules.get(project).cloned().unwrap_or_default()
    }

    fn rank(&self, request: &Request) -> i64 {
        let waited = self.now.duration_since(request.first).as_mins().max(0);
        i64::from(self.rules(&request.ask.project).priority).saturating_add(waited)
    }
}

/// Who holds a lock, and how; a build that starts in this very decision has no number yet.
type Holder = (Option<BuildId>, LockMode);

struct State {
    free: usize,
    busy: BTreeMap<ProjectName, Vec<(Option<BuildId>, Slot)>>,
    /// Builds of refs from outside: one of a project at a time, since each empties their room.
    strangers: BTreeMap<ProjectName, Option<BuildId>>,
    holders: BTreeMap<LockName, Vec<Holder>>,
    /// Locks that somebody before in the order waits for: who comes later does not overtake.
    promised: BTreeMap<LockName, ProjectName>,
}

impl State {
    fn take(&mut self, project: &ProjectName, build: Option<&BuildId>, holds: &Holds, trust: Trust) {
        match trust {
            Trust::Inside => {}
            Trust::Outside => drop(self.strangers.insert(project.clone(), build.cloned())),
        }
        self.busy.entry(project.clone()).or_default().push((build.cloned(), holds.slot));
        for lock in &holds.locks {
            self.holders.entry(lock.name.clone()).or_default().push((build.cloned(), lock.mode));
        }
    }

    fn turn(&mut self, queue: &Queue<'_>, request: &Request) -> Turn {
        let project = &request.ask.project;
        let rules = queue.rules(project);
        if !request.approval.is_there() {
            return Turn::Waits(Why::Approval(project.clone(), request.id));
        }
        if let Some(time) = request.ask.not_before.filter(|time| *time > queue.now) {
            return Turn::Waits(Why::Until(time));
        }
        if let Some(what) = queue.short {
            return Turn::Waits(Why::Memory(what.to_owned()));
        }
        let own = self.busy.get(project).map_or(&[][..], Vec::as_slice);
        if own.len() >= usize::from(rules.max_builds) {
            return Turn::Waits(Why::Project(own.iter().filter_map(|(build, _)| build.clone()).collect()));
        }
        if let (Trust::Outside, Some(other)) = (request.ask.trust, self.strangers.get(project)) {
            return Turn::Waits(Why::Project(other.iter().cloned().collect()));
        }
        if self.free == 0 {
            return Turn::Waits(Why::Places(queue.bounds.max_builds));
        }
        if let Some(why) = rules.locks.iter().find_map(|lock| self.denied(queue.bounds, lock)) {
            // All of them, also those that are free: who takes all at once could else wait for ever.
            for lock in &rules.locks {
                self.promised.entry(lock.name.clone()).or_insert_with(|| project.clone());
            }
            return Turn::Waits(why);
        }
        let taken: Vec<Slot> = own.iter().map(|(_, slot)| *slot).collect();
        let slot = (0..=u16::MAX).map(Slot).find(|slot| !taken.contains(slot)).unwrap_or_default();
        let holds = Holds { slot, locks: rules.locks };
        self.take(project, None, &holds, request.ask.trust);
        self.free -= 1;
        Turn::Starts(holds)
    }

    fn denied(&self, bounds: &Bounds, lock: &Lock) -> Option<Why> {
        let holders = self.holders.get(&lock.name).map_or(&[][..], Vec::as_slice);
        // A lock that has gone from ci.toml since is a lock all the same, until the project's file is mended.
        let most = bounds.locks.get(&lock.name).copied().unwrap_or(1) as usize;
        let exclusive = |(_, mode): &Holder| *mode == LockMode::Exclusive;
        let free = match lock.mode {
            LockMode::Exclusive => holders.is_empty(),
            LockMode::Counting => holders.len() < most && !holders.iter().any(exclusive),
        };
        if !free {
            let builds = holders.iter().filter_map(|(build, _)| build.clone()).collect();
            return Some(Why::Lock(lock.name.clone(), builds));
        }
        self.promised.get(&lock.name).map(|project| Why::Promised(lock.name.clone(), project.clone()))
    }
}

/// What the machine says of its memory, as far as it says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// `some avg10` of `/proc/pressure/memory`, in hundredths of a percent.
    pub pressure: Option<u32>,
    /// `MemAvailable`, in bytes.
    pub available: Option<u64>,
}

impl Memory {
    /// From what the two files hold.
    pub fn read(pressure: Option<&str>, info: Option<&str>) -> Memory {
        let average = |text: &str| {
            let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
            let (whole, part) = some.split(' ').find_map(|word| word.strip_prefix("avg10="))?.split_once('.')?;
            whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part.parse().ok()?)
        };
        let available = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        Memory { pressure: pressure.and_then(average), available: info.and_then(available) }
    }

    /// What is short, in words; nothing where the kernel does not tell.
    pub fn short(&self, bounds: &MemoryBounds) -> Option<String> {
        let percent = u32::from(bounds.pressure);
        let pressed = self.pressure.filter(|found| percent > 0 && *found > percent * 100);
        let scarce = self.available.filter(|found| *found < bounds.available);
        match (pressed, scarce) {
            (Some(found), _) => Some(format!(
                "in {} % of the last ten seconds something waited for it; builds start at {percent} % \
                 (`memory-pressure` in ci.toml)",
                found / 100
            )),
            (None, Some(found)) => Some(format!(
                "{} MiB are available; builds start at {} MiB (`memory-available` in ci.toml)",
                found >> 20,
                bounds.available >> 20
            )),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
