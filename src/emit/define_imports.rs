//! Makes functions of a module out of imports: the one change that gives functions other indices, so everything that names a function is
//! encoded anew.
//!
//! Input: a module, and a body for each function import that is to be defined. Output: the same without these imports. The functions
//! come in front of those that the module defines, which so keep their indices: only imports get others.
//!
//! ```text
//!   before    a  X  b  Y  c │ f  g  h        X, Y are to be defined
//!   after     a  b  c │ X  Y  f  g  h
//! ```
//!
//! Names follow. Custom sections that name functions in ways that aren't known here are left out where an index has another meaning.

use super::custom::{
    Dropped, FUNCTION_NAMES, LABEL_NAMES, LOCAL_NAMES, copy_map, subsection_header,
    write_subsection,
};
use super::reencoded;
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, CustomSection, Function, FunctionSection, ImportSection, IndirectNameMap, NameMap,
};
use wasmparser::{
    BinaryReader, CodeSectionReader, CustomSectionReader, FunctionSectionReader,
    ImportSectionReader, Name, NameSectionReader, Parser, TypeRef,
};

/// Defines imports, each by its body. Also tells which custom sections were left out.
///
/// # Errors
/// [`Error::Internal`] if the module can't be encoded again.
pub(crate) fn define_imports(
    module: &Module<'_>,
    definitions: &BTreeMap<FuncIdx, Function>,
) -> Result<(Vec<u8>, Vec<Dropped>)> {
    let mut output = wasm_encoder::Module::new();
    let numbers = numbers(module, definitions);
    let keeps_all = numbers.iter().copied().eq(0..numbers.len() as u32);
    let mut definer =
        Definer { module, definitions, numbers, keeps_all, dropped: Vec::new(), imports: 0 };
    definer
        .parse_core_module(&mut output, Parser::new(0), module.bytes)
        .map_err(|error| Error::Internal(format!("the module can't be encoded again: {error}")))?;
    Ok((reencoded(module, output.finish())?, definer.dropped))
}

struct Definer<'a> {
    module: &'a Module<'a>,
    definitions: &'a BTreeMap<FuncIdx, Function>,
    /// For each import its index in the output.
    numbers: Vec<u32>,
    /// Whether all functions keep their indices.
    keeps_all: bool,
    dropped: Vec<Dropped>,
    /// How many function imports there were so far.
    imports: u32,
}

type Encoded<T> = std::result::Result<T, reencode::Error<std::convert::Infallible>>;

/// Which indices the imported functions get.
fn numbers(module: &Module<'_>, definitions: &BTreeMap<FuncIdx, Function>) -> Vec<u32> {
    let imported = module.imported_funcs as u32;
    let (mut kept, mut defined) = (0, imported - definitions.len() as u32);
    let mut number = |func| {
        work::count(1);
        let next = if definitions.contains_key(&FuncIdx(func)) { &mut defined } else { &mut kept };
        *next += 1;
        *next - 1
    };
    (0..imported).map(&mut number).collect()
}

impl Definer<'_> {
    /// Which index a function gets.
    fn of(&self, func: u32) -> u32 {
        self.numbers.get(func as usize).copied().unwrap_or(func)
    }

    /// The contents of a name section; `None` if it can't be read.
    fn names(&self, contents: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = contents;
        for name in NameSectionReader::new(BinaryReader::new(contents, 0)) {
            let name = name.ok()?;
            let (_, size_len, size) = subsection_header(rest)?;
            let (subsection, after) = rest.split_at_checked(1 + size_len + size)?;
            rest = after;
            match name {
                Name::Function(names) => {
                    write_subsection(&mut out, FUNCTION_NAMES, &self.name_map(names)?);
                }
                Name::Local(names) => {
                    write_subsection(&mut out, LOCAL_NAMES, &self.indirect(names)?);
                }
                Name::Label(names) => {
                    write_subsection(&mut out, LABEL_NAMES, &self.indirect(names)?);
                }
                _ => out.extend_from_slice(subsection),
            }
        }
        Some(out)
    }

    fn name_map(&self, names: wasmparser::NameMap<'_>) -> Option<NameMap> {
        let mut all = BTreeMap::new();
        for naming in names {
            work::count(1);
            let naming = naming.ok()?;
            all.insert(self.of(naming.index), naming.name);
        }
        let mut sorted = NameMap::new();
        all.into_iter().for_each(|(index, name)| sorted.append(index, name));
        Some(sorted)
    }

    fn indirect(&self, names: wasmparser::IndirectNameMap<'_>) -> Option<IndirectNameMap> {
        let mut all = BTreeMap::new();
        for naming in names {
            work::count(1);
            let naming = naming.ok()?;
            all.insert(self.of(naming.index), copy_map(naming.names)?);
        }
        let mut sorted = IndirectNameMap::new();
        all.into_iter().for_each(|(index, names)| sorted.append(index, &names));
        Some(sorted)
    }
}

/// Whether a custom section names functions among what it says of instructions.
fn names_functions(name: &str) -> bool {
    name == "metadata.code.call_targets"
}

impl Reencode for Definer<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Encoded<u32> {
        Ok(self.of(func))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Encoded<()> {
        for import in section.into_imports() {
            work::count(1);
            let import = import?;
            if matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                self.imports += 1;
                if self.definitions.contains_key(&FuncIdx(self.imports - 1)) {
                    continue;
                }
            }
            self.parse_import(imports, import)?;
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Encoded<()> {
        for func in self.definitions.keys() {
            functions.function(self.module.funcs[*func].ty.0);
        }
        reencode::utils::parse_function_section(self, functions, section)
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Encoded<()> {
        self.definitions.values().for_each(|body| _ = code.function(body));
        reencode::utils::parse_code_section(self, code, section)
    }

    /// Custom sections may be malformed.
    fn parse_custom_section(
        &mut self,
        module: &mut wasm_encoder::Module,
        section: CustomSectionReader<'_>,
    ) -> Encoded<()> {
        let (name, data) = (section.name(), section.data());
        let contents = match name {
            _ if self.keeps_all => Some(data.to_vec()),
            "name" => self.names(data),
            name if names_functions(name) => None,
            _ => Some(data.to_vec()),
        };
        match contents {
            Some(data) => {
                module.section(&CustomSection { name: name.into(), data: data.into() });
            }
            None => self.dropped.push(Dropped { name: name.into(), bytes: data.len() }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that can name a function names some.
    const WAT: &str = r#"(module
        (type $v (func))
        (import "env" "a" (func $a))
        (import "x" "gone" (func $gone))
        (import "env" "memory" (memory 1))
        (import "env" "b" (func $b))
        (import "x" "also" (func $also))
        (import "env" "c" (func $c (param $p i32)))
        (table $t 4 funcref (ref.func $b))
        (global $g funcref (ref.func $c))
        (elem (table $t) (i32.const 0) func $a $gone $f)
        (elem $e funcref (ref.func $b) (ref.null func))
        (elem declare func $also)
        (func $f (export "f")
            (call $a) (call $gone) (call $b) (call $also) (call $c (i32.const 1))
            (drop (ref.func $also)))
        (func $g (param $x i32) (call $f) (return_call $c (local.get $x)))
        (export "b" (func $b))
        (export "gone" (func $gone))
        (start $b))"#;

    fn defined(wat: &str) -> (Vec<u8>, Vec<Dropped>) {
        let input = wat::parse_str(wat).unwrap();
        let module = Module::read(&input).unwrap();
        let imports = module.funcs.iter_enumerated();
        let gone = imports.filter(|(_, func)| func.import().is_some_and(|i| i.module == "x"));
        let body = || {
            let mut body = Function::new([]);
            body.instructions().end();
            body
        };
        define_imports(&module, &gone.map(|(func, _)| (func, body())).collect()).unwrap()
    }

    #[test]
    fn everything_that_names_a_function_goes_on_to_name_it() {
        let (output, dropped) = defined(WAT);
        assert!(dropped.is_empty());
        let module = Module::read(&output).unwrap();
        assert_eq!(module.imported_funcs, 3);
        let text = wasmprinter::print_bytes(&output).unwrap();
        for line in [
            "(func $a (;0;)",
            "(func $b (;1;)",
            "(func $c (;2;)",
            "(func $gone (;3;)",
            "(func $also (;4;)",
            "(func $f (;5;)",
            "(func $g (;6;)",
            "(table $t (;0;) 4 funcref ref.func $b)",
            "(global $g (;0;) funcref ref.func $c)",
            "func $a $gone $f)",
            "funcref (ref.func $b) (ref.null func))",
            "(elem (;2;) declare func $also)",
            r#"(export "b" (func $b))"#,
            r#"(export "gone" (func $gone))"#,
            "(start $b)",
            "return_call $c",
            "local.get $x",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let calls: Vec<_> =
            text.lines().filter_map(|line| line.trim().strip_prefix("call ")).collect();
        assert_eq!(calls, ["$a", "$gone", "$b", "$also", "$c", "$f"]);
    }

    #[test]
    fn what_names_functions_unseen_is_left_out_where_their_indices_change() {
        let targets = r#"(@custom "metadata.code.call_targets" "\00") (@custom "other" "\00")"#;
        let with = |at: &str| {
            let (output, dropped) = defined(&WAT.replace(at, &format!("{at} {targets}")));
            let module = Module::read(&output).unwrap();
            assert_eq!(module.custom_sections("other").count(), 1);
            dropped.into_iter().map(|dropped| dropped.name).collect::<Vec<_>>()
        };
        assert_eq!(with("(start $b)"), ["metadata.code.call_targets"]);
        let last = r#"(module (import "env" "a" (func $a)) (import "x" "gone" (func $gone))
            (func (call $a) (call $gone)) (@custom "metadata.code.call_targets" "\00"))"#;
        assert!(defined(last).1.is_empty(), "all keep their indices");
    }
}
