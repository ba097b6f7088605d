//! Select Graphic Rendition (ECMA-48, 8.3.117): what an escape sequence does to the look of the text after it.
//!
//! Left out on purpose: blinking, and hidden text, which serves only to deceive a reader.

use anstyle::{Ansi256Color, Color, Effects, RgbColor, Style};
use vte::Params;

/// Each look with the parameter that begins it and the one that ends it.
const EFFECTS: [(u16, u16, Effects); 6] = [
    (1, 22, Effects::BOLD),
    (2, 22, Effects::DIMMED),
    (3, 23, Effects::ITALIC),
    (4, 24, Effects::UNDERLINE),
    (7, 27, Effects::INVERT),
    (9, 29, Effects::STRIKETHROUGH),
];

/// The style after `CSI params m` in `style`. What is unknown changes nothing.
pub(super) fn select(style: Style, params: &Params) -> Style {
    let mut style = style;
    let mut params = params.iter();
    while let Some(param) = params.next() {
        let code = param.first().copied().unwrap_or(0);
        let colour = |base: u16, first: u8| Some(indexed(first + (code - base) as u8));
        style = match code {
            0 => Style::new(),
            30..=37 => style.fg_color(colour(30, 0)),
            40..=47 => style.bg_color(colour(40, 0)),
            90..=97 => style.fg_color(colour(90, 8)),
            100..=107 => style.bg_color(colour(100, 8)),
            38 => style.fg_color(extended(&param[1..], &mut params).or(style.get_fg_color())),
            48 => style.bg_color(extended(&param[1..], &mut params).or(style.get_bg_color())),
            39 => style.fg_color(None),
            49 => style.bg_color(None),
            _ => effects(style, code, param.get(1).copied()),
        };
    }
    style
}

fn effects(style: Style, code: u16, sub: Option<u16>) -> Style {
    let effects = EFFECTS.iter().fold(style.get_effects(), |effects, &(on, off, effect)| {
        // `4:0` is "no underline", `4:3` a curly one, shown straight.
        if code == off || (code == on && sub == Some(0)) {
            effects.remove(effect)
        } else if code == on {
            effects.insert(effect)
        } else {
            effects
        }
    });
    style.effects(effects)
}

/// `38;5;N` and `38;2;R;G;B`, and the same with colons, which ISO 8613-6 wants (there with a colour space before R).
fn extended<'a>(subs: &[u16], params: &mut impl Iterator<Item = &'a [u16]>) -> Option<Color> {
    let byte = |n: u16| u8::try_from(n).ok();
    match subs {
        [] => {
            let mut next = || params.next()?.first().copied();
            match next()? {
                5 => Some(indexed(byte(next()?)?)),
                2 => Some(rgb(byte(next()?)?, byte(next()?)?, byte(next()?)?)),
                _ => None,
            }
        }
        [5, n] => Some(indexed(byte(*n)?)),
        [2, r, g, b] | [2, _, r, g, b, ..] => Some(rgb(byte(*r)?, byte(*g)?, byte(*b)?)),
        _ => None,
    }
}

fn indexed(n: u8) -> Color {
    let indexed = Ansi256Color(n);
    indexed.into_ansi().map_or(Color::Ansi256(indexed), Color::Ansi)
}

fn rgb(r: u8, g: u8, b: u8) -> Color {
    Color::Rgb(RgbColor(r, g, b))
}

/// The one of the 16 colours of a terminal, 0 to 15, that a colour is most like: a page's style sheet has no more.
pub(super) fn palette(colour: Color) -> u8 {
    let (r, g, b) = match colour {
        Color::Ansi(ansi) => return Ansi256Color::from_ansi(ansi).index(),
        Color::Rgb(RgbColor(r, g, b)) => (r, g, b),
        Color::Ansi256(Ansi256Color(n)) => match n {
            0..=15 => return n,
            // xterm's colour cube, and its ramp of greys.
            16..=231 => {
                let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
                (level((n - 16) / 36), level((n - 16) / 6 % 6), level((n - 16) % 6))
            }
            232..=255 => [8 + 10 * (n - 232); 3].into(),
        },
    };
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most - least < 40 {
        return match most {
            0..=63 => 0,
            64..=159 => 8,
            160..=223 => 7,
            224..=255 => 15,
        };
    }
    let middle = least + (most - least) / 2;
    let hue = u8::from(r > middle) | u8::from(g > middle) << 1 | u8::from(b > middle) << 2;
    hue + if most > 191 { 8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::AnsiColor;

    struct Styled(Style);
    impl vte::Perform for Styled {
        fn csi_dispatch(&mut self, params: &Params, _: &[u8], _: bool, _: char) {
            self.0 = select(self.0, params);
        }
    }

    fn after(sequences: &str) -> Style {
        let mut styled = Styled(Style::new());
        vte::Parser::new().advance(&mut styled, sequences.as_bytes());
        styled.0
    }

    #[test]
    fn sequences() {
        let plain = Style::new();
        let red = AnsiColor::Red.on_default();
        for (sequences, expected) in [
            ("\x1b[31m", red),
            ("\x1b[1;31m", red.bold()),
            ("\x1b[1;31m\x1b[22m", red),
            ("\x1b[1;31m\x1b[m", plain),
            ("\x1b[31;42m\x1b[39m", plain.bg_color(Some(AnsiColor::Green.into()))),
            ("\x1b[91m", AnsiColor::BrightRed.on_default()),
            ("\x1b[38;5;1m", red),
            ("\x1b[38;5;208m", Ansi256Color(208).on_default()),
            ("\x1b[38:5:208m", Ansi256Color(208).on_default()),
            ("\x1b[38;2;1;2;3m", RgbColor(1, 2, 3).on_default()),
            ("\x1b[38:2::1:2:3m", RgbColor(1, 2, 3).on_default()),
            ("\x1b[31m\x1b[38;5;999m", red),
            ("\x1b[31m\x1b[38m", red),
            ("\x1b[5;8;99m", plain),
            ("\x1b[4:3m", plain.underline()),
            ("\x1b[4:3m\x1b[4:0m", plain),
        ] {
            assert_eq!(after(sequences), expected, "{sequences:?}");
        }
    }

    #[test]
    fn any_colour_is_like_one_of_sixteen() {
        for (colour, expected) in [
            (Color::Ansi(AnsiColor::BrightCyan), 14),
            (Color::Ansi256(Ansi256Color(196)), 9),
            (Color::Ansi256(Ansi256Color(22)), 2),
            (Color::Ansi256(Ansi256Color(255)), 15),
            (Color::Ansi256(Ansi256Color(232)), 0),
            (rgb(250, 250, 10), 11),
            (rgb(0, 0, 128), 4),
        ] {
            assert_eq!(palette(colour), expected, "{colour:?}");
        }
        assert!((0..=255).all(|n| palette(Color::Ansi256(Ansi256Color(n))) < 16));
    }
}
