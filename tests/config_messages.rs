//! What each mistake in a configuration file is answered with, and that no content at all makes a panic.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it should be")]

use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use unitci::config::{Config, Styling};
use unitci::model::Place;

/// A sound project's beginning; what follows is line 2.
const URL: &str = "source.url = '/srv/git/x'\n";

struct Scratch {
    root: TempDir,
    file: PathBuf,
}

impl Scratch {
    fn new() -> Scratch {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("gkp.toml");
        Scratch { root, file }
    }

    /// `line:column: message` of everything that is wrong.
    fn problems(&self, text: &[u8]) -> Vec<String> {
        fs::write(&self.file, text).unwrap();
        let checked = Config::check_file(&Place::under(self.root.path()), &self.file);
        let prefix = format!("{}:", self.file.display());
        let shown = |problem: &unitci::config::Problem| problem.to_string().replacen(&prefix, "", 1);
        checked.err().iter().flat_map(|errors| errors.problems()).map(shown).collect()
    }
}

#[test]
fn mistakes_and_their_answers() {
    let step = "[[step]]\nname = 'a'\nrun = 'a'\n";
    let deploy = "[deploy]\nroot = '/srv/gkp'\nuser = 'gkp'\n";
    let demo = "[[deploy]]\nname = 'demo'\nroot = '/srv/demo'\nuser = 'gkp'\n";
    let staging = demo.replace("demo", "staging");
    let health = format!("{deploy}[deploy.health]\nurl = 'http://localhost/'\n");
    let check = &format!("{deploy}[[deploy.check]]\n");
    let scratch = Scratch::new();
    for (text, expected) in [
        // nothing wrong
        ("", ""),
        (step, ""),
        (deploy, ""),
        (&health, ""),
        ("[build]\ntimeout = 90\nmemory = 1073741824\nenv = { PATH = '/opt/bin', A = '' }", ""),
        ("source.stable = '5min'\nsource.stable-max = 300", ""),
        ("[[step]]\nname = 'a'\nrun = '''#!/usr/bin/env python3\nprint()'''\nworkdir = 'a/b'", ""),
        ("pipeline = 'repository'", ""),
        (
            &format!("pipeline = 'repository'\n{step}"),
            "3:1: with `pipeline = \"repository\"` the steps stand in .ci.toml",
        ),
        ("pipeline = 'repo'", "2:12: \"repo\" is not a known value; known: project, repository"),
        ("source.mode = 'clobber'", "2:15: \"clobber\" is not a known value; known: clean, incremental, fresh"),
        ("source.depth = 0", "2:16: must be from 1 to"),
        ("source.sparse = ['../x']", "2:18: a pattern does not lead out of the repository"),
        ("source.sparse = ['#x']", "2:18: git reads a line that begins with `#` as a comment"),
        // form and names
        ("a = ", "2:5: string values must be quoted"),
        ("source.url = 1", "2:8: duplicate key"),
        ("source = 1", "2:1: duplicate key"),
        ("build = 1", "2:9: expected a table, found an integer"),
        ("step = 1", "2:8: expected tables, each under its own [[step]], found an integer"),
        ("step = [1]", "2:9: expected a table, found an integer"),
        ("frobnicate = 1", "2:1: unknown key `frobnicate` above the first [table]; known: template, description,"),
        ("[build]\ntimout = 1", "3:1: unknown key `timout` in [build]; did you mean `timeout`?"),
        ("[build]\nrestart = []", "3:1: unknown key `restart` in [build]; it belongs into [deploy]"),
        ("[[step]]\nname = 'a'\nrun = 'a'\nnme = 1", "5:1: unknown key `nme` in [[step]]; did you mean `name`?"),
        (
            "[[schedule]]\ncalendar = 'daily'",
            "2:3: `schedule` is not available in this version of unitci; a systemd timer",
        ),
        ("notify.irc = '#gkp'", "2:8: `irc` is not available in this version of unitci"),
        ("build.keep.builds = 2", "2:7: `keep` is not available in this version of unitci"),
        ("template = 'x'", "2:12: no template is called \"x\"; there is none"),
        ("template = 1", "2:12: expected a text, found an integer"),
        // [source]
        ("source.branches = 'main'", "2:19: expected a list, found a text"),
        ("source.branches = ['a', 'a']", "2:25: this stands in `branches` twice"),
        ("source.branches = ['[a']", "2:20: not a pattern: unclosed character class"),
        ("source.credential = '../x'", "2:21: not the name of a credential"),
        ("source.poll = '59s'", "2:15: must be from 1min to 30d"),
        ("source.poll = -1", "2:15: not a duration"),
        ("source.poll = '1y'", "2:15: not a duration"),
        ("source.poll = 1.5", "2:15: expected a duration, found a number with a point"),
        ("source.poll = 1979-05-27", "2:15: expected a duration, found a date or time"),
        ("source.poll = 99999999999999999999", "2:15: expected a duration, found an integer of more than 64 bits"),
        ("source.stable = '1h'\nsource.stable-max = '5min'", "3:21: must not be shorter than `stable`"),
        ("source.build-on-first-poll = 'yes'", "2:30: expected true or false, found a text"),
        // [build]
        ("build.network = 'bridge'", "2:17: \"bridge\" is not a known value; known: host, none"),
        ("build.allow = ['ptrace', 'usersn']", "2:26: \"usersn\" is not a known value; did you mean `userns`?"),
        ("build.allow = ['ptrace', 'ptrace']", "2:26: this stands in `allow` twice"),
        (&format!("{step}allow = ['device:/dev/../etc']"), "5:10: must be written without `.`, `..` or `//`"),
        ("[[service]]\nname = 'db'", "2:1: `run` is missing in [[service]]"),
        (&format!("{step}[[service]]\nname = 'a'\nrun = 'b'"), "6:8: a step has this name already"),
        (&"[[service]]\nname = 'a'\nrun = 'b'\n".repeat(2), "6:8: another service has this name already"),
        ("[[service]]\nname = 'checkout'\nrun = 'b'", "3:8: a step has this name already"),
        ("[[service]]\nname = 'a'\nrun = 'b'\nready-timeout = '2h'", "5:17: must be from 1s to 1h"),
        ("build.memory = '2GB'", "2:16: not a size"),
        ("build.memory = 1", "2:16: must be at least 1048576"),
        ("build.tasks = 1", "2:15: must be from 16 to 4194304"),
        ("priority = 101", "2:12: must be from -100 to 100"),
        ("max-builds = 0", "2:14: must be from 1 to 64"),
        ("[[lock]]\nname = 'db'", "3:8: there is no [[lock]] named \"db\" in ci.toml"),
        ("[[lock]]\nname = 'Db'", "3:8: a lock name is written with a-z, 0-9 and -, a letter first"),
        ("[[lock]]\nname = 'db'\nmode = 'shared'", "4:8: \"shared\" is not a known value"),
        ("[lock]\nname = 'db'", "2:1: expected tables, each under its own [[lock]]"),
        ("build.cpu = 2", "2:13: expected a text, found an integer"),
        ("build.cpu = '1.5'", "2:13: must be a percentage of one CPU, as in \"150%\""),
        ("build.cpu = '0%'", "2:13: must be a percentage of one CPU"),
        ("build.cpu-weight = 0", "2:20: must be from 1 to 10000"),
        ("build.disk = 5", "2:14: must be at least 1048576"),
        ("build.journal-lines = [1]", "2:23: must be two integers"),
        ("build.journal-lines = [1, 'x']", "2:23: expected an integer, found a text"),
        ("build.env = 1", "2:13: expected a table, found an integer"),
        ("build.env = { CI_COMMIT = 'x' }", "2:27: the variable CI_COMMIT is set by the CI itself"),
        ("build.env = { A = \"\\u0000\" }", "2:19: must not contain NUL"),
        // [[step]]
        ("[[step]]\nname = 'a'", "2:1: `run` is missing in [[step]] (a text for the shell"),
        ("[[step]]\nrun = 'a'", "2:1: `name` is missing in [[step]] (shown on page and in log)"),
        ("[[step]]\nname = 'a/b'\nrun = 'a'", "3:8: a step name is written with letters"),
        ("[[step]]\nname = 'a'\nrun = []", "4:7: must not be empty"),
        ("[[step]]\nname = 'a'\nrun = '#!python'", "4:7: `#!` must be followed by the absolute path"),
        ("[[step]]\nname = 'a'\nrun = '#!/bin/x'\nshell = 'sh'", "5:9: a text that begins with #! names its own"),
        ("[[step]]\nname = 'a'\nrun = 'a'\njunit = '/tmp/x.xml'", "5:9: a pattern is a path below the workspace"),
        ("[[step]]\nname = 'a'\nrun = 'a'\njunit = ['a/b**.xml']", "5:9: ** stands for folders"),
        ("[[step]]\nname = 'a'\nrun = 'a'\njunit = 3", "5:9: expected a pattern or a list of patterns"),
        (&format!("{step}decode = {{ 77 = 'skipped', 2 = 'warnings', 0 = 'failure' }}"), ""),
        (&format!("{step}decode = {{ 256 = 'skipped' }}"), "5:18: an exit code is a number from 0 to 255"),
        (&format!("{step}decode = {{ 01 = 'skipped' }}"), "5:17: an exit code is a number from 0 to 255"),
        (&format!("{step}decode = {{ 1 = 'exception' }}"), "5:16: \"exception\" is not a known value; known: skipped"),
        (&format!("{step}decode = [77]"), "5:10: expected a table, found a list"),
        (&format!("{step}description = 'compiling'\ndone = 'compile'\nnetwork = 'none'\nmemory = '1G'"), ""),
        (&format!("{step}description = \"a\\nb\""), "5:15: must"),
        (&format!("{step}network = 'bridge'"), "5:11: \"bridge\" is not a known value; known: host, none"),
        ("[[step]]\nname = 'a'\nrun = 'a'\nworkdir = '../x'", "5:11: must be written without `.`, `..` or `//`"),
        ("[[step]]\nname = 'a'\nrun = 'a'\nwhen = 'change'", "5:8: \"change\" is not a known value; known: success,"),
        (
            &format!(
                "{step}when = 'changed'\nfiles = ['src/**', '!**/*.md']\nbranches = ['main']\nrefs = ['refs/tags/*']"
            ),
            "",
        ),
        (&format!("{step}branches = ['refs/heads/main']"), "5:13: must be a branch's name as people say it"),
        (&format!("{step}refs = ['main']"), "5:9: must be a whole name, like refs/tags/v*"),
        (&format!("{step}refs = ['refs/[a']"), "5:9: not a pattern: unclosed character class"),
        (&format!("{step}files = ['a', 'a']"), "5:15: this stands in `files` twice"),
        (&format!("{step}files = ['!']"), "5:10: a pattern of files has 1 to 200 bytes"),
        (&format!("{step}files = ['/etc/x']"), "5:10: a path is written as git has it"),
        (&format!("{step}files = ['!../x']"), "5:10: a path is written as git has it"),
        (&format!("{step}files = ['docs/']"), "5:10: a folder has no changes of its own"),
        ("[[step]]\nname = 'a'\nrun = 'a'\n[[step]]\nname = 'a'\nrun = 'b'", "6:8: another step has this name already"),
        (&format!("{deploy}freeze = true"), "5:1: `freeze` is not available in this version of unitci"),
        (&format!("{step}retry = {{ times = 2 }}"), ""),
        (&format!("{step}retry = {{ times = 2, delay = '10s' }}"), ""),
        (&format!("{step}retry = {{ delay = '10s' }}"), "5:9: `times` is missing in [step.retry]"),
        (&format!("{step}retry = {{ times = 11 }}"), "5:19: must be from 1 to 10"),
        (&format!("{step}retry = {{ times = 1, delay = '2h' }}"), "5:30: must be from 0s to 1h"),
        (&format!("{step}retry = 3"), "5:9: expected a table, found an integer"),
        (&format!("{step}retry = {{ times = 1, dely = 2 }}"), "5:22: unknown key `dely`"),
        (&format!("{step}memory = '1'"), "5:10: must be at least 1048576"),
        (&format!("{step}cpu-weight = 5"), "5:1: "),
        (
            &format!("[[step]]\nname = 'a'\nrun = '{}'", "x".repeat(102_401)),
            "4:7: must not have more than 102400 bytes",
        ),
        // [deploy]
        ("[deploy]\nroot = '/srv/x'", "2:1: `user` is missing in [deploy] (who owns it; never root)"),
        ("[deploy]\nroot = '/home'\nuser = 'gkp'", "3:8: /home belongs to the system"),
        ("[deploy]\nroot = '/srv/x'\nuser = 'root'", "4:8: a site is never deployed as root"),
        (&format!("{deploy}keep-releases = 1"), "5:17: must be from 2 to 1000"),
        (&format!("{deploy}branch = 'a b'"), "5:10: must be the name of one branch"),
        (&format!("{deploy}shared = ['media', 'media/x']"), "5:10: one of these paths is inside another"),
        (
            &format!("{deploy}restart = ['systemd-logind.service']"),
            "5:12: systemd-logind.service belongs to the system",
        ),
        (&format!("{deploy}prepare = ['']"), "5:12: must not be empty"),
        (&format!("{deploy}[deploy.health]\nstatus = 200"), "5:1: `url` is missing in [deploy.health]"),
        (&format!("{check}url = 'http://localhost/'\n[[deploy.check]]\ntcp = '[::1]:80'"), ""),
        (&format!("{check}command = 'true'\n[[deploy.check]]\nunit = 'systemd-resolved.service'"), ""),
        (check, "5:1: a check has exactly one of `url`, `tcp`, `command` and `unit`"),
        (&format!("{check}url = 'http://localhost/'\ntcp = 'localhost:80'"), "7:7: a check has exactly one of"),
        (&format!("{check}tcp = 'localhost:80'\nstatus = 200"), "7:10: this is for a check with `url`"),
        (&format!("{check}tcp = 'localhost'"), "6:7: must be HOST:PORT"),
        (&format!("{check}url = 'http://localhost/'\nheader = {{ 'X Y' = 'z' }}"), "7:"),
        (
            &format!("{health}tcp = 'localhost:80'"),
            "7:1: unknown key `tcp` in [deploy.health]; it belongs into [[deploy.check]]",
        ),
        (&format!("{health}contains = '%{{sha}}'"), "7:12: \"%{sha}\" is not filled in; known: %{commit}, %{build}"),
        // [[deploy]]
        (&format!("{staging}{demo}"), ""),
        (&format!("{deploy}{demo}").replacen("[deploy]", "[[deploy]]", 1), ""),
        (&format!("{staging}automatic = false\n[deploy.health]\nurl = 'http://localhost/'\n{demo}"), ""),
        (&format!("{deploy}{demo}"), "5:3: write one [deploy], or several [[deploy]], not both"),
        (&format!("{demo}{deploy}"), "6:2: write one [deploy], or several [[deploy]], not both"),
        (&format!("{deploy}[deploy]"), "5:2: write one [deploy], or several [[deploy]], not both"),
        ("deploy = 1", "2:10: expected a table, or several, each under its own header in double brackets, found"),
        ("[[deploy]]\nroot = '/srv/x'", "2:1: `user` is missing in [[deploy]]"),
        (&format!("{staging}{demo}[deploy.health]\nstatus = 200"), "10:1: `url` is missing in [deploy.health]"),
        (&format!("{demo}name = 'Demo'"), "6:1: duplicate key"),
        ("[[deploy]]\nname = 'De mo'\nroot = '/srv/x'\nuser = 'x'", "3:8: a target name is written with a-z"),
        (
            &format!("{demo}{demo}").replacen("/srv/demo", "/srv/x", 1),
            "7:8: another [[deploy]] has the name demo already",
        ),
        (
            "[[deploy]]\nroot = '/srv/a'\nuser = 'x'\n[[deploy]]\nroot = '/srv/b'\nuser = 'x'",
            "5:1: another [[deploy]] has the name default already; each needs one of its own",
        ),
        (
            &format!("{staging}{demo}").replace("/srv/demo", "/srv/staging/demo"),
            "8:8: the target staging has this folder",
        ),
        (&format!("{demo}automatic = 'no'"), "6:13: expected true or false, found a text"),
        // [notify]
        ("notify.mail = ['dev']", "2:16: not a mail address"),
        ("notify.on = 'never'", "2:13: \"never\" is not a known value; known: change, failure, always"),
    ] {
        let problems = scratch.problems(format!("{URL}{text}").as_bytes());
        let right = if expected.is_empty() { problems.is_empty() } else { problems.len() == 1 };
        assert!(right && problems.iter().all(|problem| problem.starts_with(expected)), "{text}\n{problems:#?}");
    }
    assert!(scratch.problems(b"")[0].starts_with("1:1: `url` is missing"), "an empty file is no project");
}

#[test]
fn what_a_ci_toml_is_answered_with() {
    let scratch = Scratch::new();
    for (text, expected) in [
        ("memory-pressure = 101", "1:19: must be from 0 to 100"),
        ("[[lock]]\nname = 'db'\ncount = 0", "3:9: must be from 1 to 1000"),
        ("[[lock]]\nname = 'db'\n[[lock]]\nname = 'db'", "4:8: another [[lock]] has this name already"),
        ("title = 'x'\nmax-builds = 3\nbase-url = 'https://ci.example.org/'", ""),
        ("[defaults.deploy]\nuser = 'www-data'\n[template.a.deploy.health]\nstatus = 204", ""),
        ("title = ''", "1:9: must not be empty"),
        ("base-url = 'ci.example.org'", "1:12: must be an http:// or https:// address"),
        ("mail.from = 'x'", "1:13: not a mail address"),
        ("mail.sendmail = 'sendmail -t'", "1:17: must be an absolute path"),
        ("url = 'x'", "1:1: unknown key `url` above the first [table]; known: title, title-url"),
        ("default.build.tasks = 20", "1:1: unknown key `default` above the first [table]; did you mean `defaults`?"),
        ("defaults = 1", "1:12: expected a table, found an integer"),
        ("[defaults.biuld]", "1:11: unknown key `biuld` in [defaults]; did you mean `build`?"),
        ("[template.a.source]\npol = 1", "2:1: unknown key `pol` in [template.a.source]; did you mean `poll`?"),
        ("[template.'a b']", "1:11: a template's name has letters"),
        ("[template.a]\ntemplate = 'b'", "2:1: templates are chosen in a project's file"),
    ] {
        let path = scratch.root.path().join("ci.toml");
        fs::write(&path, text).unwrap();
        let found: Vec<String> = Config::check_site_file(&path)
            .iter()
            .flat_map(|errors| errors.problems())
            .map(|problem| problem.to_string().replacen(&format!("{}:", path.display()), "", 1))
            .collect();
        let right = if expected.is_empty() { found.is_empty() } else { found.len() == 1 };
        assert!(right && found.iter().all(|problem| problem.starts_with(expected)), "{text}\n{found:#?}");
    }
}

/// Marsaglia's xorshift64, for a sequence that is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn no_content_makes_a_panic() {
    let example = include_str!("../etc/projects.d/example.toml.example");
    let keys =
        |line: &str| line.strip_prefix('#').filter(|key| !key.starts_with(' ')).unwrap_or(line).to_owned() + "\n";
    let sound: Vec<u8> = example.lines().filter(|line| !line.starts_with("# ")).map(keys).collect::<String>().into();
    let sound: Vec<u8> = String::from_utf8(sound).unwrap().replace("template = \"django\"\n", "").into();
    let scratch = Scratch::new();
    let site = Place::under(scratch.root.path()).site_file();
    fs::create_dir_all(site.parent().unwrap()).unwrap();
    fs::write(site, "[[lock]]\nname = 'db'\n").unwrap();
    assert_eq!(scratch.problems(&sound), Vec::<String>::new());

    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for _ in 0..1000 {
        let mut text = sound.clone();
        for _ in 0..=dice.below(4) {
            let (at, length) = (dice.below(text.len()), dice.below(12));
            let end = (at + length).min(text.len());
            match dice.below(4) {
                0 => text[at] = dice.below(256) as u8,
                1 => drop(text.drain(at..end)),
                2 => text
                    .splice(at..at, b"[[\"'{=\n.\\u00e9\xc2\x9b\xe2\x80\xae0-1,"[dice.below(20)..].to_vec())
                    .for_each(drop),
                _ => {
                    let copy = text[at..end].to_vec();
                    let to = dice.below(text.len());
                    text.splice(to..to, copy).for_each(drop);
                }
            }
        }
        fs::write(&scratch.file, &text).unwrap();
        if let Err(errors) = Config::check_file(&Place::under(scratch.root.path()), &scratch.file) {
            refused += 1;
            assert!(errors.render(Styling::Plain).chars().all(|c| c == '\n' || !unitci::config::is_obeyed(c)));
        }
    }
    assert!(refused > 500, "most mutations are mistakes: {refused}");
    for hostile in
        ["[".repeat(20_000), "a=[".repeat(20_000), "a.".repeat(20_000), "{a=".repeat(20_000), "\"".repeat(200_000)]
    {
        assert!(!scratch.problems(hostile.as_bytes()).is_empty());
    }
}
