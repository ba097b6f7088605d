//! Who starts and who waits, as tables.

use super::*;
use crate::model::{Approval, BuildState, CommitId, NewRequest, Origin, RequestState, Target, Trust};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn commit() -> CommitId {
    "a".repeat(40).parse().unwrap()
}

/// A request `id` of a project, made at that second.
fn request(id: i64, project: &str, made: i64, origin: Origin) -> Request {
    Request {
        id: RequestId(id),
        ask: NewRequest {
            project: project.parse().unwrap(),
            reference: None,
            target: Target::Commit { commit: commit() },
            origin,
            trust: Trust::Inside,
            reason: None,
            changes: vec![],
            not_before: None,
            token: None,
        },
        approval: Approval::NotNeeded,
        created: at(made),
        first: at(made),
        state: RequestState::Waiting,
    }
}

fn poll(id: i64, project: &str) -> Request {
    request(id, project, id, Origin::Poll)
}

fn force(id: i64, project: &str) -> Request {
    request(id, project, id, Origin::Force { name: "ada".into() })
}

fn lock(text: &str) -> Lock {
    match text.strip_suffix('!') {
        Some(name) => Lock { name: name.parse().unwrap(), mode: LockMode::Exclusive },
        None => Lock { name: text.parse().unwrap(), mode: LockMode::Counting },
    }
}

fn build(name: &str, slot: u16, locks: &[&str]) -> Build {
    Build {
        id: name.parse().unwrap(),
        request: RequestId(1),
        reference: None,
        target: Target::Tip,
        commit: None,
        trust: Trust::Inside,
        origin: Origin::Poll,
        reason: None,
        changes: vec![],
        queued: at(0),
        created: at(0),
        state: BuildState::Starting,
        stop: None,
        holds: Holds { slot: Slot(slot), locks: locks.iter().map(|text| lock(text)).collect() },
    }
}

fn rules(of: &[(&str, i32, u16, &[&str])]) -> BTreeMap<ProjectName, Rules> {
    let one = |(project, priority, max_builds, locks): &(&str, i32, u16, &[&str])| {
        let locks = locks.iter().map(|text| lock(text)).collect();
        (
            project.parse().unwrap(),
            Rules { priority: *priority, max_builds: *max_builds, locks, cancel_superseded: false },
        )
    };
    of.iter().map(one).collect()
}

fn bounds(max_builds: u32) -> Bounds {
    Bounds {
        max_builds,
        locks: [("db".parse().unwrap(), 2), ("deploy".parse().unwrap(), 1)].into(),
        memory: MemoryBounds { pressure: 20, available: 64 << 20 },
    }
}

/// What becomes of each request, in words, in the order of the queue: `1 starts`, `2 starts in 1`, `3 waits for …`.
fn told(queue: &Queue<'_>) -> Vec<String> {
    let word = |(id, turn): (RequestId, Turn)| match turn {
        Turn::Starts(Holds { slot: Slot(0), .. }) => format!("{id} starts"),
        Turn::Starts(Holds { slot, .. }) => format!("{id} starts in {slot}"),
        Turn::Waits(why) => format!("{id} {}", why.describe(|time| time.as_second().to_string())),
    };
    decide(queue).into_iter().map(word).collect()
}

#[test]
fn who_starts_and_what_others_wait_for() {
    let none = rules(&[]);
    let ranked = rules(&[("low", -10, 1, &[]), ("high", 50, 1, &[]), ("a", 0, 1, &[])]);
    let wide = rules(&[("a", 0, 3, &[])]);
    let locking = rules(&[
        ("a", 0, 1, &["db"]),
        ("b", 0, 1, &["db"]),
        ("c", 0, 1, &["db"]),
        ("x", 0, 1, &["db!"]),
        ("both", 0, 1, &["db!", "deploy"]),
        ("d", 0, 1, &["deploy"]),
        ("gone", 0, 1, &["old"]),
    ]);
    type Row<'a> = (&'a str, &'a BTreeMap<ProjectName, Rules>, Vec<Request>, Vec<Build>, u32, &'a [&'a str]);
    let table: Vec<Row<'_>> = vec![
        ("in order", &none, vec![poll(1, "a"), poll(2, "b")], vec![], 2, &["1 starts", "2 starts"]),
        (
            "no more than max-builds",
            &none,
            vec![poll(1, "a"), poll(2, "b")],
            vec![],
            1,
            &["1 starts", "2 waits for its turn: one build runs at a time"],
        ),
        (
            "running ones count",
            &none,
            vec![poll(1, "a"), poll(2, "b")],
            vec![build("x:1", 0, &[])],
            2,
            &["1 starts", "2 waits for its turn: 2 builds run at a time"],
        ),
        (
            "one of a project at a time",
            &none,
            vec![poll(1, "a"), poll(2, "a"), poll(3, "b")],
            vec![build("b:4", 0, &[])],
            9,
            &["1 starts", "2 waits for another build of its project", "3 waits for b:4 of its project"],
        ),
        (
            "forced goes first",
            &ranked,
            vec![poll(1, "high"), force(2, "low")],
            vec![],
            1,
            &["2 starts", "1 waits for its turn: one build runs at a time"],
        ),
        (
            "by priority",
            &ranked,
            vec![poll(1, "low"), poll(2, "a"), poll(3, "high")],
            vec![],
            9,
            &["3 starts", "2 starts", "1 starts"],
        ),
        (
            "who has waited for an hour has caught up",
            &ranked,
            vec![request(1, "low", -3600, Origin::Poll), poll(2, "high"), poll(3, "a")],
            vec![],
            9,
            &["1 starts", "2 starts", "3 starts"],
        ),
        (
            "workspaces of its own",
            &wide,
            vec![poll(1, "a"), poll(2, "a"), poll(3, "a")],
            vec![build("a:7", 1, &[])],
            9,
            &["1 starts", "2 starts in 2", "3 waits for a:7 of its project"],
        ),
        (
            "as many as a lock counts",
            &locking,
            vec![poll(1, "a"), poll(2, "b"), poll(3, "c")],
            vec![],
            9,
            &["1 starts", "2 starts", "3 waits for lock db"],
        ),
        (
            "a lock is held by builds",
            &locking,
            vec![poll(1, "x"), poll(2, "d")],
            vec![build("a:1", 0, &["db"]), build("b:2", 0, &["db"])],
            9,
            &["1 waits for lock db, held by a:1, b:2", "2 starts"],
        ),
        (
            "who holds it alone holds it alone",
            &locking,
            vec![poll(1, "a")],
            vec![build("x:1", 0, &["db!"])],
            9,
            &["1 waits for lock db, held by x:1"],
        ),
        (
            "nobody overtakes who waits for a lock",
            &locking,
            vec![poll(1, "x"), poll(2, "b")],
            vec![build("a:1", 0, &["db"])],
            9,
            &["1 waits for lock db, held by a:1", "2 waits for lock db, for which x waits longer"],
        ),
        (
            "nor for several at once",
            &locking,
            vec![poll(1, "both"), poll(2, "d")],
            vec![build("a:1", 0, &["db"])],
            9,
            &["1 waits for lock db, held by a:1", "2 waits for lock deploy, for which both waits longer"],
        ),
        (
            "who could not start anyway keeps no lock from others",
            &locking,
            vec![poll(1, "x"), poll(2, "b")],
            vec![build("x:1", 0, &[]), build("a:1", 0, &["db"])],
            9,
            &["1 waits for x:1 of its project", "2 starts"],
        ),
        (
            "a lock that is in no ci.toml any more",
            &locking,
            vec![poll(1, "gone")],
            vec![build("a:1", 0, &["old"])],
            9,
            &["1 waits for lock old, held by a:1"],
        ),
    ];
    for (what, rules, waiting, unfinished, most, expected) in table {
        let bounds = bounds(most);
        let queue =
            Queue { waiting: &waiting, unfinished: &unfinished, rules, bounds: &bounds, short: None, now: at(10) };
        assert_eq!(told(&queue), expected, "{what}");
    }
}

#[test]
fn the_stable_timer_and_the_memory_keep_everybody_waiting() {
    let (rules, bounds) = (rules(&[]), bounds(9));
    let mut early = poll(1, "a");
    early.ask.not_before = Some(at(50));
    let waiting = [early, force(2, "b")];
    let queue = Queue { waiting: &waiting, unfinished: &[], rules: &rules, bounds: &bounds, short: None, now: at(10) };
    assert_eq!(told(&queue), ["2 starts", "1 not before 50"]);
    let short = Queue { short: Some("there is none"), ..queue };
    assert_eq!(told(&short), ["2 waits for memory: there is none", "1 not before 50"]);
}

#[test]
fn what_the_machine_says_of_its_memory() {
    let pressure = |average: &str| format!("some avg10={average} avg60=1.00 avg300=0.00 total=9\nfull avg10=99.00\n");
    let info = |kib: u64| format!("MemTotal: 4000000 kB\nMemFree: 1 kB\nMemAvailable:   {kib} kB\n");
    let says = |average: &str, kib: u64, bounds: MemoryBounds| {
        Memory::read(Some(&pressure(average)), Some(&info(kib))).short(&bounds).unwrap_or_default()
    };
    let usual = MemoryBounds { pressure: 20, available: 64 << 20 };
    for (average, kib, bounds, begins) in [
        ("0.00", 1 << 20, usual, ""),
        ("20.00", 1 << 20, usual, ""),
        ("20.01", 1 << 20, usual, "in 20 % of the last ten seconds"),
        ("100.00", 1 << 20, usual, "in 100 %"),
        ("0.00", 65_535, usual, "63 MiB are available; builds start at 64 MiB"),
        ("0.00", 65_536, usual, ""),
        ("99.00", 1, MemoryBounds { pressure: 0, available: 0 }, ""),
    ] {
        let says = says(average, kib, bounds);
        assert!(says.starts_with(begins) && says.is_empty() == begins.is_empty(), "{average} {kib}: {says}");
    }
    assert_eq!(Memory::read(None, None).short(&usual), None, "a kernel that does not tell");
    assert_eq!(Memory::read(Some("nonsense"), Some("MemAvailable: much")), Memory::default());
}
