//! Holding deploys back for a while, and letting them go on.

use super::{No, store_trouble};
use crate::config::Project;
use crate::intake::Refusal;
use crate::model::{Freeze, TargetId, TargetName};
use crate::plan::target::meant;
use crate::store::{Store, StoreError};
use crate::tell;
use jiff::Timestamp;

/// The target of this name, or all that the project has.
fn targets(project: &Project, named: Option<&TargetName>) -> Result<Vec<TargetId>, No> {
    let names = match (named, project.targets.is_empty()) {
        (None, false) => project.targets.iter().map(|target| target.name.clone()).collect(),
        (named, _) => match meant(project, named) {
            Ok(target) => vec![target.name.clone()],
            Err(error) => return Err((Refusal::NoSuchThing, error.to_string())),
        },
    };
    Ok(names.into_iter().map(|target| TargetId { project: project.name.clone(), target }).collect())
}

/// A freeze that a person wants.
pub(super) struct NewFreeze<'a> {
    pub(super) until: Timestamp,
    pub(super) reason: Option<String>,
    pub(super) who: &'a str,
}

/// Freezes; says which targets.
pub(super) fn freeze(
    store: &mut Store,
    project: &Project,
    named: Option<&TargetName>,
    new: NewFreeze<'_>,
    now: Timestamp,
) -> Result<Vec<TargetName>, No> {
    let NewFreeze { until, reason, who } = new;
    let of = |target| Freeze { target, until, by: who.to_owned(), reason: reason.clone(), since: now };
    let freezes: Vec<Freeze> = targets(project, named)?.into_iter().map(of).collect();
    // By the clock that the end will be told by.
    if !freezes.iter().all(|freeze| freeze.holds(now)) {
        let why = format!("{until} is not ahead on this machine, or further than 30 days");
        return Err((Refusal::NoSuchThing, why));
    }
    store
        .write(|tx| freezes.iter().try_for_each(|freeze| tx.freeze(freeze)))
        .map_err(|error: StoreError| store_trouble(&error))?;
    freezes.iter().for_each(tell::frozen);
    Ok(freezes.into_iter().map(|freeze| freeze.target.target).collect())
}

/// Lets deploys go on; says on which targets they were held back.
pub(super) fn thaw(
    store: &mut Store,
    project: &Project,
    named: Option<&TargetName>,
    who: &str,
) -> Result<Vec<TargetName>, No> {
    let mut thawed = targets(project, named)?;
    let frozen = store.write(|tx| {
        let mut frozen = Vec::new();
        for target in &thawed {
            frozen.push(tx.thaw(target)?);
        }
        Ok::<_, StoreError>(frozen)
    });
    let mut frozen = frozen.map_err(|error| store_trouble(&error))?.into_iter();
    thawed.retain(|_| frozen.next() == Some(true));
    if thawed.is_empty() {
        let what =
            named.map_or_else(|| project.name.to_string(), |target| format!("{}, target {target},", project.name));
        return Err((Refusal::NoSuchThing, format!("{what} is not frozen")));
    }
    thawed.iter().for_each(|target| tell::thawed(target, &format!("{who} said so")));
    Ok(thawed.into_iter().map(|target| target.target).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::Place;

    #[test]
    fn one_target_or_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::under(folder.path());
        std::fs::create_dir_all(place.store()).unwrap();
        let mut store = Store::open(&place).unwrap();
        let project = |targets: &[&str]| {
            let file = folder.path().join("gkp.toml");
            let table = |name: &&str| format!("[[deploy]]\nname = '{name}'\nroot = '/srv/{name}'\nuser = 'gkp'\n");
            let text: String = targets.iter().map(table).collect();
            std::fs::write(&file, format!("[source]\nurl = '/srv/git'\n{text}")).unwrap();
            Config::check_file(&place, &file).map_err(|errors| errors.to_string()).unwrap()
        };
        let (bare, project) = (project(&[]), project(&["staging", "demo"]));
        let at = |second| Timestamp::from_second(second).unwrap();
        let (staging, demo): (TargetName, TargetName) = ("staging".parse().unwrap(), "demo".parse().unwrap());
        let new = |until| NewFreeze { until: at(until), reason: None, who: "anna" };
        let mut set = |project, named, until| freeze(&mut store, project, named, new(until), at(10));
        let all = vec![staging, demo.clone()];
        assert_eq!(set(&project, None, 20), Ok(all.clone()));
        assert_eq!(set(&project, Some(&demo), 30), Ok(vec![demo.clone()]));
        for (project, until, says) in
            [(&project, 10, "is not ahead"), (&project, 90 * 24 * 3600, "30 days"), (&bare, 20, "has no [deploy]")]
        {
            let (refusal, message) = set(project, None, until).unwrap_err();
            assert!(refusal == Refusal::NoSuchThing && message.contains(says), "{message}");
        }
        let frozen: Vec<Timestamp> = store.read().freezes().unwrap().into_iter().map(|freeze| freeze.until).collect();
        assert_eq!(frozen, [at(30), at(20)], "an end that comes again takes the place of the first");
        assert_eq!(thaw(&mut store, &project, Some(&demo), "bob"), Ok(vec![demo.clone()]));
        assert_eq!(thaw(&mut store, &project, None, "bob"), Ok(vec![all[0].clone()]));
        for (named, says) in [(None, "gkp is not frozen"), (Some(&demo), "gkp, target demo, is not frozen")] {
            assert_eq!(thaw(&mut store, &project, named, "bob"), Err((Refusal::NoSuchThing, says.to_owned())));
        }
    }
}
