//! What `allow` takes out of a step's walls. It stands after them: of a property given twice the later one holds, and
//! lists of calls grow.

use super::sandbox::text;
use crate::config::project::{Allow, Build, Step};
use crate::model::Trust;
use crate::systemd::{Namespaces, Property};

/// The relaxations of a step: its own list, else the build's. Builds of refs from outside have none: the file trusts
/// the team, not everybody.
pub(super) fn of<'a>(build: &'a Build, step: Option<&'a Step>, trust: Trust) -> &'a [Allow] {
    match trust {
        Trust::Inside => step.and_then(|step| step.allow.as_deref()).unwrap_or(&build.allow),
        Trust::Outside => &[],
    }
}

/// The properties that lift the walls.
pub(super) fn lift(allowed: &[Allow]) -> Vec<Property> {
    allowed.iter().flat_map(one).collect()
}

fn one(allow: &Allow) -> Vec<Property> {
    match allow {
        Allow::Userns => vec![
            Property::restrict_namespaces(Namespaces::Allowed),
            Property::system_call_filter(&["@mount", "@keyring", "sethostname", "setdomainname"]),
            // An image may hold set-uid files; in a user namespace they give nothing but the users of that.
            Property::restrict_suid_sgid(false),
            // The kernel mounts a new /proc or /sys only where the old one is whole: without mounts over parts of it.
            Property::protect_kernel_tunables(false),
            Property::protect_control_groups(false),
            Property::protect_kernel_logs(false),
            Property::protect_hostname(false),
        ],
        Allow::Ptrace => {
            vec![Property::system_call_filter(&["ptrace", "process_vm_readv", "process_vm_writev", "kcmp"])]
        }
        Allow::IoUring => {
            vec![Property::system_call_filter(&["io_uring_setup", "io_uring_enter", "io_uring_register"])]
        }
        Allow::Device(node) => {
            let node = text(node);
            // One that is not there is not there for the step either, which can say so in its own words.
            vec![Property::device_allow(&[(&node, "rw")]), Property::bind_paths(&[(&format!("-{node}"), &node)])]
        }
    }
}
