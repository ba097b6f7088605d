//! Reading the credentials that systemd has put beside this worker.

use super::protocol::{Failure, FailureKind, SecretsAnswer};
use crate::model::Secret;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

/// Most bytes of one secret; all that can be masked has no more.
const SECRET_MAX: u64 = 64 << 10;

pub(super) fn read() -> Result<SecretsAnswer, Failure> {
    // systemd.exec(5): not set when there are none.
    let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) else {
        return Ok(SecretsAnswer { secrets: Vec::new() });
    };
    let failed = |e: io::Error| Failure::new(FailureKind::Internal, &format!("{}: {e}", folder.display()));
    let mut secrets = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let mut bytes = Vec::new();
        let file = File::open(entry.path()).map_err(failed)?;
        file.take(SECRET_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > SECRET_MAX {
            return Err(Failure::new(
                FailureKind::TooLarge,
                &format!("the secret {name} has more than {SECRET_MAX} bytes"),
            ));
        }
        secrets.push(Secret { name, bytes });
    }
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(SecretsAnswer { secrets })
}
