//! Several targets of one project: each for itself, side by side.

use super::*;

const TWO: &str = r#"
[source]
url = "/srv/git/gkp.git"
[[step]]
name = "test"
run = "true"

[[deploy]]
name = "staging"
root = "/srv/gkp"
user = "gkp"
prepare = ["while [ -e /srv/hold/prepare ]; do sleep 0.02; done; echo for $CI_TARGET"]
restart = ["gkp.service"]
settle = "100ms"

[[deploy]]
name = "demo"
automatic = false
root = "/srv/demo"
user = "demo"
site = "https://demo.example.org"
prepare = ["test $(id -un) = demo"]
restart = ["demo.service"]
settle = "100ms"
"#;

const DEMO: &str = "[Service]\nType=exec\nUser=demo\nWorkingDirectory=/srv/demo/current\n\
                    ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8001\n";

pub(super) fn two(suite: Suite) -> Shop {
    let shop = Shop::open(suite);
    shop.machine.write_file("/etc/ci/projects.d/gkp.toml", TWO);
    shop.machine.write_file("/etc/systemd/system/demo.service", DEMO);
    shop.machine.sh("useradd --system demo; install -d -o demo -g demo /srv/demo; systemctl daemon-reload");
    shop
}

/// The builds that are live: on staging, on demo.
pub(super) fn live(shop: &Shop) -> [Option<u64>; 2] {
    let project: Value = serde_json::from_str(&shop.machine.sh("ci-status gkp --json")).expect("JSON");
    let targets = project["targets"].as_array().expect("targets");
    assert_eq!([&targets[0]["name"], &targets[1]["name"]], ["staging", "demo"]);
    [0, 1].map(|target: usize| targets[target]["live"]["build"].as_u64())
}

fn text(shop: &Shop, port: u16) -> String {
    shop.machine.sh(&format!("curl -sSf --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:{port}/text"))
}

#[test]
fn what_was_tested_goes_onto_the_target_that_a_person_names() {
    for suite in Suite::every() {
        let shop = two(suite);
        let machine = &shop.machine;
        let one = shop.push_good("one");
        shop.expect(one, "deployed", "");
        assert_eq!(live(&shop), [Some(one), None]);
        let unclear = machine.run(["ci-deploy", "gkp:1"]).expect_code(1);
        assert!(unclear.stderr.contains("say which: --target staging, demo"), "{}", unclear.story());
        let none = machine.run(["ci-deploy", "gkp:1", "--target", "dmeo"]).expect_code(1);
        assert!(none.stderr.contains("no target dmeo; it has staging, demo"), "{}", none.story());

        let promoted = machine.run(["ci-deploy", "gkp:1", "--target", "demo", "-m", "client demo"]).expect_success();
        assert!(promoted.stdout.ends_with("gkp:1 to demo: deployed\n"), "{}", promoted.story());
        let two = shop.push_good("two");
        shop.expect(two, "deployed", "");
        assert_eq!(live(&shop), [Some(two), Some(one)]);
        assert_eq!([text(&shop, 8000), text(&shop, 8001)], ["two: well\n", "one: well\n"]);
        assert!(machine.read_file("/srv/demo/revisions.log").contains("gkp:1 asked for by root: client demo"));
        let told = machine.journal(&["MESSAGE_ID=531f13b2cc3d45e7b6274901dd624b8f", "CI_PROJECT=gkp"]);
        let targets: Vec<String> = told.iter().map(|entry| entry.field("CI_TARGET").to_owned()).collect();
        assert_eq!(targets, ["staging", "demo", "staging"]);

        // One goes back, the other stays.
        machine.run(["ci-deploy", "--rollback", "gkp", "--target", "demo"]).expect_code(1);
        machine.run(["ci-deploy", "--rollback", "gkp", "-t", "staging"]).expect_success();
        assert_eq!(live(&shop), [Some(one), Some(one)]);
        machine.run(["ci-deploy", "gkp", "-t", "demo"]).expect_success();
        assert_eq!(live(&shop), [Some(one), Some(two)]);
        let listed: Value = serde_json::from_str(&machine.sh("ci-deploy --list gkp -t demo --json")).expect("JSON");
        assert!(listed["releases"].as_array().unwrap().iter().all(|release| release["target"] == "demo"));
    }
}

#[test]
fn targets_do_not_wait_for_each_other_and_each_takes_one_deploy_at_a_time() {
    let shop = two(Suite::usual()[0]);
    let machine = &shop.machine;
    let one = shop.push_good("one");
    shop.expect(one, "deployed", "");
    shop.hold("prepare");
    let two = shop.push_good("two");
    shop.wait_phase("prepare");
    let active = || machine.sh("systemctl list-units --plain --no-legend 'ci-deploy@*' | cut -d' ' -f1");
    assert_eq!(active(), "ci-deploy@gkp:staging.service\n");
    machine.run(["ci-deploy", "gkp:1", "-t", "demo"]).expect_success();
    machine.run(["ci-deploy", "gkp:2", "-t", "demo"]).expect_success();
    assert_eq!(live(&shop), [Some(one), Some(two)]);
    // The next to staging waits, and a kill of its unit leaves the order as it is.
    machine.run(["ci-deploy", "gkp:1", "-t", "staging", "--no-wait"]).expect_success();
    machine.sh("systemctl kill -s KILL ci-deploy@gkp:staging.service");
    shop.release("prepare");
    machine.wait_until("both have ended", SOON, || shop.rows("deploys").iter().all(|row| !row["outcome"].is_null()));
    let mut staging = shop.rows("deploys");
    staging.retain(|row| row["target"] == "staging");
    assert_eq!(staging.iter().map(|row| row["build"].as_u64().unwrap()).collect::<Vec<_>>(), [one, two, one]);
    assert_eq!(live(&shop), [Some(one), Some(two)]);
    assert!(shop.log(two).contains("for staging"), "{}", shop.log(two));
}
