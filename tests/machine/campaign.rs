//! A campaign of kills: builds go on while everything of unitci, the journal and the machine's power are taken away at
//! random moments. `CAMPAIGN_BUILDS=300 CAMPAIGN_SEED=7` make it longer, and the same again.

use crate::harness::Suite;
use crate::story::{SOON, Team, step};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

const PROJECTS: [&str; 4] = ["ann", "bob", "cid", "dan"];
/// How far a step counts.
const LINES: usize = 300;
/// Counts in bursts, and leaves a process behind that has left its session.
const COUNT: &str =
    "setsid sleep 600 & i=0; while test $i -lt 300; do i=$((i+1)); echo $i; test $((i % 30)) != 0 || sleep 0.02; done";

/// What is done to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    Supervisors,
    Dispatcher,
    Intake,
    Launcher,
    Journal,
    Power,
}

/// A deck that is shuffled and dealt out, again and again.
const BLOWS: [Blow; 12] = [
    Blow::Supervisors,
    Blow::Supervisors,
    Blow::Supervisors,
    Blow::Dispatcher,
    Blow::Dispatcher,
    Blow::Intake,
    Blow::Launcher,
    Blow::Launcher,
    Blow::Launcher,
    Blow::Journal,
    Blow::Journal,
    Blow::Power,
];

impl Blow {
    /// The units whose main process is killed.
    fn units(self) -> &'static str {
        match self {
            Blow::Supervisors => "ci-build@*",
            Blow::Dispatcher => "ci-build.service",
            Blow::Intake => "ci-request.service",
            Blow::Launcher => "ci-launch.service",
            Blow::Journal => "systemd-journald.service",
            Blow::Power => "",
        }
    }

    fn strike(self, team: &mut Team) {
        if self == Blow::Power {
            team.machine.crash();
            team.machine.boot_again();
        } else {
            // A unit that does not run just now is not hit.
            team.machine.run(["systemctl", "kill", "--signal=KILL", "--kill-whom=main", self.units()]);
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn whatever_is_killed_every_request_has_one_verdict_and_nothing_is_left() {
    let (wanted, seed) = (setting("CAMPAIGN_BUILDS", 24), setting("CAMPAIGN_SEED", 20_261_123));
    let mut random = Rng::with_seed(seed);
    let mut team = Team::start(Suite::usual()[0]);
    for project in PROJECTS {
        team.project(project, &(step("count", COUNT) + &step("end", "echo end") + "when = \"always\"\n"));
    }
    let mut blows: BTreeMap<Blow, u32> = BTreeMap::new();
    let (mut taken, mut deck) = (Vec::new(), Vec::new());
    while (taken.len() as u64) < wanted {
        let project = PROJECTS[random.usize(..PROJECTS.len())];
        // Unanswered when what answers was killed; then it need not be there.
        let said = team.anna(&format!("ci-build --force {project}"));
        if let Some(id) = said.stdout.strip_prefix("queued as request ").and_then(|rest| rest.split(';').next()) {
            taken.push(id.to_owned());
        }
        std::thread::sleep(Duration::from_millis(random.u64(..300)));
        if deck.is_empty() {
            deck.extend(BLOWS);
            random.shuffle(&mut deck);
        }
        let blow = deck.pop().expect("a deck that was just filled");
        blow.strike(&mut team);
        *blows.entry(blow).or_default() += 1;
    }
    println!("seed {seed}: {} requests taken, blows {blows:?}", taken.len());

    let open =
        "(SELECT 1 FROM request WHERE state = 'waiting' UNION ALL SELECT 1 FROM build WHERE state <> 'finished')";
    team.machine.wait_until("all to be over", SOON * 5, || {
        team.machine.sh("systemctl start ci-clean.service");
        team.count(open) == 0
    });
    every_request_has_one_verdict(&team, &taken);
    every_log_is_whole(&team);
    nothing_is_left(&team);
}

fn every_request_has_one_verdict(team: &Team, taken: &[String]) {
    let known = team.rows("SELECT CAST(id AS TEXT) AS id FROM request");
    for id in taken {
        assert!(known.iter().any(|row| row["id"] == id.as_str()), "request {id} was answered and is not there");
    }
    let followed = "request LEFT JOIN build ON build.request = request.id WHERE request.state = 'started'";
    assert_eq!(team.count(followed), team.count("request WHERE state = 'started'"), "one build each");
    assert_eq!(team.count("build"), team.count(followed), "no build that nobody asked for");
    assert_eq!(team.count(&format!("{followed} AND build.verdict IS NULL")), 0);
    assert_eq!(team.count("request WHERE state = 'dropped'"), 0);
    assert_eq!(team.count("build WHERE verdict NOT IN ('success', 'exception')"), 0, "{:?}", odd(team));
    let other = "build WHERE verdict = 'exception' AND summary <> 'the machine went down'";
    assert_eq!(team.count(other), 0, "{:?}", odd(team));
}

/// Builds that ended as none should, for whoever reads the failure.
fn odd(team: &Team) -> Vec<serde_json::Value> {
    team.rows(
        "SELECT project, number, verdict, summary FROM build
         WHERE verdict <> 'success' AND summary <> 'the machine went down'",
    )
}

/// Of a green build all, of one that was cut off all up to the cut.
fn every_log_is_whole(team: &Team) {
    for build in team.rows("SELECT project, number, verdict FROM build") {
        let log =
            format!("/var/lib/ci/builds/{}/{}/1.log.zst", build["project"].as_str().expect("text"), build["number"]);
        let green = build["verdict"] == "success";
        if !green && !team.machine.exists(&log) {
            continue;
        }
        let text = team.machine.sh(&format!("zstdcat {log}"));
        let whole = text.lines().enumerate().all(|(at, line)| {
            let last = !green && at + 1 == text.lines().count() && !text.ends_with('\n');
            line == (at + 1).to_string() || last
        });
        assert!(whole && (!green || text.lines().count() == LINES), "{build}: {log} has gaps:\n{text}");
    }
}

fn nothing_is_left(team: &Team) {
    for (what, listing) in [
        ("unit", "systemctl list-units --all --no-legend --plain 'ci-step-*' 'ci-build@*' 'ci-work-*'"),
        ("process", "ps -eo user:30,args | grep -E '^(unitci|ci-|cib-|cig-)' || true"),
        ("mount", "findmnt --raw --noheadings --output TARGET | grep -E '/var/(cache|lib)/ci|credentials/ci-' || true"),
        ("file", "find /var/lib/ci/builds -type f ! -name '*.log.zst'; find /run/ci/wake -type f"),
        ("folder", "find /tmp /var/tmp -maxdepth 1 -name 'systemd-private-*ci-step*'"),
    ] {
        let mut told = String::new();
        team.machine.wait_until(&format!("no {what} to be left"), SOON, || {
            let left = team.machine.sh(listing);
            if left != told {
                println!("{what}s that are left: {left:?}");
                told.clone_from(&left);
            }
            left.trim().is_empty()
        });
    }
}
