//! Whoever is killed under a deploy, and whenever: visitors are served one whole version, the old or the new, and the
//! deploy comes to its end.

use super::*;

/// Asks for a long page again and again, and writes down each answer that was not there before: its status, and the
/// version, if every line of it is of the same one and none is missing.
const ASK: &str = "import http.client
seen = set()
def note(answer):
    if answer not in seen:
        seen.add(answer)
        with open('/srv/answers', 'a') as file:
            file.write(answer + '\\n')
while True:
    try:
        connection = http.client.HTTPConnection('127.0.0.1', 8080, timeout=20)
        connection.request('GET', '/page')
        response = connection.getresponse()
        lines = response.read().decode().splitlines()
        whole = len(lines) == 20000 and len(set(lines)) == 1
        note('%d %s' % (response.status, lines[0] if whole else 'torn: %d lines of %s' % (len(lines), set(lines))))
    except OSError as error:
        note('error %s' % error)
";

const ASK_UNIT: &str = "[Unit]
Requires=nginx.service
After=nginx.service
[Service]
ExecStart=/usr/bin/python3 /srv/ask
[Install]
WantedBy=multi-user.target
";

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    /// Whoever carries out the deploy.
    Run,
    /// Its workers and commands.
    Workers,
    /// Ring 1.
    Launch,
    /// The machine.
    Power,
}

impl Victim {
    const ALL: [Victim; 4] = [Victim::Run, Victim::Workers, Victim::Launch, Victim::Power];

    fn die(self, shop: &mut Shop) {
        let kill = |units: &str| drop(shop.machine.try_sh(&format!("systemctl kill -s KILL {units}")));
        match self {
            Victim::Run => kill("ci-deploy@gkp.service"),
            Victim::Workers => kill("'ci-work-gkp-release-*' 'ci-work-gkp-health-*' 'ci-command-gkp-*'"),
            Victim::Launch => kill("ci-launch.service"),
            Victim::Power => {
                shop.machine.crash();
                // What holds a service up would hold up the boot.
                let holds = shop.machine.disk_root().join("srv/hold");
                std::fs::remove_dir_all(&holds).and_then(|()| std::fs::create_dir(&holds)).expect("to let go");
                shop.machine.boot_again();
            }
        }
    }
}

fn open(suite: Suite) -> Shop {
    let shop = Shop::open(suite);
    shop.machine.write_file("/srv/ask", ASK);
    shop.machine.write_file("/etc/systemd/system/ask.service", ASK_UNIT);
    shop.machine.sh("systemctl daemon-reload; systemctl enable gkp nginx ask");
    shop
}

/// A version of which visitors see whether it is whole.
fn push(shop: &Shop, text: &str) -> u64 {
    let page = format!("{text}\n").repeat(20_000);
    shop.push(&[("run", SERVE), ("text", &format!("{text}: well\n")), ("page", &page)])
}

/// From here on the answers are written down.
fn watch(shop: &Shop) {
    shop.machine.sh("systemctl stop ask; rm -f /srv/answers; systemctl start ask");
    shop.machine
        .wait_until("somebody is answered", SOON, || shop.machine.try_sh("test -s /srv/answers").status.success());
}

#[track_caller]
fn saw_only(shop: &Shop, versions: &[&str], when: &str) {
    let answers = shop.machine.read_file("/srv/answers");
    let good: Vec<String> = versions.iter().map(|version| format!("200 {version}")).collect();
    let bad: Vec<&str> = answers.lines().filter(|answer| !good.iter().any(|good| good == answer)).collect();
    assert_eq!(bad, Vec::<&str>::new(), "{when}");
}

#[test]
fn visitors_see_one_whole_version_whoever_is_killed_in_whatever_phase() {
    let mut shop = open(Suite::usual()[0]);
    let mut live = (push(&shop, "zero"), "zero".to_owned());
    shop.expect(live.0, "deployed", "");
    for (hold, phase) in [
        ("prepare", "prepare"),
        ("migrate", "migrate"),
        ("start", "services"),
        ("serve", "checks"),
        ("finish", "finish"),
    ] {
        for victim in Victim::ALL {
            let (text, before) = (format!("{phase}-{victim:?}"), live.1.clone());
            watch(&shop);
            shop.hold(hold);
            let build = push(&shop, &text);
            shop.wait_phase(phase);
            victim.die(&mut shop);
            shop.release(hold);
            let (outcome, summary) = shop.outcome(build);
            match outcome.as_str() {
                "deployed" => live = (build, text.clone()),
                // What is the project's own may have died of it; then it was undone.
                "failed" | "rolled-back" if victim == Victim::Workers => {}
                _ => panic!("{text}: {outcome}: {summary}\n{}", shop.log(build)),
            }
            shop.live(live.0, &live.1);
            assert_eq!(shop.standing(live.0).as_deref(), Some("good"), "{text}");
            saw_only(&shop, &[&before, &text], &text);
        }
    }
}

#[test]
fn visitors_see_one_whole_version_whoever_is_killed_on_the_way_back() {
    let mut shop = open(Suite::usual()[0]);
    let good = push(&shop, "good");
    shop.expect(good, "deployed", "");
    shop.machine.write_file("/etc/ci/projects.d/gkp.toml", PROJECT.replace("attempts = 40", "attempts = 5"));
    for victim in Victim::ALL {
        watch(&shop);
        let text = format!("sick-{victim:?}");
        let page = format!("{text}\n").repeat(20_000);
        let sick = shop.push(&[("text", &format!("{text}\n")), ("page", &page)]);
        shop.wait_phase("checks");
        shop.hold("start");
        shop.wait_phase("undo");
        victim.die(&mut shop);
        shop.release("start");
        shop.expect(sick, "rolled-back", "does not contain");
        shop.live(good, "good");
        assert_eq!(shop.standing(sick).as_deref(), Some("bad"));
        saw_only(&shop, &["good", &text], &text);
    }
}

#[test]
fn visitors_see_one_whole_version_whoever_is_killed_at_whatever_moment() {
    let mut shop = open(Suite::usual()[0]);
    let (one, two) = (push(&shop, "one"), {
        shop.outcome(1);
        push(&shop, "two")
    });
    shop.expect(two, "deployed", "");
    let started = std::time::Instant::now();
    shop.machine.run(["ci-deploy", &format!("gkp:{one}")]).expect_success();
    let whole = started.elapsed();
    watch(&shop);
    const KILLS: u32 = 24;
    for at in 0..KILLS {
        let victim = [Victim::Run, Victim::Workers, Victim::Launch][at as usize % 3];
        let (build, text) = if at % 2 == 0 { (two, "two") } else { (one, "one") };
        shop.machine.run(["ci-deploy", "--no-wait", &format!("gkp:{build}")]).expect_success();
        std::thread::sleep(whole * at / KILLS);
        victim.die(&mut shop);
        shop.machine.wait_unit("ci-deploy@gkp.service", "inactive", SOON);
        // What died may have been undone. Asked again it is a new deploy.
        shop.machine.run(["ci-deploy", &format!("gkp:{build}")]).expect_success();
        shop.live(build, text);
    }
    saw_only(&shop, &["one", "two"], "all along");
}
