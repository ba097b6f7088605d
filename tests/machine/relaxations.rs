//! `allow`: each name opens what it says, and without it the same is refused.

use crate::harness::Suite;
use crate::story::{Team, step};

const NUMBERS: &str = "#!/usr/bin/python3
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(ctypes.c_long(int(sys.argv[1])), *eval(sys.argv[2], {'c': ctypes})) < 0:
    sys.exit(f'errno {ctypes.get_errno()}')
";

/// Name, and what needs it.
const NEEDS: [(&str, &str); 4] = [
    (
        "userns",
        "unshare --user --map-root-user --mount --pid --fork --uts --ipc sh -ec \
        'mount -t tmpfs tmpfs /mnt; touch /mnt/x; hostname inside; test $(id -u) = 0; test $$ = 1'",
    ),
    ("ptrace", "python3 call.py 101 '(0, 0, 0, 0)'"),
    ("io-uring", "python3 call.py 425 '(1, c.create_string_buffer(120))'"),
    ("device:/dev/unitci-test", "echo x >/dev/unitci-test"),
];

#[test]
fn each_relaxation_opens_what_it_names_and_nothing_else() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        // A node that only this test knows: it swallows what it is given, as /dev/null does.
        team.machine.sh("mknod -m 666 /dev/unitci-test c 1 3");
        let steps: String = NEEDS
            .iter()
            .enumerate()
            .map(|(index, (_, run))| step(&format!("need {index}"), run) + "on-failure = \"continue\"\n")
            .collect();
        let lists = NEEDS.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>();
        let mut files = vec![("walled".to_owned(), String::new())];
        files.extend((0..NEEDS.len()).map(|at| (format!("only{at}"), format!("[build]\nallow = [{}]\n", lists[at]))));
        files.push(("eased".to_owned(), format!("[build]\nallow = [{}]\n", lists.join(", "))));
        team.machine.write_file("/etc/ci/ci.toml", "max-builds = 1\n");
        for (project, build) in files {
            team.project(&project, &(build.clone() + &steps));
            team.push(&project, "calls", &[("call.py", NUMBERS)]);
            let done = team.build(&project, 1);
            for (index, (name, _)) in NEEDS.iter().enumerate() {
                let step = format!("need {index}");
                let expected = if build.contains(name) { "success" } else { "failure" };
                assert_eq!(done.step(&step), expected, "{project}: {name}: {}", done.text(&step));
            }
        }
    }
}

#[test]
fn a_relaxation_may_be_one_steps() {
    let team = Team::start(Suite::usual()[0]);
    let [(name, run), ..] = NEEDS;
    let one = step("eased", run) + &format!("allow = [{name:?}]\n");
    let other = step("walled", run) + "on-failure = \"continue\"\n";
    let none = step("walled again", run) + "allow = []\n";
    team.project("gkp", &(one.clone() + &other));
    let build = team.build("gkp", 1);
    assert_eq!((build.step("eased"), build.step("walled")), ("success", "failure"));
    team.project("shop", &(format!("[build]\nallow = [{name:?}]\n") + &step("eased", run) + &none));
    let build = team.build("shop", 1);
    assert_eq!((build.step("eased"), build.step("walled again")), ("success", "failure"));

    // What is no name is refused where it stands.
    team.project_file("gkp", "[source]\nurl = \"/srv/git/gkp.git\"\n[build]\nallow = [\"usersn\"]\n");
    let said = team.anna("ci-build --force gkp").expect_code(78);
    assert!(
        said.stderr.contains("gkp.toml:4:10") && said.stderr.contains("did you mean `userns`?"),
        "{}",
        said.story()
    );
}
