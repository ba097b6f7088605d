//! The properties of a transient service that take things away from it, and those that give single things back
//! (systemd.exec(5)).

use super::property::{Property, properties, strings};
use super::word::choices;

choices! {
    /// `ProtectSystem=`
    ProtectSystem {
        /// `/usr` and the boot loader are read-only.
        Yes = "yes",
        /// `/etc` too.
        Full = "full",
        /// Everything but `/dev`, `/proc` and `/sys`.
        Strict = "strict",
    }
}

choices! {
    /// `ProtectHome=`
    ProtectHome {
        /// `/home`, `/root` and `/run/user` are empty and inaccessible.
        Yes = "yes",
        /// They are read-only.
        ReadOnly = "read-only",
        /// They are empty and writable.
        Tmpfs = "tmpfs",
    }
}

choices! {
    /// `ProtectProc=`
    ProtectProc {
        /// Other users' processes show, but not their details.
        NoAccess = "noaccess",
        /// Other users' processes do not show.
        Invisible = "invisible",
    }
}

choices! {
    /// `KeyringMode=`
    KeyringMode {
        /// A session keyring of its own, linked to nothing.
        Private = "private",
    }
}

/// `RestrictNamespaces=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// None may be made or entered.
    Forbidden,
    /// All may: what bwrap, docker and podman need.
    Allowed,
}

impl Namespaces {
    /// The namespaces that stay allowed, as flags of clone(2).
    fn flags(self) -> u64 {
        match self {
            Namespaces::Forbidden => 0,
            // cgroup, uts, ipc, user, pid, net, mnt: NAMESPACE_FLAGS_ALL in systemd's nsflags.h.
            Namespaces::Allowed => {
                0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000 | 0x0002_0000
            }
        }
    }
}

/// A capability that a unit of ours may keep, by its number in linux/capability.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Change owners.
    Chown = 0,
    /// Read, write and enter whatever the modes say.
    DacOverride = 1,
    /// Read and enter whatever the modes say.
    DacReadSearch = 2,
    /// Act as the owner of any file.
    Fowner = 3,
    /// Signal any process.
    Kill = 5,
    /// Become any group.
    SetGid = 6,
    /// Become any user.
    SetUid = 7,
    /// Look into any process.
    SysPtrace = 19,
}

fn mask(capabilities: &[Capability]) -> u64 {
    capabilities.iter().fold(0, |mask, capability| mask | 1 << *capability as u8)
}

/// `(bas)`: whether the list says what is allowed (or what is not), and the list.
fn allowed<S: AsRef<str>>(list: &[S]) -> (bool, Vec<String>) {
    (true, strings(list))
}

/// `a(ssbt)`: source, destination, whether a missing source is fine, and mount flags: with what is mounted below
/// (`MS_REC`), as the directive does.
fn binds(pairs: &[(&str, &str)]) -> Vec<(String, String, bool, u64)> {
    let one = |from: &str, to: &str| match from.strip_prefix('-') {
        Some(from) => (from.to_owned(), to.to_owned(), true, nix::libc::MS_REC),
        None => (from.to_owned(), to.to_owned(), false, nix::libc::MS_REC),
    };
    pairs.iter().map(|(from, to)| one(from, to)).collect()
}

fn owned_pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(first, second)| ((*first).to_owned(), (*second).to_owned())).collect()
}

properties! {
    /// `NoNewPrivileges=`
    no_new_privileges(on: bool) = "NoNewPrivileges" on;
    /// `CapabilityBoundingSet=`, which is all that stays.
    capability_bounding_set(capabilities: &[Capability]) = "CapabilityBoundingSet" mask(capabilities);
    /// `AmbientCapabilities=`, which a unit with `User=` has from its start.
    ambient_capabilities(capabilities: &[Capability]) = "AmbientCapabilities" mask(capabilities);
    /// `ProtectSystem=`
    protect_system(how: ProtectSystem) = "ProtectSystem" how;
    /// `ProtectHome=`
    protect_home(how: ProtectHome) = "ProtectHome" how;
    /// `ProtectProc=`
    protect_proc(how: ProtectProc) = "ProtectProc" how;
    /// `PrivateTmp=`
    private_tmp(on: bool) = "PrivateTmp" on;
    /// `PrivateDevices=`
    private_devices(on: bool) = "PrivateDevices" on;
    /// `DeviceAllow=`: nodes, and of `rwm` what may be done with each.
    device_allow(pairs: &[(&str, &str)]) = "DeviceAllow" owned_pairs(pairs);
    /// `PrivateNetwork=`
    private_network(on: bool) = "PrivateNetwork" on;
    /// `PrivateIPC=`
    private_ipc(on: bool) = "PrivateIPC" on;
    /// `RemoveIPC=`
    remove_ipc(on: bool) = "RemoveIPC" on;
    /// `KeyringMode=`
    keyring_mode(mode: KeyringMode) = "KeyringMode" mode;
    /// `ProtectClock=`
    protect_clock(on: bool) = "ProtectClock" on;
    /// `ProtectHostname=`
    protect_hostname(on: bool) = "ProtectHostname" on;
    /// `ProtectKernelLogs=`
    protect_kernel_logs(on: bool) = "ProtectKernelLogs" on;
    /// `ProtectKernelModules=`
    protect_kernel_modules(on: bool) = "ProtectKernelModules" on;
    /// `ProtectKernelTunables=`
    protect_kernel_tunables(on: bool) = "ProtectKernelTunables" on;
    /// `ProtectControlGroups=`
    protect_control_groups(on: bool) = "ProtectControlGroups" on;
    /// `RestrictNamespaces=`
    restrict_namespaces(namespaces: Namespaces) = "RestrictNamespaces" namespaces.flags();
    /// `RestrictSUIDSGID=`
    restrict_suid_sgid(on: bool) = "RestrictSUIDSGID" on;
    /// `RestrictRealtime=`
    restrict_realtime(on: bool) = "RestrictRealtime" on;
    /// `LockPersonality=`
    lock_personality(on: bool) = "LockPersonality" on;
    /// `MemoryDenyWriteExecute=`; breaks programs that compile at run time, node and java among them.
    memory_deny_write_execute(on: bool) = "MemoryDenyWriteExecute" on;
    /// `SystemCallFilter=` of calls and `@groups` that are allowed.
    system_call_filter(calls: &[&str]) = "SystemCallFilter" allowed(calls);
    /// `SystemCallFilter=~` of calls and `@groups` that are denied; all others stay.
    system_call_denied(calls: &[&str]) = "SystemCallFilter" (false, strings(calls));
    /// `SystemCallErrorNumber=`: what a denied call returns; without it the caller is killed by SIGSYS.
    system_call_error_number(errno: nix::errno::Errno) = "SystemCallErrorNumber" errno as i32;
    /// `SystemCallArchitectures=native`. It also halves what a filter costs at start.
    system_call_architectures_native() = "SystemCallArchitectures" strings(&["native"]);
    /// `RestrictAddressFamilies=` of families that are allowed. An empty list allows none.
    restrict_address_families(families: &[&str]) = "RestrictAddressFamilies" allowed(families);

    /// `BindPaths=`: source and destination.
    bind_paths(pairs: &[(&str, &str)]) = "BindPaths" binds(pairs);
    /// `BindReadOnlyPaths=`: source and destination.
    bind_read_only_paths(pairs: &[(&str, &str)]) = "BindReadOnlyPaths" binds(pairs);
    /// `TemporaryFileSystem=`: path and mount options, which may be empty.
    temporary_file_system(pairs: &[(&str, &str)]) = "TemporaryFileSystem" owned_pairs(pairs);
    /// `InaccessiblePaths=`; `-` before a path lets it be missing.
    inaccessible_paths(paths: &[&str]) = "InaccessiblePaths" strings(paths);
    /// `ReadWritePaths=`; `-` before a path lets it be missing.
    read_write_paths(paths: &[&str]) = "ReadWritePaths" strings(paths);
    /// `ReadOnlyPaths=`; `-` before a path lets it be missing.
    read_only_paths(paths: &[&str]) = "ReadOnlyPaths" strings(paths);

    /// `LoadCredential=`: name and path.
    load_credential(pairs: &[(&str, &str)]) = "LoadCredential" owned_pairs(pairs);
    /// `LoadCredentialEncrypted=`: name and path.
    load_credential_encrypted(pairs: &[(&str, &str)]) = "LoadCredentialEncrypted" owned_pairs(pairs);
    /// `SetCredential=`: a name and its content. Anybody can read it from the unit's properties: not for secrets.
    set_credential(name: &str, content: &[u8]) = "SetCredential" vec![(name.to_owned(), content.to_vec())];
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::zvariant::Value;

    #[test]
    fn types_on_the_bus_are_those_of_the_interface() {
        for (property, signature) in [
            (Property::system_call_filter(&["@system-service"]), "(bas)"),
            (Property::restrict_address_families(&[]), "(bas)"),
            (Property::bind_paths(&[("/a", "/b")]), "a(ssbt)"),
            (Property::temporary_file_system(&[("/home", "ro")]), "a(ss)"),
            (Property::load_credential(&[("key", "/etc/ci/credentials/key")]), "a(ss)"),
            (Property::set_credential("note", b"text"), "a(say)"),
            (Property::device_allow(&[("/dev/kvm", "rw")]), "a(ss)"),
            (Property::inaccessible_paths(&["-/home"]), "as"),
            (Property::capability_bounding_set(&[]), "t"),
            (Property::restrict_namespaces(Namespaces::Forbidden), "t"),
        ] {
            assert_eq!(property.value().value_signature().to_string(), signature, "{}", property.name());
        }
    }

    #[test]
    fn capabilities_are_bits() {
        let kept = Property::capability_bounding_set(&[Capability::Chown, Capability::SetUid]);
        assert_eq!(kept.value(), &Value::U64(0b1000_0001));
        assert_eq!(Property::ambient_capabilities(&[]).value(), &Value::U64(0));
    }
}
