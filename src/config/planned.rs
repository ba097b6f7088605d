//! Keys that are designed but not built yet: refused by name, with what to do meanwhile where there is something.

/// A key, the table it will belong to (as in [`super::tree::Layer::section`] without brackets), and a way round.
type Planned = (&'static str, &'static str, Option<&'static str>);

static KEYS: &[Planned] = &[
    ("", "schedule", Some("a systemd timer of your own can run `ci-build PROJECT`")),
    ("", "caches", Some("HOME lasts from build to build")),
    ("source", "paths", None),
    ("source", "skip", None),
    ("source", "authors", None),
    ("source", "messages", None),
    ("build", "keep", None),
    ("build", "caches", Some("HOME lasts from build to build")),
    ("build", "cache", Some("HOME lasts from build to build")),
    ("step", "caches", Some("HOME lasts from build to build")),
    ("deploy", "freeze", Some("ci-deploy --freeze holds deploys back")),
    ("notify", "irc", None),
    ("notify", "webhook", None),
    ("notify", "matrix", None),
    ("notify", "commit-status", None),
    ("site", "irc", None),
    ("site", "keep", None),
];

/// If the key is planned: what can be done instead.
pub(super) fn key(table: &str, name: &str) -> Option<Option<&'static str>> {
    KEYS.iter().find(|(at, planned, _)| *at == table && *planned == name).map(|(_, _, instead)| *instead)
}

/// The same for a key that stands under another header than it will have.
pub(super) fn anywhere(name: &str) -> Option<Option<&'static str>> {
    KEYS.iter().find(|(_, planned, _)| *planned == name).map(|(_, _, instead)| *instead)
}
