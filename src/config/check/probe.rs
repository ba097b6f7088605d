//! `[deploy.health]` and `[[deploy.check]]`

use super::{HOUR, SECOND};
use crate::config::fault::Fault;
use crate::config::probe::{Check, Http, Probe, Tries};
use crate::config::reader::Reader;
use crate::config::value::{count, duration, text};
use crate::config::{name, url};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most checks of a deploy.
const CHECKS_MAX: usize = 32;

/// All of a deploy's checks, in the order in which they are made.
pub(super) fn checks(reader: &mut Reader<'_, '_>) -> Option<Vec<Check>> {
    let health = reader.optional_section("health", health);
    let checks = reader.sections("check", check);
    let checks: Vec<Check> = health?.into_iter().chain(checks?).collect();
    if checks.len() > CHECKS_MAX {
        reader.complain("check", Fault::Rule("a deploy has at most 32 checks"));
        return None;
    }
    Some(checks)
}

fn health(reader: &mut Reader<'_, '_>) -> Option<Check> {
    let url = reader.required("url", text(url::page));
    let expected = expected(reader);
    let tries = tries(reader);
    Some(Check { probe: Probe::Http(expected?.of(url?)), tries: tries? })
}

fn check(reader: &mut Reader<'_, '_>) -> Option<Check> {
    const WAYS: [&str; 4] = ["url", "tcp", "command", "unit"];
    let ways: Vec<&str> = WAYS.into_iter().filter(|way| reader.is_written(way)).collect();
    let url = reader.optional("url", text(url::page));
    let tcp = reader.optional("tcp", text(url::tcp));
    let command = reader.optional("command", text(name::command));
    let unit = reader.optional("unit", text(name::any_unit));
    let expected = expected(reader);
    let tries = tries(reader);
    let [way] = ways[..] else {
        if ways.is_empty() && reader.is_partial() {
            return None;
        }
        let fault = Fault::Rule("a check has exactly one of `url`, `tcp`, `command` and `unit`");
        reader.complain(ways.get(1).copied().unwrap_or("url"), fault);
        return None;
    };
    if let Some(key) = ["status", "contains", "header"].into_iter().find(|key| way != "url" && reader.is_written(key)) {
        reader.complain(key, Fault::Rule("this is for a check with `url`"));
        return None;
    }
    let expected = expected?;
    let probes = [
        url?.map(|url| Probe::Http(expected.of(url))),
        tcp?.map(Probe::Tcp),
        command?.map(Probe::Command),
        unit?.map(Probe::Unit),
    ];
    Some(Check { probe: probes.into_iter().flatten().next()?, tries: tries? })
}

/// What is expected of a page.
struct Expected {
    status: u16,
    contains: Option<String>,
    header: BTreeMap<String, String>,
}

impl Expected {
    fn of(self, url: String) -> Http {
        let Expected { status, contains, header } = self;
        Http { url, status, contains, header }
    }
}

fn expected(reader: &mut Reader<'_, '_>) -> Option<Expected> {
    let status = reader.required("status", count(100..=599));
    let contains = reader.optional("contains", text(name::pattern));
    let header = reader.map("header", |header, value| {
        name::header(header)?;
        text(name::pattern)(value)
    });
    Some(Expected { status: status?, contains: contains?, header: header? })
}

fn tries(reader: &mut Reader<'_, '_>) -> Option<Tries> {
    let attempts = reader.required("attempts", count(1..=100));
    let timeout = reader.required("timeout", duration(SECOND..=HOUR));
    let interval = reader.required("interval", duration(Duration::ZERO..=HOUR));
    Some(Tries { attempts: attempts?, timeout: timeout?, interval: interval? })
}
