//! Which secrets a unit is given: what `/etc/ci` says, and never more.

use super::carry::{Refusal, refused};
use super::sandbox::text;
use crate::config::Project;
use crate::config::project::Deploy;
use crate::model::{Place, SecretName, Trust};
use crate::order::StepOrder;
use crate::systemd::Property;

/// Where systemd finds a secret.
enum Kept {
    Plain(String),
    Encrypted(String),
}

/// A step's, as the project's file has it now. The order may ask for fewer, never for others; a ref from outside has none.
pub(super) fn of_step(place: &Place, project: &Project, order: &StepOrder) -> Result<Vec<Property>, Refusal> {
    let given = match order.trust {
        Trust::Inside => project.secrets_of(&order.name),
        Trust::Outside => &[],
    };
    if let Some(other) = order.secrets.iter().find(|name| !given.contains(name)) {
        let file = place.project_file(&project.name);
        return Err(refused(format!("{} does not give the secret {other} to the step {}", file.display(), order.name)));
    }
    credentials(place, &order.secrets)
}

/// All that any step of the project may get.
pub(super) fn of_project(place: &Place, project: &Project) -> Result<Vec<Property>, Refusal> {
    credentials(place, project.secrets())
}

/// What a deploy's commands get.
pub(super) fn of_deploy(place: &Place, target: &Deploy) -> Result<Vec<Property>, Refusal> {
    credentials(place, &target.secrets)
}

fn credentials<'a>(place: &Place, names: impl IntoIterator<Item = &'a SecretName>) -> Result<Vec<Property>, Refusal> {
    names
        .into_iter()
        .map(|name| {
            Ok(match kept(place, name)? {
                Kept::Plain(file) => Property::load_credential(&[(name.as_str(), &file)]),
                Kept::Encrypted(file) => Property::load_credential_encrypted(&[(name.as_str(), &file)]),
            })
        })
        .collect()
}

fn kept(place: &Place, name: &SecretName) -> Result<Kept, Refusal> {
    let (plain, encrypted) = (place.secret(name), place.encrypted_secret(name));
    match (plain.exists(), encrypted.exists()) {
        (true, false) => Ok(Kept::Plain(text(&plain))),
        (false, true) => Ok(Kept::Encrypted(text(&encrypted))),
        (true, true) => Err(refused(format!(
            "the secret {name} is there twice: remove {} or {}",
            plain.display(),
            encrypted.display()
        ))),
        (false, false) => Err(refused(place.missing_secret(name))),
    }
}
