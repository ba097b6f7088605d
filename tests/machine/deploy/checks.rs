//! The checks of a release: pages, connections, commands, units.

use super::*;

/// A web server with a certificate of the house, for `gkp.test`.
const TLS: &str = "server {
    listen 8443 ssl;
    server_name gkp.test;
    ssl_certificate /etc/nginx/gkp.crt;
    ssl_certificate_key /etc/nginx/gkp.key;
    root /srv/gkp/current;
    add_header X-Site gkp;
}
";

const CERTIFICATES: &str = "cd /etc/nginx
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=house -keyout house.key -out house.crt 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=gkp.test -addext subjectAltName=DNS:gkp.test -keyout gkp.key -out gkp.csr 2>/dev/null
openssl x509 -req -in gkp.csr -CA house.crt -CAkey house.key -days 9 -copy_extensions copy -out gkp.crt 2>/dev/null
echo 127.0.0.1 gkp.test >>/etc/hosts
systemctl restart nginx";

impl Shop {
    /// The checks, each tried twice at once.
    fn checking(&self, checks: &[&str]) {
        let mut text = PROJECT.split("[deploy.health]").next().expect("a beginning").to_owned();
        for check in checks {
            text += &format!("[[deploy.check]]\nattempts = 2\ninterval = \"0s\"\n{check}\n");
        }
        self.machine.write_file("/etc/ci/projects.d/gkp.toml", text);
    }
}

#[test]
fn a_release_is_checked_in_every_way_and_each_attempt_is_told() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        machine.write_file("/etc/nginx/conf.d/tls.conf", TLS);
        machine.sh(CERTIFICATES);
        let one = shop.push_good("one");
        shop.expect(one, "deployed", "");

        // What is wrong is said as it was seen, at each attempt; the checks after it are not made.
        for (check, why) in [
            ("url = \"https://gkp.test:8443/text\"", "certificate verify failed"),
            ("url = \"http://127.0.0.1:8000/text\"\ncontains = \"ill\"", "the body does not contain \"ill\""),
            ("url = \"http://127.0.0.1:8080/text\"\nheader = { X-Site = \"gkp\" }", "there is no header X-Site"),
            ("tcp = \"127.0.0.1:9\"", "tcp 127.0.0.1:9: connection refused"),
            ("command = \"echo not today; exit 4\"", "`echo not today; exit 4`: exit code 4"),
            ("command = \"sleep 60\"\ntimeout = \"1s\"", "`sleep 60`: timeout: stopped after 1s"),
            ("unit = \"gkp-none.service\"", "gkp-none.service: inactive (dead)"),
        ] {
            shop.checking(&["tcp = \"127.0.0.1:8080\"", check, "command = \"touch /srv/gkp/shared/too-far\""]);
            let (outcome, summary) = shop.again(one);
            assert!(outcome == "down" && summary.contains(why), "{check}: {outcome}: {summary}");
            assert!(summary.contains(", at the last of 2 attempts"), "{summary}");
            let log = shop.newest_log(one);
            assert!(log.contains("tcp 127.0.0.1:8080 is well, at attempt 1 of 2"), "{log}");
            assert!(log.contains("; attempt 1 of 2"), "{log}");
        }
        assert!(!machine.exists("/srv/gkp/shared/too-far"));
        assert!(shop.newest_log(one).contains("gkp-none.service: inactive (dead); attempt 1 of 2"));

        // All of them well: the house's certificate by the system's list, and not for another name.
        machine.sh("cp /etc/nginx/house.crt /usr/local/share/ca-certificates/; update-ca-certificates >/dev/null 2>&1");
        shop.checking(&["url = \"https://127.0.0.1:8443/text\""]);
        let (outcome, summary) = shop.again(one);
        assert!(outcome == "down" && summary.contains("certificate verify failed"), "{outcome}: {summary}");
        shop.checking(&[
            "url = \"https://gkp.test:8443/REVISION\"\ncontains = \"%{commit}\"\nheader = { X-Site = \"gkp\" }",
            "tcp = \"localhost:8000\"",
            "unit = \"nginx.service\"",
            "command = \"test $(cat REVISION) = $CI_COMMIT; id -un >>../../shared/checked; echo $CI_RELEASE $CI_BUILD >>../../shared/checked\"",
        ]);
        assert_eq!(shop.again(one), ("deployed".to_owned(), String::new()));
        let release = format!("{one}-{}", shop.commit(one));
        assert_eq!(machine.read_file("/srv/gkp/shared/checked"), format!("gkp\n{release} {one}\n"));

        // The release that it goes back to is checked as what it is.
        shop.checking(&["command = \"echo $CI_RELEASE $CI_BUILD $CI_COMMIT >../../shared/checked; test ! -e sick\""]);
        let two = shop.push(&[("sick", "")]);
        shop.expect(two, "rolled-back", "exit code 1, at the last of 2 attempts");
        let commit = machine.read_file("/srv/gkp/current/REVISION");
        assert_eq!(machine.read_file("/srv/gkp/shared/checked"), format!("{release} {one} {commit}"));

        // A kill in the middle of one.
        shop.checking(&["command = \"while [ -e /srv/hold/check ]; do sleep 0.02; done\"\ntimeout = \"60s\""]);
        shop.hold("check");
        machine.sh("cd /root/gkp; git rm -q sick");
        let three = shop.push_good("three");
        shop.wait_phase("checks");
        shop.kill();
        shop.kill();
        shop.release("check");
        shop.expect(three, "deployed", "");
        shop.live(three, "three");
    }
}
