//! A folder held open: what is in it is reached by name, and no symbolic link leads elsewhere.

use crate::model::FailureKind;
use crate::worker::protocol::Failure;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat, renameat2};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folder, and its path for messages.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    Link,
    Other,
}

/// What the system did not let us do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub(super) struct FolderError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FolderError {
    /// The system's error number, where it has one.
    pub(super) fn errno(&self) -> Option<Errno> {
        self.source.raw_os_error().map(Errno::from_raw)
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Failure {
        Failure::new(FailureKind::Disk, &error.to_string())
    }
}

const RWX: u32 = 0o700;
const AS_FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Removes an extended attribute, if it is there and the file system knows such.
fn remove_attribute(path: &str, attribute: &CStr) -> Result<(), Errno> {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    // SAFETY: both are strings that end with NUL and live for the call, which keeps neither.
    let done = unsafe { nix::libc::removexattr(path.as_ptr(), attribute.as_ptr()) };
    match Errno::result(done) {
        Ok(_) | Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Folder {
    /// Opens a folder by its path; this once, links are followed, since the administrator named it.
    pub(super) fn open(path: &Path) -> Result<Folder, FolderError> {
        let opened = nix::fcntl::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let fd = opened.map_err(|e| FolderError { doing: "open", path: path.to_owned(), source: e.into() })?;
        Ok(Folder { fd, path: path.to_owned() })
    }

    /// Opens a project's own folder, which its steps can do anything to: who may enter it is again as it was made.
    pub(super) fn reclaim(path: &Path) -> Result<Folder, FolderError> {
        let fail = |source| FolderError { doing: "open up", path: path.to_owned(), source };
        let held = nix::fcntl::open(path, OFlag::O_PATH | AS_FOLDER, Mode::empty());
        let held = held.map_err(|e| fail(e.into()))?;
        let name = format!("/proc/self/fd/{}", held.as_raw_fd());
        // First the lists: a mode that is set over one changes the list.
        for list in [c"system.posix_acl_access", c"system.posix_acl_default"] {
            remove_attribute(&name, list).map_err(|e| fail(e.into()))?;
        }
        fs::set_permissions(&name, Permissions::from_mode(RWX)).map_err(fail)?;
        Folder::open(path)
    }

    fn failed(&self, doing: &'static str, name: impl AsRef<Path>) -> impl FnOnce(Errno) -> FolderError {
        let path = self.path.join(name);
        move |e| FolderError { doing, path, source: e.into() }
    }

    /// Where it was when it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Another hold of the same folder.
    pub(super) fn again(&self) -> Result<Folder, FolderError> {
        let fd = self.fd.try_clone();
        let fd = fd.map_err(|source| FolderError { doing: "hold", path: self.path.clone(), source })?;
        Ok(Folder { fd, path: self.path.clone() })
    }

    /// Opens a folder in this one. One without permissions gets them back.
    pub(super) fn sub(&self, name: &OsStr) -> Result<Folder, FolderError> {
        let fail = |e| self.failed("open", name)(e);
        let held = openat(&self.fd, name, OFlag::O_PATH | AS_FOLDER, Mode::empty()).map_err(fail)?;
        let mode = fstat(&held).map_err(fail)?.st_mode;
        if mode & RWX != RWX {
            // chmod by name would follow a link; through /proc it is what we hold.
            let path = format!("/proc/self/fd/{}", held.as_raw_fd());
            let set = fs::set_permissions(path, Permissions::from_mode((mode & 0o7777) | RWX));
            set.map_err(|source| FolderError { doing: "open up", path: self.path.join(name), source })?;
        }
        let fd = openat(&held, ".", OFlag::O_RDONLY | AS_FOLDER, Mode::empty()).map_err(fail)?;
        Ok(Folder { fd, path: self.path.join(name) })
    }

    /// What a name takes on the disk, in bytes; nothing when it is not there.
    pub(super) fn bytes_on_disk(&self, name: &OsStr) -> Result<u64, FolderError> {
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(0),
            stat => Ok(u64::try_from(stat.map_err(self.failed("look at", name))?.st_blocks).unwrap_or(0) * 512),
        }
    }

    /// Opens a folder in this one as it is, for looking only. `ELOOP` for a link.
    pub(super) fn enter(&self, name: &OsStr) -> Result<Folder, FolderError> {
        let fail = |e| self.failed("open", name)(e);
        // For a link O_DIRECTORY alone would say ENOTDIR.
        if self.kind(name)? == Some(Kind::Link) {
            return Err(fail(Errno::ELOOP));
        }
        let fd = openat(&self.fd, name, OFlag::O_RDONLY | AS_FOLDER, Mode::empty()).map_err(fail)?;
        Ok(Folder { fd, path: self.path.join(name) })
    }

    /// Opens a plain file for reading; none when it is something else, which is not opened: a FIFO would wait, and to
    /// open a device is to use it.
    pub(super) fn plain_file(&self, name: &OsStr) -> Result<Option<File>, FolderError> {
        let plain = |mode| SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG;
        let look = fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(self.failed("look at", name))?;
        if !plain(look.st_mode) {
            return Ok(None);
        }
        let file = self.file(name, OFlag::O_RDONLY)?;
        // It may have become another one meanwhile.
        let held = fstat(&file).map_err(self.failed("look at", name))?;
        Ok(plain(held.st_mode).then_some(file))
    }

    /// Opens a folder in this one, made if nothing is there.
    pub(super) fn make_sub(&self, name: &OsStr) -> Result<Folder, FolderError> {
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o777)) {
            Ok(()) | Err(Errno::EEXIST) => self.sub(name),
            Err(e) => Err(self.failed("make", name)(e)),
        }
    }

    /// What a name stands for, if it is there.
    pub(super) fn kind(&self, name: &OsStr) -> Result<Option<Kind>, FolderError> {
        let stat = match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(None),
            stat => stat.map_err(self.failed("look at", name))?,
        };
        Ok(Some(match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFDIR => Kind::Folder,
            SFlag::S_IFLNK => Kind::Link,
            _ => Kind::Other,
        }))
    }

    /// Whether a name in this folder stands for that one.
    pub(super) fn has(&self, name: &OsStr, folder: &Folder) -> Result<bool, FolderError> {
        let held = fstat(&folder.fd).map_err(folder.failed("look at", ""))?;
        let named = match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(false),
            stat => stat.map_err(self.failed("look at", name))?,
        };
        Ok((held.st_dev, held.st_ino) == (named.st_dev, named.st_ino))
    }

    /// Some of the names in it; none when it is empty.
    pub(super) fn names(&self, at_most: usize) -> Result<Vec<OsString>, FolderError> {
        let listed = fs::read_dir(format!("/proc/self/fd/{}", self.fd.as_raw_fd()));
        let fail = |source| FolderError { doing: "list", path: self.path.clone(), source };
        listed.map_err(fail)?.take(at_most).map(|entry| Ok(entry.map_err(fail)?.file_name())).collect()
    }

    /// Removes what is not a folder.
    pub(super) fn unlink(&self, name: &OsStr) -> Result<(), FolderError> {
        unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir).map_err(self.failed("remove", name))
    }

    /// Removes an empty folder.
    pub(super) fn rmdir(&self, name: &OsStr) -> Result<(), FolderError> {
        unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir).map_err(self.failed("remove", name))
    }

    /// Renames something in this folder into another (or the same), over what can be replaced.
    pub(super) fn rename(&self, name: &OsStr, to: &Folder, new: &OsStr) -> Result<(), FolderError> {
        renameat(&self.fd, name, &to.fd, new).map_err(self.failed("rename", name))
    }

    /// Exchanges two names in one moment: at none is either of them nothing.
    pub(super) fn exchange(&self, name: &OsStr, with: &Folder, other: &OsStr) -> Result<(), FolderError> {
        let exchanged = renameat2(&self.fd, name, &with.fd, other, RenameFlags::RENAME_EXCHANGE);
        exchanged.map_err(self.failed("exchange", name))
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(&self, target: &Path, name: &OsStr) -> Result<(), FolderError> {
        symlinkat(target, &self.fd, name).map_err(self.failed("link", name))
    }

    /// What a symbolic link says; none when it is no link.
    pub(super) fn link_target(&self, name: &OsStr) -> Result<Option<PathBuf>, FolderError> {
        match readlinkat(&self.fd, name) {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(None),
            Err(e) => Err(self.failed("read", name)(e)),
        }
    }

    fn file(&self, name: &OsStr, flags: OFlag) -> Result<File, FolderError> {
        self.file_as(name, flags, 0o666)
    }

    fn file_as(&self, name: &OsStr, flags: OFlag, mode: u32) -> Result<File, FolderError> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let opened = openat(&self.fd, name, flags, Mode::from_bits_truncate(mode));
        opened.map(File::from).map_err(self.failed("open", name))
    }

    /// Makes a file that is not there yet, with this mode as far as the umask lets it.
    pub(super) fn new_file(&self, name: &OsStr, mode: u32) -> Result<File, FolderError> {
        self.file_as(name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode)
    }

    /// Opens a file to read.
    pub(super) fn open_file(&self, name: &OsStr) -> Result<File, FolderError> {
        self.file(name, OFlag::O_RDONLY)
    }

    /// What it is that a file could not be read.
    pub(super) fn unread(&self, name: &OsStr, source: io::Error) -> FolderError {
        FolderError { doing: "read", path: self.path.join(name), source }
    }

    /// Gives the folder itself a mode.
    pub(super) fn set_mode(&self, mode: u32) -> Result<(), FolderError> {
        fchmod(&self.fd, Mode::from_bits_truncate(mode)).map_err(self.failed("open up", ""))
    }

    /// Writes a file that is not there yet.
    pub(super) fn write_new(&self, name: &OsStr, text: &str) -> Result<(), FolderError> {
        let mut file = self.new_file(name, 0o666)?;
        let written = file.write_all(text.as_bytes());
        written.map_err(|source| FolderError { doing: "write", path: self.path.join(name), source })
    }

    /// Adds to the end of a file, and waits until the disk has it.
    pub(super) fn append(&self, name: &OsStr, text: &str) -> Result<(), FolderError> {
        let mut file = self.file(name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|source| FolderError { doing: "write", path: self.path.join(name), source })
    }

    /// The beginning of a file; none when it is not there.
    pub(super) fn read(&self, name: &OsStr, at_most: u64) -> Result<Option<String>, FolderError> {
        let file = match self.file(name, OFlag::O_RDONLY) {
            Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        let read = file.take(at_most).read_to_end(&mut bytes);
        read.map_err(|source| FolderError { doing: "read", path: self.path.join(name), source })?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Waits until the disk has the names in it.
    pub(super) fn sync(&self) -> Result<(), FolderError> {
        nix::unistd::fsync(self.fd.as_fd()).map_err(self.failed("sync", ""))
    }

    /// Waits until the disk has everything of the file system it is on: cheaper than to ask for each file.
    pub(super) fn sync_all(&self) -> Result<(), FolderError> {
        nix::unistd::syncfs(self.fd.as_fd()).map_err(self.failed("sync", ""))
    }
}
