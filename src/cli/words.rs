//! Command lines in text: a response file, or a variable of the environment.

use std::iter::Peekable;
use std::str::Chars;

/// Whether a backslash takes what follows it as it is; where paths have them, only a quote.
const ESCAPES_ANYTHING: bool = !cfg!(windows);

/// The words of a text, as compilers and linkers read response files: between white space; single or double quotes hold a word
/// together, and a backslash takes the next character as it is.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(word) = next(&mut chars) {
        words.push(word);
    }
    words
}

fn next(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
    chars.peek()?;
    let (mut word, mut quote) = (String::new(), None);
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => break,
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) if escapes(chars.peek().copied()) => word.extend(chars.next()),
            _ => word.push(c),
        }
    }
    Some(word)
}

fn escapes(next: Option<char>) -> bool {
    next.is_some_and(|next| ESCAPES_ANYTHING || next == '"')
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_linkers_do() {
        assert_eq!(split("  -o out.wasm\n--entry=_start\t"), ["-o", "out.wasm", "--entry=_start"]);
        assert_eq!(split(r#"-o "a b.wasm" 'c "d"' e'f 'g"#), ["-o", "a b.wasm", "c \"d\"", "ef g"]);
        assert_eq!(split(r#""" ''"#), ["", ""]);
        assert_eq!(split(" \n"), [""; 0]);
        assert_eq!(split(r#""a\"b""#), ["a\"b"]);
        if cfg!(windows) {
            assert_eq!(split(r"C:\temp\a.o"), [r"C:\temp\a.o"]);
        } else {
            assert_eq!(split(r"a\ b.o '\x'"), ["a b.o", r"\x"]);
        }
    }
}
