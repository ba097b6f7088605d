//! The stand: a machine with unitci, a git server, a place for the shop to run, and ways in for the host's browser.

use crate::harness::{Forward, Machine, Suite, install_into};
use crate::interrupt::{Interrupt, Interrupted};
use crate::stage::{Stage, Who};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

/// This folder, which the machine sees at `INSIDE`.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/demo");
const INSIDE: &str = "/root/demo";
/// Where the status page and the shop listen, in the machine and, if they are free, on the host.
const PAGE: u16 = 8010;
const SITE: u16 = 8080;

/// The ways in; they end with the value.
#[derive(Debug)]
pub(crate) struct Doors {
    page: Forward,
    site: Forward,
}

impl Doors {
    fn open(machine: &Machine) -> Doors {
        Doors { page: machine.forward(free_from(PAGE), PAGE), site: machine.forward(free_from(SITE), SITE) }
    }

    /// The status page, for the host's browser.
    pub(crate) fn page(&self) -> String {
        format!("http://localhost:{}/", self.page.port())
    }

    /// The shop, for the host's browser.
    pub(crate) fn site(&self) -> String {
        format!("http://localhost:{}/", self.site.port())
    }
}

/// The wanted port of the host's loopback, or the next one that nobody has.
fn free_from(wanted: u16) -> u16 {
    (wanted..=u16::MAX)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on the host")
}

/// Boots it and puts everything in but the project.
pub(crate) fn set_up(interrupt: Interrupt) -> Result<(Stage, Doors), Interrupted> {
    let began = Instant::now();
    let suite = Suite::usual()[0];
    anstream::println!("A throw-away machine boots: {}, with a network of its own.", suite.debian());
    let machine = Machine::on(suite).with_network().with_bind(FOLDER, INSIDE).boot();
    let booted = began.elapsed();
    let doors = Doors::open(&machine);
    let mut stage = Stage::new(machine, interrupt, began);
    stage.mark("booting a machine", booted);

    stage.chapter("unitci is installed, and a git server and a web server are made")?;
    let systemd = stage.machine.sh("systemctl --version | head -n1");
    stage.say(&format!("{} runs {}", stage.machine.name(), systemd.trim()));
    timed(&mut stage, "make install", |stage| install_into(&stage.machine));
    stage.say("make install: programs, units, users, folders");
    timed(&mut stage, "making the git server and the web server", |stage| {
        stage.machine.sh(&format!("cd {INSIDE}/server; . ./git.sh"));
        stage.machine.sh(&format!("cd {INSIDE}/server; . ./web.sh"));
    });
    stage.say(
        "git server: git@git.example.org:shop.git, over ssh; the developer may push, unitci's key may read
         web server: nginx on port 8080, before the shop's gunicorn, which has nothing to run yet",
    );
    Ok((stage, doors))
}

/// Whether a program of the host gets the page.
pub(crate) fn answers_the_host(address: &str) -> bool {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null", address]);
    curl.status().expect("to run curl").success()
}

fn timed(stage: &mut Stage, what: &'static str, work: impl FnOnce(&Stage)) -> Duration {
    let began = Instant::now();
    work(stage);
    let took = began.elapsed();
    stage.mark(what, took);
    took
}

/// The developer's clone with the shop in it, pushed.
pub(crate) fn first_push(stage: &Stage) -> Result<(), Interrupted> {
    stage.machine.sh(&format!("cp -r {INSIDE}/shop /home/dev/shop; chown -R dev:dev /home/dev/shop"));
    stage.run(Who::Dev, "ls -A")?;
    stage.machine.sh_as("dev", "cd ~/shop; git init -q; git remote add origin git@git.example.org:shop.git");
    stage.run(Who::Dev, "git add . && git commit -qm 'The shop opens' && git push -qu origin main")?;
    Ok(())
}

/// Edits the developer's clone and adds it to the index.
pub(crate) fn edit(stage: &Stage, patch: &str) {
    stage
        .machine
        .sh(&format!("runuser --user dev -- git -C /home/dev/shop apply --index - <{INSIDE}/commits/{patch}.patch"));
}

/// What an administrator does once for a new project: a key, the server's host key, one file.
pub(crate) fn add_project(stage: &Stage, doors: &Doors) -> Result<(), Interrupted> {
    let title = format!("title = \"The demonstration\"\nbase-url = \"{}\"\n", doors.page().trim_end_matches('/'));
    stage.machine.write_file("/etc/ci/ci.toml", title);
    stage
        .machine
        .sh(&format!("sed 's|http://localhost:8080/|{}|' {INSIDE}/server/shop.toml >/root/shop.toml", doors.site()));
    stage.run(Who::Root, "install -m 600 shop-git /etc/ci/credentials/")?;
    stage.run(Who::Root, "ssh-keyscan -t ed25519 git.example.org 2>/dev/null >>/etc/ci/known_hosts")?;
    stage.run(Who::Root, "cat shop.toml")?;
    stage.run(Who::Root, "cp shop.toml /etc/ci/projects.d/")?;
    stage.run(Who::Root, "ci-config check")?;
    stage.run(Who::Root, "systemctl enable --now ci.target")?;
    Ok(())
}
