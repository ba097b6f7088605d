//! The harness itself keeps what it promises to the other tests.

use crate::harness::{Machine, Suite};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn machines_boot_with_all_units_well() {
    for (suite, version) in [(Suite::Bookworm, "252"), (Suite::Trixie, "257")] {
        if !Suite::every().contains(&suite) {
            continue;
        }
        let machine = Machine::boot(suite);
        assert_eq!(machine.sh("systemctl --failed --no-legend --plain"), "");
        assert_eq!(machine.sh("systemctl is-system-running").trim(), "running");
        assert!(machine.sh("systemctl --version").starts_with(&format!("systemd {version}")));
        assert_eq!(machine.sh("hostname").trim(), machine.name());
    }
}

#[test]
fn commands_run_as_who_they_should_and_say_how_they_ended() {
    let machine = Machine::boot(Suite::usual()[0]);
    machine.sh("useradd --create-home --groups systemd-journal anna");
    assert_eq!(machine.run_as("anna", ["id", "-unG"]).expect_code(1).stdout, "");
    assert_eq!(
        machine.sh_as("anna", "id -un; id -nG; echo $HOME $USER"),
        "anna\nanna systemd-journal\n/home/anna anna\n"
    );
    let output = machine.try_sh("echo said; echo complained >&2; exit 75").expect_code(75);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("said\n", "complained\n"));
    assert_eq!(machine.run_with_input(["wc", "-c"], &[b'x'; 300_000]).stdout.trim(), "300000");
    machine.write_file("/etc/ci/projects.d/ü name.toml", "[source]\n");
    assert_eq!(machine.read_file("/etc/ci/projects.d/ü name.toml"), "[source]\n");
    assert!(machine.exists("/etc/ci") && !machine.exists("/etc/cj"));
}

#[test]
fn a_power_cut_keeps_the_disk_and_the_journal() {
    for suite in Suite::every() {
        let mut machine = Machine::boot(suite);
        let id = machine.read_file("/etc/machine-id");
        machine.sh("touch /var/lib/kept /run/lost; systemd-run --quiet --unit=doomed sleep infinity");
        machine.sh("echo 'a word before the cut' | systemd-cat -t story; journalctl --sync");
        machine.crash();
        assert!(machine.disk_root().join("var/lib/kept").exists());
        machine.boot_again();
        assert!(machine.exists("/var/lib/kept") && !machine.exists("/run/lost"));
        assert_eq!(machine.run(["systemctl", "is-active", "doomed"]).stdout.trim(), "inactive");
        assert_eq!(machine.read_file("/etc/machine-id"), id);
        let story = machine.journal(&["SYSLOG_IDENTIFIER=story"]);
        assert_eq!(story.iter().map(|entry| entry.field("MESSAGE")).collect::<Vec<_>>(), ["a word before the cut"]);
    }
}

#[test]
fn a_reboot_stops_services_in_order_and_boots_the_same_disk() {
    for suite in Suite::every() {
        let mut machine = Machine::boot(suite);
        let id = machine.read_file("/etc/machine-id");
        machine.sh("systemd-run --quiet --unit=orderly -p ExecStop='touch /var/lib/stopped' sleep infinity");
        machine.reboot();
        assert!(machine.exists("/var/lib/stopped"), "ExecStop= ran on the way down");
        assert_eq!(machine.read_file("/etc/machine-id"), id);
        assert_eq!(machine.sh("journalctl --list-boots --quiet | wc -l").trim(), "2");
        machine.power_off();
        machine.boot_again();
        assert_eq!(machine.sh("systemctl is-system-running").trim(), "running");
    }
}

#[test]
fn an_entry_of_the_journal_can_be_waited_for() {
    let machine = Machine::boot(Suite::usual()[0]);
    machine.sh("systemd-run --quiet --on-active=300ms --timer-property=AccuracySec=1ms sh -c 'echo it is time'");
    assert_eq!(machine.wait_journal(&["MESSAGE=it is time"], SOON).field("SYSLOG_IDENTIFIER"), "sh");
    machine.sh("systemd-run --quiet --unit=brief sleep 0.2");
    machine.wait_unit("brief", "inactive", SOON);
}

#[test]
fn a_network_leads_out_and_a_forward_leads_in() {
    for suite in Suite::every() {
        let mut machine = Machine::on(suite).with_network().boot();
        // pip as venv brings it; making a venv takes seconds that this test has no use for.
        machine
            .sh("export PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)\npython3 -m pip download -q -d /tmp six");
        machine.crash();
        machine.boot_again();
        machine
            .sh("getent hosts deb.debian.org && curl -sSf http://deb.debian.org/debian/dists/stable/Release | head -1");
        machine.sh("echo from inside >/var/www/html/index.html; systemctl start nginx");
        let forward = machine.forward(0, 80);
        let mut connection = TcpStream::connect(("127.0.0.1", forward.port())).unwrap();
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("from inside\n"), "{answer}");
    }
}

#[test]
fn limits_hold_where_a_test_asks_for_them() {
    for suite in Suite::every() {
        let machine = Machine::on(suite).with_limits().boot();
        let fill = "print(len('x' * 200_000_000))";
        let run = |limit: &str| {
            let limit = format!("MemoryMax={limit}");
            machine.run(["systemd-run", "--quiet", "--wait", "--pipe", "-p", &limit, "python3", "-c", fill])
        };
        assert_eq!(run("infinity").expect_success().stdout.trim(), "200000000");
        assert!(!run("50M").status.success(), "200 MB did not fit into 50 MB");
    }
}
