//! Debug information in a file of its own, as Emscripten's `-gseparate-dwarf` leaves it.
//!
//! Such a file has the module's `.debug_*` sections, and often its code once more; the module itself has a section `external_debug_info`
//! that says where the file is. To move what it says with the code, both are put together, rewritten, and taken apart again: addresses count from
//! the start of the code section, so that they are the same in the one, in both together, and in the other.

use super::custom::{EXTERNAL_DEBUG_INFO, text, write_custom};
use super::dwarf;
use crate::error::{Error, Result};
use std::ops::Range;
use wasm_encoder::SectionId;
use wasmparser::{BinaryReaderError, Parser, Payload};

const HEADER: usize = 8;

/// A module and its debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Separated {
    /// The module without `.debug_*` sections, with a section that says where these are.
    pub module: Vec<u8>,
    /// The module with them, and without that section.
    pub debug: Vec<u8>,
}

/// A section as it stands in a file.
struct Raw<'b> {
    id: u8,
    /// Of a custom section.
    name: &'b str,
    /// With its header.
    range: Range<usize>,
    contents: Range<usize>,
}

impl Raw<'_> {
    fn is_debug(&self) -> bool {
        dwarf::is_section(self.name)
    }
}

/// The sections of a binary module, in order.
fn sections(bytes: &[u8]) -> std::result::Result<Vec<Raw<'_>>, BinaryReaderError> {
    let (mut sections, mut end) = (Vec::new(), HEADER);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let Some((id, contents)) = payload.as_section() else { continue };
        let contents = contents.start as usize..contents.end as usize;
        let name = match &payload {
            Payload::CustomSection(custom) => custom.name(),
            _ => "",
        };
        sections.push(Raw { id, name, range: end..contents.end, contents: contents.clone() });
        end = contents.end;
    }
    Ok(sections)
}

fn invalid(error: BinaryReaderError) -> Error {
    Error::Invalid { message: error.message().into(), offset: error.offset() as usize }
}

/// Puts a module (binary) and its debug information together.
///
/// # Errors
/// [`Error::Invalid`] if the module can't be read; [`Error::DebugFile`] if the other file can't, has no debug information, or has that of other code.
pub(crate) fn join(module: &[u8], debug: &[u8]) -> Result<Vec<u8>> {
    let fault = |reason: &str| Error::DebugFile { reason: reason.into() };
    let own = sections(module).map_err(invalid)?;
    let other = sections(debug).map_err(|error| fault(&format!("it is no module: {error}")))?;
    if own.iter().any(Raw::is_debug) {
        return Err(fault("the module has debug information itself"));
    }
    if !other.iter().any(|section| section.name == ".debug_info") {
        return Err(fault("it has no section `.debug_info`"));
    }
    let code = |sections: &[Raw<'_>]| {
        sections
            .iter()
            .find(|section| section.id == SectionId::Code as u8)
            .map(|section| section.contents.clone())
    };
    if let (Some(own), Some(other)) = (code(&own), code(&other))
        && module[own] != debug[other]
    {
        return Err(fault("its code is not the module's"));
    }
    let added = other.iter().filter(|section| section.is_debug());
    let added = added.map(|section| &debug[section.range.clone()]).collect::<Vec<_>>().concat();
    // Linkers write names behind it.
    let names = own.iter().rfind(|section| section.name == "name");
    let at = names.map_or(module.len(), |section| section.range.start);
    Ok([&module[..at], &added, &module[at..]].concat())
}

/// Takes a module (binary) and its debug information apart. `url`: where the latter is going to be, for debuggers.
///
/// # Errors
/// [`Error::Invalid`] if it can't be read.
pub(crate) fn separate(output: &[u8], url: Option<&str>) -> Result<Separated> {
    let header = output.get(..HEADER).unwrap_or(output).to_vec();
    let (mut module, mut debug) = (header.clone(), header);
    let mut says_where = false;
    for section in sections(output).map_err(invalid)? {
        let bytes = &output[section.range.clone()];
        if section.name == EXTERNAL_DEBUG_INFO {
            says_where = true;
            match url {
                Some(url) => write_custom(&mut module, EXTERNAL_DEBUG_INFO, &text(url)),
                None => module.extend_from_slice(bytes),
            }
            continue;
        }
        debug.extend_from_slice(bytes);
        if !section.is_debug() {
            module.extend_from_slice(bytes);
        }
    }
    if let Some(url) = url.filter(|_| !says_where) {
        write_custom(&mut module, EXTERNAL_DEBUG_INFO, &text(url));
    }
    Ok(Separated { module, debug })
}

#[cfg(test)]
mod tests {
    use super::{join, sections, separate};
    use crate::error::Error;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(format!("(module {text})")).unwrap()
    }

    fn names(bytes: &[u8]) -> Vec<&str> {
        sections(bytes).unwrap().iter().map(|s| s.name).filter(|name| !name.is_empty()).collect()
    }

    const CODE: &str = "(func (export \"f\") nop)";
    const DEBUG: &str =
        r#"(@custom ".debug_info" "i") (@custom "other" "o") (@custom ".debug_line" "l")"#;

    #[test]
    fn what_is_put_together_comes_apart_again() {
        let main = module(CODE);
        let debug = module(&format!("{CODE} {DEBUG}"));
        let joined = join(&main, &debug).unwrap();
        assert_eq!(names(&joined), [".debug_info", ".debug_line"]);
        let named = module(&CODE.replace("func", "func $f"));
        assert_eq!(names(&join(&named, &debug).unwrap()), [".debug_info", ".debug_line", "name"]);
        let apart = separate(&joined, None).unwrap();
        assert_eq!((apart.module, apart.debug), (main.clone(), joined.clone()));
        let apart = separate(&joined, Some("x.debug.wasm")).unwrap();
        assert_eq!(names(&apart.module), ["external_debug_info"]);
        assert_eq!(apart.module[main.len()..].last(), Some(&b'm'));
        // What the module says before is replaced.
        let again = separate(&apart.module, Some("y")).unwrap();
        assert_eq!((again.module.last(), again.debug), (Some(&b'y'), main));
        assert_eq!(separate(&again.module, None).unwrap().module, again.module);
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let (main, debug) = (module(CODE), module(&format!("{CODE} {DEBUG}")));
        let other = module(&format!("(func) {DEBUG}"));
        for (module, debug, said) in [
            (&main, &main, "no section `.debug_info`"),
            (&main, &other, "its code is not"),
            (&debug, &debug, "has debug information itself"),
            (&main, &b"\0asm".to_vec(), "no module"),
        ] {
            let Err(Error::DebugFile { reason }) = join(module, debug) else {
                panic!("{said}: taken");
            };
            assert!(reason.contains(said), "{reason}");
        }
        assert!(matches!(join(b"\0asm", &debug), Err(Error::Invalid { .. })));
    }
}
