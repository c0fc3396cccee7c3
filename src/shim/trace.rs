//! Stack traces of "indirect call type mismatch", as engines print them.
//!
//! Of each trace the first frame counts: the function whose call trapped, and where in the module.
//!
//! | engine | a frame |
//! |---|---|
//! | V8 | `at name (wasm://wasm/1a2b:wasm-function[123]:0x4567)` |
//! | SpiderMonkey | `name@https://host/app.wasm:wasm-function[123]:0x4567` |
//! | JavaScriptCore | `name@wasm-function[123]`, or `<?>.wasm-function[name]@[wasm code]`, which has no index |
//! | wasmtime | `0: 0x4567 - app.wasm!name` |

use std::fmt;

/// A frame of a stack trace: a call that trapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's index, where the engine prints it.
    pub func: Option<u32>,
    /// Offset of the call in bytes from the start of the module, where the engine prints it.
    pub offset: Option<u32>,
    /// The function's name, where the engine prints one.
    pub name: Option<String>,
}

impl fmt::Display for Frame {
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
pub fn first_frames(text: &str) -> Vec<Frame> {
    let (mut frames, mut within) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        match frame(line) {
            Some((ordinal, frame)) => {
                // wasmtime numbers its frames: a 0 begins a trace, whatever came before.
                if !within || ordinal == Some(0) {
                    frames.push(frame);
                }
                within = true;
            }
            // A frame outside wasm, or the source line of the frame above.
            None => within &= line.starts_with("at ") || line.contains('@'),
        }
    }
    frames
}

/// The frame on a line, with its number if the engine prints one.
fn frame(line: &str) -> Option<(Option<u32>, Frame)> {
    if let Some((before, after)) = line.split_once("wasm-function[") {
        let (index, rest) = after.split_once(']')?;
        let offset = rest.strip_prefix(":0x").map(leading_hex);
        let func = index.parse().ok();
        let name = before.strip_prefix("at ").map_or_else(
            || before.split_once('@').map(|(name, _)| name),
            |before| before.split_once(" (").map(|(name, _)| name),
        );
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        let name = name.or_else(|| func.is_none().then(|| index.to_owned()));
        return Some((None, Frame { func, offset: offset.flatten(), name }));
    }
    let (ordinal, rest) = line.split_once(": 0x")?;
    let (_, name) = rest.split_once(" - ")?;
    let name = name.rsplit_once('!').map(|(_, name)| name.to_owned());
    let frame = Frame { func: None, offset: leading_hex(rest), name };
    Some((Some(ordinal.parse().ok()?), frame))
}

fn leading_hex(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u32::from_str_radix(&text[..end], 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &str) -> Vec<(Option<u32>, Option<u32>, Option<String>)> {
        first_frames(text).into_iter().map(|f| (f.func, f.offset, f.name)).collect()
    }

    #[test]
    fn v8_traces_give_their_first_frames() {
        let text = "RuntimeError: null function or function signature mismatch\n    \
            at getset_get (wasm://wasm/0a1b2c3d:wasm-function[123]:0x4567)\n    \
            at run (file:///app.mjs:1:2)\n    \
            at main (wasm://wasm/0a1b2c3d:wasm-function[7]:0x99)\n\
            RuntimeError: null function or function signature mismatch\n    \
            at wasm://wasm/0a1b2c3d:wasm-function[5]:0xa\n";
        let getset = (Some(123), Some(0x4567), Some("getset_get".into()));
        assert_eq!(frames(text), [getset, (Some(5), Some(0xa), None)]);
    }

    #[test]
    fn wasmtime_traces_give_their_first_frames() {
        let text = "Error: failed to run\n\nCaused by:\n    0: failed to invoke command default\n    \
            1: error while executing at wasm backtrace:\n           \
            0: 0x4567 - app.wasm!getset_get\n                    at /src/a.c:3:4\n           \
            1:   0x99 - app.wasm!main\n    2: wasm trap: indirect call type mismatch\n";
        assert_eq!(frames(text), [(None, Some(0x4567), Some("getset_get".into()))]);
    }

    #[test]
    fn other_engines_traces_are_read_too() {
        let text = "f@http://localhost/a.wasm:wasm-function[9]:0x10\ng@http://localhost/a.js:1:2\n";
        assert_eq!(frames(text), [(Some(9), Some(0x10), Some("f".into()))]);
        let text = "<?>.wasm-function[f]@[wasm code]\n";
        assert_eq!(frames(text).len(), 1);
        assert_eq!(frames("no trace at all\n0: nothing\n"), []);
    }
}
