//! Git servers as they are: private ones, and those that are not there, say nothing, or are none.

use crate::harness::Suite;
use crate::story::{SOON, Team, step};
use std::time::Instant;

/// A git server over http that wants ada's password: `git http-backend` behind a few lines.
const HTTP: &str = r#"
import base64, http.server, os, subprocess
WANTED = 'Basic ' + base64.b64encode(b'ada:s3cret').decode()
class Git(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.0'
    def answer(self):
        if self.headers.get('Authorization') != WANTED:
            self.send_response(401)
            self.send_header('WWW-Authenticate', 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition('?')
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        env = dict(os.environ, GIT_PROJECT_ROOT='/srv/git', GIT_HTTP_EXPORT_ALL='1', PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get('Content-Type', ''),
                   CONTENT_LENGTH=str(len(body)), REMOTE_USER='ada', HTTP_CONTENT_ENCODING=self.headers.get('Content-Encoding', ''),
                   GIT_PROTOCOL=self.headers.get('Git-Protocol', ''))
        out = subprocess.run(['git', 'http-backend'], input=body, env=env, stdout=subprocess.PIPE).stdout
        head, _, rest = out.partition(b'\r\n\r\n')
        lines = [line.decode().split(': ', 1) for line in head.split(b'\r\n') if line]
        status = next((int(v.split()[0]) for k, v in lines if k == 'Status'), 200)
        self.send_response(status)
        for k, v in lines:
            if k != 'Status':
                self.send_header(k, v)
        self.end_headers()
        self.wfile.write(rest)
    do_GET = do_POST = answer
http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Git).serve_forever()
"#;

/// Starts a Python program as a service and waits until its port answers.
#[track_caller]
fn serve(team: &Team, name: &str, port: u16, program: &str) {
    team.machine.write_file(format!("/root/{name}.py"), program);
    team.machine.sh(&format!("systemd-run --quiet --unit={name} --setenv=HOME=/root python3 /root/{name}.py"));
    let listening = format!("ss -Hltn sport = :{port} | grep -q .");
    team.machine.wait_until(&format!("{name} to listen"), SOON, || team.machine.try_sh(&listening).status.success());
}

/// A credential as SECURITY wants it.
#[track_caller]
fn credential(team: &Team, name: &str, content: &str) {
    let path = format!("/etc/ci/credentials/{name}");
    team.machine.write_file(&path, content);
    team.machine.sh(&format!("chmod 600 {path}"));
}

#[test]
fn a_private_repository_over_http() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.repository("gkp");
        team.machine.sh("git config --global safe.directory '*'");
        serve(&team, "git-http", 8080, HTTP);
        let source = "[source]\nurl = \"http://127.0.0.1:8080/gkp.git\"\ncredential = \"gkp-git\"\n";
        team.project_file(
            "gkp",
            &format!("{source}{}", step("test", "cat README; git log -1 2>&1 | head -c 50 || true")),
        );

        let missing = team.poll("gkp").expect_code(1).stdout;
        assert!(missing.contains("the credential gkp-git is missing"), "{missing}");
        credential(&team, "gkp-git", "ada:wrong\n");
        let wrong = team.poll("gkp").expect_code(1).stdout;
        assert!(wrong.contains("not authorized") && !wrong.contains("wrong"), "{wrong}");
        credential(&team, "gkp-git", "ada:s3cret\n");
        team.poll("gkp").expect_success();
        team.push("gkp", "a change", &[("README", "over http\n")]);
        team.poll("gkp").expect_success();
        let build = team.wait_build("gkp", 1);
        build.is_green();
        assert!(build.text("test").starts_with("over http\n"), "{}", build.text("test"));
        // The secret is nowhere that it should not be.
        let found = "journalctl --all | grep -c s3cret; grep -rl s3cret /var/lib/ci /var/cache/ci /run/ci || true";
        assert_eq!(team.machine.try_sh(found).stdout.trim(), "0");
    }
}

/// An authority of one's own, and a certificate of it for git.example.org, which is this machine.
const AUTHORITY: &str = "cd /root
new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
openssl req -x509 $new -days 30 -subj /CN=Example -keyout ca.key -out ca.crt 2>/dev/null
openssl req $new -subj /CN=git.example.org -keyout /etc/nginx/git.key -out git.csr 2>/dev/null
echo subjectAltName=DNS:git.example.org >san
openssl x509 -req -in git.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile san -out /etc/nginx/git.crt 2>/dev/null
echo 127.0.0.1 git.example.org >>/etc/hosts";

const TLS: &str = "server {
    listen 443 ssl;
    server_name git.example.org;
    ssl_certificate git.crt;
    ssl_certificate_key git.key;
    location / { proxy_pass http://127.0.0.1:8080; proxy_http_version 1.0; proxy_buffering off; }
}
";

#[test]
fn a_private_repository_over_https_with_an_authority_of_ones_own() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.repository("gkp");
        team.machine.sh("git config --global safe.directory '*'");
        serve(&team, "git-http", 8080, HTTP);
        team.machine.sh(AUTHORITY);
        team.machine.write_file("/etc/nginx/sites-enabled/default", TLS);
        team.machine.sh("systemctl start nginx");
        let source = "[source]\nurl = \"https://git.example.org/gkp.git\"\ncredential = \"gkp-git\"\n";
        team.project_file("gkp", &format!("{source}{}", step("test", "cat README")));
        credential(&team, "gkp-git", "ada:s3cret\n");

        let unknown = team.poll("gkp").expect_code(1).stdout;
        assert!(unknown.contains("not verified"), "{unknown}");
        team.machine.sh("cp /root/ca.crt /usr/local/share/ca-certificates/example.crt; update-ca-certificates 2>&1");
        team.poll("gkp").expect_success();
        team.push("gkp", "a change", &[("README", "over https\n")]);
        team.poll("gkp").expect_success();
        assert_eq!(team.wait_build("gkp", 1).is_green().text("test"), "over https\n");
        credential(&team, "gkp-git", "ada:wrong\n");
        let wrong = team.poll("gkp").expect_code(1).stdout;
        assert!(wrong.contains("not authorized"), "{wrong}");
        let found = "journalctl --all | grep -c s3cret; grep -rl s3cret /var/lib/ci /var/cache/ci /run/ci || true";
        assert_eq!(team.machine.try_sh(found).stdout.trim(), "0");
    }
}

#[test]
fn a_private_repository_over_ssh() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        team.repository("gkp");
        team.machine.sh("ssh-keygen -q -A; mkdir -p /run/sshd; systemctl start ssh
            useradd --create-home --shell /usr/bin/git-shell git; chown -R git /srv/git
            ssh-keygen -q -t ed25519 -N '' -f /root/key; ssh-keygen -q -t ed25519 -N '' -f /root/other
            install -d -o git -m 700 /home/git/.ssh; install -o git -m 600 /root/key.pub /home/git/.ssh/authorized_keys
            git config --global --add safe.directory '*'");
        let source = "[source]\nurl = \"ssh://git@localhost/srv/git/gkp.git\"\ncredential = \"gkp-git\"\n";
        team.project_file("gkp", &format!("{source}{}", step("test", "cat README")));
        let key = |name: &str| credential(&team, "gkp-git", &team.machine.read_file(format!("/root/{name}")));
        let known = || team.machine.sh("ssh-keyscan localhost 2>/dev/null >/etc/ci/known_hosts");

        key("key");
        let unknown = team.poll("gkp").expect_code(1).stdout;
        assert!(unknown.contains("not verified") && unknown.contains("/etc/ci/known_hosts"), "{unknown}");
        known();
        key("other");
        let wrong = team.poll("gkp").expect_code(1).stdout;
        assert!(wrong.contains("not authorized"), "{wrong}");
        key("key");
        team.poll("gkp").expect_success();
        team.push("gkp", "a change", &[("README", "over ssh\n")]);
        team.machine.sh("chown -R git /srv/git");
        team.poll("gkp").expect_success();
        assert_eq!(team.wait_build("gkp", 1).is_green().text("test"), "over ssh\n");
        // Another host under the same name is not believed.
        team.machine.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh");
        let changed = team.poll("gkp").expect_code(1).stdout;
        assert!(changed.contains("not verified"), "{changed}");
    }
}

#[test]
fn what_is_no_repository_is_told_apart_and_soon() {
    let team = Team::start(Suite::usual()[0]);
    team.project("gkp", &step("test", "true"));
    serve(
        &team,
        "silent",
        9001,
        "import socket, time\ns = socket.create_server(('127.0.0.1', 9001))\nwhile True: c = s.accept(); globals().setdefault('all', []).append(c)\n",
    );
    serve(
        &team,
        "plain",
        9002,
        "import http.server, os\nos.chdir('/srv')\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=9002, bind='127.0.0.1')\n",
    );
    serve(
        &team,
        "noise",
        9003,
        "import socket\ns = socket.create_server(('127.0.0.1', 9003))\nwhile True:\n c, _ = s.accept()\n try:\n  while True: c.sendall(b'\\x00\\xff<script>' * 1000)\n except OSError: pass\n",
    );
    team.machine.sh("git init --quiet --bare /srv/git/empty.git; mkdir /srv/folder; touch /srv/file");
    let table = [
        ("closed", "http://127.0.0.1:9/x.git", "unreachable"),
        ("nameless", "https://no-such-host.invalid/x.git", "unreachable"),
        ("silent", "http://127.0.0.1:9001/x.git", "timed out"),
        ("silentssh", "ssh://git@127.0.0.1:9001/x.git", "timed out"),
        ("closedssh", "ssh://git@127.0.0.1:9/x.git", "unreachable"),
        ("plain", "http://127.0.0.1:9002/", "not a repository"),
        ("noise", "http://127.0.0.1:9003/x.git", ""),
        ("empty", "/srv/git/empty.git", "the repository is empty"),
        ("missing", "/srv/git/no-such.git", "not a repository"),
        ("folder", "/srv/folder", "not a repository"),
        ("file", "/srv/file", "not a repository"),
    ];
    for (name, url, _) in table {
        team.project_file(name, &format!("[source]\nurl = \"{url}\"\ntimeout = \"3s\"\n"));
    }
    let began = Instant::now();
    team.push("gkp", "a change", &[]);
    let said = team.poll("").expect_code(1).stdout;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for (name, _, message) in table {
        let line = said.lines().find(|line| line.starts_with(&format!("{name}: ")));
        let line = line.unwrap_or_else(|| panic!("{name} in {said}"));
        assert!(line.contains(message) && line.len() < 400, "{line}");
        let kept = team.value(&format!("SELECT error FROM source WHERE project = '{name}'"));
        assert!(name == "empty" || kept.as_str().is_some_and(|kept| kept.contains(message)), "{name}: {kept}");
    }
    team.wait_build("gkp", 1).is_green();
    // What was empty builds its first push.
    team.machine.sh("git -C /root/work/gkp push --quiet /srv/git/empty.git main");
    team.poll("empty").expect_success();
    team.wait_build("empty", 1).is_green();
    // Asking for a build of such a one ends, and says the same.
    for (name, message) in [("closed", "unreachable"), ("missing", "not a repository")] {
        let said = team.anna(&format!("ci-build --force {name} --wait")).expect_code(1);
        assert!(said.stderr.contains("exception: checkout: ") && said.stderr.contains(message), "{}", said.story());
    }
}
