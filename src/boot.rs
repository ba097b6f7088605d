//! Which boot this is.

use std::path::Path;

/// Where the kernel tells.
pub const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// The boot's id: another one means that the machine went down in between.
pub fn id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string(Path::new(PATH))?.trim().to_owned())
}
