//! One configuration file, read whole; and places in it.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest configuration file, in bytes.
pub(super) const FILE_MAX: u64 = 256 * 1024;

/// A file's text, valid UTF-8.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// As it was named by whoever asked for it.
    pub(super) path: PathBuf,
    /// Empty if it could not be read.
    pub(super) text: String,
}

/// Why a file cannot be taken as text.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ReadFault {
    #[error("there is no such file")]
    Absent,
    #[error("this is no regular file")]
    NotRegular,
    #[error("the file has more than {FILE_MAX} bytes, which is no configuration")]
    TooLarge,
    #[error("line {line} is not UTF-8 text")]
    NotUtf8 { line: usize },
    #[error("cannot be read: {0}")]
    Io(Arc<io::Error>),
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { ReadFault::Absent } else { ReadFault::Io(Arc::new(error)) }
    }
}

impl ConfigFile {
    /// Reads a regular file, or what a symbolic link to one leads to.
    pub(super) fn read(path: &Path) -> Result<ConfigFile, ReadFault> {
        // Asked before opening: to open a FIFO would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(ReadFault::NotRegular);
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
        ConfigFile::from_bytes(path, bytes)
    }

    /// The same checks on content that is already in memory.
    pub(super) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<ConfigFile, ReadFault> {
        if bytes.len() as u64 > FILE_MAX {
            return Err(ReadFault::TooLarge);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(ConfigFile { path: path.to_owned(), text }),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                Err(ReadFault::NotUtf8 { line: 1 + valid.iter().filter(|byte| **byte == b'\n').count() })
            }
        }
    }

    /// Stands for a file whose text is not to be had.
    pub(super) fn without_text(path: &Path) -> ConfigFile {
        ConfigFile { path: path.to_owned(), text: String::new() }
    }
}

/// A range of bytes in a file.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) file: Arc<ConfigFile>,
    pub(super) span: Range<usize>,
}

/// The line that a spot begins in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// Without its line end; passwords in addresses are masked, byte for byte.
    pub(super) text: String,
    /// The spot within the line, in bytes, on character boundaries.
    pub(super) span: Range<usize>,
}

impl Spot {
    /// The beginning of a file.
    pub(super) fn start(file: &Arc<ConfigFile>) -> Spot {
        Spot { file: file.clone(), span: 0..0 }
    }

    /// Where it is for people.
    pub(super) fn excerpt(&self) -> Excerpt {
        let text = &self.file.text;
        let start = char_boundary(text, self.span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].split('\n').next().unwrap_or("");
        let line = line.strip_suffix('\r').unwrap_or(line);
        let from = (start - line_start).min(line.len());
        let to = char_boundary(line, self.span.end.saturating_sub(line_start)).max(from);
        Excerpt {
            line: 1 + text[..line_start].matches('\n').count(),
            column: 1 + line[..from].chars().count(),
            text: masked(line),
            span: from..to,
        }
    }
}

/// The last place at or before `index` where a character begins or the text ends.
fn char_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Overwrites what stands between `://user:` and `@` with stars, so that an error message does not tell it.
fn masked(line: &str) -> String {
    let mut masked = line.to_owned();
    for (scheme, _) in line.match_indices("://") {
        let from = scheme + "://".len();
        let length = line[from..].find(|c: char| c.is_whitespace() || "\"'".contains(c)).unwrap_or(line.len() - from);
        let authority = &line[from..from + length];
        if let (Some(colon), Some(at)) = (authority.find(':'), authority.rfind('@'))
            && colon < at
        {
            masked.replace_range(from + colon + 1..from + at, &"*".repeat(at - colon - 1));
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, span: Range<usize>) -> Excerpt {
        let file = ConfigFile { path: "x.toml".into(), text: text.to_owned() };
        Spot { file: Arc::new(file), span }.excerpt()
    }

    #[test]
    fn a_spot_is_shown_with_its_line() {
        for (text, span, line, column, shown, within) in [
            ("a = 1\nb = 2\n", 6..7, 2, 1, "b = 2", 0..1),
            ("a = 1\r\nb = 2\r\n", 11..12, 2, 5, "b = 2", 4..5),
            ("ż = 1", 5..6, 1, 5, "ż = 1", 5..6),
            ("ż = 1", 1..1, 1, 1, "ż = 1", 0..0),
            ("a = '''\nb\n'''", 4..13, 1, 5, "a = '''", 4..7),
            ("a = 1\n", 6..6, 2, 1, "", 0..0),
            ("", 0..0, 1, 1, "", 0..0),
            ("a", 90..99, 1, 2, "a", 1..1),
        ] {
            let want = Excerpt { line, column, text: shown.to_owned(), span: within };
            assert_eq!(excerpt(text, span.clone()), want, "{text:?} {span:?}");
        }
    }

    #[test]
    fn passwords_are_not_told() {
        for (line, shown) in [
            ("url = \"https://me:s3cret@host/x\"", "url = \"https://me:******@host/x\""),
            ("url = 'https://me:a:b@c@host/x", "url = 'https://me:*****@host/x"),
            ("a='http://u:p@h', b='http://u:p@h'", "a='http://u:*@h', b='http://u:*@h'"),
            ("url = \"https://host:8080/x\"", "url = \"https://host:8080/x\""),
            ("url = \"ssh://git@host:22/x\"", "url = \"ssh://git@host:22/x\""),
        ] {
            assert_eq!(masked(line), shown);
            assert_eq!(line.len(), shown.len());
        }
    }

    #[test]
    fn only_text_of_reasonable_length() {
        let read = |bytes: Vec<u8>| ConfigFile::from_bytes(Path::new("x"), bytes);
        assert_eq!(read(b"a = 1".to_vec()).unwrap().text, "a = 1");
        for (bytes, says) in [
            (vec![b'#'; FILE_MAX as usize + 1], "more than 262144 bytes"),
            (b"a\nb\n\xff\n".to_vec(), "line 3 is not UTF-8 text"),
        ] {
            assert!(read(bytes).unwrap_err().to_string().contains(says), "{says}");
        }
    }
}
