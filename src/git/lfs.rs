//! Files of git-lfs: fetched into a mirror by its own program, and put in the place of their pointers by us, so that a
//! checkout runs nothing that a repository could have named.

use super::access::Access;
use super::failure::GitError;
use super::mirror::Mirror;
use super::program::Git;
use crate::config::project::Url;
use crate::model::{CommitId, FailureKind};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest pointer, in bytes, by the specification of git-lfs.
const POINTER_MAX: u64 = 1024;

/// Fetches what the commit's pointers name; what is there already is not asked for.
pub fn fetch(mirror: &Mirror<'_>, access: &Access, commit: &CommitId) -> Result<(), GitError> {
    let git = mirror.git();
    if !git.finish(git.command(["lfs", "version"]))?.status.success() {
        let says = "`lfs = true` needs git-lfs, which is not on this machine: apt install git-lfs";
        return Err(GitError::said(FailureKind::Refused, says));
    }
    let remote = format!("remote.origin.url={}", access.address().to_string_lossy());
    // Said here, so that a `.lfsconfig` in the repository does not send us elsewhere.
    let server = format!("lfs.url={}", server(access.url()));
    let settings = ["-c", &remote, "-c", &server, "-c", "lfs.concurrentTransfers=4"];
    let mut command = git.command(settings);
    command.args(["lfs", "fetch", "origin"]);
    // For a local repository it runs git as if nobody had told it whose repositories are to be trusted.
    command.arg(commit.as_str()).env("HOME", git.scratch().home()?);
    git.print_from(command).map(drop)
}

/// Where git-lfs looks for a repository's files, by the server discovery in its documentation.
fn server(url: &Url) -> String {
    match url {
        Url::Http(address) => {
            let address = address.trim_end_matches('/');
            let suffix = if address.ends_with(".git") { "" } else { ".git" };
            format!("{address}{suffix}/info/lfs")
        }
        Url::Ssh(address) => address.clone(),
        Url::Local(path) => format!("file://{}", path.display()),
    }
}

/// Replaces each pointer of a folder that was just filled from `index` by what it points at, out of the mirror.
pub(super) fn smudge(git: &Git<'_>, mirror: &Path, index: &Path, target: &Path) -> Result<(), GitError> {
    let mut command = git.command(["ls-files", "-z"]);
    command.env("GIT_INDEX_FILE", index);
    let files = git.listing(command)?;
    let mut command = git.command(["check-attr", "-z", "--stdin", "--cached", "filter"]);
    command.env("GIT_INDEX_FILE", index);
    let told = git.answer(command, files)?;
    let fields: Vec<&[u8]> = told.split(|byte| *byte == 0).collect();
    for file in fields.chunks_exact(3).filter_map(|c| if c[2] == b"lfs" { Some(c[0]) } else { None }) {
        let path = target.join(OsStr::from_bytes(file));
        let at = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| GitError::Io { doing, path, source }
        };
        // Left out of a sparse workspace, or a link: those have no filter.
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= POINTER_MAX) {
            continue;
        }
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(POINTER_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => continue,
            Err(source) => return Err(at("read", &path)(source)),
        }
        let Some(pointer) = Pointer::parse(&text) else { continue };
        let object = pointer.object(mirror);
        let size = fs::metadata(&object).map(|found| found.len());
        if size.ok() != Some(pointer.size) {
            let says = format!("the git-lfs file of {} is not in the mirror", String::from_utf8_lossy(file));
            return Err(GitError::said(FailureKind::NoSuchCommit, says));
        }
        // Opened as it is, so that it stays executable.
        let mut to = File::options().write(true).truncate(true).open(&path).map_err(at("write", &path))?;
        let mut from = File::open(&object).map_err(at("read", &object))?;
        io::copy(&mut from, &mut to).map_err(at("write", &path))?;
    }
    Ok(())
}

/// What stands in a repository instead of a file.
#[derive(Debug, PartialEq, Eq)]
struct Pointer {
    sha256: String,
    size: u64,
}

impl Pointer {
    /// As github.com/git-lfs/git-lfs/blob/main/docs/spec.md has it; anything else is a file like others.
    fn parse(text: &str) -> Option<Pointer> {
        let rest = text.strip_prefix("version https://git-lfs.github.com/spec/v1\n")?;
        let value = |key: &str| rest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let sha256 = value("oid")?.strip_prefix("sha256:")?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let plain = sha256.len() == 64 && sha256.bytes().all(hex);
        plain.then_some(Pointer { sha256: sha256.to_owned(), size: value("size")?.parse().ok()? })
    }

    fn object(&self, mirror: &Path) -> PathBuf {
        mirror.join("lfs/objects").join(&self.sha256[..2]).join(&self.sha256[2..4]).join(&self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_pointer() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let head = "version https://git-lfs.github.com/spec/v1\n";
        let good = format!("{head}oid sha256:{oid}\nsize 12345\n");
        let pointer = Pointer::parse(&good).unwrap();
        assert_eq!(pointer.size, 12345);
        assert_eq!(pointer.object(Path::new("/m")), Path::new("/m/lfs/objects/4d/7a").join(oid));
        for bad in [
            "",
            head,
            "hello\n",
            &format!("{head}oid sha256:../../../../etc/passwd\nsize 1\n"),
            &format!("{head}oid sha256:{}\nsize 1\n", "é".repeat(32)),
            &format!("{head}oid md5:{oid}\nsize 1\n"),
            &format!("{head}oid sha256:{oid}\nsize x\n"),
            &format!("x{good}"),
        ] {
            assert_eq!(Pointer::parse(bad), None, "{bad}");
        }
    }
}
