//! The files of one log, named by one stem such as `/var/lib/ci/builds/gkp/42/2`.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The common beginning of the names of a log's files.
#[derive(Debug, Clone)]
pub(super) struct Stem(PathBuf);

impl Stem {
    pub(super) fn new(stem: &Path) -> Stem {
        Stem(stem.to_owned())
    }

    fn with(&self, ending: &str) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// Output as it came, secrets and all.
    pub(super) fn raw(&self) -> PathBuf {
        self.with(".raw")
    }
    /// The published log while it grows.
    pub(super) fn log(&self) -> PathBuf {
        self.with(".log")
    }
    /// How far `.raw` and `.log` agree.
    pub(super) fn state(&self) -> PathBuf {
        self.with(".state")
    }
    /// The published log, finished.
    pub(super) fn packed(&self) -> PathBuf {
        self.with(".log.zst")
    }
    /// The same while it is being written.
    pub(super) fn packing(&self) -> PathBuf {
        self.with(".log.zst.new")
    }

    /// Removes everything but the finished log, the secrets first.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for leftover in [self.raw(), self.log(), self.packing(), self.state()] {
            absent_is_fine(std::fs::remove_file(leftover))?;
        }
        Ok(())
    }

    /// Makes a rename in the log's folder outlast a power cut.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Opens for reading and writing, creating it with `mode` whatever the umask.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// A removal has succeeded when the file is not there.
fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
