//! What is asked and what is answered, without the connection.

use super::range::{self, Part};
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

/// What a client asked for: the path in its pieces, and the query as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The pieces between the slashes; a path that ends with a slash has an empty last one. Nothing is decoded but
    /// by [`Asked::decoded_from`]: most of our addresses need it not.
    pub path: Vec<String>,
    /// What follows the question mark.
    pub query: Option<String>,
}

impl Asked {
    pub(super) fn parse(url: &str) -> Option<Asked> {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (url, None),
        };
        let path = path.strip_prefix('/')?.split('/').map(str::to_owned).collect();
        Some(Asked { path, query })
    }

    /// The pieces from one on, decoded (RFC 3986) and joined again; none if that is not UTF-8.
    pub fn decoded_from(&self, piece: usize) -> Option<Vec<String>> {
        let decode = |piece: &String| {
            let decoded = percent_encoding::percent_decode_str(piece).decode_utf8();
            decoded.ok().map(|text| text.into_owned())
        };
        self.path.get(piece..)?.iter().map(decode).collect()
    }

    /// The value of a query's field, as it is written.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.query.as_deref()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What kind of text a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page.
    Html,
    /// Plain text.
    Text,
    /// Somebody else's bytes, whatever they are: to be saved, and never to be shown as a page of ours.
    Foreign,
}

/// A body.
pub enum Body {
    /// In memory.
    Text(String),
    /// Read as it is sent.
    Stream {
        /// Where from.
        reader: Box<dyn Read + Send>,
        /// How many bytes; the reader may have more.
        length: u64,
    },
    /// A part of a file, of which again a part may be asked for.
    File {
        /// The file.
        file: File,
        /// Where the part begins.
        offset: u64,
        /// How many bytes it has.
        length: u64,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Body::Stream { length, .. } => f.debug_struct("Stream").field("length", length).finish_non_exhaustive(),
            Body::File { length, .. } => f.debug_struct("File").field("length", length).finish_non_exhaustive(),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status of RFC 9110.
    pub status: u16,
    /// What kind of text.
    pub kind: Kind,
    /// The text.
    pub body: Body,
    extra: Vec<(&'static str, String)>,
}

/// Nothing is loaded from anywhere, nothing runs, nobody frames us.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Should a browser show it all the same, it does so in an origin of its own that can do nothing.
const FOREIGN_POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

impl Reply {
    /// A page.
    pub fn page(status: u16, html: String) -> Reply {
        Reply { status, kind: Kind::Html, body: Body::Text(html), extra: Vec::new() }
    }

    /// A short plain text.
    pub fn text(status: u16, text: &str) -> Reply {
        Reply { status, kind: Kind::Text, body: Body::Text(text.to_owned()), extra: Vec::new() }
    }

    /// A long plain text.
    pub fn stream(reader: Box<dyn Read + Send>, length: u64) -> Reply {
        Reply { status: 200, kind: Kind::Text, body: Body::Stream { reader, length }, extra: Vec::new() }
    }

    /// `length` bytes of a file from `offset` on, to be saved under this name; `tag` changes with the bytes.
    pub fn download(file: File, offset: u64, length: u64, name: &str, tag: &str) -> Reply {
        // RFC 6266: the plain form for old clients, the encoded one for names that are not plain.
        let plain: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-+ ".contains(c) { c } else { '_' }).collect();
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
        let body = Body::File { file, offset, length };
        Reply { status: 200, kind: Kind::Foreign, body, extra: Vec::new() }
            .with("Content-Disposition", &disposition)
            .with("Accept-Ranges", "bytes")
            .with("ETag", &format!("\"{tag}\""))
    }

    /// To what is meant at the moment, relative to the address that was asked for.
    pub fn found(to: &str) -> Reply {
        Reply::text(302, "").with("Location", to)
    }

    /// To another address, relative to the one that was asked for.
    pub fn moved(to: &str) -> Reply {
        Reply::text(301, "").with("Location", to)
    }

    /// The same with another header.
    pub fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.extra.push((name, value.to_owned()));
        self
    }

    /// Leaves of a file what `range`, the header, asks for, if it asks for anything that can be told.
    pub(super) fn cut(mut self, range: &str) -> Reply {
        let Body::File { offset, length, .. } = &mut self.body else { return self };
        let whole = *length;
        match range::asked(range, whole) {
            Part::Whole => self,
            Part::Bytes { first, last } => {
                (*offset, *length) = (*offset + first, last - first + 1);
                self.status = 206;
                self.with("Content-Range", &format!("bytes {first}-{last}/{whole}"))
            }
            Part::Beyond => {
                let text = "This file has no such part.\n";
                Reply::text(416, text).with("Content-Range", &format!("bytes */{whole}"))
            }
        }
    }

    /// The tag that was given by whoever made the reply.
    pub(super) fn tag(&self) -> Option<&str> {
        self.extra.iter().find(|(name, _)| *name == "ETag").map(|(_, tag)| tag.as_str())
    }

    /// A tag of the body, for a reload that may find nothing new. Weak hashes do: it guards bandwidth, nothing else.
    pub(super) fn etag(&self) -> Option<String> {
        match &self.body {
            Body::Text(text) if self.status == 200 => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                Some(format!("\"{:016x}\"", hasher.finish()))
            }
            Body::Text(_) | Body::Stream { .. } | Body::File { .. } => None,
        }
    }

    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let kind = match self.kind {
            Kind::Html => "text/html; charset=utf-8",
            Kind::Text => "text/plain; charset=utf-8",
            Kind::Foreign => "application/octet-stream",
        };
        let policy = match self.kind {
            Kind::Html | Kind::Text => POLICY,
            Kind::Foreign => FOREIGN_POLICY,
        };
        let mut headers: Vec<(&'static str, String)> = [
            ("Content-Type", kind),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-cache"),
            ("Server", "unitci"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        headers.extend(self.etag().map(|etag| ("ETag", etag)));
        headers.extend(self.extra.iter().cloned());
        headers
    }
}
