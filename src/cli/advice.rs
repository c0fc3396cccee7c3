//! What holds a closure up, with the flags that take it away.

use serde::Serialize;
use wasm_fork::Assumption;
use wasm_fork::report::advice::{Advice, AdviceItem, Extent, Remedy};
use wasm_fork::text::escape;

/// The advice as text.
pub(super) fn text(advice: &Advice) -> String {
    advice.text(|item| match Flag::of(item) {
        Flag { pass: Some(flag), .. } => format!(" [{flag}]"),
        Flag { leave_out: Some(flag), .. } => format!(" [leave out {}]", escape(&flag)),
        Flag { pass: None, leave_out: None } => String::new(),
    })
}

/// The same as data.
pub(super) fn data(advice: &Advice) -> impl Serialize {
    #[derive(Serialize)]
    struct WithFlags<'a> {
        closure: &'a Extent,
        items: Vec<WithFlag<'a>>,
    }
    #[derive(Serialize)]
    struct WithFlag<'a> {
        #[serde(flatten)]
        item: &'a AdviceItem,
        #[serde(flatten)]
        flag: Flag,
    }
    let with_flag = |item| WithFlag { item, flag: Flag::of(item) };
    WithFlags { closure: &advice.closure, items: advice.items.iter().map(with_flag).collect() }
}

/// A flag with its value.
#[derive(Serialize)]
struct Flag {
    /// To pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<String>,
    /// To leave out.
    #[serde(skip_serializing_if = "Option::is_none")]
    leave_out: Option<String>,
}

impl Flag {
    fn of(item: &AdviceItem) -> Flag {
        let word = |flag: &str, value: &dyn ToString| {
            Some(format!("{flag} {}", shell_word(&value.to_string())))
        };
        let pass = match &item.remedy {
            Some(Remedy::Assume(Assumption::TablePrivate(table))) => {
                word("--assume-table-private", table)
            }
            Some(Remedy::Assume(Assumption::NoFork(func))) => word("--assume-no-fork", func),
            _ => None,
        };
        let leave_out = match &item.remedy {
            Some(Remedy::LeaveOutEntry(pattern)) => word("--entry", pattern),
            Some(Remedy::LeaveOutReentrant(pattern)) => word("--reentrant", pattern),
            _ => None,
        };
        Flag { pass, leave_out }
    }
}

/// In quotes, where a shell would not take the text as it is.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_fork::EntryPattern;

    #[test]
    fn a_flag_can_be_pasted_into_a_shell() {
        let word = |text: &str| shell_word(&EntryPattern::parse(text).unwrap().to_string());
        assert_eq!(word("kernel.kernel_fork"), "kernel.kernel_fork");
        assert_eq!(word("env.sleep*"), "'env.sleep*'");
        assert_eq!(word("\"env\".sleep.ms"), "'\"env\".sleep.ms'");
        assert_eq!(word("\"a.b\".it's"), r"'a.b.it'\''s'");
    }
}
