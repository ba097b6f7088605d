//! Running a command inside a machine, and what came of it.

use super::machine::Machine;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// Nothing of the host's environment reaches a command inside.
const ENVIRONMENT: [&str; 6] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "TERM=dumb",
    "SYSTEMD_PAGER=",
    "SYSTEMD_COLORS=0",
    "HOME=/root",
];

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    command: String,
    /// Exit code or signal.
    pub(crate) status: ExitStatus,
    /// All of it; what is not UTF-8 becomes U+FFFD.
    pub(crate) stdout: String,
    /// All of it; what is not UTF-8 becomes U+FFFD.
    pub(crate) stderr: String,
}

impl Output {
    /// The exit code; panics with everything if the command died of a signal.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{}", self.story()))
    }

    /// Itself, if the command exited with 0; panics with everything if not.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Output {
        assert!(self.status.success(), "{}", self.story());
        self
    }

    /// Itself, if the command exited with this code; panics with everything if not.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Output {
        assert_eq!(self.status.code(), Some(code), "{}", self.story());
        self
    }

    /// The command, its end and all it said.
    pub(crate) fn story(&self) -> String {
        let Output { command, status, stdout, stderr } = self;
        format!("`{command}`: {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

impl Machine {
    /// A command inside, as root, not yet started: for one that needs stdin, or goes on while the test does.
    /// Killing the child does not kill the command; ending its stdin or the machine does.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader().to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--"]);
        command.args(["env", "-i"]).args(ENVIRONMENT).args(argv);
        command.stdin(Stdio::null());
        command
    }

    /// [`Machine::command`] as another user, with that user's groups, home and name.
    pub(crate) fn command_as<S: AsRef<OsStr>>(&self, user: &str, argv: impl IntoIterator<Item = S>) -> Command {
        let passwd = self.sh(&format!("getent passwd {user}"));
        let fields: Vec<&str> = passwd.trim_end().split(':').collect();
        let [name, _, uid, gid, _, home, _] = fields[..] else { panic!("not a line of passwd: {passwd}") };
        let mut command = self.command([
            "setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={gid}"),
            "--init-groups",
            "env",
            &format!("HOME={home}"),
            &format!("USER={name}"),
            &format!("LOGNAME={name}"),
        ]);
        command.args(argv);
        command
    }

    /// Runs a command inside as root to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Output {
        finish(self.command(argv), None)
    }

    /// Runs a command inside as `user` to its end.
    pub(crate) fn run_as<S: AsRef<OsStr>>(&self, user: &str, argv: impl IntoIterator<Item = S>) -> Output {
        finish(self.command_as(user, argv), None)
    }

    /// Runs a command inside as root to its end, with this on its stdin.
    pub(crate) fn run_with_input<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>, input: &[u8]) -> Output {
        finish(self.command(argv), Some(input))
    }

    /// Runs a shell script inside as root (`sh -eu`) and gives its stdout; panics with everything if it fails.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.try_sh(script).expect_success().stdout
    }

    /// Runs a shell script inside as root, whatever comes of it.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        self.run(["sh", "-euc", script])
    }

    /// Runs a shell script inside as `user`; panics with everything if it fails.
    #[track_caller]
    pub(crate) fn sh_as(&self, user: &str, script: &str) -> String {
        self.run_as(user, ["sh", "-euc", script]).expect_success().stdout
    }

    /// Writes a file inside, owned by root, and the folders above it. A file that is there keeps owner and mode.
    #[track_caller]
    pub(crate) fn write_file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let script = r#"mkdir -p "$(dirname "$1")"; cat >"$1""#;
        let argv = ["sh".as_ref(), "-euc".as_ref(), script.as_ref(), "sh".as_ref(), path.as_ref().as_os_str()];
        self.run_with_input(argv, content.as_ref()).expect_success();
    }

    /// A file inside; panics if it cannot be read.
    #[track_caller]
    pub(crate) fn read_file(&self, path: impl AsRef<Path>) -> String {
        self.run(["cat".as_ref(), path.as_ref().as_os_str()]).expect_success().stdout
    }

    /// Whether something is there; a symlink counts by what it points to.
    pub(crate) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.run(["test".as_ref(), "-e".as_ref(), path.as_ref().as_os_str()]).status.success()
    }
}

fn finish(mut command: Command, input: Option<&[u8]>) -> Output {
    // What is of interest begins after the environment.
    let shown: Vec<_> = command.get_args().skip_while(|word| *word != "HOME=/root").skip(1).collect();
    let shown = shown.join(OsStr::new(" ")).to_string_lossy().into_owned();
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{shown}`: {error}"));
    let stdin = child.stdin.take();
    let output = std::thread::scope(|threads| {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command that does not read all of its input is the test's subject, not a fault of the harness.
            threads.spawn(move || stdin.write_all(input).unwrap_or_else(|error| eprintln!("harness: stdin: {error}")));
        }
        child.wait_with_output()
    });
    let output = output.unwrap_or_else(|error| panic!("`{shown}`: {error}"));
    Output {
        command: shown,
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
