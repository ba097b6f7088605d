//! What of a repository is in a workspace, and what of the builds before.

use crate::harness::Suite;
use crate::story::{SOON, Team, step};

/// A project with more to say in `[source]`.
fn project(team: &Team, name: &str, source: &str, rest: &str) {
    team.repository(name);
    team.project_file(name, &format!("[source]\nurl = \"/srv/git/{name}.git\"\n{source}{rest}"));
    team.poll(name).expect_success();
}

#[test]
fn an_incremental_build_finds_its_products_and_exactly_its_commit() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let make = "make -s; test -e left && echo left was there; touch left";
        project(&team, "gkp", "mode = \"incremental\"\n", &step("test", make));
        let makefile = "out: in\n\techo making\n\tcp in out\n";
        team.push("gkp", "sources", &[("Makefile", makefile), ("in", "1\n"), ("gone", "x")]);
        assert_eq!(team.build("gkp", 1).is_green().text("test"), "making\n");
        assert_eq!(team.build("gkp", 2).is_green().text("test"), "left was there\n", "nothing to be made again");
        team.git("gkp", "rm --quiet gone");
        team.push("gkp", "a change", &[("in", "2\n")]);
        assert_eq!(team.build("gkp", 3).is_green().text("test"), "making\nleft was there\n");

        // Whatever a step does to what is tracked, the next build has its commit.
        let hostile = "grep . in gone README Makefile | head -c 1000 || true; \
            rm in; ln -s /etc/passwd in; echo evil >README; mkdir -p gone; git init -q . && git config core.fsmonitor 'touch evil'; \
            git add --all 2>/dev/null; mv Makefile Makefile.old; mkfifo Makefile; chmod 0 .";
        team.project_file(
            "gkp",
            &format!("[source]\nurl = \"/srv/git/gkp.git\"\nmode = \"incremental\"\n{}", step("test", hostile)),
        );
        let clean = format!(
            "in:2\nREADME:hello\n{}",
            makefile.lines().map(|line| format!("Makefile:{line}\n")).collect::<String>()
        );
        for number in [4, 5, 6] {
            let said = team.build("gkp", number).is_green().text("test");
            let said: String =
                said.lines().filter(|line| !line.starts_with("grep: ")).map(|line| format!("{line}\n")).collect();
            assert_eq!(said, clean);
        }
        assert_eq!(team.machine.read_file("/etc/passwd").lines().next(), Some("root:x:0:0:root:/root:/bin/bash"));
        // Back to the default, nothing is kept; and once more incremental, nothing of before comes back.
        team.project_file(
            "gkp",
            &format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", step("test", "ls -A; touch left")),
        );
        assert_eq!(team.build("gkp", 7).is_green().text("test"), "Makefile\nREADME\nin\n");
        assert_eq!(team.count("workspace"), 0);
    }
}

#[test]
fn a_fresh_build_finds_nothing_of_others() {
    let team = Team::start(Suite::usual()[0]);
    project(
        &team,
        "gkp",
        "mode = \"fresh\"\n",
        &step("test", "ls -A . $HOME $CI_CACHE /tmp; touch a $HOME/b $CI_CACHE/c /tmp/d"),
    );
    let first = team.build("gkp", 1).is_green().text("test");
    assert_eq!(team.build("gkp", 2).is_green().text("test"), first);
}

#[test]
fn steps_may_have_a_git_dir_that_nobody_trusts() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let look = "git describe; git log --format=%s -1; git status --porcelain --branch; git remote; ls /var/lib/ci";
        let leave = "git config core.fsmonitor 'touch /tmp/evil'; mkdir .git/info; echo '* filter=evil' >.git/info/attributes; \
            git config filter.evil.smudge 'echo evil'; rm -rf .git/objects; echo evil >.git/HEAD";
        for (name, mode) in [("clean", "clean"), ("kept", "incremental")] {
            let source = format!("mode = \"{mode}\"\ngit-dir = true\n");
            project(&team, name, &source, &step("test", &format!("{look}\n{leave}")));
            team.git(name, "tag -a -m x v1.0");
            team.git(name, "push --quiet origin v1.0");
            let commit = team.push(name, "a change", &[("README", "changed\n")]);
            for number in [1, 2] {
                let said = team.build(name, number).is_green().text("test");
                assert_eq!(said, format!("v1.0-1-g{}\na change\n## main\n", &commit[..7]));
            }
        }
    }
}

#[test]
fn a_depth_and_sparse_paths() {
    let team = Team::start(Suite::usual()[0]);
    let source = "git-dir = true\ndepth = 2\nsparse = [\"/src/\", \"/README\"]\n";
    project(
        &team,
        "gkp",
        source,
        &step("test", "git rev-list --count HEAD; ls -A; git status --porcelain; cat README"),
    );
    let mut commits = Vec::new();
    for n in 0..5 {
        let text = format!("{n}\n");
        commits.push(team.push("gkp", "more", &[("README", &text), ("src/x", &text), ("docs/big", "x")]));
    }
    let build = team.build("gkp", 1);
    assert_eq!(build.is_green().text("test"), "2\n.git\nREADME\nsrc\n4\n");
    assert_eq!(
        team.machine.sh("git --git-dir /var/lib/ci/git/gkp.git -c safe.directory='*' rev-list --count --all").trim(),
        "2"
    );
    // An older one is not known to be the team's any more.
    let older = team.anna(&format!("ci-build gkp -r {} --wait", commits[1])).expect_code(1);
    assert!(older.stderr.contains("outside"), "{}", older.story());
    // A polled change is told with its commits.
    team.push("gkp", "the news", &[("README", "news\n")]);
    team.poll("gkp").expect_success();
    let build = team.wait_build("gkp", 3);
    build.is_green();
    assert!(build.row["changes"].as_str().is_some_and(|changes| changes.contains("the news")));
}

#[test]
fn repositories_of_other_formats() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let create = |name: &str, how: &str| {
            team.machine.sh(&format!(
                "git init --quiet --bare {how} /srv/git/{name}.git; git init --quiet {how} /root/work/{name}; \
                 git -C /root/work/{name} remote add origin /srv/git/{name}.git"
            ));
            team.push(name, "the beginning", &[("README", "hello\n")]);
            team.project_file(
                name,
                &format!(
                    "[source]\nurl = \"/srv/git/{name}.git\"\ngit-dir = true\n{}",
                    step("test", "git rev-parse HEAD")
                ),
            );
        };
        create("longer", "--object-format=sha256");
        team.poll("longer").expect_success();
        let commit = team.push("longer", "a change", &[]);
        team.poll("longer").expect_success();
        let build = team.wait_build("longer", 1);
        assert_eq!((build.is_green().text("test"), commit.len()), (format!("{commit}\n"), 64));
        if suite == Suite::Bookworm {
            // As a newer git would have made it.
            team.machine.sh("git init --quiet --bare /srv/git/tables.git; cd /srv/git/tables.git; \
                 git config core.repositoryFormatVersion 1; git config extensions.refStorage reftable");
            team.project_file("tables", "[source]\nurl = \"/srv/git/tables.git\"\n");
            let said = team.poll("tables").expect_code(1).stdout;
            assert!(said.contains("reftable") && said.contains("2.45"), "{said}");
        } else {
            create("tables", "--ref-format=reftable");
            let commit = team.git("tables", "rev-parse HEAD");
            assert_eq!(team.build("tables", 1).is_green().text("test"), format!("{commit}\n"));
        }
    }
}

/// Puts a submodule into a repository's next push.
fn link(team: &Team, name: &str, path: &str, url: &str, commit: &str) {
    team.git(name, &format!("update-index --add --cacheinfo 160000,{commit},{path}"));
    for (key, value) in [("path", path), ("url", url)] {
        team.git(name, &format!("config --file .gitmodules submodule.{path}.{key} '{value}'"));
    }
    team.git(name, "add .gitmodules");
    team.git(name, "commit --quiet -m submodule");
    team.git(name, "push --quiet --force origin HEAD");
}

#[test]
fn submodules_are_built_and_deployed_with_their_commit() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.repository("lib");
        let commit = team.push("lib", "one", &[("code", "one\n")]);
        team.machine.sh("useradd --system www-gkp; install -d -o www-gkp -g www-gkp /srv/gkp");
        let rest = step("test", "cat lib/code; ls -A lib") + "[deploy]\nroot = \"/srv/gkp\"\nuser = \"www-gkp\"\n";
        project(&team, "gkp", "submodules = true\n", &rest);
        link(&team, "gkp", "lib", "../lib.git", &commit);
        team.push("lib", "two", &[("code", "two\n")]);
        team.poll("gkp").expect_success();
        let build = team.wait_build("gkp", 1);
        assert_eq!(build.is_green().text("test"), "one\nREADME\ncode\n");
        let told = team.git("gkp", "log --oneline");
        team.machine.wait_until("the release", SOON, || team.machine.exists("/srv/gkp/current/lib/code"));
        assert_eq!(team.machine.read_file("/srv/gkp/current/lib/code"), "one\n", "{told}");

        // Whoever pushes names what is fetched: not from everywhere, and nothing is run or read on the way.
        team.machine.sh("git init --quiet --bare /root/private.git; chmod 711 /root; mkdir /srv/private; \
             git clone --quiet --bare /srv/git/lib.git /srv/private/lib.git 2>&1; touch /root/canary");
        let mut number = 1;
        let sane = team.git("gkp", "rev-parse HEAD");
        for url in [
            "/srv/private/lib.git",
            "file:///srv/private/lib.git",
            "../../private/lib.git",
            "../../../root/private.git",
            "http://127.0.0.1:8010/",
            "ssh://root@localhost/x",
            "../../../../../../etc",
            "ext::touch /tmp/evil",
            // git itself refuses to have this one in the mirror, and what is built upon it.
            "-utouch /tmp/evil",
        ] {
            link(&team, "gkp", "lib", url, &team.git("lib", "rev-parse HEAD"));
            team.force("gkp");
            number += 1;
            let build = team.wait_build("gkp", number);
            assert_ne!(build.verdict(), "success", "{url}");
            assert!(build.summary().starts_with("checkout: "), "{url}: {}", build.summary());
            assert!(!team.machine.exists("/tmp/evil") && team.machine.exists("/root/canary"), "{url}");
        }
        let refused = "build WHERE summary LIKE '%from where its project comes from%' AND verdict = 'failure'";
        assert_eq!(team.count(refused), 6);
        team.git("gkp", &format!("reset --quiet --hard {sane}"));
        link(&team, "gkp", "lib", "../lib.git", &team.git("lib", "rev-parse HEAD"));
        assert!(team.build("gkp", number + 1).is_green().text("test").starts_with("two\n"));
    }
}

#[test]
fn files_of_git_lfs_are_there_and_its_absence_is_told() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let look = "wc -c <large.bin; head -c 5 large.bin; ./run.bin";
        team.repository("gkp");
        team.project_file("gkp", &format!("[source]\nurl = \"/srv/git/gkp.git\"\nlfs = true\n{}", step("test", look)));
        team.poll("gkp").expect_success();
        team.git("gkp", "lfs install --local");
        team.git("gkp", "config lfs.url file:///srv/git/gkp.git");
        team.git("gkp", "lfs track '*.bin'");
        team.machine.sh("cd /root/work/gkp; yes large | head -c 3000000 >large.bin; printf '#!/bin/sh\necho ran\n' >run.bin; chmod +x run.bin");
        // Where to look is the project's to say; git-lfs reads this where HEAD of a mirror is: on git's own default branch.
        team.push("gkp", "large files", &[(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:9/elsewhere\n")]);
        team.git("gkp", "push --quiet origin HEAD:master");
        team.poll("gkp").expect_success();
        assert_eq!(team.wait_build("gkp", 1).is_green().text("test"), "3000000\nlargeran\n");
        // What is in the mirror needs nobody.
        team.machine.sh("mv /srv/git/gkp.git/lfs /srv/git/gkp.lfs");
        assert_eq!(team.build("gkp", 2).is_green().text("test"), "3000000\nlargeran\n");
        team.machine.sh("rm -rf /var/lib/ci/git/gkp.git/lfs");
        team.build("gkp", 3).is("exception", "checkout: ");
        team.machine.sh("rm /usr/bin/git-lfs");
        team.build("gkp", 4).is("exception", "apt install git-lfs");
        let doctor = team.machine.run(["ci-config", "doctor", "gkp"]).expect_code(1).stdout;
        assert!(doctor.contains("apt install git-lfs"), "{doctor}");
    }
}
