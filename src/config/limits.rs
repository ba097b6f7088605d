//! What a step may use of the machine.

use super::project::Project;
use crate::model::StepName;

/// A share of the CPUs: 100 percent is all of one, 250 percent two and a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuQuota {
    /// Of one CPU.
    pub percent: u32,
}

/// What a step's own table says, over what `[build]` says for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLimits {
    /// `memory`, in bytes.
    pub memory: Option<u64>,
    /// `tasks`
    pub tasks: Option<u64>,
    /// `cpu`
    pub cpu: Option<CpuQuota>,
    /// `disk`, in bytes.
    pub disk: Option<u64>,
}

/// The table that a limit stands in, to say where more can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `[build]`
    Build,
    /// `[[step]]`
    Step,
    /// `[[service]]`
    Service,
}

impl Table {
    /// As it reads in a sentence: "`memory` in [build]".
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Build => "[build]",
            Table::Step => "its [[step]]",
            Table::Service => "its [[service]]",
        }
    }
}

/// A limit and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In bytes, or as a number of tasks.
    pub most: u64,
    /// Where.
    pub table: Table,
}

/// What holds for one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `MemoryMax=`
    pub memory: Option<Limit>,
    /// `TasksMax=`
    pub tasks: Limit,
    /// `CPUQuota=`
    pub cpu: Option<CpuQuota>,
    /// Most bytes written.
    pub disk: Option<Limit>,
}

impl Project {
    /// What holds for a step or service of this project, by its name; for one that its file does not know, what `[build]`
    /// says.
    pub fn limits(&self, step: &StepName) -> Limits {
        let own = self.steps.iter().find(|known| known.name == *step).map(|known| known.limits);
        let service = self.services.iter().find(|known| known.name == *step).map(|known| known.limits);
        let table = if service.is_some() { Table::Service } else { Table::Step };
        let own = own.or(service).unwrap_or_default();
        let over = |own: Option<u64>, all: Option<u64>| match (own, all) {
            (Some(most), _) => Some(Limit { most, table }),
            (None, Some(most)) => Some(Limit { most, table: Table::Build }),
            (None, None) => None,
        };
        Limits {
            memory: over(own.memory, self.build.memory),
            tasks: match own.tasks {
                Some(most) => Limit { most, table },
                None => Limit { most: self.build.tasks, table: Table::Build },
            },
            cpu: own.cpu.or(self.build.cpu),
            disk: over(own.disk, self.build.disk),
        }
    }
}
