//! `make install`, `uninstall` and `purge`, as an administrator runs them on the server itself.

use crate::harness::{Machine, Suite, install_into};

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn an_installation_is_complete_and_its_units_are_sound() {
    for suite in Suite::every() {
        let machine = Machine::boot(suite);
        install_into(&machine);
        machine.sh("getent passwd unitci; test -d /var/lib/ci; test -f /etc/ci/ci.toml");
        machine.sh("systemd-analyze verify /usr/lib/systemd/system/ci.target");
        let started = "grep -ohE '/usr/(bin|libexec/unitci)/ci-[a-z]+' /usr/lib/systemd/system/ci* | sort -u";
        for program in machine.sh(started).lines() {
            machine.run(["test", "-x", program]).expect_success();
        }
        machine.sh("man --where ci-build && bash -n /usr/share/bash-completion/completions/ci-build");
    }
}

#[test]
fn removing_keeps_what_people_wrote_and_purging_shows_before_it_removes() {
    let machine = Machine::on(Suite::usual()[0]).with_bind(SOURCE, SOURCE).boot();
    install_into(&machine);
    let installed = machine.sh("find /usr -newer /etc/hostname -name '*ci*' -type f");
    assert!(installed.contains("/usr/bin/ci-build"), "{installed}");

    machine.write_file("/etc/ci/ci.toml", "title = \"ours\"\n");
    install_into(&machine);
    assert_eq!(machine.read_file("/etc/ci/ci.toml"), "title = \"ours\"\n");

    let make = |goal: &str| machine.sh(&format!("make --no-print-directory --silent -C {SOURCE} {goal}"));
    assert!(make("uninstall").contains("Kept: /etc/ci /var/lib/ci"));
    assert_eq!(machine.sh("find /usr -newer /etc/hostname -name '*ci*' -type f"), "");
    assert!(machine.exists("/etc/ci/ci.toml") && machine.exists("/var/lib/ci"));

    let listed = make("purge");
    assert!(listed.contains("/var/lib/ci") && listed.contains("SURE=yes"), "{listed}");
    assert!(machine.exists("/etc/ci/ci.toml"));

    machine.sh("mkdir -p /var/lib/ci/site/releases/1; ln -s releases/1 /var/lib/ci/site/current");
    let purge = machine.run(["make", "--silent", "-C", SOURCE, "purge", "SURE=yes"]).expect_code(2);
    assert!(purge.stderr.contains("/var/lib/ci/site/current"), "{}", purge.story());
    machine.sh("rm -r /var/lib/ci/site; mkdir -p /srv/site");

    make("purge SURE=yes");
    machine.sh("test ! -e /etc/ci; test ! -e /var/lib/ci; ! getent passwd unitci; test -d /srv/site");
    assert_eq!(make("purge"), "Nothing of unitci is here.\n");
}
