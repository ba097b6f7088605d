//! How many requests a site loses while it is deployed again and again, by how its server is told.

use super::{Machine, SOON, project};

const DEPLOYS: usize = 50;

/// gunicorn as ci-deploy(1) shows it, behind nginx, asked by four clients all the time.
pub(crate) fn lost_during_deploys(machine: &Machine) {
    for (name, text) in [
        ("/etc/systemd/system/gkp.service", include_str!("../../tests/setups/gunicorn/gkp.service")),
        ("/etc/systemd/system/gkp.socket", include_str!("../../tests/setups/gunicorn/gkp.socket")),
        ("/etc/nginx/conf.d/gkp.conf", include_str!("../../tests/setups/gunicorn/nginx.conf")),
        ("/usr/local/lib/requests.py", include_str!("../../tests/setups/requests.py")),
    ] {
        machine.write_file(name, text);
    }
    machine.sh(
        "useradd --system gkp; install -d -o gkp -g gkp /srv/gkp; systemctl daemon-reload; systemctl restart nginx",
    );
    project(machine, "gkp", 1, &deploy("restart"));
    machine.write_file("/root/work/gkp/app.py", include_str!("../../tests/setups/gunicorn/app.py"));
    for round in 1..=2 {
        machine.sh(&format!(
            "cd /root/work/gkp && echo {round} >text && git add . && git commit -qm {round} && git push -q /srv/git/gkp.git main
             ci-build --wait gkp >/dev/null && ci-deploy gkp:{round} >/dev/null"
        ));
    }
    lost(machine, "reload, gunicorn led into the release by --chdir", "reload");
    lost(machine, "restart, behind a socket of systemd's", "restart");
    let alone = include_str!("../../tests/setups/gunicorn/gkp.service")
        .replace("Requires=gkp.socket", "After=network.target")
        .replace("--workers 2", "--workers 2 --bind 127.0.0.1:8000");
    machine.write_file("/etc/systemd/system/gkp.service", alone);
    machine.sh(
        "systemctl stop gkp.socket; sed -i 's,http://unix:/run/gkp.sock,http://127.0.0.1:8000,' /etc/nginx/conf.d/gkp.conf
         systemctl daemon-reload; systemctl restart nginx gkp",
    );
    lost(machine, "restart, a port of gunicorn's own", "restart");
}

fn deploy(action: &str) -> String {
    format!(
        "[deploy]\nroot = \"/srv/gkp\"\nuser = \"gkp\"\n{action} = [\"gkp.service\"]\nsettle = \"0s\"\n[deploy.health]\n\
         url = \"http://127.0.0.1:8080/\"\ncontains = \"%{{commit}}\"\nattempts = 50\ninterval = \"100ms\"\n"
    )
}

fn lost(machine: &Machine, what: &str, action: &str) {
    let file = "/etc/ci/projects.d/gkp.toml";
    machine.write_file(file, format!("[source]\nurl = \"/srv/git/gkp.git\"\n{}", deploy(action)));
    machine.sh("rm -f /run/stop; systemd-run -q --unit=clients -p StandardOutput=truncate:/run/clients.json \
         python3 /usr/local/lib/requests.py 8080 /run/stop 4");
    for at in 0..DEPLOYS {
        machine.run(["ci-deploy", &format!("gkp:{}", 1 + at % 2)]).expect_success();
    }
    machine.sh("touch /run/stop");
    machine.wait_unit("clients.service", "inactive", SOON);
    println!("requests during {DEPLOYS} deploys, {what}: {}", machine.read_file("/run/clients.json").trim());
}
