use super::*;
use crate::model::build::Role;
use crate::model::deploy::DeployOrigin;
use crate::model::{
    BuildNumber, BuildState, Change, CommitId, Deploy, DeployId, DeployState, NewRequest, Origin, Outcome, Phase,
    ProjectName, RefName, ReleaseName, StepIndex, StepState, Stop, Target, TargetId, Trust, Verdict,
};
use jiff::Timestamp;

fn place() -> (tempfile::TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::under(folder.path());
    std::fs::create_dir_all(place.store()).unwrap();
    (folder, place)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sha(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

fn change(digit: char) -> Change {
    Change {
        commit: sha(digit),
        author: "A".into(),
        email: "a@x".into(),
        time: at(1),
        subject: format!("change {digit}"),
    }
}

fn ask(project: &str, branch: &str, digit: char) -> NewRequest {
    NewRequest {
        project: project.parse().unwrap(),
        reference: Some(RefName::of_branch(branch).unwrap()),
        target: Target::Commit { commit: sha(digit) },
        origin: Origin::Poll,
        trust: Trust::Inside,
        reason: None,
        changes: vec![change(digit)],
        not_before: None,
        token: None,
    }
}

fn queue(store: &mut Store, new: NewRequest, now: i64) -> Queued {
    store.write(|tx| tx.queue(new, at(now))).unwrap()
}

#[test]
fn a_newer_request_replaces_the_waiting_one_of_its_ref_and_lists_both_commits() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let first = queue(&mut store, ask("gkp", "main", 'a'), 10).id();
    let other = queue(&mut store, ask("gkp", "dev", 'b'), 11).id();
    let second = queue(&mut store, ask("gkp", "main", 'c'), 12);
    assert_eq!(second, Queued::New(second.id(), vec![first]));
    let waiting = store.read().waiting().unwrap();
    assert_eq!(waiting.iter().map(|r| r.id).collect::<Vec<_>>(), [other, second.id()]);
    assert_eq!(waiting[1].ask.changes, [change('c'), change('a')]);
    assert_eq!((waiting[1].first, waiting[1].created), (at(10), at(12)));
    assert_eq!(store.read().follow_request(first).unwrap().unwrap().id, second.id());
}

#[test]
fn what_was_forced_stays_in_front_when_a_poll_finds_more() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let origin = Origin::Force { name: "anna".into() };
    let forced = NewRequest { origin: origin.clone(), reason: Some("hot".into()), ..ask("gkp", "main", 'a') };
    queue(&mut store, NewRequest { target: Target::Tip, ..forced }, 10);
    queue(&mut store, NewRequest { not_before: Some(at(99)), ..ask("gkp", "main", 'b') }, 11);
    let waiting = store.read().waiting().unwrap();
    let [one] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((&one.ask.origin, one.ask.reason.as_deref(), one.ask.not_before), (&origin, Some("hot"), None));
    assert_eq!(one.ask.target, Target::Commit { commit: sha('b') });
    // Forced once more: by whom it was last.
    let otto = Origin::Force { name: "otto".into() };
    queue(&mut store, NewRequest { origin: otto.clone(), ..ask("gkp", "main", 'c') }, 12);
    assert_eq!(store.read().waiting().unwrap()[0].ask.origin, otto);
}

#[test]
fn the_same_token_is_the_same_request() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let token = |mut new: NewRequest| {
        new.token = Some("t1".into());
        new
    };
    let first = queue(&mut store, token(ask("gkp", "main", 'a')), 1).id();
    assert_eq!(queue(&mut store, token(ask("gkp", "main", 'b')), 2), Queued::Already(first));
    assert_eq!(store.read().waiting().unwrap().len(), 1);
}

#[test]
fn a_revision_collapses_with_nothing() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let revision = || NewRequest { target: Target::Revision { revision: "v1".into() }, ..ask("gkp", "main", 'a') };
    queue(&mut store, revision(), 1);
    queue(&mut store, revision(), 2);
    queue(&mut store, ask("gkp", "main", 'b'), 3);
    assert_eq!(store.read().waiting().unwrap().len(), 3);
}

#[test]
fn build_numbers_go_up_and_never_below_the_floor() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let mut start = |floor| {
        let id = queue(&mut store, ask("gkp", "main", 'a'), 1).id();
        store
            .write(|tx| {
                let request = tx.read().request(id)?.unwrap();
                tx.start_build(&request, floor, at(2))
            })
            .unwrap()
    };
    assert_eq!(start(0).to_string(), "gkp:1");
    assert_eq!(start(40).to_string(), "gkp:41");
    assert_eq!(start(0).to_string(), "gkp:42");
}

#[test]
fn a_build_is_finished_once_and_its_open_steps_with_it() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let request = queue(&mut store, ask("gkp", "main", 'a'), 1).id();
    let steps: Vec<NewStep> = ["checkout", "test", "lint"]
        .map(|n| NewStep { name: n.parse().unwrap(), words: Default::default(), role: Role::Step, spec: None })
        .into();
    let id = store
        .write(|tx| {
            let request = tx.read().request(request)?.unwrap();
            let id = tx.start_build(&request, 0, at(2))?;
            tx.take_build(&id, "boot-1", &steps, at(3))?;
            tx.step_started(&id, StepIndex(0), at(4))?;
            let end = StepEnd { verdict: Verdict::Success, outcome: String::new(), usage: Default::default() };
            tx.step_finished(&id, StepIndex(0), &end, at(5))?;
            tx.step_started(&id, StepIndex(1), at(6))?;
            Ok::<_, StoreError>(id)
        })
        .unwrap();
    assert!(matches!(store.read().build(&id).unwrap().unwrap().state, BuildState::Running { .. }));
    assert!(store.write(|tx| tx.finish_build(&id, Verdict::Exception, "the machine went down", at(7))).unwrap());
    assert!(!store.write(|tx| tx.finish_build(&id, Verdict::Success, "", at(8))).unwrap());
    let build = store.read().build(&id).unwrap().unwrap();
    assert_eq!(build.state.verdict(), Some(Verdict::Exception));
    let verdicts: Vec<_> = store
        .read()
        .steps(&id)
        .unwrap()
        .into_iter()
        .map(|s| match s.state {
            StepState::Finished { verdict, .. } => verdict,
            StepState::Pending | StepState::Running { .. } => panic!("{s:?}"),
        })
        .collect();
    assert_eq!(verdicts, [Verdict::Success, Verdict::Exception, Verdict::Skipped]);
}

#[test]
fn a_stop_is_recorded_once_and_not_after_the_end() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let request = queue(&mut store, ask("gkp", "main", 'a'), 1).id();
    let stop = |by: &str| Stop { by: by.into(), reason: None };
    let id = store
        .write(|tx| {
            let id = tx.start_build(&tx.read().request(request)?.unwrap(), 0, at(2))?;
            assert!(tx.ask_stop(&id, &stop("ada"))?);
            assert!(tx.ask_stop(&id, &stop("bob"))?);
            Ok::<_, StoreError>(id)
        })
        .unwrap();
    assert_eq!(store.read().build(&id).unwrap().unwrap().stop, Some(stop("ada")));
    store.write(|tx| tx.finish_build(&id, Verdict::Cancelled, "", at(3))).unwrap();
    assert!(!store.write(|tx| tx.ask_stop(&id, &stop("eve"))).unwrap());
}

fn target(name: &str) -> TargetId {
    TargetId { project: "gkp".parse().unwrap(), target: name.parse().unwrap() }
}

#[test]
fn one_release_is_live_on_each_target_and_knows_its_deploy() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let (staging, demo) = (target("staging"), target("demo"));
    let names: Vec<ReleaseName> = ["9-aaaaaaa", "10-bbbbbbb"].map(|n| n.parse().unwrap()).into();
    let live = |store: &Store, target| {
        let live = store.read().live(target).unwrap().unwrap();
        (live.name, live.live.unwrap(), live.deploy.unwrap().0)
    };
    for (at_second, (name, digit)) in (5..).zip(names.iter().zip(['a', 'b'])) {
        store
            .write(|tx| {
                for (target, id) in [(&staging, 1), (&demo, 2)] {
                    tx.set_release(target, name, &sha(digit), Standing::Made)?;
                    tx.set_live(target, name, DeployId(id + at_second), at(at_second))?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
    // Written down again by a later run, it is live since the first.
    store.write(|tx| tx.set_live(&demo, &names[1], DeployId(9), at(9))).unwrap();
    store.write(|tx| tx.set_live(&staging, &names[0], DeployId(11), at(11))).unwrap();
    assert_eq!(live(&store, &staging), (names[0].clone(), at(11), 11));
    assert_eq!(live(&store, &demo), (names[1].clone(), at(6), 8));
    assert_eq!(store.read().releases_on(&demo).unwrap()[0].name, names[1]);
    assert_eq!(store.read().releases(&demo.project).unwrap().len(), 4);
    store.write(|tx| tx.forget_release(&demo, &names[1])).unwrap();
    assert!(store.read().release(&staging, &names[1]).unwrap().is_some());
}

#[test]
fn deploys_of_a_target_come_running_first_then_in_order() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let (staging, demo) = (target("staging"), target("demo"));
    let new = |target: &TargetId, number| NewDeploy {
        target: target.clone(),
        number: BuildNumber(number),
        commit: sha('a'),
        origin: DeployOrigin::Green,
        reason: None,
    };
    let mut queue = |target, number, second| store.write(|tx| tx.queue_deploy(&new(target, number), at(second)));
    let (one, elsewhere, two) = (queue(&staging, 1, 1), queue(&demo, 2, 2), queue(&staging, 2, 2));
    let (one, elsewhere, two): (DeployId, DeployId, DeployId) = (one.unwrap(), elsewhere.unwrap(), two.unwrap());
    store.write(|tx| tx.deploy_phase(two, Phase::Switch, at(3))).unwrap();
    let order: Vec<_> = store.read().unfinished_deploys(&staging).unwrap().into_iter().map(|d| d.id).collect();
    assert_eq!(order, [two, one]);
    let ids = |deploys: Vec<Deploy>| deploys.into_iter().map(|deploy| deploy.id).collect::<Vec<_>>();
    assert_eq!(ids(store.read().last_deploys().unwrap()), [elsewhere, two]);
    assert_eq!(ids(store.read().deploys_of(&"gkp:2".parse().unwrap()).unwrap()), [two, elsewhere]);
    assert_eq!(store.read().targets_to_deploy().unwrap(), [demo.clone(), staging]);
    assert!(store.write(|tx| tx.finish_deploy(elsewhere, Outcome::RolledBack, "503", at(4))).unwrap());
    let done = store.read().deploy(elsewhere).unwrap().unwrap();
    assert!(matches!(done.state, DeployState::Finished { outcome: Outcome::RolledBack, .. }));
    assert_eq!((done.describe().as_str(), done.target_id()), ("gkp:2 to demo", demo.clone()));
    // One that was skipped, or waits, says nothing of how things are.
    let late = store.write(|tx| tx.queue_deploy(&new(&demo, 1), at(5))).unwrap();
    store.write(|tx| tx.queue_deploy(&new(&demo, 3), at(6))).unwrap();
    assert!(store.write(|tx| tx.finish_deploy(late, Outcome::Superseded, "2 is live already", at(7))).unwrap());
    assert_eq!(ids(store.read().last_ended_deploys().unwrap()), [elsewhere]);
}

#[test]
fn what_was_live_before_there_were_targets_still_is_and_an_old_program_is_heard() {
    let (_folder, place) = place();
    let connection = Connection::open(place.store_file()).unwrap();
    migrate::bring_up_to(&connection, 9);
    let old = "INSERT INTO release (project, name, number, sha, standing) VALUES ('gkp', '1-aaaaaaa', 1, ?1, 'made')
               ON CONFLICT (project, name) DO UPDATE SET standing = 'good'";
    connection.execute(old, [sha('a').as_str()]).unwrap();
    connection.execute("UPDATE release SET live = 5000 WHERE name = '1-aaaaaaa'", []).unwrap();
    connection
        .execute(
            "INSERT INTO deploy (project, number, sha, origin, created, state)
             VALUES ('gkp', 1, ?1, '{\"by\":\"green\"}', 1, 'waiting')",
            [sha('a').as_str()],
        )
        .unwrap();
    let store = Store::open(&place).unwrap();
    let default = target("default");
    assert_eq!(store.read().live(&default).unwrap().unwrap().live, Some(at(5)));
    assert_eq!(store.read().unfinished_deploys(&default).unwrap().len(), 1);
    // The program of before goes on with its own words.
    let new = "INSERT INTO release (project, name, number, sha, standing) VALUES ('gkp', '2-bbbbbbb', 2, ?1, 'made')";
    connection.execute(new, [sha('b').as_str()]).unwrap();
    connection.execute("UPDATE release SET live = NULL WHERE name <> '2-bbbbbbb'", []).unwrap();
    connection.execute("UPDATE release SET live = 6000, standing = 'good' WHERE name = '2-bbbbbbb'", []).unwrap();
    connection.execute("DELETE FROM release WHERE name = '1-aaaaaaa'", []).unwrap();
    let rows = store.read().releases_on(&default).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].standing, rows[0].live), (Standing::Good, Some(at(6))));
}

#[test]
fn a_failing_remote_keeps_the_time_of_its_first_failure_and_its_tips() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    let project: ProjectName = "gkp".parse().unwrap();
    let main = RefName::of_branch("main").unwrap();
    store
        .write(|tx| {
            tx.poll_succeeded(&project, Some(&main), at(1))?;
            tx.set_tip(&project, &main, &sha('a'), at(1))?;
            tx.poll_failed(&project, "refused", at(2))?;
            tx.poll_failed(&project, "refused again", at(3))
        })
        .unwrap();
    let source = store.read().source(&project).unwrap().unwrap();
    assert_eq!(source.trouble, Some(("refused again".into(), at(2))));
    assert_eq!((source.good, source.head), (Some(at(1)), Some(main.clone())));
    assert_eq!(store.read().tips(&project).unwrap()[&main], sha('a'));
}

#[test]
fn a_newer_schema_is_refused_and_nothing_is_changed() {
    let (_folder, place) = place();
    let store = Store::open(&place).unwrap();
    store.connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(store);
    for error in [Store::open(&place).unwrap_err(), Store::open_read_only(&place).unwrap_err()] {
        assert!(error.to_string().contains("install the newer unitci again"), "{error}");
    }
}

#[test]
fn a_reader_reads_when_nothing_else_runs_and_cannot_write() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    queue(&mut store, ask("gkp", "main", 'a'), 1);
    drop(store);
    for ending in ["-wal", "-shm"] {
        assert!(place.store().join(format!("ci.sqlite{ending}")).exists(), "{ending} is gone: a reader cannot make it");
    }
    let mut reader = Store::open_read_only(&place).unwrap();
    assert_eq!(reader.read().waiting().unwrap().len(), 1);
    assert!(reader.write(|tx| tx.queue(ask("gkp", "main", 'b'), at(1))).is_err());
}

#[test]
fn a_reader_reads_after_the_wal_was_tidied_away() {
    let (_folder, place) = place();
    let mut store = Store::open(&place).unwrap();
    queue(&mut store, ask("gkp", "main", 'a'), 1);
    store.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(store);
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(place.store().join(format!("ci.sqlite{ending}"))).unwrap();
    }
    let mut folder = std::fs::metadata(place.store()).unwrap().permissions();
    folder.set_readonly(true);
    std::fs::set_permissions(place.store(), folder).unwrap();
    assert_eq!(Store::open_read_only(&place).unwrap().read().waiting().unwrap().len(), 1);
}

#[test]
fn no_store_is_said_so() {
    let (_folder, place) = place();
    assert!(matches!(Store::open_read_only(&place), Err(StoreError::Missing(_))));
}
