//! What a body is known by in another build of its module, where no name tells: a hash of what doesn't depend on where things are.
//!
//! Counted are the function's type and locals, and its instructions in order; but of constants, which may be addresses, and of what names
//! something by an index (functions, types, globals, tables, tags, segments), the instruction alone.

use super::Module;
use crate::error::Result;
use crate::index::FuncIdx;
use sha2::{Digest, Sha256};
use wasmparser::{BinaryReader, Operator as O};

/// How many bytes of the digest are enough to tell some hundred thousand bodies apart.
const BYTES: usize = 8;

impl Module<'_> {
    /// The hash of a function's body, in hexadecimal; nothing for an import.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if the body can't be read again.
    pub(crate) fn skeleton(&self, func: FuncIdx) -> Result<Option<String>> {
        if self.is_import(func) {
            return Ok(None);
        }
        let mut digest = Sha256::new();
        let ty = self.func_type(func);
        digest.update(format!("{:?} {:?}", ty.params().len(), ty.results().len()));
        for (count, ty) in self.declared_locals(func)? {
            digest.update(format!(" {count} {ty}"));
        }
        for located in self.operators(func)? {
            let located = located?;
            let encoded = &self.bytes[located.range()];
            let stays = match located.operator {
                O::LocalGet { .. }
                | O::LocalSet { .. }
                | O::LocalTee { .. }
                | O::Br { .. }
                | O::BrIf { .. }
                | O::BrTable { .. } => true,
                // Loads and stores, with their offsets.
                _ => matches!(encoded[0], 0x28..=0x3e),
            };
            let counted = if stays { encoded } else { code(encoded) };
            digest.update([counted.len() as u8]);
            digest.update(counted);
        }
        Ok(Some(digest.finalize()[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

impl Module<'_> {
    /// The SHA-256 of the module's bytes, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        Sha256::digest(self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What tells one instruction from others: a byte, with a number behind it if that is a prefix.
fn code(encoded: &[u8]) -> &[u8] {
    if !matches!(encoded[0], 0xfb..=0xfe) {
        return &encoded[..1];
    }
    let mut reader = BinaryReader::new(&encoded[1..], 0);
    let read = reader.read_var_u32().map(|_| reader.original_position() as usize);
    &encoded[..1 + read.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_wherever_things_are() {
        let of = |text: &str, func: u32| {
            let wasm = wat::parse_str(text).unwrap();
            let module = Module::read(&wasm).unwrap();
            module.skeleton(FuncIdx(func)).unwrap()
        };
        let body = "(param i32) (call $f) (i32.store offset=8 (local.get 0) (i32.const 1024))";
        let one = of(&format!("(module (memory 1) (func $f) (func {body}))"), 1);
        let moved = body.replace("1024", "77777");
        let other = of(&format!("(module (memory 1) (func) (func) (func $f) (func {moved}))"), 3);
        assert_eq!(one.as_ref().map(String::len), Some(16));
        assert_eq!(one, other);
        for (old, new) in
            [("offset=8", "offset=4"), ("param i32", "param i32 i32"), ("get 0", "tee 0")]
        {
            let text =
                body.replace(old, new).replace("(local.tee 0)", "(local.tee 0 (i32.const 1))");
            let changed = of(&format!("(module (memory 1) (func $f) (func {text}))"), 1);
            assert_ne!(one, changed, "{new}");
        }
        assert_eq!(of("(module (import \"a\" \"b\" (func)))", 0), None);
    }
}
