//! A `.git` for steps: a copy of a commit's history that nobody ever trusts again.

use super::failure::GitError;
use super::program::Git;
use super::scratch::ObjectFormat;
use crate::model::{CommitId, RefName};
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

/// Holds the fetched commit until HEAD does.
const HELD: &str = "refs/unitci/commit";

/// Makes `.git` in a workspace that [`super::tree::fill`] has just filled with the same `git`.
///
/// The commit is fetched out of the scratch git dir, which borrows the mirror's objects and shows its refs: so tags of
/// that history come along, a depth is kept, and nothing of the mirror's own configuration is read. HEAD is the branch,
/// if it has one, else detached.
pub fn make(
    git: &Git<'_>,
    mirror: &Path,
    commit: &CommitId,
    branch: Option<&RefName>,
    depth: Option<NonZeroU32>,
    workspace: &Path,
) -> Result<(), GitError> {
    let scratch = git.scratch();
    scratch.borrow_refs(mirror)?;
    let place = workspace.join(".git");
    let own = git.owning(&place);
    let format = format!("--object-format={}", ObjectFormat::of(commit.as_str()).as_str());
    own.print(["init", "--quiet", "--template=", &format])?;
    let held = branch.map_or(HELD, RefName::as_str);
    // Checked when it came into the mirror.
    let unchecked = ["-c", "fetch.fsckObjects=false", "-c", "transfer.fsckObjects=false"];
    let mut command = own.command(unchecked);
    command.args(["fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance", "--update-head-ok"]);
    command.args(["--no-recurse-submodules", "--update-shallow"]).args(depth.map(|depth| format!("--depth={depth}")));
    command.arg("--").arg(format!("file://{}", scratch.git_dir().display())).arg(format!("+{commit}:{held}"));
    command.env("GIT_ALLOW_PROTOCOL", "file");
    own.print_from(command)?;
    match branch {
        Some(branch) => drop(own.print(["symbolic-ref", "HEAD", branch.as_str()])?),
        None => {
            own.print(["update-ref", "--no-deref", "HEAD", commit.as_str()])?;
            own.print(["update-ref", "-d", HELD])?;
        }
    }
    let (from, to) = (scratch.index(), place.join("index"));
    fs::copy(&from, &to).map_err(|source| GitError::Io { doing: "write", path: to, source })?;
    let mut command = own.command(["update-index", "-q", "--refresh"]);
    command.env("GIT_WORK_TREE", workspace);
    // Its status says whether something differs, which is no matter of ours.
    own.finish(command).map(drop)
}
