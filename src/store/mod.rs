//! The store: one SQLite file that holds the truth, written by the core alone.
//!
//! Writes happen inside [`Store::write`], which hands out a [`Tx`]: whoever holds one holds the write lock.
//! Readers (the page, `ci-status`, people in `ci-users`) open the file read-only and never touch its locks' files.

mod artifact;
mod build;
mod cache;
mod deploy;
mod freeze;
mod hold;
mod message;
mod migrate;
mod overview;
mod report;
mod request;
mod row;
mod source;
mod workspace;

use crate::model::Place;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use artifact::ArtifactSum;
pub use build::{NewStep, StepEnd};
pub use deploy::{NewDeploy, ReleaseRow, Standing};
pub use message::{Message, NewMessage};
pub use migrate::SCHEMA_VERSION;
pub use report::TestedStep;
pub use request::{Queued, collapses};
pub use source::SourceRow;

/// How long a writer waits for another one before it gives up.
const BUSY: Duration = Duration::from_secs(20);

/// How long to wait for room on a full disk before it is tried again.
const NO_ROOM: Duration = Duration::from_secs(1);

/// For how long a reader waits for a writer to mend what a power cut left of the WAL: readers may not.
const MENDING: Duration = Duration::from_secs(5);

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none yet: nothing has ever asked for a build here.
    #[error("{0}: there is no store yet; it is made by the first poll or build (systemctl enable --now ci.target)")]
    Missing(PathBuf),
    /// The caller may not read it.
    #[error("{0}: permission denied; reading builds is for root and members of the group ci-users")]
    Denied(PathBuf),
    /// Made by a newer unitci.
    #[error("{path}: the store has schema {found}, this unitci knows up to {known}; install the newer unitci again")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A row holds what cannot be: damage, or a hand that edited it.
    #[error("the store is damaged: {0}; restore it from a backup")]
    Damaged(String),
    /// SQLite's own word, a full disk among them.
    #[error("store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The copy that a migration keeps could not be made.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }

    /// Whether something is to be written first that a reader may not write (`SQLITE_READONLY_RECOVERY` and its like).
    fn is_to_be_mended(&self) -> bool {
        matches!(self, StoreError::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly))
    }
}

/// Shorthand within the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// An open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

impl Store {
    /// Opens it for reading and writing, making or migrating it when needed. Only the core's user does this: a
    /// second writer's uid on a WAL can end the first with SIGBUS.
    pub fn open(place: &Place) -> Result<Store> {
        let path = place.store_file();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // In WAL mode NORMAL could lose the last commits of a power cut; an answered request must not be lost.
        connection.pragma_update(None, "synchronous", "full")?;
        keep_wal_files(&connection)?;
        migrate::bring_up(&mut connection, &path)?;
        Ok(Store { connection })
    }

    /// Opens it read-only, for any user whom the file's mode lets read.
    pub fn open_read_only(place: &Place) -> Result<Store> {
        let deadline = Instant::now() + MENDING;
        loop {
            match Store::try_open_read_only(place) {
                Err(error) if error.is_to_be_mended() && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                done => return done,
            }
        }
    }

    fn try_open_read_only(place: &Place) -> Result<Store> {
        let path = place.store_file();
        match std::fs::File::open(&path) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing(path)),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return Err(StoreError::Denied(path)),
            Err(source) => return Err(StoreError::Io { path, source }),
        }
        // readonly_shm: also root, who could write the -shm file, must not. Without a WAL, which another program may
        // have tidied away (the sqlite3 shell does), all there is stands in the file itself; the next writer makes it anew.
        let wal = place.store().join("ci.sqlite-wal");
        let how = if wal.exists() { "readonly_shm=1" } else { "immutable=1" };
        let uri = format!("file:{}?mode=ro&{how}", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(BUSY)?;
        migrate::refuse_newer(&connection, &path)?;
        Ok(Store { connection })
    }

    /// What can be asked of it.
    pub fn read(&self) -> Read<'_> {
        Read(&self.connection)
    }

    /// All of `work` or nothing of it. The write lock is taken at once, so what `work` reads stays true.
    pub fn write<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Tx<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let tx = Tx(transaction);
        let done = work(&tx)?;
        tx.0.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// The same, for one who has nothing better to do than to wait for room on a full disk: a build's supervisor. It
    /// says so, and tries again until there is some.
    pub fn write_patiently<T>(&mut self, mut work: impl FnMut(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut told = false;
        loop {
            match self.write(&mut work) {
                Err(error) if error.is_full() => {
                    if !told {
                        tracing::warn!("{error}; trying again until there is room");
                        told = true;
                    }
                    std::thread::sleep(NO_ROOM);
                }
                other => return other,
            }
        }
    }

    /// A number that changes whenever another connection has committed: the cheap way to wait for news.
    pub fn data_version(&self) -> Result<i64> {
        Ok(self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }
}

/// The right to read, from a plain connection or within a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a>(&'a Connection);

/// The right to write: there is one at a time.
#[derive(Debug)]
pub struct Tx<'a>(rusqlite::Transaction<'a>);

impl Tx<'_> {
    /// Reading what this transaction sees.
    pub fn read(&self) -> Read<'_> {
        Read(&self.0)
    }
}

/// A reader that may not create files cannot open a WAL database whose `-wal` and `-shm` the last writer has removed
/// when it closed: they stay (<https://www.sqlite.org/wal.html#read_only_databases>).
fn keep_wal_files(connection: &Connection) -> Result<()> {
    let mut on: std::ffi::c_int = 1;
    // SAFETY: the handle is open for the whole call, "main" is NUL-terminated, and the operation writes one int.
    let code = unsafe {
        rusqlite::ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            rusqlite::ffi::SQLITE_FCNTL_PERSIST_WAL,
            (&raw mut on).cast(),
        )
    };
    if code == rusqlite::ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(StoreError::Sqlite(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)))
    }
}

#[cfg(test)]
mod tests;
