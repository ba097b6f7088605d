//! The names of units and users: made here and nowhere else.

use super::id::{BuildId, StepIndex, TargetId};
use super::name::ProjectName;
use serde::{Deserialize, Serialize};

/// Whether a build's commit comes from the team or from a stranger (`refs/pull/*` and the like).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The team's own refs.
    Inside,
    /// Anybody's.
    Outside,
}

/// The user that the core runs as, and its group.
pub const CORE_USER: &str = "unitci";
/// The group of people who may ask for builds and read logs.
pub const PEOPLE_GROUP: &str = "ci-users";

/// `cib-gkp`: the user that a project's steps run as.
pub fn build_user(project: &ProjectName) -> String {
    format!("cib-{project}")
}

/// `cix-gkp`: the same for refs from outside. Not a suffix: `gkp-x` may be another project.
pub fn outside_user(project: &ProjectName) -> String {
    format!("cix-{project}")
}

/// `cig-gkp`: the user that fetches, holds the project's git credential and owns its mirror.
pub fn git_user(project: &ProjectName) -> String {
    format!("cig-{project}")
}

/// `ci-gkp.slice` under `ci.slice`: all that a project's builds use.
pub fn project_slice(project: &ProjectName) -> String {
    format!("ci-{}.slice", project.unit_escaped())
}

/// `ci-project@gkp.service`: makes the project's users and folders.
pub fn project_unit(project: &ProjectName) -> String {
    format!("ci-project@{}.service", project.unit_escaped())
}

/// `ci-outside@gkp.service`: makes the user and folder for refs from outside.
pub fn outside_unit(project: &ProjectName) -> String {
    format!("ci-outside@{}.service", project.unit_escaped())
}

/// `ci-build@gkp:42.service`: the supervisor of one build.
pub fn build_unit(build: &BuildId) -> String {
    format!("ci-build@{build}.service")
}

/// Starts the dispatcher in a while: while builds wait for something that nobody tells the end of.
pub const AGAIN_TIMER: &str = "ci-build-again.timer";

/// `ci-deploy@gkp.service`, `ci-deploy@gkp:demo.service`: the deploys to one target; the unit's name is their lock.
pub fn deploy_unit(target: &TargetId) -> String {
    format!("ci-deploy@{target}.service")
}

/// Starts the dispatcher of deploys, the service of the same name, when a freeze ends.
pub const DEPLOY_AGAIN_TIMER: &str = "ci-deploy.timer";

/// `ci-step-gkp-42-2.service`: one step of one build.
pub fn step_unit(build: &BuildId, step: StepIndex) -> String {
    format!("ci-step-{}-{}-{step}.service", build.project.unit_escaped(), build.number)
}

/// `ci-work-gkp-fetch-42.service`: one worker; `job` keeps two of one kind apart.
pub fn worker_unit(project: &ProjectName, kind: &str, job: &str) -> String {
    format!("ci-work-{}-{kind}-{job}.service", project.unit_escaped())
}

/// `ci-command-gkp-7.service`: the commands of one deploy, one after the other.
pub fn command_unit(project: &ProjectName, deploy: super::id::DeployId) -> String {
    format!("ci-command-{}-{deploy}.service", project.unit_escaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_in_a_name_never_make_two_projects_meet() {
        let dashed: ProjectName = "my-app-1".parse().unwrap();
        let plain: ProjectName = "my-app".parse().unwrap();
        let of = |project: &ProjectName, number| BuildId {
            project: project.clone(),
            number: super::super::id::BuildNumber(number),
        };
        assert_eq!(step_unit(&of(&plain, 1), StepIndex(2)), "ci-step-my\\x2dapp-1-2.service");
        assert_ne!(step_unit(&of(&plain, 1), StepIndex(2)), step_unit(&of(&dashed, 2), StepIndex(2)));
        assert_eq!(project_slice(&plain), "ci-my\\x2dapp.slice");
        assert_eq!(build_unit(&of(&plain, 1)), "ci-build@my-app:1.service");
    }

    #[test]
    fn the_longest_project_still_makes_valid_user_names() {
        let longest: ProjectName = "a".repeat(24).parse().unwrap();
        for user in [build_user(&longest), outside_user(&longest), git_user(&longest)] {
            assert!(user.len() <= 31, "{user}");
        }
    }
}
