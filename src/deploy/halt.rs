//! Why a run does not go on.

use crate::config::LoadError;
use crate::model::{DeployId, ProjectName, TargetId};
use crate::order::OrderError;
use crate::plan::target::NoTarget;
use crate::store::StoreError;
use crate::systemd::{BusError, NotifyError};
use std::path::PathBuf;

/// Why deploys cannot be carried out now. The row stays as it is; the next run goes on.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// `ci-launch` cannot be reached.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Our own folders or pipes.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manager that started us.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The kernel.
    #[error("signals: {0}")]
    Signals(#[from] nix::Error),
    /// Not started by systemd.
    #[error("ci-deploy --carry-out is run by ci-deploy@.service only; a person says: ci-deploy {0}")]
    NotAUnit(ProjectName),
    /// The new release is in place and not proven, and what to do with it is not to be read.
    #[error("deploy {deploy} is half done and waits until its configuration is mended: {error}")]
    Configuration {
        /// Which waits.
        deploy: DeployId,
        /// What is wrong.
        error: ConfigTrouble,
    },
}

/// Why a project's configuration does not say how to deploy it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigTrouble {
    /// It cannot be used.
    #[error("{0}; ci-config check tells more")]
    Load(#[from] LoadError),
    /// It says nothing of this target any more.
    #[error("{0} has no [deploy] any more")]
    NoDeploy(TargetId),
    /// It does not say which target is meant.
    #[error(transparent)]
    Target(#[from] NoTarget),
}

/// Why a piece of a deploy's work did not come to its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// It failed, for this reason.
    Failed(String),
    /// SIGTERM came, or the machine goes down.
    Leave,
    /// It has not begun, because a freeze holds it back.
    Held,
    /// We ourselves cannot go on.
    Broken(CarryError),
}

impl From<CarryError> for Halt {
    fn from(error: CarryError) -> Halt {
        Halt::Broken(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Halt {
        Halt::Broken(error.into())
    }
}

impl From<BusError> for Halt {
    fn from(error: BusError) -> Halt {
        Halt::Broken(error.into())
    }
}
