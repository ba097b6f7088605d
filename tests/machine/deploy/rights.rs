//! What a deploy may touch is the administrator's word alone.

use super::targets::two;
use super::*;

const FILE: &str = "/etc/ci/projects.d/gkp.toml";

#[test]
fn a_target_may_not_what_another_of_its_project_may() {
    let shop = two(Suite::usual()[0]);
    for (target, unit, says) in [
        ("staging", "demo.service", "demo.service is not in `restart` of [deploy]"),
        ("demo", "gkp.service", "target demo"),
        ("nowhere", "gkp.service", "gkp has no [deploy] for nowhere"),
        ("staging", "ssh.service", "ssh.service is not in `restart`"),
        ("staging", "ci-launch.service", "ci-launch.service is not in `restart`"),
    ] {
        let reply = give(&shop, target, "restart", unit);
        assert!(reply["reply"] == "refused" && reply["message"].as_str().unwrap().contains(says), "{reply}");
    }
}

#[test]
fn neither_a_file_of_the_repository_nor_another_name_gets_at_what_is_the_administrators() {
    for suite in Suite::every() {
        let shop = Shop::open(suite);
        let machine = &shop.machine;
        let before = || machine.sh("systemctl show -P InvocationID nginx.service systemd-logind.service");
        let invocations = before();

        // What a commit says of deploys fails it.
        let of_commit = PROJECT.replace("[[step]]\nname = \"test\"\nrun = \"true\"\n", "");
        machine.write_file(FILE, format!("pipeline = \"repository\"\n{of_commit}"));
        let wish = "[[step]]\nname = \"a\"\nrun = \"true\"\n[deploy]\nrestart = [\"nginx.service\"]\n";
        for (name, text) in [(".ci.toml", wish), ("run", SERVE), ("text", "well\n")] {
            machine.write_file(format!("/root/gkp/{name}"), text);
        }
        machine.sh("cd /root/gkp; git add -A; git commit -qm wish; git push -q origin main; chmod -R a+rX /srv/git");
        machine.try_sh("ci-build --wait gkp").expect_code(1);
        let said = machine.sh("ci-status --log gkp checkout");
        assert!(said.contains("`deploy` is not for .ci.toml"), "{said}");

        // An alias of what belongs to the system is found out by systemd's own name for it.
        machine.sh("ln -s /lib/systemd/system/systemd-logind.service /etc/systemd/system/session.service");
        machine.sh("systemctl daemon-reload");
        machine.write_file(FILE, PROJECT.replace("nginx.service", "session.service"));
        let reply = give(&shop, "default", "reload", "session.service");
        assert_eq!(reply["reply"], "refused", "{reply}");
        let why = "session.service is systemd-logind.service, which no project restarts or reloads";
        assert_eq!(reply["message"], why);

        // Root is root by any name, and a deploy as root is none.
        machine.sh("useradd --non-unique --uid 0 toor");
        machine.write_file(FILE, PROJECT.replace("user = \"gkp\"", "user = \"toor\""));
        let build = shop.push(&[(".ci.toml", "")]);
        shop.expect(build, "failed", "toor is root; a deploy never is");
        assert_eq!(machine.sh("ls -A /srv/gkp"), "shared\n");
        assert_eq!(before(), invocations);
    }
}
