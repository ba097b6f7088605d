//! A whole little system: project files, a store filled the way the core fills it, logs on disk.

use jiff::{Span, Timestamp};
use std::fs;
use std::path::Path;
use unitci::model::build::{LogSize, Usage};
use unitci::model::deploy::DeployOrigin;
use unitci::model::{
    BuildId, Change, CommitId, NewRequest, Origin, Outcome, Phase, Place, ProjectName, RefName, ReleaseName, StepIndex,
    Target, TargetId, TargetName, Trust, Verdict,
};
use unitci::store::{NewDeploy, NewStep, Standing, StepEnd, Store, StoreError};

/// What an attacker may put where foreign text goes.
pub const HOSTILE: &str = "<script>alert(1)</script> \"' & \u{1b}[31mred\u{7} \u{202e}txet";

pub struct System {
    pub place: Place,
    store: Store,
    now: Timestamp,
}

pub struct Told<'a> {
    pub project: &'a str,
    pub branch: &'a str,
    pub subject: &'a str,
    pub origin: Origin,
    pub minutes_ago: i64,
}

impl<'a> Told<'a> {
    pub fn new(project: &'a str, subject: &'a str, minutes_ago: i64) -> Told<'a> {
        Told { project, branch: "main", subject, origin: Origin::Poll, minutes_ago }
    }
}

pub fn sha(seed: i64) -> CommitId {
    format!("{:07x}{}", (seed * 7_919_771) % 0xfff_ffff, "c0ffee5eed".repeat(3) + "abc").parse().unwrap()
}

impl System {
    pub fn new(root: &Path) -> System {
        let place = Place::under(root);
        fs::create_dir_all(place.store()).unwrap();
        fs::create_dir_all(place.projects()).unwrap();
        let store = Store::open(&place).unwrap();
        System { place, store, now: Timestamp::now() }
    }

    pub fn site_file(&self, text: &str) {
        fs::write(self.place.site_file(), text).unwrap();
    }

    pub fn project_file(&self, name: &str, text: &str) {
        fs::write(self.place.projects().join(format!("{name}.toml")), text).unwrap();
    }

    pub fn ago(&self, minutes: i64) -> Timestamp {
        self.now - Span::new().minutes(minutes)
    }

    pub fn write<T>(&mut self, work: impl FnOnce(&unitci::store::Tx<'_>) -> Result<T, StoreError>) -> T {
        self.store.write(work).unwrap()
    }

    pub fn request(&mut self, told: &Told<'_>) -> unitci::model::RequestId {
        let at = self.ago(told.minutes_ago);
        let commit = sha(told.minutes_ago);
        let change = |subject: &str, commit| Change {
            commit,
            author: "Ada Lovelace".into(),
            email: "ada@example.org".into(),
            time: at,
            subject: subject.into(),
        };
        let ask = NewRequest {
            project: told.project.parse().unwrap(),
            reference: Some(RefName::of_branch(told.branch).unwrap()),
            target: Target::Commit { commit: commit.clone() },
            origin: told.origin.clone(),
            trust: Trust::Inside,
            reason: None,
            changes: vec![change(told.subject, commit), change("Tidy up", sha(told.minutes_ago + 1))],
            not_before: None,
            token: None,
        };
        self.write(|tx| tx.queue(ask, at)).id()
    }

    /// A build with its steps, of which none has begun.
    pub fn build(&mut self, told: &Told<'_>, steps: &[&str]) -> BuildId {
        let request = self.request(told);
        let at = self.ago(told.minutes_ago);
        let steps: Vec<NewStep> = steps
            .iter()
            .map(|name| NewStep {
                name: name.parse().unwrap(),
                words: Default::default(),
                role: unitci::model::build::Role::Step,
                spec: None,
            })
            .collect();
        self.write(|tx| {
            let request = tx.read().request(request)?.unwrap();
            let id = tx.start_build(&request, 0, at)?;
            tx.take_build(&id, "boot", &steps, at)?;
            Ok(id)
        })
    }

    pub fn step(&mut self, id: &BuildId, index: u16, verdict: Verdict, outcome: &str, log: &[u8], begun: Timestamp) {
        self.running(id, index, log, begun);
        let lines = log.iter().filter(|b| **b == b'\n').count() as u64;
        let end = StepEnd {
            verdict,
            outcome: outcome.into(),
            usage: Usage {
                cpu_usec: Some(1_250_000 * u64::from(index + 1)),
                memory_peak: Some(86 << 20),
                io_read: Some(3 << 20),
                io_written: None,
            },
        };
        let over = begun + Span::new().seconds(21 * i64::from(index) + 2);
        self.write(|tx| {
            tx.step_finished(id, StepIndex(index), &end, over)?;
            tx.step_logged(id, StepIndex(index), LogSize { bytes: log.len() as u64, lines })
        });
    }

    pub fn running(&mut self, id: &BuildId, index: u16, log: &[u8], begun: Timestamp) {
        self.write(|tx| tx.step_started(id, StepIndex(index), begun));
        let stem = self.place.step_log(id, StepIndex(index));
        fs::create_dir_all(stem.parent().unwrap()).unwrap();
        fs::write(stem.with_extension("log"), log).unwrap();
    }

    pub fn finish(&mut self, id: &BuildId, verdict: Verdict, summary: &str, minutes_ago: i64) {
        let at = self.ago(minutes_ago) + Span::new().seconds(63);
        self.write(|tx| tx.finish_build(id, verdict, summary, at));
    }

    /// A build that went well from the first line to the last.
    pub fn green(&mut self, told: &Told<'_>) -> BuildId {
        let id = self.build(told, &["checkout", "test"]);
        let begun = self.ago(told.minutes_ago);
        self.step(&id, 0, Verdict::Success, "", b"HEAD is now at 3f2a91c\n", begun);
        self.step(&id, 1, Verdict::Success, "", b"12 passed\n", begun);
        self.finish(&id, Verdict::Success, "", told.minutes_ago);
        id
    }

    pub fn deploy(&mut self, id: &BuildId, seed: i64, outcome: Outcome, summary: &str, minutes_ago: i64) {
        let target = TargetId { project: id.project.clone(), target: TargetName::default() };
        let (origin, reason) = (DeployOrigin::Green, None);
        let new = NewDeploy { target, number: id.number, commit: sha(seed), origin, reason };
        self.deploy_as(&new, outcome, summary, minutes_ago);
    }

    /// A deploy that has ended; one that was rolled back made the release before it live again, if there is one.
    pub fn deploy_as(&mut self, new: &NewDeploy, outcome: Outcome, summary: &str, minutes_ago: i64) {
        let at = self.ago(minutes_ago);
        let target = &new.target;
        let name = ReleaseName::new(new.number, &new.commit);
        self.write(|tx| {
            let deploy = tx.queue_deploy(new, at)?;
            tx.deploy_phase(deploy, Phase::Switch, at)?;
            tx.finish_deploy(deploy, outcome, summary, at + Span::new().seconds(4))?;
            let standing = if outcome == Outcome::Deployed { Standing::Good } else { Standing::Bad };
            let before = tx.read().live(target)?.map(|release| release.name);
            tx.set_release(target, &name, &new.commit, standing)?;
            match (outcome, before) {
                (Outcome::Deployed, _) => tx.set_live(target, &name, deploy, at),
                (Outcome::RolledBack, Some(before)) => {
                    tx.set_live(target, &name, deploy, at)?;
                    tx.set_live(target, &before, deploy, at)
                }
                _ => Ok(()),
            }
        });
    }

    pub fn polled(&mut self, project: &str, tip: Option<CommitId>, error: Option<&str>) {
        let name: ProjectName = project.parse().unwrap();
        let main = RefName::of_branch("main").unwrap();
        let (early, late) = (self.ago(90), self.ago(1));
        self.write(|tx| {
            tx.poll_succeeded(&name, Some(&main), early)?;
            if let Some(tip) = tip {
                tx.set_tip(&name, &main, &tip, early)?;
            }
            match error {
                Some(error) => tx.poll_failed(&name, error, late),
                None => tx.poll_succeeded(&name, None, late),
            }
        });
    }
}

pub const PLAIN: &str =
    "[source]\nurl = \"https://git.example.org/x.git\"\n\n[[step]]\nname = \"test\"\nrun = \"make test\"\n";

fn deploying(description: &str) -> String {
    format!(
        "description = {description:?}\n{PLAIN}\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\nsite = \"https://test.example.org\"\nrestart = [\"gkp.service\"]\n"
    )
}

/// One project in each state that a project can be in.
pub fn every_state(root: &Path) -> System {
    let mut system = System::new(root);
    system.site_file("title = \"Example & Sons\"\ntitle-url = \"https://example.org\"\n");
    system.project_file("gkp", &deploying("The client's shop"));
    system.project_file("shop", &deploying("Checkout and billing"));
    system.project_file("blog", PLAIN);
    system.project_file("docs", PLAIN);
    system.project_file("typo", "[source]\nurll = \"https://git.example.org/x.git\"\n");
    system.project_file("evil", &format!("description = '''<script>alert(\"1\")</script> & ' '''\n{PLAIN}"));

    let subjects =
        ["Fix the basket's total", "Show shipping costs earlier", "Translate the footer", "Update dependencies"];
    for n in 0..70_i64 {
        let told = Told::new("gkp", subjects[n as usize % 4], 60 * (72 - n));
        if n % 9 == 4 {
            let id = system.build(&told, &["checkout", "test", "lint"]);
            let begun = system.ago(told.minutes_ago);
            system.step(&id, 0, Verdict::Success, "", b"HEAD is now at 3f2a91c\n", begun);
            system.step(&id, 1, Verdict::Failure, "exit code 2", b"1 failed\n", begun);
            system.finish(&id, Verdict::Failure, "step test: exit code 2", told.minutes_ago);
        } else {
            system.green(&told);
        }
    }
    let live = system.green(&Told::new("gkp", "Let guests check out without an account", 12));
    system.deploy(&live, 12, Outcome::Deployed, "", 11);
    system.polled("gkp", Some(sha(12)), None);

    let good = system.green(&Told::new("shop", "Round prices by currency", 2000));
    system.deploy(&good, 2000, Outcome::Deployed, "", 1999);
    let bad = system.green(&Told::new("shop", "Move sessions to Redis", 35));
    system.deploy(&bad, 35, Outcome::RolledBack, "health check: http://127.0.0.1:8000/healthz answered 503", 34);
    let red = system.build(
        &Told { branch: "release/2.4", ..Told::new("shop", "Compute tax per line", 8) },
        &["checkout", "install", "test", "report"],
    );
    let begun = system.ago(8);
    system.step(&red, 0, Verdict::Success, "", b"HEAD is now at 77ab21c Compute tax per line\n", begun);
    system.step(&red, 1, Verdict::Warnings, "exit code 1, counts as warnings", b"npm warn deprecated\n", begun);
    let log = (1..=4000)
        .map(|n| format!("tests/test_tax.py::test_case_{n} \x1b[32mPASSED\x1b[0m\n"))
        .chain([
            "\x1b[31m\x1b[1mFAILED\x1b[0m tests/test_tax.py::test_rounding - assert Decimal('19.99') == Decimal('20.00')\n".into(),
            "\x1b[31m======= 1 failed, 4000 passed in 21.04s =======\x1b[0m\n".into(),
        ])
        .collect::<String>();
    system.step(&red, 2, Verdict::Failure, "exit code 1", log.as_bytes(), begun);
    system.finish(&red, Verdict::Failure, "step test: exit code 1", 8);
    system.polled("shop", Some(sha(8)), Some("git.example.org: connection refused"));

    system.green(&Told::new("blog", "First post", 4000));
    let origin = Origin::Force { name: "ada".into() };
    let running = system.build(&Told { origin, ..Told::new("blog", "Second post", 2) }, &["checkout", "build"]);
    let begun = system.ago(1);
    system.step(&running, 0, Verdict::Success, "", b"HEAD is now at 1234567\n", begun);
    system.running(&running, 1, b"Building page 1 of 300\nBuilding page 2 of 300\n", begun);
    system.request(&Told { branch: "drafts", ..Told::new("blog", "A draft", 1) });
    system.polled("blog", None, None);

    system.polled("docs", Some("3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3".parse().unwrap()), None);

    let branch = "a<b>\"'&\u{202e}c";
    let evil = system.build(&Told { branch, ..Told::new("evil", HOSTILE, 100) }, &["checkout", "test"]);
    let begun = system.ago(100);
    system.step(&evil, 0, Verdict::Success, "", b"", begun);
    system.step(&evil, 1, Verdict::Failure, HOSTILE, format!("{HOSTILE}\n").as_bytes(), begun);
    system.finish(&evil, Verdict::Failure, HOSTILE, 100);
    system.polled("evil", None, Some(HOSTILE));

    system.green(&Told::new("retired", "The last commit", 90_000));
    system
}
