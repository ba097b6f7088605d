use super::*;
use crate::config::{Config, Project};
use crate::model::{Freeze, NewRequest, Origin, Outcome, Place};
use crate::store::Store;
use std::path::PathBuf;

const CONFIG: &str = "[source]\nurl = \"/srv/git\"\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\n";

/// A project with a store, in which builds end as the test wants.
struct Shop {
    _folder: tempfile::TempDir,
    store: Store,
    project: Project,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sha(number: u32) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

impl Shop {
    fn open(config: &str) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::under(folder.path());
        std::fs::create_dir_all(place.store()).unwrap();
        let file: PathBuf = folder.path().join("gkp.toml");
        std::fs::write(&file, config).unwrap();
        let project = Config::check_file(&place, &file).map_err(|e| e.to_string()).unwrap();
        let mut store = Store::open(&place).unwrap();
        let main = RefName::of_branch("main").unwrap();
        store.write(|tx| tx.set_head(&project.name, &main, at(1))).map_err(|e: StoreError| e).unwrap();
        Shop { _folder: folder, store, project }
    }

    fn build(&mut self, branch: Option<&str>, trust: Trust, verdict: Option<Verdict>) -> BuildNumber {
        let name = self.project.name.clone();
        self.store
            .write(|tx| {
                let number = tx.read().latest_build(&name)?.map_or(1, |build| build.id.number.0 + 1);
                let new = NewRequest {
                    project: name.clone(),
                    reference: branch.map(|branch| RefName::of_branch(branch).unwrap()),
                    target: Target::Commit { commit: sha(number) },
                    origin: Origin::Poll,
                    trust,
                    reason: None,
                    changes: Vec::new(),
                    not_before: None,
                    token: None,
                };
                let queued = tx.queue(new, at(2))?.id();
                let request = tx.read().follow_request(queued)?.unwrap();
                let id = tx.start_build(&request, 0, at(3))?;
                if let Some(verdict) = verdict {
                    tx.finish_build(&id, verdict, "", at(4))?;
                }
                Ok::<_, StoreError>(id.number)
            })
            .unwrap()
    }

    fn green(&mut self) -> BuildNumber {
        self.build(Some("main"), Trust::Inside, Some(Verdict::Success))
    }

    fn release(&mut self, number: BuildNumber, standing: Standing) -> ReleaseName {
        let (target, commit) = (self.target(), sha(number.0));
        let name = ReleaseName::new(number, &commit);
        self.store.write(|tx| tx.set_release(&target, &name, &commit, standing)).map_err(|e: StoreError| e).unwrap();
        name
    }

    fn live(&mut self, name: &ReleaseName) {
        let target = self.target();
        self.store.write(|tx| tx.set_live(&target, name, DeployId(1), at(5))).map_err(|e: StoreError| e).unwrap();
    }

    fn target(&self) -> TargetId {
        TargetId { project: self.project.name.clone(), target: self.project.targets[0].name.clone() }
    }

    fn wish(
        &mut self,
        reason: Option<&str>,
        take: impl FnOnce(&Wish<'_>) -> Result<(DeployId, BuildNumber), NotTaken>,
    ) -> Result<(DeployId, BuildNumber), (Refusal, String)> {
        let (id, project) = (self.target(), self.project.clone());
        let (target, now, reason) = (&project.targets[0], at(6), reason.map(str::to_owned));
        let taken = self.store.write(|tx| take(&Wish { tx, id, target, reason, who: "anna", now }));
        taken.map_err(Into::into)
    }

    fn deploy(&mut self, number: Option<u32>) -> Result<(DeployId, BuildNumber), (Refusal, String)> {
        self.wish(None, |wish| take_deploy(wish, number.map(BuildNumber), false))
    }

    fn rollback(&mut self) -> Result<(DeployId, BuildNumber), (Refusal, String)> {
        self.wish(None, take_rollback)
    }

    fn end(&mut self, id: DeployId) {
        self.store.write(|tx| tx.finish_deploy(id, Outcome::Deployed, "", at(8))).map_err(|e: StoreError| e).unwrap();
    }
}

#[test]
fn only_what_is_green_and_ours_is_deployed() {
    let mut shop = Shop::open(CONFIG);
    assert!(matches!(shop.deploy(None), Err((Refusal::NoSuchThing, says)) if says.contains("is green")));
    let red = shop.build(Some("main"), Trust::Inside, Some(Verdict::Failure));
    let outside = shop.build(Some("main"), Trust::Outside, Some(Verdict::Success));
    let running = shop.build(Some("main"), Trust::Inside, None);
    for (number, refusal, says) in [
        (red.0, Refusal::NoSuchThing, "not green (failure)"),
        (outside.0, Refusal::NoSuchThing, "from outside"),
        (running.0, Refusal::TryAgain, "not over yet"),
        (99, Refusal::NoSuchThing, "there is no build gkp:99"),
    ] {
        let (refused, message) = shop.deploy(Some(number)).unwrap_err();
        assert!(refused == refusal && message.contains(says), "{message}");
    }
    // Unless somebody says why; never what is a stranger's, or not over.
    let insist = |shop: &mut Shop, number: Option<u32>, reason| {
        shop.wish(reason, |wish| take_deploy(wish, number.map(BuildNumber), true))
    };
    for (number, reason, says) in [
        (Some(red.0), None, "why then?"),
        (Some(red.0), Some(""), "why then?"),
        (None, Some("x"), "which build"),
        (Some(outside.0), Some("x"), "from outside"),
        (Some(running.0), Some("x"), "not over yet"),
    ] {
        let (_, message) = insist(&mut shop, number, reason).unwrap_err();
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(insist(&mut shop, Some(red.0), Some("the client waits")).unwrap().1, red);
    let row = shop.store.read().unfinished_deploys(&shop.target()).unwrap().remove(0);
    assert_eq!(row.origin, DeployOrigin::Person { name: "anna".to_owned(), red: Some(Verdict::Failure) });
    assert!(row.origin.describe().ends_with("not green (failure)"));
}

#[test]
fn without_a_number_it_is_the_newest_green_one_of_the_deploy_branch() {
    let mut shop = Shop::open(CONFIG);
    let green = shop.green();
    for (branch, verdict) in
        [(Some("dev"), Verdict::Success), (None, Verdict::Success), (Some("main"), Verdict::Exception)]
    {
        shop.build(branch, Trust::Inside, Some(verdict));
    }
    // Further back than one look reaches.
    for _ in 0..PAGE {
        shop.build(Some("main"), Trust::Inside, Some(Verdict::Failure));
    }
    assert_eq!(shop.deploy(None).unwrap().1, green);
    // Named, any green one goes.
    assert_eq!(shop.deploy(Some(2)).unwrap().1, BuildNumber(2));
}

#[test]
fn asked_twice_it_is_one_deploy_unless_the_first_would_be_skipped() {
    let mut shop = Shop::open(CONFIG);
    let (first, second) = (shop.green(), shop.green());
    let asked = shop.deploy(Some(first.0)).unwrap();
    assert_eq!(shop.deploy(Some(first.0)).unwrap(), asked);
    shop.end(asked.0);
    assert_ne!(shop.deploy(Some(first.0)).unwrap().0, asked.0);

    let mut shop = Shop::open(CONFIG);
    let (old, new) = (shop.green(), shop.green());
    assert_eq!((old, new), (first, second));
    let live = shop.release(new, Standing::Good);
    shop.live(&live);
    let by_itself =
        NewDeploy { target: shop.target(), number: old, commit: sha(old.0), origin: DeployOrigin::Green, reason: None };
    let late = shop.store.write(|tx| tx.queue_deploy(&by_itself, at(5))).map_err(|e: StoreError| e).unwrap();
    let wanted = shop.deploy(Some(old.0)).unwrap();
    assert!(wanted.0 != late && wanted.1 == old, "the late one is skipped, a person's wish is not");
}

#[test]
fn a_rollback_goes_to_the_newest_good_one_before_and_leaves_the_live_one() {
    let mut shop = Shop::open(CONFIG);
    assert!(matches!(shop.rollback(), Err((Refusal::NoSuchThing, says)) if says.contains("nothing of gkp is live")));
    let numbers: Vec<BuildNumber> = (0..4).map(|_| shop.green()).collect();
    shop.release(numbers[0], Standing::Good);
    shop.release(numbers[1], Standing::Bad);
    shop.release(numbers[2], Standing::Left);
    let live = shop.release(numbers[3], Standing::Good);
    shop.live(&live);
    let back = shop.rollback().unwrap();
    assert_eq!(back.1, numbers[0]);
    let target = shop.target();
    let standing = |shop: &Shop| shop.store.read().release(&target, &live).unwrap().unwrap().standing;
    assert_eq!(standing(&shop), Standing::Left);
    assert_eq!(shop.rollback().unwrap(), back, "asked twice it is one");
    shop.end(back.0);
    let first = ReleaseName::new(numbers[0], &sha(numbers[0].0));
    shop.live(&first);
    assert!(matches!(shop.rollback(), Err((Refusal::NoSuchThing, says)) if says.contains("no good release before")));
    let asked = shop.deploy(Some(numbers[3].0)).unwrap();
    let (refusal, says) = shop.rollback().unwrap_err();
    assert!(refusal == Refusal::TryAgain && says == "a deploy of gkp:4 waits; ask again when it is over", "{says}");
    let row = shop.store.read().deploy(asked.0).unwrap().unwrap();
    assert_eq!(row.origin, DeployOrigin::Person { name: "anna".to_owned(), red: None });
}

#[test]
fn what_a_freeze_holds_back_does_not_stand_in_the_way_back() {
    let mut shop = Shop::open(CONFIG);
    let (one, two) = (shop.green(), shop.green());
    shop.release(one, Standing::Good);
    let live = shop.release(two, Standing::Good);
    shop.live(&live);
    let held = shop.deploy(Some(one.0)).unwrap();
    assert!(matches!(shop.rollback(), Err((Refusal::TryAgain, _))));
    let (by, reason) = ("anna".to_owned(), None);
    let freeze = Freeze { target: shop.target(), until: at(100), by, reason, since: at(1) };
    shop.store.write(|tx| tx.freeze(&freeze)).map_err(|e: StoreError| e).unwrap();
    let back = shop.rollback().unwrap();
    assert!(back.1 == one && back.0 != held.0, "the way back is a deploy of its own");
    assert_eq!(shop.rollback().unwrap(), back);
}
