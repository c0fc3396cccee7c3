//! Puts functions into a module that stand in for imports: each does nothing but call its import.
//!
//! ```wat
//! (func $stand_in (param i32) (result i32) (call $fork (local.get 0)))
//! ```
//!
//! What tail-calls an import leaves no frame that could call it again; what tail-calls its stand-in leaves that one's. Named
//! tail calls of an import become such of its stand-in, and if that is asked for, references of it too, wherever they are made: in
//! segments, in the initial values of globals and tables, and by `ref.func`. Plain calls and exports stay.
//!
//! Input: a module and [`StandIns`]. Output: the bytes of the module with them, which is planned and rewritten in its place. Function
//! indices stay; offsets don't.

use crate::abi::Abi;
use crate::emit::{Additions, assemble, reencoded};
use crate::error::{Error, Result};
use crate::index::FuncIdx;
use crate::plan::StandIns;
use crate::read::Module;
use std::collections::{BTreeMap, BTreeSet};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, CustomSection, ElementSection, Elements, Function, GlobalSection, Instruction,
    TableSection,
};
use wasmparser::{FunctionBody, Operator, Parser};

/// Adds them.
///
/// # Errors
/// [`Error::Refused`] if the module would be larger than engines accept; [`Error::Internal`] if it can't be encoded again.
pub fn stand_ins(module: &Module<'_>, abi: Abi, wanted: &StandIns) -> Result<Vec<u8>> {
    let mut additions = Additions::default();
    additions.maps_offsets = true;
    let mut funcs = BTreeMap::new();
    for (stand_in, import) in (module.funcs.len() as u32..).zip(&wanted.imports) {
        let body = stand_in_body(*import, module.func_type(*import).params().len() as u32);
        additions.func(module.funcs[*import].ty.0, body.into_raw_body());
        let name = module.func_name(*import).unwrap_or_default();
        additions.names.funcs.push((stand_in, abi.private_name(&format!("stand-in {name}"))));
        funcs.insert(import.0, stand_in);
    }
    // `ref.func` takes only functions that something besides code names. What names an import elsewhere names its stand-in, but for exports.
    let is_exported = |import: &FuncIdx| module.exported_funcs().any(|(_, func)| func == *import);
    let any_exported = wanted.imports.iter().any(is_exported);
    if wanted.references && any_exported && takes_references(module, &funcs)? {
        let mut section = ElementSection::new();
        section.declared(Elements::Functions(funcs.values().copied().collect()));
        additions.section(&section);
    }
    let with = assemble(module, &mut additions, Vec::new())?;
    let calls = wanted.calls.iter().filter_map(|call| with.offsets.new_offset(*call)).collect();
    let mut mapper = Mapper { funcs, calls, references: wanted.references, maps: false };
    let mut output = wasm_encoder::Module::new();
    mapper
        .parse_core_module(&mut output, Parser::new(0), &with.wasm)
        .map_err(|error| Error::Internal(format!("the module can't be encoded again: {error}")))?;
    reencoded(&Module::read(&with.wasm)?, output.finish())
}

fn stand_in_body(import: FuncIdx, params: u32) -> Function {
    let mut body = Function::new([]);
    (0..params).for_each(|param| _ = body.instructions().local_get(param));
    body.instructions().call(import.0).end();
    body
}

/// Whether any code makes a reference of one of these.
fn takes_references(module: &Module<'_>, funcs: &BTreeMap<u32, u32>) -> Result<bool> {
    let misread = |error| Error::misread(&error);
    for func in module.defined_funcs() {
        let Some(body) = module.body(func) else { continue };
        for operator in body.get_operators_reader().map_err(misread)? {
            if let Operator::RefFunc { function_index } = operator.map_err(misread)?
                && funcs.contains_key(&function_index)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

struct Mapper {
    /// For each import its stand-in.
    funcs: BTreeMap<u32, u32>,
    calls: BTreeSet<usize>,
    references: bool,
    /// Whether what is encoded now refers to stand-ins.
    maps: bool,
}

type Encoded<T> = std::result::Result<T, reencode::Error<std::convert::Infallible>>;

impl Mapper {
    /// Encodes something that means stand-ins by its references, if any does.
    fn mapping<T>(&mut self, encode: impl FnOnce(&mut Mapper) -> Encoded<T>) -> Encoded<T> {
        self.maps = self.references;
        let encoded = encode(self);
        self.maps = false;
        encoded
    }
}

impl Reencode for Mapper {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Encoded<u32> {
        let stand_in = self.funcs.get(&func).filter(|_| self.maps);
        Ok(stand_in.copied().unwrap_or(func))
    }

    /// Custom sections may be malformed, and speak of nothing that changes: those about code are left out when the module is instrumented.
    fn parse_custom_section(
        &mut self,
        module: &mut wasm_encoder::Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Encoded<()> {
        module.section(&CustomSection { name: section.name().into(), data: section.data().into() });
        Ok(())
    }

    fn parse_element_section(
        &mut self,
        elements: &mut ElementSection,
        section: wasmparser::ElementSectionReader<'_>,
    ) -> Encoded<()> {
        self.mapping(|mapper| reencode::utils::parse_element_section(mapper, elements, section))
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Encoded<()> {
        self.mapping(|mapper| reencode::utils::parse_global_section(mapper, globals, section))
    }

    fn parse_table_section(
        &mut self,
        tables: &mut TableSection,
        section: wasmparser::TableSectionReader<'_>,
    ) -> Encoded<()> {
        self.mapping(|mapper| reencode::utils::parse_table_section(mapper, tables, section))
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Encoded<()> {
        let mut func = self.new_function_with_parsed_locals(&body)?;
        for item in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, offset) = item?;
            let instruction = match operator {
                Operator::ReturnCall { function_index }
                    if self.calls.contains(&(offset as usize)) =>
                {
                    Instruction::ReturnCall(self.funcs[&function_index])
                }
                Operator::RefFunc { .. } => self.mapping(|mapper| mapper.instruction(operator))?,
                operator => self.instruction(operator)?,
            };
            func.instruction(&instruction);
        }
        code.function(&func);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAND_IN: &str = "$\"wpk_fork_stand-in fork\"";

    #[test]
    fn references_and_named_tail_calls_mean_the_stand_in() {
        let text = r#"(module
            (type $t (func (param i32) (result i32)))
            (import "env" "fork" (func $fork (type $t)))
            (table $t funcref (elem $fork $f))
            (global funcref (ref.func $fork))
            (func $f (export "f") (type $t)
                (drop (ref.func $fork))
                (drop (call $fork (i32.const 1)))
                (if (local.get 0) (then (return_call $fork (i32.const 2))))
                (return_call $fork (i32.const 3)))
            (export "fork" (func $fork)))"#;
        let input = wat::parse_str(text).unwrap();
        let module = Module::read(&input).unwrap();
        let body = module.body(FuncIdx(1)).unwrap().get_operators_reader().unwrap();
        let tails = body.into_iter_with_offsets().map(Result::unwrap);
        let last = tails.filter(|(op, _)| matches!(op, Operator::ReturnCall { .. })).last();
        let wanted = StandIns {
            imports: [FuncIdx(0)].into(),
            calls: [last.unwrap().1 as usize].into(),
            references: true,
        };
        let output = stand_ins(&module, Abi::WpkFork, &wanted).unwrap();
        Module::read(&output).unwrap();
        let printed = wasmprinter::print_bytes(&output).unwrap();
        let count = |part: &str| printed.matches(part).count();
        let last = printed.rfind("i32.const 3").unwrap();
        assert!(printed[last..].contains(&format!("return_call {STAND_IN}")), "{printed}");
        assert_eq!(count("return_call $fork"), 1, "{printed}");
        assert_eq!(count("ref.func $fork"), 0, "{printed}");
        assert_eq!(count(&format!("func {STAND_IN} $f")), 1, "{printed}");
        assert_eq!(count(&format!("declare func {STAND_IN}")), 1, "{printed}");
        assert_eq!(count("(export \"fork\" (func $fork"), 1, "{printed}");
    }
}
