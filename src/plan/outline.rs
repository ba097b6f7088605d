//! What a deploy would do, thing by thing, in words.

use super::check::of_release;
use crate::config::WantedFiles;
use crate::config::probe::{Check, Http, Probe};
use crate::config::project::Deploy;
use crate::model::{CommitId, Phase, ReleaseName};
use std::path::Path;

/// What is known before it.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The unit that would do it.
    pub unit: &'a str,
    /// Where to.
    pub target: &'a Deploy,
    /// Where its commit is taken from.
    pub mirror: &'a Path,
    /// The release that would be live.
    pub release: &'a ReleaseName,
    /// Its commit.
    pub commit: &'a CommitId,
    /// Whether its folder is there.
    pub there: bool,
    /// Whether it has been live and well.
    pub proven: bool,
    /// What is live.
    pub live: Option<&'a ReleaseName>,
    /// What it would go back to if it failed.
    pub back: Option<ReleaseName>,
    /// How many artifacts go into it, or the pattern that means none.
    pub artifacts: Result<usize, &'a WantedFiles>,
    /// The releases that would be removed.
    pub expired: Vec<ReleaseName>,
}

/// Each with its phase, in order.
pub fn outline(facts: &Facts<'_>) -> Vec<(Phase, String)> {
    let Facts { unit, target, release, .. } = facts;
    let (root, user) = (target.root.display(), &target.user);
    let mut lines = Vec::new();
    let mut say = |phase: Phase, what: String| lines.push((phase, what));
    say(Phase::Prepare, format!("all of it runs in {unit}, and touches {root} as {user} only"));
    for what in making(facts) {
        say(Phase::Prepare, what);
    }
    let folder = format!("{root}/releases/{release}");
    let secrets: Vec<&str> = target.secrets.iter().map(|name| name.as_str()).collect();
    let secrets = if secrets.is_empty() { String::new() } else { format!(", with the secrets {}", secrets.join(", ")) };
    let run = |command: &String| format!("as {user} in {folder}{secrets}: {command}");
    for (phase, list) in [(Phase::Prepare, &target.prepare), (Phase::Migrate, &target.migrate)] {
        match (facts.proven, list.is_empty()) {
            (true, false) => say(phase, "its commands have run when it was new, and do not run again".to_owned()),
            (true | false, _) => list.iter().for_each(|command| say(phase, run(command))),
        }
    }
    let was = facts.live.map_or_else(String::new, |live| format!(", in place of {live}"));
    say(Phase::Switch, format!("{root}/current becomes a link to releases/{release}{was}"));
    for (action, unit) in target.services() {
        say(Phase::Services, format!("{} {unit}", action.key()));
    }
    if target.services().next().is_some() {
        let settle = jiff::SignedDuration::try_from(target.settle).unwrap_or(jiff::SignedDuration::MAX);
        say(Phase::Services, format!("they must stay up for {settle:#}"));
    }
    for Check { probe, tries } in &target.checks {
        let probe = of_release(probe, release.number(), Some(facts.commit));
        say(Phase::Checks, format!("{}, at most at attempt {}", wanted_of(&probe), tries.attempts));
    }
    target.finish.iter().for_each(|command| say(Phase::Finish, run(command)));
    for old in &facts.expired {
        say(Phase::Finish, format!("remove {root}/releases/{old}"));
    }
    say(
        Phase::Undo,
        match &facts.back {
            Some(back) => {
                format!("should it fail after the switch: back to {back}, the units as above, and checked again")
            }
            None => "should it fail after the switch: there is no good release to go back to".to_owned(),
        },
    );
    lines
}

fn making(facts: &Facts<'_>) -> Vec<String> {
    let (root, release) = (facts.target.root.display(), facts.release);
    if facts.there {
        return vec![format!("{root}/releases/{release} is there already")];
    }
    let mut lines =
        vec![format!("make {root}/releases/{release} of {} out of {}", facts.commit, facts.mirror.display())];
    match &facts.artifacts {
        Ok(0) => {}
        Ok(count) => lines.push(format!("put {count} artifact(s) of the build into it")),
        Err(pattern) => lines.push(format!("FAILS: no artifact of the build is meant by {pattern}")),
    }
    lines.extend(
        facts.target.shared.iter().map(|path| format!("{0} in it becomes a link to {root}/shared/{0}", path.display())),
    );
    lines
}

fn wanted_of(probe: &Probe) -> String {
    match probe {
        Probe::Http(Http { url, status, contains, header: _ }) => {
            let contains = contains.as_ref().map_or_else(String::new, |text| format!(" with {text:?} in it"));
            format!("{url} must answer {status}{contains}")
        }
        Probe::Tcp(tcp) => format!("{tcp} must take a connection"),
        Probe::Command(line) => format!("in the release, `{line}` must exit with 0"),
        Probe::Unit(unit) => format!("{unit} must be active"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::probe::Tries;
    use crate::model::TargetName;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn target() -> Deploy {
        let list = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        Deploy {
            name: TargetName::default(),
            automatic: true,
            branch: None,
            root: "/srv/gkp".into(),
            user: "gkp".to_owned(),
            site: None,
            keep_releases: 5,
            shared: vec!["media".into()],
            artifacts: Vec::new(),
            env: BTreeMap::new(),
            secrets: vec!["db".parse().unwrap()],
            prepare: list(&["make assets"]),
            migrate: list(&["./manage.py migrate"]),
            finish: list(&["true"]),
            timeout: Duration::from_secs(600),
            restart: list(&["gkp.service"]),
            try_restart: Vec::new(),
            start: Vec::new(),
            reload: list(&["nginx.service"]),
            settle: Duration::from_secs(2),
            checks: [
                Probe::Http(Http {
                    url: "http://127.0.0.1/".to_owned(),
                    status: 200,
                    contains: Some("b%{build}".to_owned()),
                    header: BTreeMap::new(),
                }),
                Probe::Unit("gkp.socket".to_owned()),
            ]
            .map(|probe| {
                let (timeout, interval) = (Duration::from_secs(5), Duration::from_secs(5));
                Check { probe, tries: Tries { attempts: 3, timeout, interval } }
            })
            .to_vec(),
        }
    }

    #[test]
    fn it_tells_what_is_done_in_the_order_in_which_it_is() {
        let target = target();
        let (commit, release): (CommitId, ReleaseName) =
            ("a".repeat(40).parse().unwrap(), "7-aaaaaaa".parse().unwrap());
        let live = "6-bbbbbbb".parse().unwrap();
        let idle = WantedFiles::parse("*.deb").unwrap();
        let new = Facts {
            unit: "ci-deploy@gkp.service",
            target: &target,
            mirror: Path::new("/var/lib/ci/git/gkp.git"),
            release: &release,
            commit: &commit,
            there: false,
            proven: false,
            live: Some(&live),
            back: Some(live.clone()),
            artifacts: Ok(3),
            expired: vec!["1-ccccccc".parse().unwrap()],
        };
        let told: Vec<String> =
            outline(&new).into_iter().map(|(phase, what)| format!("{} {what}", phase.as_str())).collect();
        let sha = "a".repeat(40);
        assert_eq!(
            told,
            [
                "prepare all of it runs in ci-deploy@gkp.service, and touches /srv/gkp as gkp only",
                &format!("prepare make /srv/gkp/releases/7-aaaaaaa of {sha} out of /var/lib/ci/git/gkp.git"),
                "prepare put 3 artifact(s) of the build into it",
                "prepare media in it becomes a link to /srv/gkp/shared/media",
                "prepare as gkp in /srv/gkp/releases/7-aaaaaaa, with the secrets db: make assets",
                "migrate as gkp in /srv/gkp/releases/7-aaaaaaa, with the secrets db: ./manage.py migrate",
                "switch /srv/gkp/current becomes a link to releases/7-aaaaaaa, in place of 6-bbbbbbb",
                "services restart gkp.service",
                "services reload nginx.service",
                "services they must stay up for 2s",
                "checks http://127.0.0.1/ must answer 200 with \"b7\" in it, at most at attempt 3",
                "checks gkp.socket must be active, at most at attempt 3",
                "finish as gkp in /srv/gkp/releases/7-aaaaaaa, with the secrets db: true",
                "finish remove /srv/gkp/releases/1-ccccccc",
                "undo should it fail after the switch: back to 6-bbbbbbb, the units as above, and checked again",
            ]
        );
        let said = |facts: &Facts<'_>, phase: Phase| -> String {
            let lines = outline(facts).into_iter().filter(|(at, _)| *at == phase);
            lines.map(|(_, what)| what + "\n").collect()
        };
        let known = Facts { there: true, proven: true, live: None, back: None, ..new.clone() };
        assert!(said(&known, Phase::Prepare).contains("is there already"));
        assert!(said(&known, Phase::Migrate).contains("do not run again"));
        assert!(said(&known, Phase::Undo).contains("no good release"));
        let lacking = Facts { artifacts: Err(&idle), ..new };
        assert!(said(&lacking, Phase::Prepare).contains("FAILS: no artifact of the build is meant by *.deb"));
    }
}
