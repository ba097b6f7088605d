//! `ci.toml` without its layers for projects.

use super::address;
use crate::config::reader::Reader;
use crate::config::site::{Mail, Site};
use crate::config::value::text;
use crate::config::{name, path, url};

/// The table of `ci.toml`.
pub(in crate::config) fn site(reader: &mut Reader<'_, '_>) -> Option<Site> {
    let title = reader.required("title", text(name::line));
    let title_url = reader.optional("title-url", text(url::page));
    let base_url = reader.required("base-url", text(url::base));
    let queue = super::order::bounds(reader);
    let mail = reader.section("mail", mail);
    Some(Site { title: title?, title_url: title_url?, base_url: base_url?, queue: queue?, mail: mail? })
}

fn mail(reader: &mut Reader<'_, '_>) -> Option<Mail> {
    let from = reader.optional("from", text(address));
    let sendmail = reader.required("sendmail", text(path::absolute));
    Some(Mail { from: from?, sendmail: sendmail? })
}
