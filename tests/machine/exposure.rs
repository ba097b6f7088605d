//! What `systemd-analyze security` says of our units, and that the table in SECURITY.md says the same.

use crate::harness::Suite;
use crate::story::{HOLD, Team, step};

const SECURITY: &str = include_str!("../../SECURITY.md");

/// `→ Overall exposure level for ci-step-gkp-1-1.service: 1.5 OK 🙂`
fn exposure(team: &Team, unit: &str) -> f32 {
    let said = team.machine.sh(&format!("systemd-analyze security --no-pager '{unit}'"));
    let level = said.lines().find_map(|line| line.split_once(&format!("exposure level for {unit}: ")));
    let level = level.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    level.unwrap_or_else(|| panic!("no level for {unit} in {said}"))
}

/// The last cell of the row of the three rings that has this in it.
fn promised(what: &str) -> &'static str {
    let row = SECURITY.lines().find(|line| line.contains(what) && line.ends_with(" |"));
    let row = row.unwrap_or_else(|| panic!("SECURITY.md has no row with {what}"));
    row.trim_end_matches(" |").rsplit("| ").next().unwrap_or_default()
}

#[test]
fn a_step_is_as_little_exposed_as_promised() {
    for suite in Suite::every() {
        let team = Team::start(suite);
        let mut levels = Vec::new();
        for (project, build) in [("open", ""), ("shut", "[build]\nnetwork = \"none\"\n")] {
            team.project(project, &(build.to_owned() + &step("test", HOLD)));
            team.force(project);
            team.wait_held(project);
            let unit = format!("ci-step-{project}-1-1.service");
            levels.push(exposure(&team, &unit));
            let allowed = team.machine.sh(&format!("systemctl show --value --property=SystemCallFilter {unit}"));
            let allowed: Vec<&str> = allowed.split_whitespace().collect();
            for call in ["add_key", "keyctl", "io_uring_setup", "mount", "bpf", "kexec_load", "reboot"] {
                assert!(!allowed.contains(&call), "{call} on {}", suite.debian());
            }
            assert!(allowed.contains(&"execve"), "{allowed:?}");
            team.release(project);
        }
        let [open, shut] = levels[..] else { panic!("{levels:?}") };
        assert!(open <= 1.5 && shut < open, "{open} and {shut} on {}", suite.debian());
        assert_eq!(promised("| a step |"), format!("{open:.1}, without network {shut:.1}"), "{}", suite.debian());
        for unit in ["ci-launch.service", "ci-build.service", "ci-request.service", "ci-status.service"] {
            let row = if unit == "ci-status.service" { "`ci-status`" } else { unit.trim_end_matches(".service") };
            assert_eq!(
                promised(&format!("`{}`", row.trim_matches('`'))),
                format!("{:.1}", exposure(&team, unit)),
                "{unit}"
            );
        }
    }
}
