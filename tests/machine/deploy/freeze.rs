//! Nothing new goes live while a person says so, and afterwards all goes on by itself.

use super::targets::{live, two};
use super::*;

#[test]
fn what_a_freeze_holds_back_goes_on_by_itself_when_it_ends() {
    for suite in Suite::every() {
        let shop = two(suite);
        let machine = &shop.machine;
        let one = shop.push_good("one");
        shop.expect(one, "deployed", "");
        machine.run(["ci-deploy", "--freeze", "gkp"]).expect_code(2);
        machine.run(["ci-deploy", "--freeze", "gkp", "--until", "yesterday"]).expect_code(2);
        let freeze = ["ci-deploy", "--freeze", "gkp", "-t", "staging", "--until", "20s", "-m", "client demo"];
        let frozen = machine.run(freeze).expect_success();
        assert!(frozen.stdout.starts_with("gkp (staging): frozen until 20"), "{}", frozen.story());
        let two = shop.push_good("two");
        let held = machine.run(["ci-deploy", "--no-wait", "gkp:2", "-t", "staging"]).expect_success().stdout;
        assert!(held.contains("gkp:2 to staging: waits, frozen until 20"), "{held}");
        assert!(held.contains("by root: client demo; ci-deploy --thaw gkp -t staging does not wait"), "{held}");
        assert!(machine.sh("ci-status gkp").contains("frozen until"));
        // The other target is not frozen, and a timer waits for the end.
        machine.run(["ci-deploy", "gkp:2", "-t", "demo"]).expect_success();
        assert_eq!(live(&shop), [Some(one), Some(two)]);
        assert_eq!(machine.sh("systemctl show -P Unit ci-deploy.timer").trim(), "ci-deploy.service");
        let ended = std::time::Instant::now();
        shop.machine.wait_until("it goes on", SOON, || live(&shop) == [Some(two), Some(two)]);
        assert!(ended.elapsed() < SOON / 2, "found by the net only: {:?}", ended.elapsed());
        for id in ["1c0fa03990024faab1f81e30efdc4f36", "c5ae41bf11d14836824be2df2892d3bd"] {
            let told = machine.journal(&[&format!("MESSAGE_ID={id}"), "CI_PROJECT=gkp", "CI_TARGET=staging"]);
            assert_eq!(told.len(), 1, "{id}");
        }
        assert!(!machine.sh("ci-status gkp").contains("frozen"));
    }
}

#[test]
fn during_a_freeze_a_person_may_go_back_or_end_it_and_a_reboot_does_not() {
    let mut shop = two(Suite::usual()[0]);
    let one = shop.push_good("one");
    shop.expect(one, "deployed", "");
    let two = shop.push_good("two");
    shop.expect(two, "deployed", "");
    shop.machine.run(["ci-deploy", "--freeze", "gkp", "--until", "2h", "-m", "client demo"]).expect_success();
    let three = shop.push_good("three");
    shop.machine.wait_until("the third waits", SOON, || shop.row("deploys", three).is_some());
    let back = shop.machine.run(["ci-deploy", "--rollback", "gkp", "-t", "staging", "-m", "it is slow"]);
    assert!(back.expect_success().stdout.ends_with("gkp:1 to staging: deployed\n"));
    assert_eq!(live(&shop), [Some(one), None]);
    let status = shop.machine.sh("ci-status gkp");
    assert!(status.contains("rolled back by root: it is slow"), "{status}");
    shop.machine.reboot();
    shop.machine.wait_until("the timer is there again", SOON, || {
        shop.machine.try_sh("systemctl is-active ci-deploy.timer").stdout == "active\n"
    });
    assert_eq!(live(&shop), [Some(one), None]);
    shop.machine.run(["ci-deploy", "--thaw", "gkp"]).expect_success();
    shop.expect(three, "deployed", "");
    assert_eq!(live(&shop), [Some(three), None]);
    shop.machine.run(["ci-deploy", "--thaw", "gkp"]).expect_code(1);
}

#[test]
fn a_freeze_whose_end_no_clock_that_is_right_can_have_written_is_over() {
    let shop = two(Suite::usual()[0]);
    let one = shop.push_good("one");
    shop.expect(one, "deployed", "");
    shop.machine.run(["ci-deploy", "--freeze", "gkp", "--until", "2h"]).expect_success();
    let two = shop.push_good("two");
    shop.machine.wait_until("the second waits", SOON, || shop.row("deploys", two).is_some());
    let sql = "UPDATE freeze SET until = until + 1000 * 3600 * 24 * 3650";
    shop.machine.run_as("unitci", ["sqlite3", "/var/lib/ci/store/ci.sqlite", sql]).expect_success();
    shop.machine.sh("systemctl start ci-clean.service");
    shop.expect(two, "deployed", "");
}
