//! Stack traces of "indirect call type mismatch", as engines print them.
//!
//! Of each trace the first frame counts: the function whose call trapped, and where in the module.
//!
//! | engine | a frame |
//! |---|---|
//! | V8 | `at name (wasm://wasm/1a2b:wasm-function[123]:0x4567)` |
//! | Chrome's console | `at name (http://host/app.wasm:0x4567)`; `$name @ app.wasm:0x4567`, tabs around the `@`; `$func123` without a name |
//! | SpiderMonkey | `name@https://host/app.wasm:wasm-function[123]:0x4567` |
//! | JavaScriptCore | `name@wasm-function[123]`, `name@<?>:wasm-function[123]`, or `<?>.wasm-function[name]@[wasm code]`, which has no index |
//! | wasmtime | `0: 0x4567 - app.wasm!name`, right-aligned; `<wasm function 123>` without a name |
//! | Wasmer | `at name (<module>[123]:0x4567)`; `<unnamed>` without a name, `0xffffffff` for a place that it lost |
//! | WAMR | `#00: 0x4567 - name`, perhaps with `(FILE:… LINE:…)` or a line `at app.c:3:4` behind; `$f123` without a name |
//! | WAMR, by its `addr2line.py` | `0: name` over `at app.c:3:4` |
//!
//! The last form could be that of a native program as well, so it counts only where there is no other.

use std::fmt;

/// A frame of a stack trace: a call that trapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFrame {
    /// The function's index, where the engine prints it.
    pub func: Option<u32>,
    /// Offset of the call in bytes from the start of the module, where the engine prints it.
    pub offset: Option<u32>,
    /// The function's name, where the engine prints one, or what it prints instead: `$func123`.
    pub name: Option<String>,
}

impl fmt::Display for TraceFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("a frame"))?;
        if let Some(func) = self.func {
            write!(f, " (function {func})")?;
        }
        match self.offset {
            Some(offset) => write!(f, " at {offset:#x}"),
            None => Ok(()),
        }
    }
}

/// The first frame of each stack trace in `text`.
pub fn first_frames(text: &str) -> Vec<TraceFrame> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (mut frames, mut within) = (Vec::new(), false);
    for line in &lines {
        match frame(line) {
            Some((ordinal, frame)) => {
                // What is numbered begins a trace with 0, whatever came before.
                if !within || ordinal == Some(0) {
                    frames.push(frame);
                }
                within = true;
            }
            // A frame outside wasm, or the source line of the frame above.
            None => within &= line.starts_with("at ") || line.contains('@'),
        }
    }
    if frames.is_empty() {
        frames.extend(lines.windows(2).filter_map(|pair| sourced(pair[0], pair[1])));
    }
    frames
}

/// The frame on a line, with its number if the engine prints one.
fn frame(line: &str) -> Option<(Option<u32>, TraceFrame)> {
    numbered(line).map_or_else(
        || unnumbered(line).map(|frame| (None, frame)),
        |(ordinal, frame)| Some((Some(ordinal), frame)),
    )
}

/// `0: 0x4567 - app.wasm!name` or `#00: 0x4567 - name`.
fn numbered(line: &str) -> Option<(u32, TraceFrame)> {
    let wamr = line.strip_prefix('#');
    let (ordinal, rest) = wamr.unwrap_or(line).split_once(':')?;
    let (offset, name) = rest.trim_start().strip_prefix("0x")?.split_once(" - ")?;
    let name = match wamr {
        Some(_) => name.split(" (FILE:").next(),
        None => name.split_once('!').map(|(_, name)| name),
    };
    let frame = TraceFrame { func: None, offset: hex(offset), name: name.and_then(known) };
    Some((ordinal.parse().ok()?, frame))
}

/// A function, if any, and behind it where it is: in parentheses after `at`, or after an `@`.
fn unnumbered(line: &str) -> Option<TraceFrame> {
    let (name, place) = match line.strip_prefix("at ") {
        Some(rest) => match rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
            Some((name, place)) => (name, place),
            None => ("", rest),
        },
        None => line.split_once('@')?,
    };
    if let Some((func, offset)) = in_place(place.trim()) {
        return Some(TraceFrame { func, offset, name: known(name) });
    }
    // An index or a name stands in front, and behind it only that this is WebAssembly.
    let (_, within) = name.split_once("wasm-function[")?;
    let (of, _) = within.rsplit_once(']')?;
    let func = of.parse().ok();
    Some(TraceFrame { func, offset: None, name: if func.is_some() { None } else { known(of) } })
}

/// The function's index and the offset that a place ends with: `app.wasm:wasm-function[123]:0x4567`,
/// where one of them may be missing. `None` if it is no place in WebAssembly.
fn in_place(place: &str) -> Option<(Option<u32>, Option<u32>)> {
    let offset = place.rsplit_once(":0x").filter(|(_, offset)| is_hex(offset));
    let front = offset.map_or(place, |(front, _)| front);
    let bracket = front.strip_suffix(']').and_then(|front| front.rsplit_once('['));
    let is_function = bracket.is_some_and(|(front, _)| front.ends_with("wasm-function"));
    let func = bracket.and_then(|(_, index)| index.parse().ok());
    let offset = match offset {
        Some((_, offset)) => hex(offset),
        None if is_function => None,
        None => return None,
    };
    Some((func, offset))
}

/// `0: name` over `at app.c:3:4`, of which the first in a trace.
fn sourced(line: &str, below: &str) -> Option<TraceFrame> {
    let name = line.strip_prefix("0: ")?;
    let (_, column) = below.strip_prefix("at ")?.rsplit_once(':')?;
    column.parse::<u32>().ok().map(|_| TraceFrame { func: None, offset: None, name: known(name) })
}

/// A name, unless it stands for none.
fn known(name: &str) -> Option<String> {
    let name = name.trim();
    let none = name.is_empty() || name == "<unnamed>" || name.starts_with("wasm-function[");
    (!none).then(|| name.to_owned())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// An offset, unless the engine says that it knows none.
fn hex(text: &str) -> Option<u32> {
    let offset = u32::from_str_radix(text, 16).ok();
    offset.filter(|offset| *offset != u32::MAX)
}

impl TraceFrame {
    /// The index that stands in the place of a name: `$func123`, `$f123` or `<wasm function 123>`.
    pub(super) fn index_as_name(&self) -> Option<u32> {
        let name = self.name.as_deref()?;
        let long = name.strip_prefix("<wasm function ").and_then(|rest| rest.strip_suffix('>'));
        let short = || name.strip_prefix("$func").or_else(|| name.strip_prefix("$f"));
        long.or_else(short)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Option<u32>, Option<u32>, Option<String>);

    fn frames(text: &str) -> Vec<Parts> {
        first_frames(text).into_iter().map(|f| (f.func, f.offset, f.name)).collect()
    }

    fn parts(func: Option<u32>, offset: Option<u32>, name: Option<&str>) -> Parts {
        (func, offset, name.map(str::to_owned))
    }

    #[test]
    fn v8_traces_give_their_first_frames() {
        let text = "RuntimeError: null function or function signature mismatch\n    \
            at getset_get (wasm://wasm/0a1b2c3d:wasm-function[123]:0x4567)\n    \
            at run (file:///app.mjs:1:2)\n    \
            at main (wasm://wasm/0a1b2c3d:wasm-function[7]:0x99)\n\
            RuntimeError: null function or function signature mismatch\n    \
            at wasm://wasm/0a1b2c3d:wasm-function[5]:0xa\n";
        let getset = parts(Some(123), Some(0x4567), Some("getset_get"));
        assert_eq!(frames(text), [getset, parts(Some(5), Some(0xa), None)]);
        let text = "at (anonymous namespace)::f (int) (wasm://wasm/1:wasm-function[1]:0x2)";
        assert_eq!(frames(text), [parts(Some(1), Some(2), Some("(anonymous namespace)::f (int)"))]);
    }

    /// One trace, which the console prints in two ways, one below the other.
    #[test]
    fn chromes_console_prints_offsets_alone() {
        let text = "app.wasm:0x144 Uncaught RuntimeError: null function or function signature \
            mismatch\n    at noargs (http://localhost:8080/app.wasm?v=1:0x144)\n    \
            at http://localhost:8080/app.wasm:0x99\n    at run (http://localhost:8080/a.js:1:2)\n\
            $noargs\t@\tapp.wasm:0x144\n$func7 @ app.wasm:0x99\nrun\t@\ta.js:1\n";
        assert_eq!(frames(text), [parts(None, Some(0x144), Some("noargs"))]);
        let text = "$noargs\t@\tapp.wasm:0x144\n$func7\t@\tapp.wasm:0x99\n";
        assert_eq!(frames(text), [parts(None, Some(0x144), Some("$noargs"))]);
        let text = "    at 00613b2e:0x3a615\n$func318 @ 00613b2e:0x3a615\n";
        assert_eq!(frames(text), [parts(None, Some(0x3a615), None)]);
    }

    #[test]
    fn wasmtime_traces_give_their_first_frames() {
        let text = "Error: failed to run\n\nCaused by:\n    0: failed to invoke command default\n    \
            1: error while executing at wasm backtrace:\n           \
            0: 0x4567 - app.wasm!getset_get\n                    at /src/a.c:3:4\n           \
            1:   0x99 - app.wasm!main\n    2: wasm trap: indirect call type mismatch\n";
        assert_eq!(frames(text), [parts(None, Some(0x4567), Some("getset_get"))]);
    }

    #[test]
    fn wasmtime_aligns_offsets_to_the_right() {
        let text = "    0:   0x99 - <unknown>!operator!=(A, B)\n    1: 0x4567 - <unknown>!main\n";
        assert_eq!(frames(text), [parts(None, Some(0x99), Some("operator!=(A, B)"))]);
        let text = "    0: 0x4567 - m!<wasm function 9>\n";
        assert_eq!(first_frames(text)[0].index_as_name(), Some(9));
    }

    #[test]
    fn wasmer_prints_index_and_offset() {
        let text = "error: failed to run `app.wasm`\n│   1: RuntimeError: indirect call type mismatch\n\
            \x20          at noargs (<module>[9]:0x144)\n           at _start (app.wasm[4]:0x15c)\n\
            ╰─▶ 2: indirect call type mismatch\n";
        assert_eq!(frames(text), [parts(Some(9), Some(0x144), Some("noargs"))]);
        let text = "RuntimeError: indirect call type mismatch\n    \
            at <unnamed> (<module>[119]:0xffffffff)\n";
        assert_eq!(frames(text), [parts(Some(119), None, None)]);
    }

    #[test]
    fn wamr_traces_give_their_first_frames() {
        let text = "Exception: indirect call type mismatch\n#00: 0x0144 - noargs\n#01: 0x0a04 - $f18\n\
            Exception: indirect call type mismatch\n#00: 0x0a04 - $f18\n";
        let nameless = parts(None, Some(0xa04), Some("$f18"));
        assert_eq!(frames(text), [parts(None, Some(0x144), Some("noargs")), nameless]);
        assert_eq!(first_frames(text)[1].index_as_name(), Some(18));
    }

    #[test]
    fn wamr_traces_may_have_source_lines() {
        let text = "#00: 0x0144 - noargs\n        at /src/a.c:5:1\n#01: 0x0a04 - main\n        at a.c:9:2\n";
        assert_eq!(frames(text), [parts(None, Some(0x144), Some("noargs"))]);
        let text = "#00: 0x00a9 - $f4 (FILE:trap.c LINE:   10 COLUMN:  7 FUNC:b)\n";
        assert_eq!(frames(text), [parts(None, Some(0xa9), Some("$f4"))]);
        let text = "0: noargs\n        at src/a.c:5:1\n1: main\n        at src/a.c:12:2\n";
        assert_eq!(frames(text), [parts(None, None, Some("noargs"))]);
        // The backtrace of the native host counts only without one of WebAssembly.
        let both = format!("    0: 0x4567 - app.wasm!f\n\nStack backtrace:\n{text}");
        assert_eq!(frames(&both), [parts(None, Some(0x4567), Some("f"))]);
    }

    #[test]
    fn other_browsers_traces_are_read_too() {
        let text = "f@http://localhost/a.wasm:wasm-function[9]:0x10\ng@http://localhost/a.js:1:2\n";
        assert_eq!(frames(text), [parts(Some(9), Some(0x10), Some("f"))]);
        let text = "wasm-function[42]@http://h/p@1.2/a.wasm:wasm-function[42]:0x1a\n";
        assert_eq!(frames(text), [parts(Some(42), Some(0x1a), None)]);
        assert_eq!(frames("<?>.wasm-function[f]@[wasm code]\n"), [parts(None, None, Some("f"))]);
        assert_eq!(frames("<?>.wasm-function[9]@[wasm code]\n"), [parts(Some(9), None, None)]);
        assert_eq!(frames("f@<?>:wasm-function[9]\n"), [parts(Some(9), None, Some("f"))]);
    }

    #[test]
    fn what_is_no_trace_gives_nothing() {
        let text = "no trace at all\n0: nothing\nat run (a.js:1:2)\nme@example.org\n#00: nothing\n";
        assert_eq!(frames(text), []);
        assert_eq!(frames("0: failed to run\n1: at most 0x10\n"), []);
    }
}
