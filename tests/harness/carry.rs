//! What a machine with a network takes over from the host, so that pip and git inside work wherever they do outside:
//! name servers, certificates, pip's settings.

use super::host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where Debian's programs look for the certificates they trust.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// systemd-resolved's list of real servers: the stub on loopback is the host's own.
const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// Writes them onto a disk that is not booted yet.
pub(super) fn into_disk(root: &Path) {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let resolv = inside("/etc/resolv.conf");
    if resolv.is_symlink() {
        std::fs::remove_file(&resolv).expect("to remove a link to a resolver that is not there");
    }
    host::write(&resolv, &name_servers());
    let mut settings = pip_settings();
    let bundle = settings.get("cert").map_or(BUNDLE, String::as_str);
    if let Ok(certificates) = std::fs::read_to_string(bundle) {
        host::write(&inside(BUNDLE), &certificates);
        settings.insert("cert".to_owned(), BUNDLE.to_owned());
    }
    let lines: String = settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    host::write(&inside("/etc/pip.conf"), &format!("[global]\n{lines}"));
}

/// Folders of the host that pip takes packages from.
pub(super) fn pip_folders() -> Vec<PathBuf> {
    let settings = pip_settings();
    let links = settings.get("find-links").into_iter().flat_map(|links| links.split_whitespace());
    links.map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir()).collect()
}

fn name_servers() -> String {
    let own = std::fs::read_to_string("/etc/resolv.conf").expect("/etc/resolv.conf");
    let on_loopback = |line: &str| line.strip_prefix("nameserver").is_some_and(|rest| rest.trim().starts_with("127."));
    if !own.lines().any(on_loopback) {
        return own;
    }
    std::fs::read_to_string(RESOLVED).unwrap_or_else(|error| {
        panic!("the host's name server is on loopback, where a machine cannot reach it, and {RESOLVED}: {error}")
    })
}

/// The host's settings as pip itself reports them, its environment included; without a pip, the environment's.
/// The environment wins, as it does in pip.
fn pip_settings() -> BTreeMap<String, String> {
    // Asking pip takes up to a second.
    static SETTINGS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    SETTINGS.get_or_init(ask_pip).clone()
}

fn ask_pip() -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    if let Ok(proxy) = std::env::var("https_proxy").or_else(|_| std::env::var("HTTPS_PROXY")) {
        settings.insert("proxy".to_owned(), proxy);
    }
    if let Ok(list) = host::command("python3").args(["-m", "pip", "config", "list"]).output() {
        settings.extend(String::from_utf8_lossy(&list.stdout).lines().filter_map(file_setting));
    }
    settings.extend(std::env::vars().filter_map(|(key, value)| {
        let key = key.strip_prefix("PIP_")?.to_ascii_lowercase().replace('_', "-");
        // A file that pip would read instead of what this writes.
        (key != "config-file").then_some((key, value))
    }));
    settings
}

/// `global.index-url='https://…'` of `pip config list`; a list's items are apart by `\n` there, by lines in a file.
fn file_setting(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let key = name.strip_prefix("global.").or_else(|| name.strip_prefix("install."))?;
    let value = value.strip_prefix(['\'', '"'])?.strip_suffix(['\'', '"'])?;
    Some((key.to_owned(), value.replace("\\n", "\n    ").trim().to_owned()))
}
