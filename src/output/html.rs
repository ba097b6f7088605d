//! Step output for the status page: colours as classes, everything else escaped and visible.

use super::line::{Line, LineEnd, Lines};
use super::style::palette;
use anstyle::{Effects, Style};
use maud::{Escaper, Markup, PreEscaped};
use std::fmt::Write;

/// When this much HTML has been made, in bytes, the rest comes without colours: a change of colour at every character
/// would make a page of sixty times the log.
const COLOURED: usize = 4 << 20;

/// The class of each effect. Foregrounds are `f0` to `f15`, backgrounds `b0` to `b15`, as terminals number them.
const CLASSES: [(Effects, &str); 6] = [
    (Effects::BOLD, "bold"),
    (Effects::DIMMED, "dim"),
    (Effects::ITALIC, "italic"),
    (Effects::UNDERLINE, "under"),
    (Effects::INVERT, "invert"),
    (Effects::STRIKETHROUGH, "strike"),
];

/// A piece of a log for the inside of a `<pre>`: at most 4 MiB and ten times the piece.
pub fn render(bytes: &[u8]) -> Markup {
    let mut html = String::with_capacity(bytes.len() + bytes.len() / 8);
    each_piece(bytes, &mut |line, end| {
        show(line, &mut html, COLOURED);
        if end == LineEnd::Newline {
            html.push('\n');
        }
    });
    PreEscaped(html)
}

/// The same line by line, for a page that numbers them; without their newlines.
pub fn render_lines(bytes: &[u8]) -> Vec<Markup> {
    let mut lines = Vec::new();
    let (mut html, mut made) = (String::new(), 0);
    each_piece(bytes, &mut |line, end| {
        show(line, &mut html, COLOURED.saturating_sub(made));
        if end == LineEnd::Newline {
            made += html.len();
            lines.push(PreEscaped(std::mem::take(&mut html)));
        }
    });
    if !html.is_empty() {
        lines.push(PreEscaped(html));
    }
    lines
}

fn each_piece(bytes: &[u8], hand: &mut dyn FnMut(&Line, LineEnd)) {
    let mut lines = Lines::new();
    lines.push(bytes, hand);
    lines.end(hand);
}

fn show(line: &Line, html: &mut String, coloured: usize) {
    for (style, text) in line.runs() {
        let classes = if html.len() < coloured { classes(style) } else { String::new() };
        if classes.is_empty() {
            escape(text, html);
        } else {
            html.push_str("<span class=\"");
            html.push_str(&classes);
            html.push_str("\">");
            escape(text, html);
            html.push_str("</span>");
        }
    }
}

fn escape(text: &str, html: &mut String) {
    Escaper::new(html).write_str(text).expect("a String takes everything");
}

fn classes(style: Style) -> String {
    let (front, back) = (style.get_fg_color().map(palette), style.get_bg_color().map(palette));
    // Text in the colour of its background is shown without one: nothing on the page is hidden.
    let back = back.filter(|_| front != back);
    let effects = style.get_effects();
    CLASSES
        .iter()
        .filter(|(effect, _)| effects.contains(*effect))
        .map(|(_, class)| (*class).to_owned())
        .chain(front.map(|n| format!("f{n}")))
        .chain(back.map(|n| format!("b{n}")))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_classes_and_the_rest_is_escaped() {
        for (input, html) in [
            (&b"a < b && \"c\"\n"[..], "a &lt; b &amp;&amp; &quot;c&quot;\n"),
            (b"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            (b"\x1b[1;31mred\x1b[0m.", "<span class=\"bold f1\">red</span>."),
            (b"\x1b[31mred\nstill\x1b[m\n", "<span class=\"f1\">red</span>\n<span class=\"f1\">still</span>\n"),
            (b"\x1b[97;44mx", "<span class=\"f15 b4\">x</span>"),
            (b"\x1b[30;40mhidden", "<span class=\"f0\">hidden</span>"),
            (b"\x1b[38;2;255;0;0mx", "<span class=\"f9\">x</span>"),
            (b"\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07", "click"),
            (b"\x1b[31m\"onclick=\x1b[m", "<span class=\"f1\">&quot;onclick=</span>"),
            (b"\xff\0", "\u{fffd}\u{2400}"),
            ("a\u{202e}b".as_bytes(), "a&lt;U+202E&gt;b"),
            (b"10%\r20%\r30%\n", "30%\n"),
        ] {
            assert_eq!(render(input).into_string(), html, "{:?}", input.escape_ascii().to_string());
        }
    }

    #[test]
    fn lines() {
        let lines = |text: &[u8]| render_lines(text).into_iter().map(PreEscaped::into_string).collect::<Vec<_>>();
        assert_eq!(lines(b"a\n\n<b>"), ["a", "", "&lt;b&gt;"]);
        assert_eq!(lines(b"a\n"), ["a"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_page_of_colour_changes_is_bounded() {
        let hostile: Vec<u8> = (0..500_000).flat_map(|i| format!("\x1b[3{}m&", i % 8).into_bytes()).collect();
        let html = render(&hostile).into_string();
        assert!(html.len() < COLOURED + 10 * hostile.len() && html.len() > COLOURED, "{}", html.len());
        assert!(html.ends_with("&amp;&amp;&amp;"));
    }
}
