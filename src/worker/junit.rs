//! One JUnit report: cases out of XML that anybody may have written. Nothing is expanded, nothing is loaded, and what is
//! deeper or longer than any report is refused.
//!
//! There is no standard; read is what Ant, Maven's Surefire, Gradle, pytest, gtest, jest and nextest write: `testcase`
//! anywhere below a root `testsuites` or `testsuite`, with `failure`, `error`, `skipped` below it, and Surefire's
//! `flakyFailure` and `flakyError` where a rerun passed.

use crate::model::report::{TestMessage, TestName};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::io::BufRead;

/// Deepest element.
const DEPTH_MAX: usize = 64;
/// Most that is kept of a message while it is read, in bytes.
const TEXT_MAX: usize = 16 * 1024;
/// The longest time a case can say that it took: a year.
const MILLIS_MAX: f64 = 3.2e10;

/// What a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Passed,
    /// After it had failed.
    Flaky,
    Failed,
    Errored,
    Skipped,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: TestName,
    pub(super) came: Came,
    pub(super) millis: u64,
    pub(super) message: TestMessage,
}

/// Why a file is no report.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("is not well-formed XML: {0}")]
    Xml(#[from] quick_xml::Error),
    #[error("ends in the middle")]
    Early,
    #[error("has a DOCTYPE, as no report needs")]
    Doctype,
    #[error("is nested deeper than {DEPTH_MAX}")]
    Deep,
    #[error("is no JUnit report: its root is neither testsuites nor testsuite")]
    Root,
    /// The reader has had enough.
    #[error("{0}")]
    Enough(&'static str),
}

/// A case while it is read.
#[derive(Default)]
struct Open {
    name: Option<TestName>,
    came: Option<Came>,
    millis: u64,
    text: String,
}

/// What the text that comes belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    Nothing,
    /// The message of a case, up to the end of the element at this depth.
    Message(usize),
}

/// Reads a report and hands out its cases; one without a name is called after its place.
pub(super) fn cases(
    input: impl BufRead,
    take: &mut dyn FnMut(Case) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut reader = Reader::from_reader(input);
    let (mut buffer, mut depth, mut seen) = (Vec::new(), 0, 0);
    let mut open: Option<(usize, Open)> = None;
    let mut taking = Taking::Nothing;
    let mut rooted = false;
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer)?;
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Unreadable::Deep);
                }
                begin(&element, depth, &mut rooted, &mut open, &mut taking)?;
            }
            Event::Empty(element) => {
                begin(&element, depth + 1, &mut rooted, &mut open, &mut taking)?;
                end(depth + 1, &mut open, &mut taking, &mut seen, take)?;
            }
            Event::End(_) => {
                end(depth, &mut open, &mut taking, &mut seen, take)?;
                depth = depth.saturating_sub(1);
            }
            Event::Text(text) => say(&mut open, taking, &text.xml10_content()),
            Event::CData(text) => say(&mut open, taking, &text.xml10_content()),
            // `&lt;` and `&#10;`; others would have to be declared, and no report declares any.
            Event::GeneralRef(entity) => match entity.resolve_char_ref()? {
                Some(c) => say(&mut open, taking, c.encode_utf8(&mut [0; 4])),
                None => {
                    let name = entity.xml10_content();
                    say(&mut open, taking, quick_xml::escape::resolve_predefined_entity(&name).unwrap_or("?"));
                }
            },
            Event::DocType(_) => return Err(Unreadable::Doctype),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if depth == 0 && rooted => return Ok(()),
            Event::Eof if rooted => return Err(Unreadable::Early),
            Event::Eof => return Err(Unreadable::Root),
        }
    }
}

fn begin(
    element: &BytesStart<'_>,
    depth: usize,
    rooted: &mut bool,
    open: &mut Option<(usize, Open)>,
    taking: &mut Taking,
) -> Result<(), Unreadable> {
    let name = element.local_name();
    let name: &str = name.as_ref();
    if !*rooted {
        if !matches!(name, "testsuites" | "testsuite") {
            return Err(Unreadable::Root);
        }
        *rooted = true;
        return Ok(());
    }
    let Some((at, case)) = open else {
        if name == "testcase" {
            let case = Open {
                name: TestName::of(&attribute(element, "classname"), &attribute(element, "name")),
                millis: millis(&attribute(element, "time")),
                ..Open::default()
            };
            *open = Some((depth, case));
        }
        return Ok(());
    };
    if depth != *at + 1 {
        return Ok(());
    }
    let came = match name {
        "failure" => Came::Failed,
        "error" => Came::Errored,
        "skipped" => Came::Skipped,
        "flakyFailure" | "flakyError" => Came::Flaky,
        _ => return Ok(()),
    };
    // The first failure or error counts; it outweighs what says that the test was tried again or passed over.
    let outweighs = match (case.came, came) {
        (None, _) | (Some(Came::Flaky | Came::Skipped | Came::Passed), Came::Failed | Came::Errored) => true,
        (Some(_), _) => false,
    };
    if outweighs {
        case.came = Some(came);
        case.text = attribute(element, "message");
        case.text.truncate(case.text.floor_char_boundary(TEXT_MAX));
        *taking = if came == Came::Skipped { Taking::Nothing } else { Taking::Message(depth) };
        if !case.text.is_empty() {
            case.text.push('\n');
        }
    }
    Ok(())
}

fn end(
    depth: usize,
    open: &mut Option<(usize, Open)>,
    taking: &mut Taking,
    seen: &mut u64,
    take: &mut dyn FnMut(Case) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    if *taking == Taking::Message(depth) {
        *taking = Taking::Nothing;
    }
    if let Some((at, case)) = open.take_if(|(at, _)| *at == depth) {
        debug_assert_eq!(at, depth);
        *seen += 1;
        let place = || TestName::of("", &format!("case {seen} without a name"));
        let Some(name) = case.name.or_else(place) else { return Ok(()) };
        let came = case.came.unwrap_or(Came::Passed);
        take(Case { name, came, millis: case.millis, message: TestMessage::cut(&without_repeat(&case.text)) })?;
    }
    Ok(())
}

/// Many tools write the message as an attribute and again as the beginning of the text.
fn without_repeat(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) if !first.is_empty() && rest.trim_start().starts_with(first) => rest.to_owned(),
        Some(_) | None => text.to_owned(),
    }
}

fn say(open: &mut Option<(usize, Open)>, taking: Taking, text: &str) {
    if let (Some((_, case)), Taking::Message(_)) = (open, taking) {
        let room = TEXT_MAX.saturating_sub(case.text.len());
        case.text.push_str(&text[..text.floor_char_boundary(room)]);
    }
}

/// An attribute's value; empty when it is not there, or cannot be read.
fn attribute(element: &BytesStart<'_>, wanted: &str) -> String {
    let mut attributes = element.attributes();
    // The check for doubles would take time with the square of their number.
    let attributes = attributes.with_checks(false);
    for attribute in attributes.flatten() {
        let key: &str = attribute.key.as_ref();
        if key == wanted {
            return match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) => value.into_owned(),
                Err(_) => String::from(&*attribute.value),
            };
        }
    }
    String::new()
}

/// Seconds, with a point and perhaps commas between the thousands, as Surefire writes them.
fn millis(time: &str) -> u64 {
    let seconds: f64 = time.trim().replace(',', "").parse().unwrap_or(0.0);
    let millis = seconds * 1000.0;
    if millis.is_finite() { millis.clamp(0.0, MILLIS_MAX).round() as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Came, u64, String)>, Unreadable> {
        let mut all = Vec::new();
        cases(text.as_bytes(), &mut |case| {
            all.push((case.name.to_string(), case.came, case.millis, case.message.as_str().to_owned()));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn what_tools_write_is_understood() {
        use Came::{Errored, Failed, Flaky, Passed, Skipped};
        let suite = |inner: &str| format!("<?xml version=\"1.0\"?><testsuite tests=\"99\">{inner}</testsuite>");
        let table: [(String, &[(&str, Came, u64, &str)]); 12] = [
            (suite(""), &[]),
            (suite(r#"<testcase classname="a.B" name="c" time="0.25"/>"#), &[("a.B::c", Passed, 250, "")]),
            (
                suite(r#"<testcase name="c"><failure message="1 != 2">1 != 2&#10;at &lt;x&gt;</failure></testcase>"#),
                &[("c", Failed, 0, "1 != 2\nat <x>")],
            ),
            (
                suite(r#"<testcase name="c"><error message="boom"><![CDATA[at <y>]]></error></testcase>"#),
                &[("c", Errored, 0, "boom\nat <y>")],
            ),
            (suite(r#"<testcase name="c" time="1,234.5"><skipped/></testcase>"#), &[("c", Skipped, 1_234_500, "")]),
            (
                suite(r#"<testcase name="c"><flakyFailure message="once">x</flakyFailure></testcase>"#),
                &[("c", Flaky, 0, "once\nx")],
            ),
            (
                suite(r#"<testcase name="c"><failure>1</failure><rerunFailure>2</rerunFailure></testcase>"#),
                &[("c", Failed, 0, "1")],
            ),
            (
                suite(r#"<testcase name="c"><skipped/><failure>f</failure><error>e</error></testcase>"#),
                &[("c", Failed, 0, "f")],
            ),
            (
                suite(r#"<testcase name="c"><system-out>noise<failure>no</failure></system-out></testcase>"#),
                &[("c", Passed, 0, "")],
            ),
            (
                "<testsuites><testsuite><testsuite><testcase name=\"deep\"/></testsuite></testsuite></testsuites>"
                    .into(),
                &[("deep", Passed, 0, "")],
            ),
            (
                suite("<testcase/><testcase time=\"x\"/>"),
                &[("case 1 without a name", Passed, 0, ""), ("case 2 without a name", Passed, 0, "")],
            ),
            (
                "<j:testsuite xmlns:j=\"u\"><j:testcase name=\"&unknown;\" time=\"-5\"/></j:testsuite>".into(),
                &[("&unknown;", Passed, 0, "")],
            ),
        ];
        for (text, expected) in table {
            let got = read(&text).unwrap();
            let got: Vec<(&str, Came, u64, &str)> =
                got.iter().map(|(name, came, millis, said)| (name.as_str(), *came, *millis, said.as_str())).collect();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_report_is_refused_in_words() {
        let deep = format!("<testsuite>{}", "<a>".repeat(100));
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>"#;
        for (text, says) in [
            ("", "no JUnit report"),
            ("hello", "no JUnit report"),
            ("<html><testcase/></html>", "no JUnit report"),
            ("<testsuite><testcase name=\"x\">", "ends in the middle"),
            ("<testsuite></testcase>", "not well-formed"),
            ("<testsuite><", "not well-formed"),
            (&deep, "nested deeper than 64"),
            (bomb, "DOCTYPE"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        assert!(cases(&b"<testsuite name=\"\xff\xfe\"/>"[..], &mut |_| Ok(())).is_err());
    }

    #[test]
    fn long_texts_are_cut_while_they_are_read() {
        let noise = "x".repeat(5 << 20);
        let text = format!(
            "<testsuite><testcase name=\"{noise}\"><failure message=\"{noise}\">{noise}</failure></testcase></testsuite>"
        );
        let [(name, Came::Failed, 0, said)] = &read(&text).unwrap()[..] else { panic!() };
        assert!(name.len() <= 400 && said.len() <= 4000);
    }
}
