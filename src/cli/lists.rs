//! Lists as wasm-opt takes them for a pass: `NAME,NAME…`, or `@FILE` with the same or one a line.

use super::failure::Result;
use super::files;
use std::path::Path;

/// The names in a list. A comma inside brackets is part of a name, as in `f(int, char)`; `\28` stands for the character with this
/// hexadecimal number, as Binaryen and Emscripten write it. A list of several lines has a name on each.
///
/// # Errors
/// If the file can't be read.
pub(super) fn items(list: &str) -> Result<Vec<String>> {
    let of_file = match list.strip_prefix('@') {
        Some(path) => Some(files::read_text(Path::new(path))?.1),
        None => None,
    };
    Ok(names(of_file.as_deref().unwrap_or(list)))
}

fn names(list: &str) -> Vec<String> {
    let list = list.trim();
    let separator = if list.contains('\n') { '\n' } else { ',' };
    split(list, separator).iter().map(|item| unescaped(item)).collect()
}

fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '<' | '[' | '{' => depth += 1,
            ')' | '>' | ']' | '}' => depth -= 1,
            _ if c == separator && (depth <= 0 || c == '\n') => {
                items.push(&text[start..at]);
                (start, depth) = (at + 1, 0);
            }
            _ => {}
        }
    }
    items.push(&text[start..]);
    items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// With two hexadecimal digits behind a backslash replaced by what they stand for.
fn unescaped(item: &str) -> String {
    let mut parts = item.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            // A star in a name is none that stands for any text.
            Some(b'*') => text.extend(["\\*", &part[2..]]),
            Some(code) if code.is_ascii() => {
                text.push(code.into());
                text.push_str(&part[2..]);
            }
            _ => text.extend(["\\", part]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_a_name_together() {
        let items = items("main,f(int, char),std::map<int, int>::g(), ,h").unwrap();
        assert_eq!(items, ["main", "f(int, char)", "std::map<int, int>::g()", "h"]);
    }

    #[test]
    fn lists_have_a_name_on_each_line_if_there_are_several() {
        assert_eq!(names("a,f(int, char)\n"), ["a", "f(int, char)"]);
        assert_eq!(names("a\r\nf(int, char)\n\nb\n"), ["a", "f(int, char)", "b"]);
        assert_eq!(names("a,b\nc"), ["a,b", "c"]);
    }

    #[test]
    fn characters_may_be_written_by_their_numbers() {
        assert_eq!(unescaped("f\\28int\\2c\\20char\\29"), "f(int, char)");
        assert_eq!(unescaped("a\\2ab\\*c\\zz"), "a\\*b\\*c\\zz");
    }
}
