//! The words in which tests tell what a team does: push, poll, ask for a build, look at what came of it. Everything goes
//! through what is installed: git, the commands, systemctl, the journal; and the store, read as any of its readers may.

use crate::harness::{Machine, Output, Suite, install_into};
use serde_json::Value;
use std::time::Duration;

/// Long enough for anything that is under way on a busy host.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A step that says that it is there and goes on when [`Team::release`] lets it.
pub(crate) const HOLD: &str = "touch $CI_CACHE/here; while ! test -e $CI_CACHE/go; do sleep 0.05; done";

/// One step of a project file, as TOML.
pub(crate) fn step(name: &str, run: &str) -> String {
    format!("[[step]]\nname = \"{name}\"\nrun = '''\n{run}\n'''\n")
}

/// A machine with unitci on it, and anna, who may use it.
pub(crate) struct Team {
    pub(crate) machine: Machine,
}

impl Team {
    /// Installed and enabled as the README says, on a machine of its own.
    #[track_caller]
    pub(crate) fn start(suite: Suite) -> Team {
        Team::on(Machine::boot(suite))
    }

    /// Installed and enabled on this machine.
    #[track_caller]
    pub(crate) fn on(machine: Machine) -> Team {
        install_into(&machine);
        machine.sh("useradd --create-home --groups ci-users,systemd-journal anna; useradd --create-home otto");
        machine.sh("systemctl enable --quiet --now ci.target");
        let team = Team { machine };
        team.machine.sh("mkdir -p /srv/git /root/work; git config --global user.name Ada");
        team.machine.sh("git config --global user.email ada@example.org; git config --global init.defaultBranch main");
        team
    }

    /// A bare repository with one commit, and its work tree.
    #[track_caller]
    pub(crate) fn repository(&self, name: &str) {
        self.machine.sh(&format!(
            "git init --quiet --bare /srv/git/{name}.git; git clone --quiet /srv/git/{name}.git /root/work/{name} 2>&1"
        ));
        self.push(name, "the beginning", &[("README", "hello\n")]);
    }

    /// A repository and a project that watches it: `rest` is what follows `[source]` in its file. It has been polled
    /// once, so that the next push is news.
    #[track_caller]
    pub(crate) fn project(&self, name: &str, rest: &str) {
        self.repository(name);
        self.project_file(name, &format!("[source]\nurl = \"/srv/git/{name}.git\"\n{rest}"));
        self.poll(name).expect_success();
    }

    /// A project's file as it is.
    #[track_caller]
    pub(crate) fn project_file(&self, name: &str, text: &str) {
        self.machine.write_file(format!("/etc/ci/projects.d/{name}.toml"), text);
    }

    /// Commits files and pushes them; says the commit.
    #[track_caller]
    pub(crate) fn push(&self, repository: &str, subject: &str, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            self.machine.write_file(format!("/root/work/{repository}/{path}"), content);
        }
        self.git(repository, "add --all");
        self.git(repository, &format!("commit --quiet --allow-empty -m '{subject}'"));
        self.git(repository, "push --quiet --force origin HEAD");
        self.git(repository, "rev-parse HEAD")
    }

    /// git in a project's work tree.
    #[track_caller]
    pub(crate) fn git(&self, repository: &str, arguments: &str) -> String {
        self.machine.sh(&format!("git -C /root/work/{repository} {arguments} 2>&1")).trim().to_owned()
    }

    /// A shell command of anna's.
    pub(crate) fn anna(&self, command: &str) -> Output {
        self.machine.run_as("anna", ["sh", "-euc", command])
    }

    /// `ci-poll PROJECT…`
    pub(crate) fn poll(&self, projects: &str) -> Output {
        self.anna(&format!("ci-poll {projects}"))
    }

    /// `ci-build --force PROJECT`, not waited for.
    #[track_caller]
    pub(crate) fn force(&self, project: &str) {
        self.anna(&format!("ci-build --force {project}")).expect_success();
    }

    /// Rows of the store, as one of its readers sees them.
    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<Value> {
        let file = "/var/lib/ci/store/ci.sqlite";
        let ask = ["sqlite3", "-readonly", "-json", "-cmd", ".timeout 5000", file, query];
        // After a power cut a writer has to mend the WAL first.
        let said = self.machine.wait_for("the store to be readable", SOON, || {
            let said = self.machine.run_as("anna", ask);
            (!said.stderr.contains("readonly database")).then_some(said)
        });
        let said = said.expect_success().stdout;
        if said.trim().is_empty() {
            return Vec::new();
        }
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The one value of the one row that a query gives.
    #[track_caller]
    pub(crate) fn value(&self, query: &str) -> Value {
        let rows = self.rows(query);
        let [Value::Object(row)] = &rows[..] else { panic!("`{query}` gives {rows:?}") };
        row.values().next().unwrap_or_else(|| panic!("`{query}` gives an empty row")).clone()
    }

    /// How many rows a table's condition finds.
    #[track_caller]
    pub(crate) fn count(&self, table_and_condition: &str) -> u64 {
        self.value(&format!("SELECT count(*) FROM {table_and_condition}")).as_u64().expect("a count")
    }

    /// How many builds a project has had.
    #[track_caller]
    pub(crate) fn builds(&self, project: &str) -> u64 {
        self.count(&format!("build WHERE project = '{project}'"))
    }

    /// A build as it is now, if there is one.
    #[track_caller]
    pub(crate) fn find_build(&self, project: &str, number: u32) -> Option<Build<'_>> {
        let of_it = format!("WHERE project = '{project}' AND number = {number}");
        let row = self.rows(&format!("SELECT * FROM build {of_it}")).pop()?;
        let steps = self.rows(&format!("SELECT * FROM step {of_it} ORDER BY idx"));
        Some(Build { team: self, name: format!("{project}:{number}"), row, steps })
    }

    /// Waits until a build is over.
    #[track_caller]
    pub(crate) fn wait_build(&self, project: &str, number: u32) -> Build<'_> {
        self.machine.wait_for(&format!("{project}:{number} to be over"), SOON, || {
            self.find_build(project, number).filter(|build| build.row["state"] == "finished")
        })
    }

    /// Forces a build and waits until it is over; `number` is the one it must have.
    #[track_caller]
    pub(crate) fn build(&self, project: &str, number: u32) -> Build<'_> {
        self.force(project);
        self.wait_build(project, number)
    }

    /// Waits until a step is at its [`HOLD`].
    #[track_caller]
    pub(crate) fn wait_held(&self, project: &str) {
        let here = format!("/var/cache/ci/{project}/cache/here");
        self.machine.wait_until(&format!("{project} to be at its hold"), SOON, || self.machine.exists(&here));
        self.machine.sh(&format!("rm {here}"));
    }

    /// Lets a step go on from its [`HOLD`], and those after it too.
    #[track_caller]
    pub(crate) fn release(&self, project: &str) {
        self.machine.sh(&format!("touch /var/cache/ci/{project}/cache/go"));
    }

    /// Where a step can leave something for the test: its `$CI_CACHE`.
    pub(crate) fn cache(&self, project: &str, file: &str) -> String {
        format!("/var/cache/ci/{project}/cache/{file}")
    }

    /// No unit of a build is left, whatever its state.
    #[track_caller]
    pub(crate) fn no_unit_left(&self, project: &str) {
        self.machine.wait_until(&format!("nothing of {project} to be left"), SOON, || {
            let listed = ["systemctl", "list-units", "--all", "--no-legend", "--plain"];
            let units =
                self.machine.run(listed.into_iter().chain([&*format!("ci-step-{project}-*"), "ci-build@*"])).stdout;
            units.trim().is_empty()
        });
    }
}

/// A build as the store had it when it was looked at.
pub(crate) struct Build<'t> {
    team: &'t Team,
    name: String,
    pub(crate) row: Value,
    pub(crate) steps: Vec<Value>,
}

impl Build<'_> {
    pub(crate) fn verdict(&self) -> &str {
        self.row["verdict"].as_str().unwrap_or("none yet")
    }

    pub(crate) fn summary(&self) -> &str {
        self.row["summary"].as_str().unwrap_or_default()
    }

    /// All that is known of it, for whoever reads a failed test.
    fn story(&self) -> String {
        let said = self.team.machine.run(["journalctl", "--no-pager", "-u", &format!("ci-build@{}", self.name)]).stdout;
        format!("{}\nsteps {:#?}\n{said}", serde_json::to_string_pretty(&self.row).expect("JSON"), self.steps)
    }

    /// It is over with this verdict and a summary that has this in it.
    #[track_caller]
    pub(crate) fn is(&self, verdict: &str, summary: &str) -> &Self {
        let right = self.verdict() == verdict && self.summary().contains(summary);
        assert!(right, "{} is not {verdict} with {summary:?}: {}", self.name, self.story());
        self
    }

    #[track_caller]
    pub(crate) fn is_green(&self) -> &Self {
        self.is("success", "")
    }

    /// A step's verdict, by its name.
    #[track_caller]
    pub(crate) fn step(&self, name: &str) -> &str {
        self.find_step(name)["verdict"].as_str().unwrap_or("none yet")
    }

    /// How a step ended, in words.
    #[track_caller]
    pub(crate) fn outcome(&self, name: &str) -> &str {
        self.find_step(name)["outcome"].as_str().unwrap_or_default()
    }

    #[track_caller]
    fn find_step(&self, name: &str) -> &Value {
        let found = self.steps.iter().find(|step| step["name"] == name);
        found.unwrap_or_else(|| panic!("{} has no step {name}: {}", self.name, self.story()))
    }

    /// A step's published log, byte for byte.
    #[track_caller]
    pub(crate) fn log(&self, step: &str) -> Vec<u8> {
        let path = self.log_path(step);
        let output = self.team.machine.command(["zstdcat", &path]).output().expect("to start zstdcat");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The file of a step's published log.
    #[track_caller]
    pub(crate) fn log_path(&self, step: &str) -> String {
        let (project, number) = (self.row["project"].as_str().expect("text"), &self.row["number"]);
        format!("/var/lib/ci/builds/{project}/{number}/{}.log.zst", self.find_step(step)["idx"])
    }

    /// A step's published log as text.
    #[track_caller]
    pub(crate) fn text(&self, step: &str) -> String {
        String::from_utf8_lossy(&self.log(step)).into_owned()
    }
}
