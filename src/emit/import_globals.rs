//! Makes a module import more globals: the one change that gives indices another meaning, so everything that names a global is
//! encoded anew.
//!
//! Input: a module that imports something. Output: the same with these globals behind all other imported ones. Function indices
//! stay; offsets don't.

use super::reencoded;
use crate::error::{Error, Result};
use crate::read::Module;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{EntityType, GlobalType, ImportSection};
use wasmparser::{Parser, ValType};

/// Adds imports of mutable globals from `from`, by name and type.
///
/// # Errors
/// [`Error::Internal`] if the module can't be encoded again.
pub fn import_globals(
    module: &Module<'_>,
    from: &str,
    globals: &[(&str, ValType)],
) -> Result<Vec<u8>> {
    let imported = module.imported_globals() as u32;
    let mut output = wasm_encoder::Module::new();
    Importer { imported, from, globals }
        .parse_core_module(&mut output, Parser::new(0), module.bytes)
        .map_err(|error| Error::Internal(format!("the module can't be encoded again: {error}")))?;
    reencoded(module, output.finish())
}

struct Importer<'a> {
    /// How many globals are imported already.
    imported: u32,
    from: &'a str,
    globals: &'a [(&'a str, ValType)],
}

impl Reencode for Importer<'_> {
    type Error = std::convert::Infallible;

    fn global_index(&mut self, global: u32) -> std::result::Result<u32, reencode::Error> {
        Ok(if global < self.imported { global } else { global + self.globals.len() as u32 })
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> std::result::Result<(), reencode::Error> {
        reencode::utils::parse_import_section(self, imports, section)?;
        for (name, val_type) in self.globals {
            let val_type = self.val_type(*val_type)?;
            let ty = GlobalType { val_type, mutable: true, shared: false };
            imports.import(self.from, name, EntityType::Global(ty));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_names_a_global_goes_on_to_name_it() {
        let input = wat::parse_str(
            r#"(module
                (import "env" "base" (global $base i32))
                (import "env" "memory" (memory 1))
                (global $a (mut i32) (global.get $base))
                (global $b i32 (i32.const 7))
                (func (export "f") (result i32)
                    (global.set $a (i32.add (global.get $base) (global.get $b)))
                    (global.get $a))
                (export "b" (global $b))
                (data (global.get $base) "x"))"#,
        );
        let input = input.unwrap();
        let module = Module::read(&input).unwrap();
        let output =
            import_globals(&module, "env", &[("x", ValType::I32), ("y", ValType::I64)]).unwrap();
        let text = wasmprinter::print_bytes(&output).unwrap();
        for line in [
            r#"(import "env" "x" (global (;1;) (mut i32)))"#,
            r#"(import "env" "y" (global (;2;) (mut i64)))"#,
            "(global $a (;3;) (mut i32) global.get $base)",
            r#"(export "b" (global $b))"#,
            "global.set $a",
            "(data (;0;) (global.get $base)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        Module::read(&output).unwrap();
    }
}
