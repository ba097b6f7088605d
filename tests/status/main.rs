//! The page and the command line over whole little systems.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test")]

mod clients;
mod pages;
mod server;
mod system;
mod targets;
mod terminal;

use std::path::Path;

#[test]
#[ignore = "leaves a system in target/status to look at: ci-status --root target/status"]
fn a_system_to_look_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/status");
    if root.exists() {
        std::fs::remove_dir_all(&root).unwrap();
    }
    system::every_state(&root);
}
