//! What a release is made of, and that who makes it is led nowhere.

use super::*;

/// Steps that hand out a program and a page, and a deploy that takes them; its commands have a secret.
const MADE: &str = r#"
[source]
url = "/srv/git/gkp.git"
[[step]]
name = "make"
run = '''
mkdir -p dist/deep
printf '#!/bin/sh\necho made of %s\n' "$CI_COMMIT" >dist/tool
cp dist/tool dist/deep/page
chmod 6755 dist/tool 2>/dev/null || chmod 755 dist/tool
echo kept >notes
'''
artifacts = ["dist", "notes"]
[deploy]
root = "/srv/gkp"
user = "gkp"
artifacts = ["dist/**"]
secrets = ["db"]
env = { COLOUR = "green" }
prepare = ["test $COLOUR = green; echo the word is $(cat $CREDENTIALS_DIRECTORY/db); dist/tool >said"]
"#;

fn made(shop: &Shop) {
    shop.machine.write_file("/etc/ci/projects.d/gkp.toml", MADE);
    shop.machine.sh("printf hunter2hunter2 | install -m 0600 /dev/stdin /etc/ci/credentials/db");
}

#[test]
fn a_release_has_the_builds_artifacts_and_its_commands_their_secrets() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        made(&shop);
        // Neither root without its capabilities nor the core could look in here.
        machine.sh("chmod 0700 /srv/gkp");
        let first = shop.push(&[("dist/tool", "not this one\n"), ("README", "text\n")]);
        shop.expect(first, "deployed", "");
        let commit = machine.sh("git -C /root/gkp rev-parse HEAD").trim().to_owned();
        let made_of = format!("made of {commit}\n");
        let says = machine.sh("cd /srv/gkp/current; cat said README; sh dist/deep/page");
        assert_eq!(says, format!("{made_of}text\n{made_of}"));
        assert_eq!(
            machine.sh("cd /srv/gkp/current; stat -c '%n %a %U' dist/tool dist/deep/page README; ls"),
            "dist/tool 755 gkp\ndist/deep/page 644 gkp\nREADME 644 gkp\nREADME\nREVISION\ndist\nsaid\n"
        );
        let log = shop.log(first);
        assert!(log.contains("the word is ***"), "{log}");
        let everywhere = "cat /var/lib/ci/store/ci.sqlite* | grep -ac hunter2 || true
            grep -rlz hunter2 /var/lib/ci/builds | wc -l; journalctl --no-pager -a CI_PROJECT=gkp | grep -ac hunter2 || true
            systemctl show 'ci-*' --all | grep -c hunter2 || true";
        assert_eq!(machine.sh(everywhere).lines().collect::<Vec<_>>(), ["0", "0", "0", "0"]);

        // What is missing is said before anything is touched.
        machine.sh("mv /etc/ci/credentials/db /root/db");
        let second = shop.push(&[("README", "two\n")]);
        shop.expect(second, "failed", "the secret db is missing");
        let check = machine.run(["ci-config", "check"]).expect_code(78);
        assert!(check.stdout.contains("the secret db is missing"), "{}", check.story());
        machine.sh("mv /root/db /etc/ci/credentials/db");
        machine.write_file("/etc/ci/projects.d/gkp.toml", MADE.replace("\"dist/**\"", "\"dist/**\", \"*.deb\""));
        machine.run(["ci-deploy", &format!("gkp:{second}")]).expect_code(1);
        shop.expect(second, "failed", "no artifact of build gkp:2 is meant by *.deb");
        made(&shop);
        // Bytes that are not those that were collected do not go live.
        let kept = format!("/var/lib/ci/builds/gkp/{second}/1.artifacts");
        machine.sh(&format!("printf X | dd of={kept} conv=notrunc status=none"));
        machine.run(["ci-deploy", &format!("gkp:{second}")]).expect_code(1);
        shop.expect(second, "failed", "is not what was collected");
        assert_eq!(
            machine.sh("cat /srv/gkp/current/README; ls -A /srv/gkp/releases | grep -v ^[.]"),
            format!("text\n1-{}\n", &commit[..7])
        );
    }
}

#[test]
fn a_release_that_is_there_needs_no_artifacts_and_one_made_again_is_prepared_again() {
    let shop = Shop::open(Suite::usual()[0]);
    let machine = &shop.machine;
    made(&shop);
    machine.sh("cd /srv/gkp; install -d -o gkp -g gkp current; echo old >current/README; chown gkp: current/README");
    machine.run(["ci-deploy", "--adopt", "gkp"]).expect_success();
    let first = shop.push(&[("README", "one\n")]);
    shop.expect(first, "deployed", "");
    machine.run(["ci-deploy", "--rollback", "gkp"]).expect_success();
    assert_eq!(machine.sh("cat /srv/gkp/current/README"), "old\n");

    let deploy = format!("gkp:{first}");
    let kept = format!("/var/lib/ci/builds/gkp/{first}/1.artifacts");
    machine.sh(&format!("mv {kept} /root/kept"));
    machine.run(["ci-deploy", &deploy]).expect_success();
    assert_eq!(machine.sh("cat /srv/gkp/current/README"), "one\n");
    machine.run(["ci-deploy", "--rollback", "gkp"]).expect_success();

    machine.sh(&format!("rm -r /srv/gkp/releases/{first}-*"));
    machine.run(["ci-deploy", &deploy]).expect_code(1);
    shop.expect(first, "failed", "is not there any more");
    assert_eq!(machine.sh("cat /srv/gkp/current/README"), "old\n");
    machine.sh(&format!("mv /root/kept {kept}"));
    machine.run(["ci-deploy", &deploy]).expect_success();
    assert!(machine.sh("cat /srv/gkp/current/said").starts_with("made of "));
}

/// Takes the first half-made release away and puts a link in its place.
const TURN: &str = "import os, time
end = time.time() + 60
while time.time() < end:
    for name in os.listdir('/srv/gkp/releases'):
        path = '/srv/gkp/releases/' + name
        if name.endswith('.tmp') and not os.path.islink(path):
            os.rename(path, path + '.kept')
            os.symlink('/srv/victim', path)
            raise SystemExit
";

#[test]
fn a_target_that_its_user_turns_over_leads_the_release_worker_nowhere() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        machine.write_file(
            "/etc/ci/projects.d/gkp.toml",
            "[source]\nurl = \"/srv/git/gkp.git\"\n[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\nshared = [\"media\"]\n",
        );
        // What its user may write elsewhere, a release's worker may not: its walls end at the root.
        machine.sh("install -d -o gkp -g gkp /srv/victim /srv/victim/releases
             echo mine >/srv/victim/file; chown gkp: /srv/victim/file");
        let victim = "cd /srv/victim; find . -printf '%p %y %s %C@\\n' | sort; cat file";
        let before = machine.sh(victim);
        machine.sh("mkdir -p /root/gkp/many; cd /root/gkp/many; for i in $(seq 3000); do echo $i >$i; done");
        let first = shop.push(&[("README", "one\n")]);
        shop.expect(first, "deployed", "");

        // Links where folders and files of ours are looked for, a pipe that nobody writes, a shared folder elsewhere.
        for (trap, outcome, says, mend) in [
            (
                "mv releases kept; ln -s /srv/victim/releases releases",
                "failed",
                "/srv/gkp/releases is not a folder",
                "rm releases; mv kept releases",
            ),
            (
                "mv shared kept; ln -s /srv/victim shared",
                "failed",
                "/srv/gkp/shared is not a folder",
                "rm shared; mv kept shared",
            ),
            ("rm current; mkfifo current", "failed", "/srv/gkp/current is real", "rm current"),
            ("ln -sfn /srv/victim current", "deployed", "", ""),
            ("ln -sf /srv/victim/file revisions.log", "deployed", "", ""),
            ("rm revisions.log; mkfifo revisions.log", "deployed", "", "rm revisions.log"),
            ("ln -s /srv/victim .current.tmp", "deployed", "", ""),
            (
                "for n in 9 10 11 12; do ln -s /srv/victim releases/.$n-0000000.tmp; done",
                "deployed",
                "",
                "rm -f releases/.*.tmp",
            ),
            ("rmdir shared/media; ln -s /srv/victim shared/media", "deployed", "", ""),
        ] {
            machine.run_as("gkp", ["sh", "-ec", &format!("cd /srv/gkp; {trap}")]).expect_success();
            let next = shop.push(&[("README", trap)]);
            shop.expect(next, outcome, says);
            assert_eq!(machine.sh(victim), before, "{trap}");
            machine.sh(&format!("cd /srv/gkp; {mend}"));
        }

        // And while it works: the folder that was begun is taken away, and a link is put in its place.
        machine.write_file("/srv/turn", TURN);
        machine.sh("systemd-run --quiet --unit=turn --uid=gkp python3 /srv/turn; sleep 0.2");
        let turned = shop.push(&[("README", "turned\n")]);
        shop.expect(turned, "failed", "");
        assert_eq!(machine.sh("ls -A /srv/gkp/releases | grep -c kept"), "1\n");
        assert_eq!(machine.sh(victim), before);
        machine.sh("rm -rf /srv/gkp/releases/.*.kept; rm -f /srv/gkp/releases/*-*/../.*.tmp");
        machine.sh(&format!("find /srv/gkp/releases -maxdepth 1 -type l -name '{turned}-*' -delete"));
        machine.run(["ci-deploy", &format!("gkp:{turned}")]).expect_success();
        assert_eq!(machine.sh("cat /srv/gkp/current/README"), "turned\n");
    }
}
