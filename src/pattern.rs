//! Patterns of names: `*` stands for any text, wherever it is. A backslash in front of a star or of
//! another backslash takes it for itself; elsewhere it is a character like others.

use std::fmt;

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The literal text before, between and after the stars.
    first: String,
    /// The literal text after each star.
    rest: Vec<String>,
}

impl Pattern {
    /// The pattern that matches this name alone.
    pub(crate) fn exact(name: impl Into<String>) -> Pattern {
        Pattern { first: name.into(), rest: Vec::new() }
    }

    pub(crate) fn parse(text: &str) -> Pattern {
        let mut pattern = Pattern::exact("");
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => pattern.rest.push(String::new()),
                '\\' => {
                    let literal = chars.next_if(|next| ['*', '\\'].contains(next));
                    pattern.last().push(literal.unwrap_or('\\'));
                }
                _ => pattern.last().push(c),
            }
        }
        pattern
    }

    fn last(&mut self) -> &mut String {
        self.rest.last_mut().unwrap_or(&mut self.first)
    }

    /// Whether it matches one name alone.
    pub(crate) fn is_exact(&self) -> bool {
        self.rest.is_empty()
    }

    /// What every name that it matches begins with.
    pub(crate) fn start(&self) -> &str {
        &self.first
    }

    /// Its literal text, as if it had no stars: to look for names like it.
    pub(crate) fn literal(&self) -> String {
        self.first.clone() + &self.rest.concat()
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return name == self.first };
        let Some(mut name) = name.strip_prefix(&self.first) else { return false };
        for part in middle {
            // The earliest place leaves most to what follows.
            let Some(place) = name.find(part.as_str()) else { return false };
            name = &name[place + part.len()..];
        }
        name.ends_with(last.as_str())
    }
}

/// As [`Pattern::parse`] reads it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let literal = |part: &str| part.replace('\\', "\\\\").replace('*', "\\*");
        write!(f, "{}", literal(&self.first))?;
        self.rest.iter().try_for_each(|part| write!(f, "*{}", literal(part)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let cases: [(&str, &[&str], &[&str]); 8] = [
            ("main", &["main"], &["", "mai", "main2", "xmain"]),
            ("*", &["", "a", "*"], &[]),
            ("a*", &["a", "ab"], &["", "ba"]),
            ("*a", &["a", "ba", "aa"], &["", "ab"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("a*bc*d", &["abcd", "axbcbcyd"], &["abd", "abcdx", "acbd"]),
            ("ab*ba", &["abba", "abxba"], &["aba"]),
            ("**a**", &["a", "xax"], &["", "x"]),
        ];
        for (pattern, matched, others) in cases {
            let pattern = Pattern::parse(pattern);
            for name in matched {
                assert!(pattern.matches(name), "{pattern} {name}");
            }
            for name in others {
                assert!(!pattern.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn a_backslash_takes_a_star_for_itself() {
        let pattern = Pattern::parse(r"operator\*(*");
        assert!(pattern.matches("operator*(int)") && !pattern.matches("operator->*(int)"));
        assert!(Pattern::parse(r"a\\*").matches(r"a\b"));
        assert!(Pattern::parse(r"a\xff\").matches(r"a\xff\"));
        assert!(Pattern::parse(r"\\\*").matches(r"\*"));
    }

    #[test]
    fn a_pattern_is_read_as_it_is_written() {
        for text in ["", "a", "*", "a**b*", r"\*", r"\\*", r"a\x", r"\\\*\\"] {
            let pattern = Pattern::parse(text);
            assert_eq!(Pattern::parse(&pattern.to_string()), pattern, "{text}");
        }
        let name = r"f(char*, \*)";
        let exact = Pattern::exact(name);
        assert!(exact.matches(name) && exact.is_exact());
        assert_eq!(Pattern::parse(&exact.to_string()), exact);
    }
}
