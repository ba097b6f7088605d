//! A control group per machine: two that start from one group would share their payload's.

use super::host;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Where the host has its controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Version 2 alone, as current distributions boot.
    Unified,
    /// Controllers in version 1, version 2 beside them without any.
    Hybrid,
}

impl Layout {
    /// What is mounted on this host.
    pub(super) fn of_host() -> Layout {
        if Path::new(CGROUPS).join("cgroup.controllers").exists() {
            return Layout::Unified;
        }
        if Path::new(CGROUPS).join("unified/cgroup.controllers").exists() {
            return Layout::Hybrid;
        }
        panic!("no cgroup v2 in {CGROUPS}: machines cannot boot on this host")
    }

    /// The tree of version 2, where every process can be found.
    fn unified(self) -> PathBuf {
        match self {
            Layout::Unified => CGROUPS.into(),
            Layout::Hybrid => Path::new(CGROUPS).join("unified"),
        }
    }
}

/// The controllers of version 1 that this process is under.
pub(super) fn v1_controllers() -> Vec<String> {
    let own = std::fs::read_to_string("/proc/self/cgroup").expect("/proc/self/cgroup");
    own.lines()
        .filter_map(|line| line.split(':').nth(1))
        .filter(|controllers| !controllers.is_empty() && !controllers.starts_with("name="))
        .map(str::to_owned)
        .collect()
}

/// One machine's groups, one in each tree it needs.
#[derive(Debug)]
pub(super) struct Cgroup {
    name: String,
    groups: Vec<PathBuf>,
}

impl Cgroup {
    /// Groups in the trees that track processes; with `controllers`, in those of version 1 too.
    pub(super) fn new(name: &str, controllers: &[String]) -> Cgroup {
        let layout = Layout::of_host();
        let mut trees = vec![layout.unified()];
        match layout {
            Layout::Unified => pass_controllers_down(),
            Layout::Hybrid => trees.push(Path::new(CGROUPS).join("systemd")),
        }
        trees.extend(controllers.iter().map(|controller| Path::new(CGROUPS).join(controller)));
        let groups: Vec<PathBuf> = trees.iter().map(|tree| tree.join(name)).collect();
        for (tree, group) in trees.iter().zip(&groups) {
            host::make_dir(group);
            // A new cpuset is empty, and an empty one takes no process.
            for setting in ["cpuset.cpus", "cpuset.mems"] {
                if tree.ends_with("cpuset") {
                    let above = std::fs::read_to_string(tree.join(setting)).expect("the cpuset above");
                    host::write(&group.join(setting), &above);
                }
            }
        }
        Cgroup { name: name.to_owned(), groups }
    }

    /// The files to which a process writes its id to enter.
    pub(super) fn doors(&self) -> Vec<PathBuf> {
        self.groups.iter().map(|group| group.join("cgroup.procs")).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        end(&self.name);
    }
}

/// Lets the groups below the top have limits; what is on already may stay as it is.
fn pass_controllers_down() {
    let all = std::fs::read_to_string(Path::new(CGROUPS).join("cgroup.controllers")).expect("cgroup.controllers");
    for controller in all.split_whitespace() {
        if let Err(error) = std::fs::write(Path::new(CGROUPS).join("cgroup.subtree_control"), format!("+{controller}"))
        {
            eprintln!("harness: {controller} stays off in machines: {error}");
        }
    }
}

/// Kills every process of a machine at once and removes its groups, in whatever tree they are.
pub(super) fn end(name: &str) {
    let kill = Layout::of_host().unified().join(name).join("cgroup.kill");
    if kill.exists()
        && let Err(error) = std::fs::write(&kill, "1")
    {
        eprintln!("harness: {}: {error}", kill.display());
    }
    let below = std::fs::read_dir(CGROUPS).expect("the cgroup trees").flatten().map(|entry| entry.path().join(name));
    let groups: Vec<PathBuf> =
        below.chain([Path::new(CGROUPS).join(name)]).filter(|group| group.join("cgroup.procs").exists()).collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    for group in groups {
        // A dying process keeps its group busy for a few milliseconds.
        while !remove_tree(&group) {
            if Instant::now() > deadline {
                eprintln!("harness: {} is still busy and stays", group.display());
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Children first, as the kernel wants it; says whether the group is gone.
fn remove_tree(group: &Path) -> bool {
    let children = std::fs::read_dir(group).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    for child in children.iter().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        remove_tree(&child);
    }
    std::fs::remove_dir(group).is_ok() || !group.exists()
}
