//! What `ci.toml` says of the whole installation, checked.

use super::order::{Bounds, MemoryBounds};
use std::collections::BTreeMap;

/// The checked content of `ci.toml`; a missing file is `Site::default()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `title`: heads every page and mail.
    pub title: String,
    /// `title-url`: where the title on the page leads.
    pub title_url: Option<String>,
    /// `base-url`: how people reach the status page, without a slash at its end; links in mails and `CI_URL`.
    pub base_url: String,
    /// What starts builds, and what keeps them waiting.
    pub queue: Bounds,
    /// `[mail]`
    pub mail: Mail,
}

/// How mail leaves the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `from`: the sender; default `unitci@<host name>`, which the sender fills in.
    pub from: Option<String>,
    /// `sendmail`: the program that takes a message on its standard input, called with `-t -oi`.
    pub sendmail: std::path::PathBuf,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            title: "unitci".to_owned(),
            title_url: None,
            base_url: "http://localhost:8010".to_owned(),
            queue: Bounds {
                max_builds: 2,
                locks: BTreeMap::new(),
                memory: MemoryBounds { pressure: 20, available: 64 << 20 },
            },
            mail: Mail { from: None, sendmail: "/usr/sbin/sendmail".into() },
        }
    }
}
