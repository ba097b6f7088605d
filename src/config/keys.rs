//! Every key there is: its kind, what holds when it is not written, and one line on it. Checks of names, presets,
//! `ci-config show` and the tables of the man pages follow this list; what a value must be like is said in `check`.

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What its value is made of.
    pub kind: Kind,
    /// What holds without it.
    pub unset: Unset,
    /// For manual and messages.
    pub doc: &'static str,
}

/// What a key's value is made of.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A value, in the words of the manual.
    Value(&'static str),
    /// Names chosen by the writer, with texts.
    Map,
    /// A table with keys of its own.
    Table(&'static [Key]),
    /// `[[…]]`: any number of tables.
    Tables(&'static [Key]),
    /// `[…]`, or any number of `[[…]]`.
    Either(&'static [Key]),
    /// A table whose content is that of a project's file.
    Layer,
}

/// What holds when a key is not written.
#[derive(Debug, Clone, Copy)]
pub enum Unset {
    /// It has to be.
    Required,
    /// As if this text were written.
    Text(&'static str),
    /// As if this integer were written.
    Count(i64),
    /// As if this were written.
    Flag(bool),
    /// As if these two were written.
    Pair(i64, i64),
    /// As if `[]`, or an empty table.
    Empty,
    /// Nothing; the manual says what that means.
    Absent(&'static str),
}

const fn key(name: &'static str, kind: Kind, unset: Unset, doc: &'static str) -> Key {
    Key { name, kind, unset, doc }
}

use Kind::{Either, Layer, Map, Table, Tables, Value};
use Unset::{Absent, Count, Empty, Flag, Pair, Required, Text};

const TEXT: Kind = Value("text");
const COUNT: Kind = Value("integer");
const FLAG: Kind = Value("true or false");
const DURATION: Kind = Value("duration");
const SIZE: Kind = Value("size");
const PERCENT: Kind = Value("percentage");
const TEXTS: Kind = Value("list of texts");
const LINES: Kind = Value("list of command lines");

/// The keys of `ci.toml`.
pub static SITE: &[Key] = &[
    key("title", TEXT, Text("unitci"), "heads every page and mail"),
    key("title-url", TEXT, Absent("no link"), "where the title on the page leads"),
    key("base-url", TEXT, Text("http://localhost:8010"), "how people reach the status page"),
    key("max-builds", COUNT, Count(2), "how many builds run at once over all projects"),
    key(
        "memory-pressure",
        COUNT,
        Count(20),
        "no build starts while something waits for memory in more percent of the time; 0 is never",
    ),
    key("memory-available", SIZE, Text("64M"), "no build starts while less memory is available; 0 is never"),
    key("lock", Tables(SITE_LOCK), Empty, "what builds of different projects share"),
    key("mail", Table(MAIL), Empty, "how mail leaves the machine"),
    key("defaults", Layer, Empty, "holds for all projects"),
    key("template", Layer, Empty, "[template.NAME] holds for projects that name it"),
];

static SITE_LOCK: &[Key] = &[
    key("name", TEXT, Required, "a-z, 0-9 and -, a letter first"),
    key("count", COUNT, Count(1), "how many builds may hold it at once"),
];

static MAIL: &[Key] = &[
    key("from", TEXT, Absent("unitci@ and the host's name"), "the sender's address"),
    key("sendmail", TEXT, Text("/usr/sbin/sendmail"), "the program that takes a message on its standard input"),
];

/// The keys of a project's file, of `[defaults]` and of `[template.NAME]`.
pub static PROJECT: &[Key] = &[
    key("template", TEXT, Absent("none"), "the [template.NAME] of ci.toml that this builds on"),
    key("description", TEXT, Absent("none"), "one line for page and list"),
    key(
        "pipeline",
        Value("project or repository"),
        Text("project"),
        "where the steps stand: in this file, or in .ci.toml of the commit",
    ),
    key("priority", COUNT, Count(0), "higher starts first, -100 to 100; each minute of waiting counts as one"),
    key("max-builds", COUNT, Count(1), "how many builds of it run at once, each in its own workspace"),
    key("cancel-superseded", FLAG, Flag(false), "a build is stopped when a newer commit of its ref waits"),
    key("lock", Tables(LOCK), Empty, "what a build takes for its whole length"),
    key("source", Table(SOURCE), Empty, "where the code comes from, and when to look"),
    key("build", Table(BUILD), Empty, "limits and surroundings of all steps"),
    key("step", Tables(STEP), Empty, "what a build runs, in order"),
    key("service", Tables(SERVICE), Empty, "what runs beside the steps, for the build's length"),
    key("deploy", Either(DEPLOY), Absent("not deployed"), "where a green build goes"),
    key("notify", Table(NOTIFY), Empty, "whom to tell"),
];

/// The keys of `.ci.toml` in a repository; of those of a step, [`super::pipeline::STEP`] says which.
pub static PIPELINE: &[Key] = &[key("step", Tables(STEP), Required, "what a build runs, in order")];
static LOCK: &[Key] = &[
    key("name", TEXT, Required, "of a [[lock]] in ci.toml"),
    key("mode", Value("counting or exclusive"), Text("counting"), "with as many others as it counts, or with none"),
];

static SOURCE: &[Key] = &[
    key("url", TEXT, Required, "the repository: https://, ssh://, user@host:path, file:// or an absolute path"),
    key("branches", TEXTS, Empty, "patterns of branch names; none is the remote's HEAD; * does not cross /, ** does"),
    key("credential", TEXT, Absent("none"), "the name of a key or user:token in /etc/ci/credentials"),
    key("outside", TEXTS, Empty, "patterns of whole names of refs that strangers write, such as refs/pull/*/head"),
    key(
        "build-outside",
        Value("never, ask or always"),
        Text("never"),
        "whether those are built; ask waits for ci-build --approve",
    ),
    key("poll", DURATION, Text("1min"), "how often to look, at least 1min"),
    key("stable", DURATION, Count(0), "wait until a ref has been quiet this long; 0 builds at once"),
    key("stable-max", DURATION, Absent("6 times stable"), "but never longer than this after the first change"),
    key("timeout", DURATION, Text("60s"), "how long a remote may take to answer"),
    key("build-on-first-poll", FLAG, Flag(false), "build what is there when the project is first seen"),
    key(
        "mode",
        Value("clean, incremental or fresh"),
        Text("clean"),
        "what a workspace keeps: nothing, what is not tracked, or nothing with HOME and cache emptied too",
    ),
    key("git-dir", FLAG, Flag(false), "give the steps a .git of their own, thrown away with the workspace"),
    key("depth", COUNT, Absent("all"), "how many commits of each branch are fetched"),
    key("submodules", FLAG, Flag(false), "fetch and check out the submodules, too"),
    key("lfs", FLAG, Flag(false), "put the files of git-lfs in the place of their pointers"),
    key("sparse", TEXTS, Empty, "patterns as in gitignore(5) of what is checked out; none is everything"),
];

static BUILD: &[Key] = &[
    key("timeout", DURATION, Text("1h"), "of the whole build"),
    key("stop-grace", DURATION, Text("10s"), "from SIGTERM to SIGKILL"),
    key("memory", SIZE, Absent("what ci.slice leaves"), "MemoryMax= of a step"),
    key("tasks", COUNT, Count(4096), "TasksMax= of a step"),
    key("cpu", PERCENT, Absent("all there are"), "CPUQuota= of a step: 150% is one CPU and a half"),
    key("cpu-weight", COUNT, Absent("systemd's, 100"), "CPUWeight= against other projects, 1 to 10000"),
    key("disk", SIZE, Absent("no limit"), "most bytes that a step may write"),
    key("network", Value("host or none"), Text("host"), "none: a loopback of its own and nothing else"),
    key("outside-network", Value("host or none"), Text("none"), "at most, for builds of refs from outside"),
    key("allow", TEXTS, Empty, "walls that steps do without: userns, ptrace, io-uring, device:/dev/…"),
    key("env", Map, Empty, "added to the environment of every step"),
    key(
        "secrets",
        TEXTS,
        Empty,
        "what the steps get that do not say themselves, as files below $CREDENTIALS_DIRECTORY",
    ),
    key("log-max", SIZE, Text("2G"), "most bytes that one step may print"),
    key("artifacts-folder", FLAG, Flag(false), "what steps put into $CI_ARTIFACTS is kept, too"),
    key("artifacts-max", SIZE, Text("1G"), "most bytes of all artifacts of a build"),
    key("cache-max", SIZE, Text("10G"), "most bytes of $HOME and $CI_CACHE together; 0 is no limit"),
    key(
        "journal-lines",
        Value("two integers"),
        Pair(2000, 500),
        "a step's first and last lines that go to the journal",
    ),
];

static STEP: &[Key] = &[
    key("name", TEXT, Required, "shown on page and in log"),
    key("description", TEXT, Absent("none"), "what it does, shown while it runs"),
    key("done", TEXT, Absent("the description"), "what it did, shown afterwards"),
    key(
        "run",
        Value("text or list of texts"),
        Required,
        "a text for the shell, a #! script, or a list of command lines",
    ),
    key("shell", Value("sh or bash"), Text("sh"), "sh -e or bash -eo pipefail"),
    key("pty", FLAG, Flag(false), "its output is a terminal"),
    key("timeout", DURATION, Absent("the build's"), "of this step"),
    key("no-output", DURATION, Text("20min"), "longest silence; 0 is no limit"),
    key("network", Value("host or none"), Absent("the build's"), "of this step"),
    key("allow", TEXTS, Absent("the build's"), "walls that this step does without, instead of the build's"),
    key("on-failure", Value("halt, continue, warn or ignore"), Text("halt"), "what a failure does to the build"),
    key("decode", Map, Empty, "what exit codes mean: skipped, success, warnings or failure"),
    key("when", Value("success, failure, always or changed"), Text("success"), "when the step runs"),
    key("branches", TEXTS, Empty, "patterns of branch names on which it runs; none is every ref"),
    key("refs", TEXTS, Empty, "patterns of whole ref names, such as refs/tags/*, on which it runs"),
    key("files", TEXTS, Empty, "patterns of files, with ! in front of those that do not count; one must have changed"),
    key("retry", Table(RETRY), Absent("not tried again"), "a failing step is tried again"),
    key("env", Map, Empty, "over the build's"),
    key("secrets", TEXTS, Absent("the build's"), "exactly these, instead of the build's"),
    key("workdir", TEXT, Absent("the workspace"), "a folder below the workspace"),
    key("artifacts", TEXTS, Empty, "files that are kept when it is green, below the workspace"),
    key("junit", Value("pattern or list of patterns"), Empty, "its JUnit reports, below the workspace"),
    key("memory", SIZE, Absent("the build's"), "MemoryMax= of this step"),
    key("tasks", COUNT, Absent("the build's"), "TasksMax= of this step"),
    key("cpu", PERCENT, Absent("the build's"), "CPUQuota= of this step"),
    key("disk", SIZE, Absent("the build's"), "most bytes that this step may write"),
];

static RETRY: &[Key] = &[
    key("times", COUNT, Required, "how often after the first attempt, 1 to 10"),
    key("delay", DURATION, Count(0), "between two attempts"),
];

static SERVICE: &[Key] = &[
    key("name", TEXT, Required, "shown on page and in log; no step has it"),
    key("run", Value("text or list of texts"), Required, "as of a step; it stays in the foreground"),
    key("shell", Value("sh or bash"), Text("sh"), "sh -e or bash -eo pipefail"),
    key("ready", TEXT, Absent("ready at once"), "a text for sh -e, run until it exits with 0"),
    key("ready-timeout", DURATION, Text("60s"), "how long that may take"),
    key("env", Map, Empty, "over the build's"),
    key("secrets", TEXTS, Empty, "what it gets as files below $CREDENTIALS_DIRECTORY; the build's are for steps alone"),
    key("memory", SIZE, Absent("the build's"), "MemoryMax= of this service"),
    key("tasks", COUNT, Absent("the build's"), "TasksMax= of this service"),
    key("cpu", PERCENT, Absent("the build's"), "CPUQuota= of this service"),
];

static DEPLOY: &[Key] = &[
    key("name", TEXT, Text("default"), "the target's; a-z, 0-9 and -, a letter first"),
    key("branch", TEXT, Absent("the remote's HEAD"), "whose green builds go there"),
    key("automatic", FLAG, Flag(true), "they go there by themselves; else ci-deploy --target says when"),
    key("root", TEXT, Required, "the folder that holds releases, shared and current"),
    key("user", TEXT, Required, "who owns it; never root"),
    key("site", TEXT, Absent("none"), "where clients look at it"),
    key("keep-releases", COUNT, Count(5), "at least 2"),
    key("shared", TEXTS, Empty, "paths of a release that link into shared/"),
    key(
        "artifacts",
        TEXTS,
        Empty,
        "patterns of the build's artifacts that are put into the release, over the commit's files",
    ),
    key("env", Map, Empty, "of prepare, migrate and finish"),
    key("secrets", TEXTS, Empty, "what those three get, as files below $CREDENTIALS_DIRECTORY"),
    key("prepare", LINES, Empty, "run in the new release before the switch"),
    key("migrate", LINES, Empty, "the same, after prepare"),
    key("finish", LINES, Empty, "the same, after the checks; a failure here is a warning"),
    key("timeout", DURATION, Text("10min"), "of each of those three"),
    key("restart", TEXTS, Empty, "units restarted after the switch, in order"),
    key("try-restart", TEXTS, Empty, "units restarted after those, but for what somebody has stopped"),
    key("start", TEXTS, Empty, "units started after those, if they do not run"),
    key("reload", TEXTS, Empty, "units reloaded after those"),
    key("settle", DURATION, Text("2s"), "how long they must stay up"),
    key("health", Table(HEALTH), Absent("not checked"), "an HTTP check of the release that is live"),
    key("check", Tables(CHECK), Empty, "more checks, made after that in order"),
];

static HEALTH: &[Key] = &[
    key("url", TEXT, Required, "what to ask for"),
    key("status", COUNT, Count(200), "the answer's status"),
    key("contains", TEXT, Absent("any body"), "a text that the body must have; %{commit} and %{build} are filled in"),
    key("header", Map, Empty, "headers that the answer must have, and a text in each"),
    key("attempts", COUNT, Count(3), "how often to try"),
    key("timeout", DURATION, Text("5s"), "of one attempt"),
    key("interval", DURATION, Text("5s"), "between two attempts"),
];

static CHECK: &[Key] = &[
    key("url", TEXT, Absent("another kind"), "HTTP: what to ask for"),
    key("tcp", TEXT, Absent("another kind"), "TCP: HOST:PORT where somebody takes a connection"),
    key("command", TEXT, Absent("another kind"), "a command line, run in the release, that exits with 0"),
    key("unit", TEXT, Absent("another kind"), "a unit that is active"),
    key("status", COUNT, Count(200), "of a url: the answer's status"),
    key("contains", TEXT, Absent("any body"), "of a url: a text that the body must have"),
    key("header", Map, Empty, "of a url: headers that the answer must have, and a text in each"),
    key("attempts", COUNT, Count(3), "how often to try"),
    key("timeout", DURATION, Text("5s"), "of one attempt"),
    key("interval", DURATION, Text("5s"), "between two attempts"),
];

static NOTIFY: &[Key] = &[
    key("on", Value("change, failure or always"), Text("change"), "when to tell"),
    key("mail", TEXTS, Empty, "addresses"),
];

/// The table whose direct key `name` is, as a header; for one that stands under the wrong header.
pub(super) fn home_of(name: &str) -> Option<&'static str> {
    let tables: [(&str, &[Key]); 8] = [
        ("[source]", SOURCE),
        ("[deploy]", DEPLOY),
        ("[build]", BUILD),
        ("[[step]]", STEP),
        ("[[service]]", SERVICE),
        ("[deploy.health]", HEALTH),
        ("[[deploy.check]]", CHECK),
        ("[notify]", NOTIFY),
    ];
    tables.into_iter().find(|(_, keys)| keys.iter().any(|key| key.name == name)).map(|(header, _)| header)
}
