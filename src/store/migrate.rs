//! Schema versions. A migration only adds, so that a supervisor of the version before can finish its build.

use super::{Result, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Each entry takes the schema from its index to the next version. Entries are never changed, only appended.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("migrations/steps.sql"),
    include_str!("migrations/usage.sql"),
    include_str!("migrations/order.sql"),
    include_str!("migrations/tests.sql"),
    include_str!("migrations/source.sql"),
    include_str!("migrations/outside.sql"),
    include_str!("migrations/artifacts.sql"),
    include_str!("migrations/services.sql"),
    include_str!("migrations/targets.sql"),
    include_str!("migrations/freeze.sql"),
    include_str!("migrations/cache.sql"),
    include_str!("migrations/attempts.sql"),
    include_str!("migrations/origins.sql"),
    include_str!("migrations/releases.sql"),
    include_str!("migrations/deploys.sql"),
];

/// The version this program writes, kept in `PRAGMA user_version`.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// An error if the store was made by a newer program.
pub(super) fn refuse_newer(connection: &Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Brings the store to [`SCHEMA_VERSION`]; keeps a copy of an older one beside it as `ci.sqlite.v<N>`.
pub(super) fn bring_up(connection: &mut Connection, path: &Path) -> Result<()> {
    refuse_newer(connection, path)?;
    let found = version(connection)?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    if found > 0 {
        keep_copy(connection, path, found)?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker between our look and our lock.
    let found = version(&transaction)?;
    let done = usize::try_from(found).map_err(|_| StoreError::Damaged(format!("schema version {found}")))?;
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn keep_copy(connection: &Connection, path: &Path, version: i64) -> Result<()> {
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".v{version}"));
    let copy = Path::new(&copy);
    match std::fs::remove_file(copy) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(StoreError::Io { path: copy.to_owned(), source }),
    }
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    Ok(())
}

/// A store as a program of an earlier version made it.
#[cfg(test)]
pub(super) fn bring_up_to(connection: &Connection, version: usize) {
    for migration in &MIGRATIONS[..version] {
        connection.execute_batch(migration).unwrap();
    }
    connection.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
}
