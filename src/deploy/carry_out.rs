//! All deploys to one target, one after the other: `ci-deploy@P.service`, `ci-deploy@P:TARGET.service`. The unit's name
//! is their lock.

use super::dispatch::coming;
use super::finish::{self, End, Verdict};
use super::halt::{CarryError, ConfigTrouble};
use super::log::{Log, close_left_open};
use super::run::{Left, Run};
use super::secrets::Secrets;
use crate::attend::Bell;
use crate::config::project;
use crate::config::{Project, Site, load_project};
use crate::model::{Deploy, DeployState, Outcome, Place, TargetId};
use crate::order::{Order, Orders};
use crate::output::Masker;
use crate::plan::deploy::{Link, link_after};
use crate::plan::turn::is_late;
use crate::store::{Store, StoreError};
use crate::systemd::{Bus, Notifier};
use crate::wake::Wake;
use jiff::Timestamp;
use std::time::Duration;

/// How long the manager may take to hear that we are about to end.
const HEAR: Duration = Duration::from_secs(30);

/// Brings every deploy to a target to its end: first one that was under way when the last run was killed, then in
/// their order.
///
/// A deploy that is queued while this run is about to end must not be lost: starting a unit that runs is no start. So
/// the manager is told first that we are stopping, and from then on keeps a start for after our end; what was queued
/// before is seen by one more look, and woken for.
pub fn carry_out(place: &Place, target: &TargetId) -> Result<(), CarryError> {
    let bell = Bell::install()?;
    let notifier = Notifier::from_env()?.ok_or_else(|| CarryError::NotAUnit(target.project.clone()))?;
    let mut store = Store::open(place)?;
    loop {
        tidy(place, &store, target)?;
        let Some(deploy) = coming(store.read(), target, Timestamp::now())? else { break };
        match one(place, &mut store, &bell, &notifier, deploy)? {
            Left::Over | Left::Held => {}
            Left::UnderWay => return Ok(()),
        }
    }
    notifier.stopping()?;
    notifier.barrier(HEAR)?;
    // Also one that a freeze holds back: the dispatcher sees to it that somebody comes when that ends.
    if !store.read().unfinished_deploys(target)?.is_empty() {
        Wake::Deploy.up_or_warn(place);
    }
    Ok(())
}

/// The newest deploy that is over may have been killed between its end and that of its log.
fn tidy(place: &Place, store: &Store, target: &TargetId) -> Result<(), CarryError> {
    let over = |deploy: &Deploy| matches!(deploy.state, DeployState::Finished { started: Some(_), .. });
    match store.read().deploys_to(target, 20)?.into_iter().find(over) {
        Some(deploy) => {
            let silent = configuration(place, target).is_ok_and(|(_, _, target)| target.secrets.is_empty());
            // What is not published yet may be the beginning of a secret that nobody can tell any more.
            close_left_open(place, &deploy, if silent { Masker::none() } else { Masker::everything() })
        }
        None => Ok(()),
    }
}

fn one(place: &Place, store: &mut Store, bell: &Bell, notifier: &Notifier, deploy: Deploy) -> Result<Left, CarryError> {
    if let Some(summary) = too_late(store, &deploy)? {
        let end = End { deploy: &deploy, outcome: Outcome::Superseded, summary: &summary, release: Verdict::Unjudged };
        finish::record(place, store, &end, None)?;
        return Ok(Left::Over);
    }
    let (site, project, target) = match configuration(place, &deploy.target_id()) {
        Ok(loaded) => loaded,
        Err(error) => return without_configuration(place, store, &deploy, error),
    };
    let bus = Bus::connect(&place.bus)?;
    let (secrets, masker) = Secrets::ask(place, &target, &deploy);
    let log = Log::open(place, &deploy, &project.build, masker)?;
    let orders = Orders::to(place);
    Run { place, store, bus, bell, notifier, orders, site, project, target, deploy, log, secrets, on_target: None }
        .run()
}

/// Why a deploy that nobody asked for is skipped now that its turn has come.
fn too_late(store: &Store, deploy: &Deploy) -> Result<Option<String>, StoreError> {
    let live = store.read().live(&deploy.target_id())?.map(|release| release.name);
    let left = store.read().left_commits(&deploy.target_id())?;
    Ok(is_late(deploy, live.as_ref(), &left))
}

fn configuration(place: &Place, id: &TargetId) -> Result<(Site, Project, project::Deploy), ConfigTrouble> {
    let (site, project) = load_project(place, &id.project)?;
    let target = project.target(&id.target).cloned().ok_or_else(|| ConfigTrouble::NoDeploy(id.clone()))?;
    Ok((site, project, target))
}

/// A configuration that broke after the deploy was queued: it fails, unless the new release is in place already. Then
/// neither is it known to be well nor can it be undone, and it waits.
fn without_configuration(
    place: &Place,
    store: &mut Store,
    deploy: &Deploy,
    error: ConfigTrouble,
) -> Result<Left, CarryError> {
    let link = match &deploy.state {
        DeployState::Running { phase, .. } => link_after(*phase),
        DeployState::Waiting | DeployState::Finished { .. } => Link::AsBefore,
    };
    match link {
        Link::AsBefore => {
            if let DeployState::Running { .. } = deploy.state {
                // A command of the run that was killed may still be at it, and the next deploy would not know of it.
                let stop = Order::StopCommand { project: deploy.project.clone(), deploy: deploy.id };
                Orders::to(place).give(&stop, &[])?;
            }
            let summary = error.to_string();
            let end = End { deploy, outcome: Outcome::Failed, summary: &summary, release: Verdict::Unjudged };
            finish::record(place, store, &end, None)?;
            Ok(Left::Over)
        }
        Link::Moved | Link::Either => Err(CarryError::Configuration { deploy: deploy.id, error }),
    }
}
