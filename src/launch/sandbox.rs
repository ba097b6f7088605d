//! The walls that steps and workers share; what each one needs beyond them stands with it.

use crate::config::Project;
use crate::config::project::{BuildOutside, Network};
use crate::model::{Place, ProjectName, Room, Trust, unit};
use crate::systemd::{Capability, KeyringMode, Namespaces, Property, ProtectHome, ProtectProc, ProtectSystem};
use nix::errno::Errno;
use std::path::Path;

/// A path as the bus wants it. Ours are text: they come from checked names.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const NO_CAPABILITIES: &[Capability] = &[];

/// No privileges, no other processes, no devices, no kernel; a read-only system without homes.
/// What real builds need stays: AF_NETLINK, all of /proc (FACTS of the tools: make, cargo, npm, go, pip, dpkg).
pub(super) fn walls(network: Network) -> Vec<Property> {
    vec![
        Property::no_new_privileges(true),
        Property::capability_bounding_set(NO_CAPABILITIES),
        Property::ambient_capabilities(NO_CAPABILITIES),
        Property::protect_system(ProtectSystem::Strict),
        Property::protect_home(ProtectHome::Tmpfs),
        Property::protect_proc(ProtectProc::Invisible),
        Property::private_devices(true),
        Property::private_network(network == Network::None),
        Property::protect_clock(true),
        Property::protect_hostname(true),
        Property::protect_kernel_logs(true),
        Property::protect_kernel_modules(true),
        Property::restrict_namespaces(Namespaces::Forbidden),
        Property::restrict_suid_sgid(true),
        Property::restrict_realtime(true),
        Property::lock_personality(true),
        Property::system_call_architectures_native(),
        Property::system_call_filter(&["@system-service"]),
        // A tool that asks for more priority is told no, and goes on; it is not killed for asking. The kernel keeps keys
        // by user, across the walls between units; what io_uring does is seen by no filter.
        Property::system_call_denied(&[
            "@resources",
            "@keyring",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
        ]),
        Property::system_call_error_number(Errno::EPERM),
        Property::restrict_address_families(&["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]),
        Property::keyring_mode(KeyringMode::Private),
        Property::umask(0o022),
    ]
}

/// What only root may write, out of everybody's reach. For steps, whose user may find a way that we do not know; a
/// worker of ours is not root and would pay 25 ms at each start for mounts that take nothing from it.
pub(super) fn kernel_walls() -> Vec<Property> {
    vec![Property::protect_kernel_tunables(true), Property::protect_control_groups(true)]
}

/// Nothing of the CI, of `/run` (bus, journald, sockets of services) and of shared memory; names still resolve.
pub(super) fn nothing_of_ours(place: &Place) -> Vec<Property> {
    let config = text(&place.config());
    vec![
        Property::temporary_file_system(&[
            ("/run", "ro,mode=755"),
            ("/var/lib/ci", "ro,mode=755"),
            ("/var/cache/ci", "ro,mode=755"),
            ("/dev/shm", "mode=1777"),
            (&config, "ro,mode=755"),
        ]),
        Property::bind_read_only_paths(&[("-/run/systemd/resolve", "/run/systemd/resolve")]),
    ]
}

/// Runs as the room's user, and sees all of the room and no other.
pub(super) fn in_room(place: &Place, room: &Room) -> Vec<Property> {
    let folder = text(&room.folder(place));
    let mut properties = identity(&room.project, &room.user());
    properties.extend(nothing_of_ours(place));
    properties.push(Property::bind_paths(&[(&folder, &folder)]));
    properties
}

/// Runs as this user, in the project's slice.
pub(super) fn identity(project: &ProjectName, user: &str) -> Vec<Property> {
    vec![Property::user(user), Property::group(user), Property::slice(&unit::project_slice(project))]
}

/// The room that a build of this project has. For refs from outside there is one only if they are built.
pub(super) fn room(place: &Place, project: &Project, trust: Trust) -> Result<Room, super::carry::Refusal> {
    match (trust, project.source.build_outside) {
        (Trust::Inside, _) | (Trust::Outside, BuildOutside::Ask | BuildOutside::Always) => {
            Ok(Room::of(&project.name, trust))
        }
        (Trust::Outside, BuildOutside::Never) => Err(super::carry::refused(format!(
            "`build-outside` in [source] of {} is \"never\"",
            place.project_file(&project.name).display()
        ))),
    }
}
