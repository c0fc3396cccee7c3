//! Words for people: names shown safely, plurals.
//!
//! A name in a module is arbitrary text, and so is what a custom section or a profile holds. Shown as it
//! stands it could break a list, steer a terminal, or look like another name. Whatever prints one prints it
//! through [`escape`]; data for programs (JSON) holds the text itself.

use std::borrow::Cow;
use std::fmt;
use wasmparser::{FuncType, ValType};

/// The text on one plain line: what is no visible character, or changes how others are shown, is
/// written as its escape.
///
/// ```
/// use wasm_fork::text::escape;
/// assert_eq!(escape("main"), "main");
/// assert_eq!(escape("a\nb\u{1b}[31m\u{202e}"), r"a\nb\u{1b}[31m\u{202e}");
/// ```
///
/// Nothing else is touched, backslashes neither: to escape twice is to escape once.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_hidden(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Text of which some bytes are not UTF-8: these are written as `\xff`.
pub fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        shown += chunk.valid();
        chunk.invalid().iter().for_each(|byte| shown += &format!("\\x{byte:02x}"));
    }
    Cow::Owned(shown)
}

/// Whether a character is not seen for what it is: a control character, a line break, white space
/// other than a blank, or any of [`INVISIBLE`].
fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let invisible = || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&c));
    c.is_control() || c.is_whitespace() || invisible()
}

/// Unicode's `Default_Ignorable_Code_Point` and `Bidi_Control`, and what else is drawn as nothing:
/// characters without a shape, or that only change the order or form of others.
const INVISIBLE: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

/// `12 (main)`, or `12` where there is no name.
pub(crate) struct Named<'a>(pub(crate) u32, pub(crate) Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(name) => write!(f, "{} ({})", self.0, escape(name)),
            None => write!(f, "{}", self.0),
        }
    }
}

/// `(i32, i64) -> i32`.
pub(crate) fn signature(ty: &FuncType) -> String {
    signature_with(ty, |ty| ty.to_string())
}

/// The same, where `name` is what a type is called.
pub(crate) fn signature_with(ty: &FuncType, name: impl Fn(ValType) -> String) -> String {
    let list = |types: &[ValType]| types.iter().map(|ty| name(*ty)).collect::<Vec<_>>().join(", ");
    match ty.results() {
        [result] => format!("({}) -> {}", list(ty.params()), name(*result)),
        results => format!("({}) -> ({})", list(ty.params()), list(results)),
    }
}

/// `1 site`, `2 sites`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", agree(number, "", "s"))
}

/// `one` where one thing is meant, else `many`.
pub(crate) fn agree<'a>(number: usize, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_seen_is_escaped() {
        let hidden = "\0\t\r\n\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{2028}\u{202e}\
            \u{2066}\u{2069}\u{3000}\u{3164}\u{fe0f}\u{feff}\u{e0041}\u{f0000}";
        for c in hidden.chars() {
            let shown = escape(&format!("a{c}b")).into_owned();
            assert_eq!(shown, format!("a{}b", c.escape_default()));
            assert!(shown.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{shown}");
            assert_eq!(escape(&shown), shown);
        }
    }

    #[test]
    fn what_can_be_seen_stays() {
        for text in
            ["", "main", "operator new[](unsigned long)", r"a\nb", "größe", "имя", "名前 🦀"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown() {
        assert_eq!(from_bytes(b"a\xffb\xc3\x28\xe2\x80"), r"a\xffb\xc3(\xe2\x80");
        assert_eq!(from_bytes("größe".as_bytes()), "größe");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "site")), ["0 sites", "1 site", "2 sites"]);
    }
}
