//! The promises that are ratios, each against something real in the same run, on a booted machine. `make bench`.
//!
//! A ratio above its promise is printed as such and is not an error: machines differ, and a benchmark is read by people.

#[path = "../tests/harness/mod.rs"]
mod harness;
#[path = "machine/requests.rs"]
mod requests;

use harness::{Machine, Suite, install_into};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const SOON: Duration = Duration::from_secs(120);

/// All of them, or those that are named: `make bench ONLY="noop live"`.
const ALL: [(&str, fn(&Machine)); 7] = [
    ("idle", idle),
    ("noop", no_op_builds),
    ("lines", million_lines),
    ("loud", loud_steps),
    ("live", push_to_live),
    ("releases", releases),
    ("requests", requests::lost_during_deploys),
];

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(unknown) = only.iter().find(|word| ALL.iter().all(|(name, _)| name != word)) {
        eprintln!("there is no benchmark {unknown}; there are: {}", ALL.map(|(name, _)| name).join(" "));
        std::process::exit(2);
    }
    let machine = Machine::boot(Suite::Bookworm);
    install_into(&machine);
    prepare(&machine);
    for (name, measure) in ALL {
        if only.is_empty() || only.iter().any(|word| word == name) {
            measure(&machine);
        }
    }
}

fn no_op_builds(machine: &Machine) {
    for (files, steps) in [(1, 1), (2000, 3), (2000, 20)] {
        no_op_build(machine, files, steps);
    }
}

fn loud_steps(machine: &Machine) {
    loud_step(machine, "1 GB of output", "seq 1 200000000 | head -c 1000000000");
    loud_step(machine, "one line of 200 MB", "seq 1 200000000 | head -c 200000000 | tr '[:space:]' ' '");
}

fn prepare(machine: &Machine) {
    machine.sh("git config --global user.email bench@example.org; git config --global user.name Bench
        mkdir -p /srv/git /root/work; systemctl enable --now ci.target");
}

/// A repository `name` with this many files of 4 KiB and a project file.
fn project(machine: &Machine, name: &str, files: u32, rest: &str) {
    machine.write_file(
        format!("/etc/ci/projects.d/{name}.toml"),
        format!("[source]\nurl = \"/srv/git/{name}.git\"\n{rest}"),
    );
    machine.sh(&format!(
        "git init -q --bare -b main /srv/git/{name}.git && git init -q -b main /root/work/{name} && cd /root/work/{name}
         for i in $(seq {files}); do mkdir -p d$((i % 40)); head -c 3000 /dev/urandom | base64 >d$((i % 40))/f$i; done
         git add . && git commit -qm first && git push -q /srv/git/{name}.git main && chmod -R a+rX /srv/git"
    ));
}

fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn report(what: &str, ratio: f64, promise: f64, detail: &str) {
    let verdict = if ratio <= promise { "kept" } else { "NOT KEPT" };
    println!("{what}: {ratio:.2} (promised {promise}: {verdict})  {detail}");
}

/// Between events there is no process of ours.
fn idle(machine: &Machine) {
    let ours = "ps -eo user:20,args | grep -E '^(unitci|ci-|cib-|cig-)|/ci-' | grep -v grep | wc -l";
    machine.wait_until("nothing of unitci runs", SOON, || machine.sh(ours).trim() == "0");
    let timers = machine.sh("systemctl cat ci-poll.timer ci-clean.timer | grep -E '^On[A-Za-z]*Inactive'");
    println!("idle: 0 processes; timers: {}", timers.replace('\n', " "));
}

/// The properties of a step as systemd had them, for `systemd-run` to use the same.
fn sandbox_of(machine: &Machine, name: &str) -> Vec<String> {
    // A step that waits, so that its unit can be read.
    machine.sh(&format!("ci-build --force {name}-held"));
    let unit = format!("ci-step-{name}\\x2dheld-1-1.service");
    machine
        .wait_until("the step runs", SOON, || machine.run(["systemctl", "is-active", &unit]).stdout.trim() == "active");
    let text = machine.run(["systemctl", "cat", &unit]).expect_success().stdout.clone();
    machine.sh(&format!("ci-build --stop {name}-held"));
    let keep = |line: &&str| {
        line.contains('=')
            && ![
                "Description",
                "Exec",
                "Standard",
                "Environment",
                "Before",
                "RemainAfterExit",
                "Type",
                "LogExtraFields",
            ]
            .iter()
            .any(|skip| line.starts_with(skip))
    };
    text.lines().filter(keep).flat_map(|line| ["-p".to_owned(), line.to_owned()]).collect()
}

fn no_op_build(machine: &Machine, files: u32, steps: u32) {
    let name = format!("noop{files}x{steps}");
    let list: String = (1..=steps).map(|i| format!("[[step]]\nname = \"s{i}\"\nrun = \"true\"\n")).collect();
    project(machine, &name, files, &list);
    let held = format!("[source]\nurl = \"/srv/git/{name}.git\"\n[[step]]\nname = \"hold\"\nrun = \"sleep 600\"\n");
    machine.write_file(format!("/etc/ci/projects.d/{name}-held.toml"), &held);
    let sandbox = sandbox_of(machine, &name);
    let mut run = vec!["systemd-run".to_owned(), "--quiet".to_owned(), "--wait".to_owned()];
    // The held project's own folders and user: they are there, and are what the sandbox names.
    run.extend(sandbox);
    run.extend(["/bin/sh", "-e", "-c", "true"].map(str::to_owned));
    let (mut ours, mut clones, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let build = seconds(|| drop(machine.sh(&format!("ci-build --force {name} --wait"))));
        let clone = seconds(|| drop(machine.sh(&format!("git clone -q /srv/git/{name}.git /root/work/clone"))));
        let step = seconds(|| drop(machine.run(run.iter().map(String::as_str)).expect_success()));
        machine.sh("rm -rf /root/work/clone");
        // The first round warms caches and makes users.
        if round > 0 {
            ours.push(build);
            clones.push(clone);
            runs.push(step);
        }
    }
    let (ours, clone, run) = (median(ours), median(clones), median(runs));
    let base = clone + run * f64::from(steps);
    let detail = format!("build {:.0} ms; clone {:.0} ms, systemd-run {:.0} ms", ours * 1e3, clone * 1e3, run * 1e3);
    report(&format!("no-op build, {files} files, {steps} steps"), ours / base, 1.5, &detail);
    if steps >= 20 {
        let step = (ours - first_to_last(machine, &name)) / f64::from(steps);
        let detail = format!("a step {:.0} ms", step * 1e3);
        report("one of its steps to systemd-run with the same properties", step / run, 1.3, &detail);
    }
}

/// Of the last build, in seconds: what was not steps, from its being asked for to the end of its checkout.
fn first_to_last(machine: &Machine, name: &str) -> f64 {
    let query = format!(
        "SELECT step.finished - build.queued FROM build JOIN step USING (project, number)
         WHERE project = '{name}' AND idx = 0 ORDER BY number DESC LIMIT 1"
    );
    let millis = machine.sh(&format!("sqlite3 /var/lib/ci/store/ci.sqlite \"{query}\""));
    millis.trim().parse::<f64>().expect("milliseconds") / 1e3
}

/// A million lines: all of them, soon, in little memory.
fn million_lines(machine: &Machine) {
    const PRINT: &str =
        "yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678 | head -n 1000000";
    project(machine, "lines", 1, &format!("[[step]]\nname = \"print\"\nrun = \"{PRINT}\"\n"));
    project(machine, "plain", 1, &format!("[[step]]\nname = \"print\"\nrun = \"{PRINT} > $CI_WORKSPACE/out\"\n"));
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for round in 0..=4 {
        let loud = seconds(|| drop(machine.sh("ci-build --force lines --wait")));
        let quiet = seconds(|| drop(machine.sh("ci-build --force plain --wait")));
        if round > 0 {
            ours.push(loud);
            plain.push(quiet);
        }
    }
    let (ours, plain) = (median(ours), median(plain));
    let lines = machine.sh("zstdcat /var/lib/ci/builds/lines/1/1.log.zst | wc -l");
    let journal = machine.sh("journalctl -q CI_PROJECT=lines CI_BUILD=1 CI_STEP=print -o cat | wc -l");
    println!(
        "1,000,000 lines of 80 bytes: {:.2} s more than into a plain file (promised 1 s); {} lines published, {} in the journal",
        ours - plain,
        lines.trim(),
        journal.trim()
    );
    machine.sh("ci-build --force lines");
    let peak = supervisor_peak(machine, "lines", 6, || {});
    println!("the supervisor's memory meanwhile: at most {peak:.1} MB (promised 30)");
}

/// Most memory of a build's supervisor until the build is over, in MB; `meanwhile` is done again and again.
fn supervisor_peak(machine: &Machine, project: &str, number: u32, mut meanwhile: impl FnMut()) -> f64 {
    let mut peak = 0;
    let over = format!("SELECT state FROM build WHERE project='{project}' AND number={number}");
    machine.wait_until("the build is over", SOON, || {
        let seen = machine.try_sh(&format!(
            "grep -h VmHWM /proc/$(systemctl show -P MainPID 'ci-build@{project}:{number}.service')/status"
        ));
        let now = seen.stdout.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        meanwhile();
        machine.sh(&format!("sqlite3 /var/lib/ci/store/ci.sqlite \"{over}\"")).trim() == "finished"
    });
    f64::from(peak) / 1024.0
}

/// A step that prints more than anybody reads: all of it is kept, in little memory and little room, and the page of its
/// log stays quick.
fn loud_step(machine: &Machine, what: &str, print: &str) {
    let name = what.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let name = format!("loud{name}");
    project(machine, &name, 1, &format!("[[step]]\nname = \"print\"\nrun = \"{print}\"\n"));
    let page = format!("curl -s -o /dev/null -w '%{{time_total}}' http://127.0.0.1:8010/p/{name}/1/");
    machine.sh(&format!("ci-build --force {name}"));
    let mut slowest: f64 = 0.0;
    let peak = supervisor_peak(machine, &name, 1, || {
        slowest = slowest.max(machine.try_sh(&page).stdout.trim().parse().unwrap_or(0.0));
    });
    let log = format!("/var/lib/ci/builds/{name}/1/1.log.zst");
    let number = |script: String| machine.sh(&script).trim().parse::<f64>().expect("a number");
    let sum = |script: String| machine.sh(&format!("{script} | sha256sum"));
    let whole = if sum(format!("zstdcat {log}")) == sum(print.to_owned()) { "whole" } else { "NOT WHOLE" };
    let ours = number(format!("stat -c %s {log}"));
    let base = number(format!("{print} | zstd -q -3 -c | wc -c"));
    let detail = format!(
        "{whole}; the supervisor's memory at most {peak:.1} MB (promised 30); the build's page in {:.0} ms at most",
        slowest * 1e3
    );
    report(&format!("{what}, packed, to zstd -3"), ours / base, 1.0, &detail);
}

/// A deploy of many files against a copy of them, and of few from green to live.
fn releases(machine: &Machine) {
    machine.sh("useradd --system site; install -d -o site -g site /srv/few /srv/many");
    for (name, files) in [("few", 50), ("many", 20_000)] {
        let deploy =
            format!("[deploy]\nroot = \"/srv/{name}\"\nuser = \"site\"\nsettle = \"0s\"\nkeep-releases = 100\n");
        project(machine, name, files, &deploy);
    }
    let deployed = |name: &str, round: usize| -> f64 {
        machine.sh(&format!(
            "cd /root/work/{name} && echo {round} >text && git add . && git commit -qm {round} &&
             git push -q /srv/git/{name}.git main && ci-build --wait {name} >/dev/null"
        ));
        machine.wait_unit(&format!("ci-deploy@{name}.service"), "inactive", SOON);
        let query = format!(
            "SELECT deploy.finished - build.finished FROM deploy JOIN build USING (project, number)
             WHERE project = '{name}' ORDER BY deploy.id DESC LIMIT 1"
        );
        let millis = machine.sh(&format!("sqlite3 /var/lib/ci/store/ci.sqlite \"{query}\""));
        millis.trim().parse::<f64>().expect("milliseconds") / 1e3
    };
    let few = median((0..=ROUNDS).map(|round| deployed("few", round)).skip(1).collect());
    println!("from green to live, without a service's start: {:.0} ms (promised 400)", few * 1e3);
    let (mut ours, mut copies) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let taken = deployed("many", round);
        let copy = seconds(|| drop(machine.sh("cp -a $(readlink -f /srv/many/current) /srv/copy")));
        machine.sh("rm -r /srv/copy");
        if round > 0 {
            ours.push(taken);
            copies.push(copy);
        }
    }
    let (ours, copy) = (median(ours), median(copies));
    let detail = format!("all of the deploy {ours:.2} s; cp -a {copy:.2} s");
    report("a release of 20,000 files to cp -a", (ours - few).max(0.0) / copy, 1.3, &detail);
}

/// From a push to the text that nginx serves: what is ours of it.
fn push_to_live(machine: &Machine) {
    machine.sh(
        "useradd --system live; install -d -o live -g live /srv/live
         printf 'server { listen 8088; root /srv/live/current; }\\n' >/etc/nginx/conf.d/live.conf; systemctl restart nginx",
    );
    project(
        machine,
        "live",
        50,
        "[[step]]\nname = \"test\"\nrun = \"true\"\n[deploy]\nroot = \"/srv/live\"\nuser = \"live\"\nreload = [\"nginx.service\"]\nsettle = \"0s\"\n",
    );
    machine.sh("ci-poll live");
    let mut whole = Vec::new();
    for round in 0..=ROUNDS {
        let text = format!("version {round}");
        machine.sh(&format!("cd /root/work/live && echo {text} >text && git add . && git commit -qm {round}"));
        let taken = seconds(|| {
            machine.sh("cd /root/work/live && git push -q /srv/git/live.git main && ci-poll live");
            machine.wait_until("nginx serves it", SOON, || {
                machine.try_sh("curl -s http://127.0.0.1:8088/text").stdout.trim() == text
            });
        });
        if round > 0 {
            whole.push(taken);
        }
    }
    let git = median(
        (0..5)
            .map(|_| seconds(|| drop(machine.sh("cd /root/work/live && git ls-remote -q /srv/git/live.git"))))
            .collect(),
    );
    println!(
        "push → nginx serves it: {:.0} ms in all (promised: ours under 1000 ms; one git process here {:.0} ms)",
        median(whole) * 1e3,
        git * 1e3
    );
}
