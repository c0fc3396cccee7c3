//! What is said of functions, word for word.

mod assumed;
mod graph;
mod names;
mod outside;
mod paths;
mod unknown;

use super::{Answer, Question};
use crate::options::{EntryPattern, FuncPattern, Options};

fn options() -> Options {
    Options {
        entries: vec![EntryPattern::exact("k", "fork")],
        reentrant: vec![EntryPattern::parse("k.b*").unwrap()],
        ..Options::default()
    }
}

/// A module in which function 0 is the entry and 1 an import that calls back.
fn module(fields: &str) -> String {
    format!(
        "(module (import \"k\" \"fork\" (func $fork)) (import \"k\" \"back\" (func $back)) {fields})"
    )
}

fn ask(wat: &str, function: &str, question: Question) -> Answer {
    ask_with(wat, function, question, &options())
}

#[track_caller]
fn ask_with(wat: &str, function: &str, question: Question, options: &Options) -> Answer {
    let pattern = FuncPattern(function.into());
    crate::explain(wat.as_bytes(), options, &pattern, question).unwrap()
}

/// The answer as text, without the offsets of the calls; those that the evidence names stay as `@`.
#[track_caller]
fn text(wat: &str, function: &str, question: Question) -> String {
    without_offsets(&ask(wat, function, question).to_string())
}

fn without_offsets(text: &str) -> String {
    let hide = |word: &str| match word.strip_prefix("0x") {
        Some(rest) => format!("@{}", rest.trim_start_matches(|c: char| c.is_ascii_hexdigit())),
        None => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(hide).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The lines after the first, for the path from a function of [`module`].
#[track_caller]
fn path(fields: &str, function: &str) -> String {
    let text = text(&module(fields), function, Question::Path);
    text.lines().skip(1).map(str::trim_start).collect::<Vec<_>>().join("\n")
}
