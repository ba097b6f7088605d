//! Walls that a project's steps may do without, by name.

use super::fault::{Fault, Hint};
use super::path;
use std::path::{Path, PathBuf};

/// One relaxation of the sandbox of steps; what it opens stands in SECURITY.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// `userns`: namespaces of its own, and mounts in them: what bwrap, podman and rootless docker need.
    Userns,
    /// `ptrace`: following processes of its own user: strace, gdb.
    Ptrace,
    /// `io-uring`
    IoUring,
    /// `device:/dev/kvm`: a device node, to read and write as its owner, group and mode let the user.
    Device(PathBuf),
}

const PLAIN: [(&str, Allow); 3] = [("userns", Allow::Userns), ("ptrace", Allow::Ptrace), ("io-uring", Allow::IoUring)];
const DEVICE: &str = "device:";
/// What is in `/dev` and no device: folders that all share, and ways to journald and to descriptors.
const NO_DEVICES: [&str; 11] =
    ["shm", "mqueue", "pts", "hugepages", "fd", "log", "stdin", "stdout", "stderr", "core", "initctl"];

/// The relaxation of this name.
pub(super) fn allow(text: &str) -> Result<Allow, Fault> {
    if let Some(node) = text.strip_prefix(DEVICE) {
        return device(node).map(Allow::Device);
    }
    if let Some((_, allow)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return Ok(allow.clone());
    }
    let names = PLAIN.iter().map(|(name, _)| *name).chain(["device:/dev/…"]);
    // `/dev/kvm` alone, or `dev:/dev/kvm`, is like no name, but it is clear what was meant.
    let hint = match text.find("/dev/") {
        Some(at) => Hint::Nearest(format!("{DEVICE}{}", text[at..].chars().take(64).collect::<String>())),
        None => Hint::among(text, names),
    };
    Err(Fault::UnknownWord { found: text.chars().take(64).collect(), hint })
}

fn device(text: &str) -> Result<PathBuf, Fault> {
    let node = path::absolute(text)?;
    let first = node.strip_prefix("/dev").ok().and_then(|below| below.iter().next());
    match first {
        None => Err(Fault::Rule("must be a device below /dev, like device:/dev/kvm")),
        Some(name) if NO_DEVICES.iter().any(|other| Path::new(other) == Path::new(name)) => {
            Err(Fault::Rule("this is no device, but something in /dev that everybody shares"))
        }
        Some(_) => Ok(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_near_them() {
        for (text, meant) in [
            ("userns", Allow::Userns),
            ("ptrace", Allow::Ptrace),
            ("io-uring", Allow::IoUring),
            ("device:/dev/kvm", Allow::Device("/dev/kvm".into())),
            ("device:/dev/net/tun", Allow::Device("/dev/net/tun".into())),
        ] {
            assert_eq!(allow(text).unwrap(), meant, "{text}");
        }
        for (text, says) in [
            ("usersn", "did you mean `userns`?"),
            ("Ptrace", "did you mean `ptrace`?"),
            ("io_uring", "did you mean `io-uring`?"),
            ("/dev/kvm", "did you mean `device:/dev/kvm`?"),
            ("devices:/dev/kvm", "did you mean `device:/dev/kvm`?"),
            ("setuid", "known: userns, ptrace, io-uring, device:/dev/…"),
            ("", "known: userns"),
            ("device:", "empty"),
            ("device:kvm", "absolute"),
            ("device:/dev", "below /dev"),
            ("device:/etc/shadow", "below /dev"),
            ("device:/dev/../etc/shadow", "without `.`"),
            ("device:/dev/shm", "no device"),
            ("device:/dev/log", "no device"),
            ("device:/dev/shm/x", "no device"),
        ] {
            let fault = allow(text).unwrap_err().to_string();
            assert!(fault.contains(says), "{text:?}: {fault}");
        }
    }
}
