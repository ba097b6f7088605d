//! The set-ups that ci-deploy(1) shows: that each serves the new release, and which of them lose a request on the way.

use super::*;

const APP: &str = include_str!("../../setups/gunicorn/app.py");
const GUNICORN: &str = include_str!("../../setups/gunicorn/gkp.service");

impl Shop {
    /// A site with these units and this web server; `deploy` is what the project says of units.
    fn set_up(&self, units: &[(&str, &str)], nginx: &str, deploy: &str) {
        for (name, text) in units {
            self.machine.write_file(format!("/etc/systemd/system/{name}"), text);
        }
        self.machine.write_file("/etc/nginx/conf.d/gkp.conf", nginx);
        self.machine.sh("systemctl daemon-reload; systemctl restart nginx");
        self.machine.write_file(
            "/etc/ci/projects.d/gkp.toml",
            format!(
                "[source]\nurl = \"/srv/git/gkp.git\"\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\nsettle = \"0s\"\n{deploy}\n
                 [deploy.health]\nurl = \"http://127.0.0.1:8080/\"\ncontains = \"%{{commit}}\"\nattempts = 50\ninterval = \"100ms\"\n"
            ),
        );
    }

    /// Two builds that differ in their commits alone.
    #[track_caller]
    fn two_builds(&self, files: &[(&str, &str)]) -> [u64; 2] {
        ["one\n", "two\n"].map(|text| {
            let build = self.push(&[files, &[("text", text)]].concat());
            self.expect(build, "deployed", "");
            build
        })
    }

    /// Deploys the two in turn while clients ask all the time. Says what they saw.
    #[track_caller]
    fn under_load(&self, builds: [u64; 2], deploys: usize) -> Value {
        self.machine.write_file("/usr/local/lib/requests.py", include_str!("../../setups/requests.py"));
        self.machine.sh("rm -f /run/stop; systemd-run -q --unit=clients -p StandardOutput=truncate:/run/clients.json \
             python3 /usr/local/lib/requests.py 8080 /run/stop 4");
        for build in builds.into_iter().cycle().take(deploys) {
            assert_eq!(self.again(build), ("deployed".to_owned(), String::new()), "{}", self.newest_log(build));
        }
        self.machine.sh("touch /run/stop");
        self.machine.wait_unit("clients.service", "inactive", SOON);
        serde_json::from_str(&self.machine.read_file("/run/clients.json")).expect("JSON")
    }
}

#[test]
fn no_request_is_lost_while_gunicorn_is_reloaded_or_restarted_behind_its_socket() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let units = [("gkp.service", GUNICORN), ("gkp.socket", include_str!("../../setups/gunicorn/gkp.socket"))];
        let nginx = include_str!("../../setups/gunicorn/nginx.conf");
        shop.set_up(&units, nginx, "restart = [\"gkp.service\"]");
        let builds = shop.two_builds(&[("app.py", APP)]);
        for action in ["restart", "reload"] {
            shop.set_up(&units, nginx, &format!("{action} = [\"gkp.service\"]"));
            let seen = shop.under_load(builds, 8);
            assert_eq!((&seen["wrong"], &seen["releases"]), (&serde_json::json!({}), &2.into()), "{action}: {seen}");
            assert!(seen["answered"].as_u64() > Some(100), "{action}: {seen}");
        }
        // Started in the release instead of led there, it goes on with what it has.
        let stays = GUNICORN
            .replace("--chdir /srv/gkp/current ", "")
            .replace("[Service]", "[Service]\nWorkingDirectory=/srv/gkp/current");
        shop.set_up(&[("gkp.service", &stays)], nginx, "reload = [\"gkp.service\"]");
        shop.machine.sh("systemctl restart gkp.service");
        let (outcome, summary) = shop.again(builds[0]);
        assert!(
            outcome == "rolled-back" && summary.contains("gkp.service: still the old release"),
            "{outcome}: {summary}"
        );
    }
}

#[test]
fn php_node_and_a_site_of_files_serve_the_new_release() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let node = [("gkp.service", include_str!("../../setups/node/gkp.service"))];
        shop.set_up(&node, include_str!("../../setups/node/nginx.conf"), "restart = [\"gkp.service\"]");
        let files = [
            ("server.js", include_str!("../../setups/node/server.js")),
            ("index.php", include_str!("../../setups/php/index.php")),
        ];
        let [one, two] = shop.two_builds(&files);
        shop.machine.sh("systemctl stop gkp.service");

        // One process that has served the release before, and nobody tells it of the new one.
        let php = shop.machine.sh("cd /lib/systemd/system; echo php*-fpm.service").trim().to_owned();
        shop.machine.sh(&format!(
            "sed -i 's/^pm = .*/pm = static/; s/^pm.max_children = .*/pm.max_children = 1/' /etc/php/*/fpm/pool.d/www.conf; systemctl start {php}"
        ));
        let revision = "prepare = [\"echo \\\"<?php return '$(cat REVISION)';\\\" >revision.php\"]\n";
        let nginx = include_str!("../../setups/php/nginx.conf");
        shop.set_up(&[], nginx, revision);
        let three = shop.push(&[("text", "three\n")]);
        shop.expect(three, "deployed", "");
        let four = shop.push(&[("text", "four\n")]);
        shop.expect(four, "deployed", "");
        for build in [three, four] {
            assert_eq!(shop.again(build).0, "deployed");
            assert!(shop.newest_log(build).contains("is well, at attempt 1 of"), "{}", shop.newest_log(build));
        }
        shop.set_up(&[], nginx, &format!("{revision}reload = [\"{php}\"]"));
        assert_eq!(shop.again(three).0, "deployed");
        // By the name of `current` it has the old files for two minutes.
        shop.set_up(&[], &nginx.replace("$realpath_root", "$document_root"), revision);
        assert_eq!(shop.again(three).0, "deployed");
        shop.machine.sh("curl -sSf http://127.0.0.1:8080/ >/dev/null");
        let (outcome, summary) = shop.again(four);
        assert!(outcome == "rolled-back" && summary.contains("does not contain"), "{outcome}: {summary}");

        shop.set_up(&[], include_str!("../../setups/static/nginx.conf"), "");
        for build in [one, two] {
            shop.machine.sh("sed -i 's,8080/\",8080/REVISION\",' /etc/ci/projects.d/gkp.toml");
            assert_eq!(shop.again(build).0, "deployed");
            assert!(shop.newest_log(build).contains("is well, at attempt 1 of"), "{}", shop.newest_log(build));
        }
    }
}
