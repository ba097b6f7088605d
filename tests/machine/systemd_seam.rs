//! The seam to systemd against a booted machine. Each function takes the address of a system bus of which we are root.

#![expect(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use crate::harness::{Machine, Suite};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};
use unitci::model::place::BusAddress;
use unitci::systemd::{
    ActiveState, Bus, BusError, Capability, CollectMode, Exit, JobError, JobKind, JobResult, KeyringMode, KillMode,
    LoadState, Namespaces, OomPolicy, Output, Property, ProtectHome, ProtectProc, ProtectSystem, Seen, ServiceType,
    StartError, SubState, SystemState, Transient, UnitState, Verb, Whom,
};

/// All of them on one machine of each suite, one after the other: some re-execute systemd or kill its bus.
#[test]
fn the_seam_holds() {
    for suite in Suite::every() {
        let machine = Machine::boot(suite);
        let address = BusAddress::At(machine.bus_address());
        for story in STORIES {
            story(&address);
        }
    }
}

const STORIES: &[fn(&BusAddress)] = &[
    every_exit_is_told_apart,
    no_quick_exit_is_lost,
    a_start_that_fails_says_why,
    a_child_left_behind_does_not_hide_the_exit,
    the_end_is_known_without_the_starter,
    descriptors_are_passed,
    a_watch_outlives_daemon_reexec,
    a_job_outlives_daemon_reexec,
    a_watch_is_woken,
    a_bus_that_is_killed_is_told,
    stopping_ends_everything_and_shows_as_a_job,
    a_restart_shows_as_such,
    verbs_answer_what_systemd_says,
    a_timeout_of_the_caller_leaves_the_job,
    no_property_is_refused,
];

/// Longer than anything here takes; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(30);

fn connect(address: &BusAddress) -> Bus {
    Bus::connect(address).unwrap()
}

/// A step as the supervisor has it: it stays to be read after its end, and its processes stay together.
fn shell(unit: &str, script: &str, extra: Vec<Property>) -> Transient {
    let mut properties = vec![
        Property::service_type(ServiceType::Exec),
        Property::remain_after_exit(true),
        Property::kill_mode(KillMode::ControlGroup),
        Property::timeout_stop(Duration::from_secs(5)),
        Property::exec_start("/bin/sh", &["-c".to_owned(), script.to_owned()]),
    ];
    properties.extend(extra);
    Transient { unit: unit.to_owned(), properties }
}

fn run(bus: &Bus, unit: &str, script: &str, extra: Vec<Property>) -> UnitState {
    bus.start_transient(shell(unit, script, extra), LONG).unwrap();
    bus.wait_until_over(unit, LONG).unwrap().expect("it ends")
}

/// Lets go of a unit, so that its name is free.
fn let_go(bus: &Bus, unit: &str) {
    match bus.run_job(Verb::Stop, unit, LONG) {
        Ok(JobResult::Done) | Err(JobError::NoSuchUnit { .. }) => {}
        other => panic!("{unit}: {other:?}"),
    }
    bus.reset_failed(unit).unwrap();
}

/// What a program's end looks like, read after `RemainAfterExit=` and after a failure.
fn every_exit_is_told_apart(address: &BusAddress) {
    let bus = connect(address);
    let one_second = || vec![Property::runtime_max(Duration::from_secs(1))];
    let signalled = |signal| Exit::Signalled { signal, core: false };
    for (script, extra, exit, active) in [
        ("exit 0", vec![], Exit::Exited(0), ActiveState::Active),
        ("exit 3", vec![], Exit::Exited(3), ActiveState::Failed),
        ("kill -KILL $$", vec![], signalled(9), ActiveState::Failed),
        // systemd says "success" of these.
        ("kill -TERM $$", vec![], signalled(15), ActiveState::Active),
        ("kill -HUP $$", vec![], signalled(1), ActiveState::Active),
        ("kill -PIPE $$", vec![Property::ignore_sigpipe(false)], signalled(13), ActiveState::Active),
        ("sleep 60", one_second(), Exit::TimedOut, ActiveState::Failed),
        // No argument is expanded: systemd would make this "exit 1".
        ("test '$$' = \"\\$\\$\" && exit 7", vec![], Exit::Exited(7), ActiveState::Failed),
    ] {
        let state = run(&bus, "seam-exit.service", script, extra);
        assert_eq!((state.exit, state.active), (Some(exit), active), "{script}");
        assert!(state.main_started.is_some() && state.main_ended >= state.main_started, "{script}");
        assert_eq!(state.invocation.map(|id| id.len()), Some(32), "{script}");
        let_go(&bus, "seam-exit.service");
    }
}

/// Fifty quick programs in a row: no end is missed and none is read as another's.
fn no_quick_exit_is_lost(address: &BusAddress) {
    let bus = connect(address);
    for status in 1..=50 {
        let unit = format!("seam-quick-{status}.service");
        let state = run(&bus, &unit, &format!("exit {status}"), vec![]);
        assert_eq!(state.exit, Some(Exit::Exited(status)));
        let_go(&bus, &unit);
    }
}

/// A program that cannot be executed fails the start of a `Type=exec` unit, and a refused property is named.
fn a_start_that_fails_says_why(address: &BusAddress) {
    let bus = connect(address);
    let no_user = vec![Property::user("seam-nobody")];
    let no_folder = vec![Property::bind_paths(&[("/nonexistent", "/mnt")])];
    let no_secret = vec![Property::load_credential(&[("key", "/nonexistent")])];
    for (extra, expected) in [(no_user, 217), (no_folder, 226), (no_secret, 243)] {
        match bus.start_transient(shell("seam-setup.service", "true", extra), LONG) {
            Err(StartError::Setup { status, .. }) => assert_eq!(status, expected),
            other => panic!("{expected}: {other:?}"),
        }
        let_go(&bus, "seam-setup.service");
    }

    // What is let go at once can only be said to have failed.
    let mut missing = shell("seam-missing.service", "true", vec![Property::exec_start("/nonexistent", &[])]);
    missing.properties.push(Property::collect_mode(CollectMode::InactiveOrFailed));
    missing.properties.retain(|property| *property != Property::exec_start("/bin/sh", &["-c".into(), "true".into()]));
    match bus.start_transient(missing, LONG) {
        Err(StartError::Job { unit, result: JobResult::Failed }) => assert_eq!(unit, "seam-missing.service"),
        other => panic!("{other:?}"),
    }

    let bad = shell("seam-bad.service", "true", vec![Property::working_directory("not/absolute")]);
    match bus.start_transient(bad, LONG) {
        Err(error @ StartError::Refused { .. }) => assert!(error.to_string().contains("WorkingDirectory"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bus.state("seam-bad.service").unwrap().load, LoadState::NotFound);

    bus.start_transient(shell("seam-twice.service", "sleep 60", vec![]), LONG).unwrap();
    match bus.start_transient(shell("seam-twice.service", "true", vec![]), LONG) {
        Err(StartError::Exists { unit }) => assert_eq!(unit, "seam-twice.service"),
        other => panic!("{other:?}"),
    }
    let_go(&bus, "seam-twice.service");
}

/// The main process exits and leaves a `setsid` child: the exit is known at once, and stopping the unit ends the child.
fn a_child_left_behind_does_not_hide_the_exit(address: &BusAddress) {
    let bus = connect(address);
    let (mut output, writer) = std::io::pipe().unwrap();
    let extra = vec![Property::standard_output_fd(writer.into())];
    let state = run(&bus, "seam-left.service", "setsid sleep 60 & exit 0", extra);
    assert_eq!((state.exit, state.sub), (Some(Exit::Exited(0)), SubState::Exited));
    assert!(state.control_group.is_some(), "the child still runs");
    let_go(&bus, "seam-left.service");
    // The child held the pipe; that it ends now is the proof that the child has.
    assert_eq!(output.read(&mut [0]).unwrap(), 0);
}

/// Who started a unit goes away; another connection learns how it ended.
fn the_end_is_known_without_the_starter(address: &BusAddress) {
    let starter = connect(address);
    starter.start_transient(shell("seam-orphan.service", "read line; exit 4", orphan_input()), LONG).unwrap();
    drop(starter);
    let other = connect(address);
    let state = other.wait_until_over("seam-orphan.service", LONG).unwrap().expect("it ends");
    assert_eq!(state.exit, Some(Exit::Exited(4)));
    let_go(&other, "seam-orphan.service");
}

/// A standard input that is at its end.
fn orphan_input() -> Vec<Property> {
    let (reader, _writer) = std::io::pipe().unwrap();
    vec![Property::standard_input_fd(reader.into())]
}

/// Three descriptors reach the program. systemd keeps its own copies until the unit is down, and only then does a pipe
/// end; we keep none.
fn descriptors_are_passed(address: &BusAddress) {
    let bus = connect(address);
    let (stdin, mut to) = std::io::pipe().unwrap();
    let (mut out, stdout) = std::io::pipe().unwrap();
    let (mut err, stderr) = std::io::pipe().unwrap();
    let fds = vec![
        Property::standard_input_fd(stdin.into()),
        Property::standard_output_fd(stdout.into()),
        Property::standard_error_fd(OwnedFd::from(stderr)),
    ];
    bus.start_transient(shell("seam-fds.service", "cat; echo oops >&2", fds), LONG).unwrap();
    to.write_all(b"a line\n").unwrap();
    drop(to);
    assert!(bus.wait_until_over("seam-fds.service", LONG).unwrap().is_some());
    let_go(&bus, "seam-fds.service");
    let (mut said, mut complained) = (String::new(), String::new());
    out.read_to_string(&mut said).unwrap();
    err.read_to_string(&mut complained).unwrap();
    assert_eq!((said.as_str(), complained.as_str()), ("a line\n", "oops\n"));
}

/// systemd re-executes itself, and reloads, while a watch waits: nothing is missed.
fn a_watch_outlives_daemon_reexec(address: &BusAddress) {
    let bus = connect(address);
    let (stdin, to) = std::io::pipe().unwrap();
    let input = vec![Property::standard_input_fd(stdin.into())];
    bus.start_transient(shell("seam-reexec.service", "read line; exit 5", input), LONG).unwrap();
    let mut watch = bus.watch("seam-reexec.service").unwrap();
    assert!(matches!(watch.next(LONG).unwrap(), Seen::State(state) if state.sub == SubState::Running));

    for verb in ["daemon-reload", "daemon-reexec"] {
        let agent = connect(address);
        // Once it has come through, the command has ended and a unit that it left is there to tell.
        let unit = format!("seam-{verb}.service");
        let state = run(&agent, &unit, &format!("exec systemctl {verb}"), vec![]);
        assert_eq!(state.exit, Some(Exit::Exited(0)), "{verb}");
        let_go(&agent, &unit);
        // What it could not read again would be taken from a unit that is about to start.
        assert_eq!(agent.state("seam-reexec.service").unwrap().load, LoadState::Loaded, "{verb}");
    }
    drop(to);
    let deadline = Instant::now() + LONG;
    let exit = loop {
        match watch.next(deadline.saturating_duration_since(Instant::now())).unwrap() {
            Seen::State(state) if state.is_over() => break state.exit,
            Seen::State(_) | Seen::Woken => {}
            Seen::TimedOut => panic!("the end was missed"),
        }
    };
    assert_eq!(exit, Some(Exit::Exited(5)));
    let_go(&bus, "seam-reexec.service");
}

/// A job that spans a `daemon-reexec` still tells its result.
fn a_job_outlives_daemon_reexec(address: &BusAddress) {
    let bus = connect(address);
    let script = "trap '' TERM; while :; do sleep 0.1; done";
    let slow = vec![Property::timeout_stop(Duration::from_secs(2))];
    let mut stubborn = shell("seam-stubborn.service", script, vec![]);
    stubborn.properties.extend(slow);
    bus.start_transient(stubborn, LONG).unwrap();
    let mut watch = bus.watch("seam-stubborn.service").unwrap();
    let stopping = {
        let bus = bus.clone();
        thread::spawn(move || bus.run_job(Verb::Stop, "seam-stubborn.service", LONG))
    };
    while !matches!(watch.next(LONG).unwrap(), Seen::State(state) if state.active == ActiveState::Deactivating) {}
    let agent = connect(address);
    run(&agent, "seam-agent.service", "exec systemctl daemon-reexec", vec![]);
    let_go(&agent, "seam-agent.service");
    assert_eq!(stopping.join().unwrap().unwrap(), JobResult::Done);
    bus.reset_failed("seam-stubborn.service").unwrap();
}

/// A watch is woken from another thread, times out, and does not busy itself with a unit that is not there.
fn a_watch_is_woken(address: &BusAddress) {
    let bus = connect(address);
    let mut watch = bus.watch("seam-absent.service").unwrap();
    assert!(matches!(watch.next(LONG).unwrap(), Seen::State(state) if state.load == LoadState::NotFound));
    assert_eq!(watch.next(Duration::from_millis(50)).unwrap(), Seen::TimedOut);
    let waker = watch.waker();
    let waking = thread::spawn(move || waker.wake());
    assert_eq!(watch.next(LONG).unwrap(), Seen::Woken);
    waking.join().unwrap();
    drop(bus);
}

/// The bus itself is killed: a watch says so, and a new connection finds the unit as it is.
fn a_bus_that_is_killed_is_told(address: &BusAddress) {
    let bus = connect(address);
    bus.start_transient(shell("seam-bus.service", "sleep 60", vec![]), LONG).unwrap();
    let mut watch = bus.watch("seam-bus.service").unwrap();
    assert!(matches!(watch.next(LONG).unwrap(), Seen::State(_)));
    let killer = shell("seam-killer.service", "exec systemctl kill -s KILL dbus.service", vec![]);
    // Whether the answer to the start still comes through is a matter of luck.
    match connect(address).start_transient(killer, LONG) {
        Ok(()) | Err(StartError::Bus(BusError::Gone(_))) => {}
        Err(other) => panic!("{other}"),
    }
    let gone = loop {
        match watch.next(LONG) {
            Ok(Seen::State(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(gone, Err(BusError::Gone(_))), "{gone:?}");
    assert!(matches!(bus.state("seam-bus.service"), Err(BusError::Gone(_))));

    let again = connect(address);
    assert_eq!(again.state("seam-bus.service").unwrap().sub, SubState::Running);
    let_go(&again, "seam-bus.service");
    let_go(&again, "seam-killer.service");
}

/// Stopping: SIGTERM to all, then SIGKILL to all, and the verb's result and the intent in between.
fn stopping_ends_everything_and_shows_as_a_job(address: &BusAddress) {
    let bus = connect(address);
    let (mut output, writer) = std::io::pipe().unwrap();
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 60' & echo up; while :; do sleep 1; done";
    let mut stubborn = shell("seam-stop.service", script, vec![Property::standard_output_fd(writer.into())]);
    stubborn.properties.push(Property::timeout_stop(Duration::from_secs(1)));
    bus.start_transient(stubborn, LONG).unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(bus.job_of("seam-stop.service").unwrap(), None);
    bus.queue_job(Verb::Stop, "seam-stop.service").unwrap();
    assert_eq!(bus.job_of("seam-stop.service").unwrap(), Some(JobKind::Stop));
    let state = bus.wait_until_over("seam-stop.service", LONG).unwrap().expect("it ends");
    assert_eq!(state.exit, Some(Exit::TimedOut), "it had to be killed");
    assert_eq!(output.read(&mut [0]).unwrap(), 0, "nothing of it holds the pipe");
    bus.reset_failed("seam-stop.service").unwrap();
}

/// A restart shows as a restart while the unit stops, which tells an upgrade from a stop.
fn a_restart_shows_as_such(address: &BusAddress) {
    let bus = connect(address);
    let script = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done";
    bus.start_transient(shell("seam-restart.service", script, vec![]), LONG).unwrap();
    let before = bus.state("seam-restart.service").unwrap();
    bus.queue_job(Verb::Restart, "seam-restart.service").unwrap();
    assert_eq!(bus.job_of("seam-restart.service").unwrap(), Some(JobKind::Restart));
    assert_eq!(bus.run_job(Verb::Restart, "seam-restart.service", LONG).unwrap(), JobResult::Done);
    let after = bus.state("seam-restart.service").unwrap();
    assert_ne!(before.invocation, after.invocation);
    bus.kill_unit("seam-restart.service", Whom::All, nix::sys::signal::Signal::SIGKILL).unwrap();
    let killed = bus.wait_until_over("seam-restart.service", LONG).unwrap().expect("it ends");
    assert_eq!(killed.exit, Some(Exit::Signalled { signal: 9, core: false }));
    let_go(&bus, "seam-restart.service");
}

/// What the verbs answer where there is nothing to do, or nothing to do it with.
fn verbs_answer_what_systemd_says(address: &BusAddress) {
    let bus = connect(address);
    let absent = bus.run_job(Verb::Restart, "seam-absent.service", LONG);
    assert!(matches!(&absent, Err(JobError::NoSuchUnit { unit }) if unit == "seam-absent.service"), "{absent:?}");
    bus.start_transient(shell("seam-verbs.service", "sleep 60", vec![]), LONG).unwrap();
    let reload = bus.run_job(Verb::Reload, "seam-verbs.service", LONG);
    assert!(matches!(&reload, Err(JobError::Bus(error)) if error.to_string().contains("not applicable")), "{reload:?}");
    assert_eq!(bus.run_job(Verb::Start, "seam-verbs.service", LONG).unwrap(), JobResult::Done);
    let listed = bus.list_units(&["seam-verb*.service", "ci-no-such-*"]).unwrap();
    assert_eq!(
        listed.iter().map(|unit| (unit.name.as_str(), &unit.sub)).collect::<Vec<_>>(),
        [("seam-verbs.service", &SubState::Running)]
    );
    let_go(&bus, "seam-verbs.service");
    assert!(bus.list_units(&["seam-verb*.service"]).unwrap().is_empty());
    let state = bus.system_state().unwrap();
    assert!(matches!(state, SystemState::Running | SystemState::Degraded | SystemState::Starting), "{state}");
}

/// A short timeout of ours leaves the job alone.
fn a_timeout_of_the_caller_leaves_the_job(address: &BusAddress) {
    let bus = connect(address);
    let (mut output, writer) = std::io::pipe().unwrap();
    let script = "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let up = vec![Property::standard_output_fd(writer.into())];
    bus.start_transient(shell("seam-slow.service", script, up), LONG).unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    let stop = bus.run_job(Verb::Stop, "seam-slow.service", Duration::from_millis(1));
    assert!(matches!(&stop, Err(JobError::TimedOut { unit, .. }) if unit == "seam-slow.service"), "{stop:?}");
    let state = bus.wait_until_over("seam-slow.service", LONG).unwrap().expect("it ends");
    assert_eq!(state.active, ActiveState::Inactive);
}

/// Every property that a step or worker may have is taken, and the sandbox they make runs a program.
fn no_property_is_refused(address: &BusAddress) {
    let bus = connect(address);
    let (mut output, writer) = std::io::pipe().unwrap();
    let (stdin, _) = std::io::pipe().unwrap();
    let variables = BTreeMap::from([("CI_NOTE".to_owned(), "a $HOME \"b\"".to_owned())]);
    let script = "printf '%s|' \"$CI_NOTE\" \"$(id -un)\" \"$(cat $CREDENTIALS_DIRECTORY/note)\" \
                  \"$(grep CapBnd /proc/self/status | cut -f2)\" \"$PWD\" \"$(umask)\"; touch /seam 2>/dev/null || printf ro";
    let extra = vec![
        Property::description("every property"),
        Property::slice("ci-seam.slice"),
        Property::after(&["basic.target"]),
        Property::before(&["shutdown.target"]),
        Property::default_dependencies(true),
        Property::collect_mode(CollectMode::Inactive),
        Property::add_ref(),
        Property::runtime_max(LONG),
        Property::kill_signal(nix::sys::signal::Signal::SIGTERM),
        Property::send_sigkill(true),
        Property::oom_policy(OomPolicy::Stop),
        Property::user("nobody"),
        Property::group("nogroup"),
        Property::supplementary_groups(&["games"]),
        Property::working_directory("/var/tmp"),
        Property::environment(&variables),
        Property::umask(0o027),
        Property::ignore_sigpipe(false),
        Property::standard_input_fd(stdin.into()),
        Property::standard_error(Output::Journal),
        Property::standard_output_fd(writer.into()),
        Property::syslog_identifier("seam"),
        Property::log_extra_fields(&[("CI_PROJECT", "seam")]),
        Property::log_rate_limit_interval(Duration::from_micros(1)),
        Property::memory_max(1 << 30),
        Property::memory_high(1 << 29),
        Property::tasks_max(100),
        Property::cpu_weight(20),
        Property::no_new_privileges(true),
        Property::capability_bounding_set(&[]),
        Property::ambient_capabilities(&[]),
        Property::protect_system(ProtectSystem::Strict),
        Property::protect_home(ProtectHome::Yes),
        Property::protect_proc(ProtectProc::Invisible),
        Property::private_tmp(true),
        Property::private_devices(true),
        Property::private_network(true),
        Property::private_ipc(true),
        Property::remove_ipc(true),
        Property::keyring_mode(KeyringMode::Private),
        Property::protect_clock(true),
        Property::protect_hostname(true),
        Property::protect_kernel_logs(true),
        Property::protect_kernel_modules(true),
        Property::protect_kernel_tunables(true),
        Property::protect_control_groups(true),
        Property::restrict_namespaces(Namespaces::Forbidden),
        Property::restrict_suid_sgid(true),
        Property::restrict_realtime(true),
        Property::lock_personality(true),
        Property::memory_deny_write_execute(true),
        Property::system_call_filter(&["@system-service"]),
        Property::system_call_denied(&["@obsolete"]),
        Property::system_call_architectures_native(),
        Property::restrict_address_families(&["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]),
        Property::bind_paths(&[("/var/tmp", "/mnt")]),
        Property::bind_read_only_paths(&[("/etc/hostname", "/srv/hostname")]),
        Property::temporary_file_system(&[("/srv", "mode=0755"), ("/opt", "")]),
        Property::inaccessible_paths(&["-/boot", "-/nonexistent"]),
        Property::read_write_paths(&["/var/tmp"]),
        Property::read_only_paths(&["/etc"]),
        Property::load_credential(&[("host", "/etc/hostname")]),
        Property::set_credential("note", b"not secret"),
    ];
    let state = run(&bus, "seam-everything.service", script, extra);
    let_go(&bus, "seam-everything.service");
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    assert_eq!(said, "a $HOME \"b\"|nobody|not secret|0000000000000000|/var/tmp|0027|ro");
    assert_eq!(state.exit, Some(Exit::Exited(0)));

    let (mut output, writer) = std::io::pipe().unwrap();
    let kept = vec![
        Property::dynamic_user(true),
        Property::capability_bounding_set(&[Capability::Kill]),
        Property::ambient_capabilities(&[Capability::Kill]),
        Property::standard_output_fd(writer.into()),
        Property::restrict_namespaces(Namespaces::Allowed),
    ];
    run(&bus, "seam-kept.service", "grep CapEff /proc/self/status; unshare -U true && echo unshared", kept);
    let_go(&bus, "seam-kept.service");
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    assert_eq!(said, "CapEff:\t0000000000000020\nunshared\n");
}
