//! A private folder for one job: git's whole configuration, and a git dir that borrows only objects.

use super::access::Access;
use super::failure::GitError;
use super::modules;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// How object names are made in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFormat {
    /// 40 digits.
    Sha1,
    /// 64 digits.
    Sha256,
}

impl ObjectFormat {
    /// The format that a full object name is of.
    pub fn of(name: &str) -> ObjectFormat {
        if name.len() == 64 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 }
    }

    /// Git's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectFormat::Sha1 => "sha1",
            ObjectFormat::Sha256 => "sha256",
        }
    }
}

/// The folder; removed when dropped. It holds no secret.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
}

/// What holds for every git that we run. Ownership says nothing here (mirror and workspace belong to different users
/// on purpose). Old histories have the four faults that are only warned of, and every forge takes them. What a hostile
/// `.gitmodules` says is no reason to refuse a whole fetch: see `modules`, which trusts nothing of it.
const CONFIGURATION: &str = "\
[safe]
	directory = *
[core]
	hooksPath = /dev/null
	attributesFile = /dev/null
	fsmonitor = false
	symlinks = true
	autocrlf = false
[transfer]
	fsckObjects = true
[fetch]
	fsckObjects = true
	recurseSubmodules = false
[fetch \"fsck\"]
	zeroPaddedFilemode = warn
	missingSpaceBeforeDate = warn
	badTimezone = warn
	missingSpaceBeforeEmail = warn
	gitmodulesName = ignore
	gitmodulesPath = ignore
	gitmodulesUpdate = ignore
	gitmodulesUrl = ignore
[gc]
	autoDetach = false
	pruneExpire = 90.days.ago
[maintenance]
	auto = false
[http]
	followRedirects = initial
	userAgent = git/unitci
[credential]
	helper =
";

impl Scratch {
    /// Makes the folder below `TMPDIR` (`/tmp`), readable by nobody else, with what `access` needs.
    pub fn new(access: Option<&Access>) -> Result<Scratch, GitError> {
        let template = std::env::temp_dir().join("ci-git-XXXXXX");
        let made = nix::unistd::mkdtemp(&template).map_err(io::Error::from);
        let folder = made.map_err(|source| GitError::Io { doing: "make", path: template, source })?;
        let scratch = Scratch { folder };
        let configuration = format!("{CONFIGURATION}{}", access.map(Access::configuration).unwrap_or_default());
        scratch.write("config", &configuration)?;
        scratch.borrow(None, ObjectFormat::Sha1)?;
        Ok(scratch)
    }

    /// Git's global configuration.
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// A HOME in which the same configuration is found by a program that runs git without our environment.
    pub fn home(&self) -> Result<&Path, GitError> {
        let path = self.folder.join(".gitconfig");
        match symlink("config", &path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(GitError::Io { doing: "link", path, source: e }),
            Ok(()) | Err(_) => Ok(&self.folder),
        }
    }

    /// The git dir: no refs, no hooks, no attributes, only our own configuration.
    pub fn git_dir(&self) -> PathBuf {
        self.folder.join("git")
    }

    /// An index that no step can reach.
    pub fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// Lets the git dir read a mirror's objects and those of its submodules, and nothing else of it: who can write a mirror's configuration (a
    /// broken fetch worker, say) thereby runs nothing as the user who reads it.
    pub fn borrow(&self, mirror: Option<&Path>, format: ObjectFormat) -> Result<(), GitError> {
        for folder in ["git/objects/info", "git/refs"] {
            let path = self.folder.join(folder);
            fs::create_dir_all(&path).map_err(|source| GitError::Io { doing: "make", path, source })?;
        }
        self.write("git/HEAD", "ref: refs/heads/none\n")?;
        // libgit2 gets its rule about redirects from here: see `refs`.
        let configuration = format!(
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n\tcommitGraph = false\n\
             [extensions]\n\tobjectformat = {}\n[http]\n\tfollowRedirects = false\n",
            format.as_str()
        );
        self.write("git/config", &configuration)?;
        let stores = mirror.into_iter().flat_map(|mirror| [mirror.to_owned(), mirror.join(modules::STORE)]);
        let borrowed = stores.map(|store| store.join("objects")).filter(|objects| objects.is_dir());
        let borrowed: String = borrowed.map(|objects| format!("{}\n", objects.display())).collect();
        self.write("git/objects/info/alternates", &borrowed)?;
        match mirror {
            Some(mirror) => self.borrow_ends(mirror),
            None => Ok(()),
        }
    }

    /// Where the history of a mirror that was fetched with a depth ends; without it git misses what was left out.
    fn borrow_ends(&self, mirror: &Path) -> Result<(), GitError> {
        let path = mirror.join("shallow");
        match fs::read_to_string(&path) {
            Ok(text) => self.write("git/shallow", &text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(GitError::Io { doing: "read", path, source }),
        }
    }

    /// Lets the git dir show a mirror's refs, too, and serve any commit that it has.
    pub fn borrow_refs(&self, mirror: &Path) -> Result<(), GitError> {
        let at = |doing, path: PathBuf| move |source| GitError::Io { doing, path, source };
        let refs = self.git_dir().join("refs");
        fs::remove_dir_all(&refs).map_err(at("remove", refs.clone()))?;
        symlink(mirror.join("refs"), &refs).map_err(at("link", refs))?;
        let packed = self.git_dir().join("packed-refs");
        symlink(mirror.join("packed-refs"), &packed).map_err(at("link", packed))?;
        let config = self.git_dir().join("config");
        let mut file = fs::OpenOptions::new().append(true).open(&config).map_err(at("open", config.clone()))?;
        file.write_all(b"[uploadpack]\n\tallowAnySHA1InWant = true\n").map_err(at("write", config))
    }

    /// Lets `read-tree` leave out what these patterns do not name.
    pub fn leave_out(&self, patterns: &[String]) -> Result<(), GitError> {
        let path = self.git_dir().join("info");
        fs::create_dir_all(&path).map_err(|source| GitError::Io { doing: "make", path, source })?;
        self.write("git/info/sparse-checkout", &format!("{}\n", patterns.join("\n")))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), GitError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|source| GitError::Io { doing: "write", path, source })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.folder) {
            let folder = self.folder.display();
            drop(writeln!(io::stderr(), "cannot remove {folder}: {e}; it goes with the unit's /tmp"));
        }
    }
}
