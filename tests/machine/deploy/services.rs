//! What is done with services, sockets and timers, in which order, and when each counts as well.

use super::*;

/// A project whose deploy does nothing but this with units.
fn project(units: &str) -> String {
    format!(
        "[source]\nurl = \"/srv/git/gkp.git\"\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\nsettle = \"300ms\"\n{units}\n"
    )
}

impl Shop {
    fn configure(&self, units: &str) {
        self.machine.write_file("/etc/ci/projects.d/gkp.toml", project(units));
    }

    fn unit(&self, name: &str, text: &str) {
        self.machine.write_file(format!("/etc/systemd/system/{name}"), text);
        self.machine.sh("systemctl daemon-reload");
    }

    /// Deploys this build again.
    #[track_caller]
    pub(super) fn again(&self, build: u64) -> (String, String) {
        self.machine.run(["ci-deploy", &format!("gkp:{build}")]);
        self.outcome(build)
    }

    /// The log of the newest deploy of a build.
    pub(super) fn newest_log(&self, build: u64) -> String {
        self.machine.sh(&format!(
            "cd /var/lib/ci/builds/gkp/{build}; zstdcat $(ls deploy-*.log.zst | sort -t- -k2n | tail -n 1)"
        ))
    }

    pub(super) fn show(&self, property: &str, unit: &str) -> String {
        self.machine.sh(&format!("systemctl show -P {property} {unit}")).trim().to_owned()
    }
}

#[test]
fn each_unit_has_its_turn_and_is_judged_by_what_it_is() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        shop.unit("gkp-clear.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo clear >>/srv/order'\n");
        shop.unit(
            "gkp-stay.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo stay >>/srv/order'\n",
        );
        shop.unit(
            "gkp-note.service",
            "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'while [ -e /srv/hold/note ]; do sleep 0.02; done; echo note >>/srv/order; systemd-notify --ready; exec sleep inf'\n",
        );
        shop.unit("gkp-idle.service", "[Service]\nExecStart=/bin/sleep inf\n");
        shop.unit(
            "gkp-worker.service",
            "[Service]\nExecStartPre=/bin/sh -c 'echo worker >>/srv/order'\nExecStart=/bin/sleep inf\n",
        );
        shop.unit("gkp.socket", "[Socket]\nListenStream=/run/gkp.sock\nService=gkp-idle.service\nExecStartPre=/bin/sh -c 'echo socket >>/srv/order'\n");
        shop.unit("gkp-cron.timer", "[Timer]\nOnCalendar=daily\nUnit=gkp-clear.service\n");
        shop.configure(
            "reload = [\"nginx.service\"]\nstart = [\"gkp.socket\", \"gkp-cron.timer\"]\ntry-restart = [\"gkp-idle.service\", \"gkp-worker.service\"]
restart = [\"gkp-clear.service\", \"gkp-note.service\", \"gkp-stay.service\"]",
        );
        shop.machine.sh("systemctl start gkp-worker.service; rm /srv/order");
        shop.hold("note");
        let build = shop.push(&[("text", "one\n")]);
        // Nobody's turn comes before the one before is ready.
        shop.machine
            .wait_until("the service starts", SOON, || shop.show("ActiveState", "gkp-note.service") == "activating");
        shop.wait_phase("services");
        assert_eq!(shop.machine.read_file("/srv/order"), "clear\n");
        shop.release("note");
        shop.expect(build, "deployed", "");
        assert_eq!(shop.machine.read_file("/srv/order"), "clear\nnote\nstay\nworker\nsocket\n");
        let log = shop.newest_log(build);
        for said in [
            "gkp-clear.service has run",
            "gkp-note.service is restarted, process",
            "gkp-stay.service is restarted",
            "gkp-idle.service does not run, and is left so",
            "gkp-worker.service is restarted, process",
            "gkp.socket is started",
            "gkp-cron.timer is started",
            "nginx.service is reloaded, process",
        ] {
            assert!(log.contains(said), "{said}: {log}");
        }
        let running = shop.machine.sh("systemctl is-active gkp-idle.service gkp.socket gkp-cron.timer || true");
        assert_eq!(running, "inactive\nactive\nactive\n");

        // What runs is not started anew; what has failed is.
        let socket = shop.show("InvocationID", "gkp.socket");
        shop.machine.sh("systemctl kill -s KILL gkp-worker.service");
        shop.machine.wait_unit("gkp-worker.service", "failed", SOON);
        assert_eq!(shop.again(build).0, "deployed");
        assert_eq!(shop.show("InvocationID", "gkp.socket"), socket);
        assert_eq!(shop.show("ActiveState", "gkp-worker.service"), "active");
    }
}

#[test]
fn what_does_not_come_up_says_what_systemd_says_of_it() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        shop.unit("gkp-needed.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n");
        shop.unit(
            "gkp-needs.service",
            "[Unit]\nRequires=gkp-needed.service\nAfter=gkp-needed.service\n[Service]\nExecStart=/bin/sleep inf\n",
        );
        shop.unit("gkp-slow.service", "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep inf\n");
        shop.unit("gkp-quits.service", "[Service]\nType=exec\nExecStart=/bin/sh -c 'sleep 0.1; exit 5'\n");
        shop.unit(
            "gkp-flaps.service",
            "[Service]\nType=exec\nRestart=always\nRestartSec=10ms\nExecStart=/bin/sleep 0.2\n",
        );
        shop.unit("gkp-gone.socket", "[Socket]\nListenStream=/run/gone.sock\nTriggerLimitBurst=2\n");
        shop.unit("gkp-gone.service", "[Service]\nExecStart=/bin/true\n");
        shop.configure("");
        let build = shop.push(&[("text", "one\n")]);
        shop.expect(build, "deployed", "");
        for (units, why) in [
            ("restart = [\"gkp-needed.service\"]", "restart of gkp-needed.service failed (failed: exit-code)"),
            ("restart = [\"gkp-needs.service\"]", "restart of gkp-needs.service failed (dependency)"),
            ("start = [\"gkp-slow.service\"]", "start of gkp-slow.service failed (failed: timeout)"),
            ("restart = [\"gkp-quits.service\"]", "gkp-quits.service did not stay up: failed (failed), exit code 5"),
            ("restart = [\"gkp-flaps.service\"]", "gkp-flaps.service"),
            ("reload = [\"gkp-quits.service\"]", "gkp-quits.service"),
            ("restart = [\"gkp-none.service\"]", "there is no unit gkp-none.service"),
        ] {
            shop.configure(units);
            let (outcome, summary) = shop.again(build);
            assert!(outcome == "down" && summary.contains(why), "{units}: {outcome}: {summary}");
        }
        // A socket has neither a process nor a count of restarts, and is watched all the same.
        shop.machine.write_file(
            "/etc/ci/projects.d/gkp.toml",
            project("start = [\"gkp-gone.socket\"]").replace("300ms", "30s"),
        );
        shop.machine.run(["ci-deploy", "--no-wait", &format!("gkp:{build}")]).expect_success();
        shop.machine.wait_unit("gkp-gone.socket", "active", SOON);
        shop.machine.try_sh("for i in 1 2 3 4 5 6 7 8; do python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/gone.sock\")'; sleep 0.05; done");
        let (outcome, summary) = shop.outcome(build);
        assert!(
            outcome == "down" && summary.contains("gkp-gone.socket did not stay up: failed (failed)"),
            "{outcome}: {summary}"
        );
    }
}
