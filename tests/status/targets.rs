//! What is on each target of a project, and what holds deploys back, on page, terminal and in JSON.

use crate::server::Server;
use crate::system::{HOSTILE, PLAIN, System, Told, sha};
use crate::terminal::shows;
use jiff::Span;
use serde_json::Value;
use unitci::model::deploy::DeployOrigin;
use unitci::model::{BuildId, Freeze, Outcome, TargetId};
use unitci::store::NewDeploy;

const TARGETS: &str = "
[[deploy]]
name = 'staging'
root = '/srv/staging'
user = 'gkp'
site = 'https://staging.example.org'
[[deploy]]
name = 'demo'
automatic = false
root = '/srv/demo'
user = 'gkp'
[[deploy]]
name = 'future'
automatic = false
root = '/srv/future'
user = 'gkp'
";

fn target(name: &str) -> TargetId {
    TargetId { project: "gkp".parse().unwrap(), target: name.parse().unwrap() }
}

fn new(name: &str, build: &BuildId, origin: DeployOrigin, reason: Option<&str>) -> NewDeploy {
    let reason = reason.map(str::to_owned);
    NewDeploy { target: target(name), number: build.number, commit: sha(i64::from(build.number.0)), origin, reason }
}

#[test]
fn what_is_on_each_target_is_told_everywhere() {
    let root = tempfile::tempdir().unwrap();
    let mut system = System::new(root.path());
    system.project_file("gkp", &format!("{PLAIN}{TARGETS}"));
    let person = || DeployOrigin::Person { name: "anna".to_owned(), red: None };
    let (one, two) = (system.green(&Told::new("gkp", "First", 60)), system.green(&Told::new("gkp", "Second", 30)));
    system.deploy_as(&new("staging", &one, DeployOrigin::Green, None), Outcome::Deployed, "", 59);
    system.deploy_as(&new("demo", &one, person(), Some("client demo")), Outcome::Deployed, "", 50);
    system.deploy_as(&new("staging", &two, DeployOrigin::Green, None), Outcome::RolledBack, "it was sick", 29);
    let until = system.ago(-60);
    let freeze = |name, until| Freeze {
        target: target(name),
        until,
        by: "bob".to_owned(),
        reason: Some(HOSTILE.to_owned()),
        since: until - Span::new().hours(2),
    };
    system.write(|tx| {
        tx.freeze(&freeze("demo", until))?;
        // One that is over, and that nobody has removed yet.
        tx.freeze(&freeze("staging", until - Span::new().minutes(61)))?;
        tx.queue_deploy(&new("demo", &two, person(), None), until).map(drop)
    });

    let json: Value = serde_json::from_str(&shows(root.path(), &["gkp", "--json"])).unwrap();
    let (staging, demo) = (&json["targets"][0], &json["targets"][1]);
    assert_eq!((&staging["live"]["build"], &staging["live"]["deploy"]["build"]), (&1.into(), &2.into()));
    assert_eq!((&staging["freeze"], &demo["freeze"]["by"]), (&Value::Null, &"bob".into()));
    assert_eq!(demo["live"]["deploy"]["origin"]["name"], "anna");
    assert_eq!((&demo["last_deploy"]["state"], &demo["automatic"]), (&"waiting".into(), &false.into()));
    assert_eq!(json["live"]["build"], 1);

    for (args, says) in [
        (
            &[][..],
            &["staging 1, demo 1", "demo: frozen until", "build 2 waits to be deployed to demo", "gkp:2 to staging"][..],
        ),
        (
            &["gkp"],
            &[
                "staging: Live since",
                "back from build 2: it was sick)",
                "demo: Live since",
                "asked for by anna: client demo)",
                "! frozen until",
                "people deploy there: ci-deploy gkp:N --target future",
            ],
        ),
        (&["gkp:2"], &["waiting to demo", "rolled-back to staging"]),
        (&["--queue"], &["deploy of build 2 to demo, frozen until"]),
    ] {
        let text = shows(root.path(), args);
        for said in says {
            assert!(text.contains(said), "{args:?}: {said:?} is not in\n{text}");
        }
        assert_eq!(text.matches("frozen").count(), usize::from(args != ["gkp:2"]), "{text}");
        assert!(!text.contains(|c| ['\u{1b}', '\u{202e}'].contains(&c)), "{text:?}");
    }

    let server = Server::start(root.path(), 15);
    for (path, says) in [
        ("/", &["<b>staging</b>", "<b>demo</b>", "back from build 2: it was sick", "frozen</span> until"][..]),
        ("/p/gkp/", &["asked for by anna: client demo", "frozen</span> until", "to deploy build 2 to demo", "on demo"]),
        ("/p/gkp/2/", &["Deploy to demo", "Deploy to staging"]),
    ] {
        let body = server.get(path).body;
        for said in says {
            assert!(body.contains(said), "{path}: {said:?} is not in\n{body}");
        }
        assert!(!body.contains("<script"), "{path}");
    }
}

#[test]
fn a_project_that_is_down_stands_at_the_top() {
    let root = tempfile::tempdir().unwrap();
    let mut system = System::new(root.path());
    for name in ["aaa", "gkp"] {
        system.project_file(name, &format!("{PLAIN}{TARGETS}"));
    }
    let one = system.green(&Told::new("gkp", "First", 60));
    system.green(&Told::new("aaa", "Other", 60));
    system.deploy_as(&new("demo", &one, DeployOrigin::Green, None), Outcome::Down, "nothing answers", 59);
    let text = shows(root.path(), &[]);
    let first = text.lines().next().unwrap().trim();
    assert_eq!(first, "DOWN: deploy of gkp:1 to demo: failed, and the old version is down: nothing answers");
    let server = Server::start(root.path(), 15);
    assert!(server.get("/").body.contains("<h1>gkp is down</h1>"));
}
