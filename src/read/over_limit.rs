//! Finds the limit that a module exceeds which the validator refused, by counting anew.
//!
//! A number that can't be true counts for nothing: a vector has at most as many items as bytes.

use super::features;
use super::sections::headers;
use crate::limits::{Limit, Sizes};
use wasmparser::{
    BinaryReader, CompositeInnerType, ExternalKind, FunctionBody, Operator, Parser, Payload,
    SectionLimited, SubType, TypeRef,
};

/// A limit, and the number that exceeds it.
type Exceeded = (Limit, u64);

/// The limit that is exceeded in what the validator read up to `offset`.
pub(super) fn over_limit(bytes: &[u8], offset: usize) -> Option<Exceeded> {
    let mut counter = Counter { offset, ..Counter::default() };
    let mut parser = Parser::new(0);
    parser.set_features(features());
    for payload in parser.parse_all(bytes) {
        let Ok(payload) = payload else { break };
        if payload.as_section().is_some_and(|(_, range)| range.start as usize > offset) {
            break;
        }
        let found = counter.payload(&payload);
        if found.is_some() {
            return found;
        }
    }
    exceeded([(Limit::ModuleBytes, bytes.len() as u64)]).or_else(|| vector_at(bytes, offset))
}

fn exceeded(numbers: impl IntoIterator<Item = Exceeded>) -> Option<Exceeded> {
    numbers.into_iter().find(|(limit, number)| limit.is_exceeded_by(*number))
}

/// What was read so far.
#[derive(Default)]
struct Counter {
    offset: usize,
    sizes: Sizes,
    imports: u64,
    memories: u64,
    data: u64,
    /// For each type what it adds to [`Limit::Interface`].
    types: Vec<u64>,
    /// For each function the same.
    functions: Vec<u64>,
    /// For each tag the same.
    tags: Vec<u64>,
}

impl Counter {
    fn payload(&mut self, payload: &Payload<'_>) -> Option<Exceeded> {
        let sizes = &mut self.sizes;
        match payload {
            Payload::TypeSection(types) => {
                let groups = types.clone().into_iter().map_while(Result::ok);
                self.types = groups.flat_map(|group| group.into_types()).map(size).collect();
                sizes.types = (self.types.len() as u64).max(count(types));
            }
            Payload::ImportSection(imports) => {
                let imports = imports.clone().into_imports().map_while(Result::ok);
                imports.for_each(|import| self.import(import.ty));
            }
            Payload::FunctionSection(functions) => {
                sizes.functions += count(functions);
                let types = functions.clone().into_iter().map_while(Result::ok);
                self.functions.extend(types.map(|ty| at(&self.types, ty)));
            }
            Payload::TableSection(tables) => sizes.tables += count(tables),
            Payload::MemorySection(memories) => self.memories += count(memories),
            Payload::TagSection(tags) => {
                sizes.tags += count(tags);
                let types = tags.clone().into_iter().map_while(Result::ok);
                self.tags.extend(types.map(|ty| at(&self.types, ty.func_type_idx)));
            }
            Payload::GlobalSection(globals) => sizes.globals += count(globals),
            Payload::ExportSection(exports) => {
                sizes.exports += count(exports);
                let exports = exports.clone().into_iter().map_while(Result::ok);
                let sizes = exports.map(|export| match export.kind {
                    ExternalKind::Func => at(&self.functions, export.index),
                    ExternalKind::Tag => at(&self.tags, export.index),
                    _ => 1,
                });
                self.sizes.interface += sizes.sum::<u64>();
            }
            Payload::ElementSection(elements) => {
                sizes.element_segments += count(elements);
                let mut segments = elements.clone().into_iter().map_while(Result::ok);
                let items = segments.find_map(|segment| {
                    let items = match segment.items {
                        wasmparser::ElementItems::Functions(items) => items.count(),
                        wasmparser::ElementItems::Expressions(_, items) => items.count(),
                    };
                    exceeded([(Limit::Elements, items.into())])
                });
                if items.is_some() {
                    return items;
                }
            }
            Payload::DataSection(data) => self.data = count(data),
            Payload::DataCountSection { count, .. } => self.data = u64::from(*count),
            Payload::CodeSectionEntry(body) => return self.body(body),
            _ => {}
        }
        self.sizes.exceeded().or_else(|| {
            exceeded([
                (Limit::Imports, self.imports),
                (Limit::Memories, self.memories),
                (Limit::DataSegments, self.data),
            ])
        })
    }

    fn import(&mut self, ty: TypeRef) {
        self.imports += 1;
        self.sizes.interface += match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.sizes.functions += 1;
                self.functions.push(at(&self.types, ty));
                at(&self.types, ty)
            }
            TypeRef::Tag(tag) => {
                self.sizes.tags += 1;
                self.tags.push(at(&self.types, tag.func_type_idx));
                at(&self.types, tag.func_type_idx)
            }
            TypeRef::Table(_) => {
                self.sizes.tables += 1;
                1
            }
            TypeRef::Memory(_) => {
                self.memories += 1;
                1
            }
            TypeRef::Global(_) => {
                self.sizes.globals += 1;
                1
            }
        };
    }

    /// The body in which the validator stopped.
    fn body(&self, body: &FunctionBody<'_>) -> Option<Exceeded> {
        let range = body.range();
        let bytes = exceeded([(Limit::BodyBytes, range.end - range.start)]);
        if bytes.is_some() || !(range.start..range.end).contains(&(self.offset as u64)) {
            return bytes;
        }
        let locals = body.get_locals_reader().ok()?.into_iter().map_while(Result::ok);
        let locals = locals.map(|(count, _)| u64::from(count)).sum();
        exceeded([(Limit::Locals, locals)]).or_else(|| self.catches(body))
    }

    /// The handlers of the operator that can't be read, if it is a `try_table`.
    fn catches(&self, body: &FunctionBody<'_>) -> Option<Exceeded> {
        const TRY_TABLE: u8 = 0x1f;
        let mut reader = body.get_operators_reader().ok()?;
        let start = loop {
            let start = reader.original_position();
            match reader.read() {
                Ok(Operator::End) if reader.eof() => return None,
                Ok(_) => {}
                Err(_) => break (start - body.range().start) as usize,
            }
        };
        let bytes = body.as_bytes();
        let number = BinaryReader::new(&bytes[self.offset - body.range().start as usize..], 0)
            .read_var_u32()
            .ok()?;
        let is_true = bytes.get(start) == Some(&TRY_TABLE) && number as usize <= bytes.len();
        exceeded(is_true.then_some((Limit::Catches, number.into())))
    }
}

/// How many items a section has, if there is room for them.
fn count<T>(section: &SectionLimited<'_, T>) -> u64 {
    let range = section.range();
    let count = u64::from(section.count());
    if count > range.end - range.start { 0 } else { count }
}

/// What a type adds to [`Limit::Interface`].
fn size(ty: SubType) -> u64 {
    match &ty.composite_type.inner {
        CompositeInnerType::Func(ty) => 2 + (ty.params().len() + ty.results().len()) as u64,
        _ => 0,
    }
}

fn at(sizes: &[u64], index: u32) -> u64 {
    sizes.get(index as usize).copied().unwrap_or(0)
}

/// A vector inside an item of a section, whose length stands where the validator stopped: that is the
/// first byte of a length that it refuses, or for a name the last.
fn vector_at(bytes: &[u8], offset: usize) -> Option<Exceeded> {
    const MAX_BYTES: usize = 5;
    let inside = |section: &super::sections::Header| {
        section.start <= offset && (offset as u64) < section.end.min(bytes.len() as u64)
    };
    let section = headers(bytes).find(inside)?;
    let contents = &bytes[..section.end.min(bytes.len() as u64) as usize];
    let length_from = |start: usize| -> Option<(u64, usize)> {
        let mut reader = BinaryReader::new(contents.get(start..)?, 0);
        let length = reader.read_var_u32().ok()?;
        let end = start + reader.original_position() as usize;
        (length as usize <= contents.len() - end).then_some((length.into(), end))
    };
    if section.id == TYPES {
        let (length, _) = length_from(offset)?;
        let limit = match bytes.get(offset - 1) {
            Some(0x60) => Limit::Params,
            Some(0x5f) => Limit::Fields,
            Some(0x4e) => Limit::Types,
            _ => Limit::Results,
        };
        return exceeded([(limit, length)]);
    }
    let starts = (offset + 1).saturating_sub(MAX_BYTES).max(section.start)..=offset;
    let names = starts.filter_map(length_from).filter(|(_, end)| *end == offset + 1);
    exceeded(names.map(|(length, _)| (Limit::NameBytes, length)))
}

const TYPES: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::read::Module;
    use wasm_encoder::{
        CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection,
        Function, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection,
        MemoryType, Module as Encoder, Section, TypeSection, ValType,
    };

    fn refused(sections: &[&dyn Encode]) -> Error {
        let mut module = Encoder::new();
        for section in sections {
            section.add(&mut module);
        }
        Module::read(&module.finish()).err().expect("it is over a limit")
    }

    /// What a list of sections is made of.
    trait Encode {
        fn add(&self, module: &mut Encoder);
    }

    impl<S: Section> Encode for S {
        fn add(&self, module: &mut Encoder) {
            module.section(self);
        }
    }

    #[track_caller]
    fn assert_over(sections: &[&dyn Encode], expected: Limit, number: u64) {
        match refused(sections) {
            Error::Limit { limit, number: found, .. } => {
                assert_eq!((limit, found), (expected, number));
            }
            other => panic!("{other}"),
        }
    }

    fn types(params: usize, results: usize) -> TypeSection {
        let mut types = TypeSection::new();
        types.ty().function(vec![ValType::I32; params], vec![ValType::I32; results]);
        types
    }

    #[test]
    fn index_spaces() {
        let mut globals = GlobalSection::new();
        for _ in 0..=1_000_000 {
            let ty = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
            globals.global(ty, &ConstExpr::i32_const(0));
        }
        assert_over(&[&globals], Limit::Globals, 1_000_001);
        let mut functions = FunctionSection::new();
        (0..=1_000_000).for_each(|_| _ = functions.function(0));
        assert_over(&[&types(0, 0), &functions], Limit::Functions, 1_000_001);
        let mut memories = MemorySection::new();
        let ty = MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        (0..=100).for_each(|_| _ = memories.memory(ty));
        assert_over(&[&memories], Limit::Memories, 101);
        let mut elements = ElementSection::new();
        (0..=100_000).for_each(|_| _ = elements.passive(Elements::Functions([][..].into())));
        assert_over(&[&elements], Limit::ElementSegments, 100_001);
    }

    #[test]
    fn imports_and_definitions_count_together() {
        let mut imports = ImportSection::new();
        imports.import("e", "f", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        (0..1_000_000).for_each(|_| _ = functions.function(0));
        assert_over(&[&types(0, 0), &imports, &functions], Limit::Functions, 1_000_001);
    }

    #[test]
    fn parameters_results_and_names() {
        assert_over(&[&types(1_001, 0)], Limit::Params, 1_001);
        assert_over(&[&types(3, 1_002)], Limit::Results, 1_002);
        let mut imports = ImportSection::new();
        imports.import("e", &"x".repeat(100_003), EntityType::Function(0));
        assert_over(&[&types(0, 0), &imports], Limit::NameBytes, 100_003);
    }

    #[test]
    fn the_interface() {
        let mut functions = FunctionSection::new();
        functions.function(0);
        let mut exports = ExportSection::new();
        (0..1_000).for_each(|number| {
            exports.export(&number.to_string(), ExportKind::Func, 0);
        });
        let sections: &[&dyn Encode] = &[&types(1_000, 1), &functions, &exports];
        assert_over(sections, Limit::Interface, 1_003_000);
    }

    fn one_body(body: &Function) -> Error {
        let mut functions = FunctionSection::new();
        functions.function(0);
        let mut code = CodeSection::new();
        code.function(body);
        refused(&[&types(0, 0), &functions, &code])
    }

    #[test]
    fn bodies_and_locals() {
        let mut body = Function::new([]);
        (0..7_654_321).for_each(|_| _ = body.instructions().nop());
        body.instructions().end();
        let error = one_body(&body);
        assert!(matches!(error, Error::Limit { limit: Limit::BodyBytes, .. }), "{error}");
        let mut body = Function::new([(50_001, ValType::I32)]);
        body.instructions().end();
        let error = one_body(&body);
        assert!(
            matches!(error, Error::Limit { limit: Limit::Locals, number: 50_001, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_number_that_cannot_be_true_is_no_limit() {
        // Globals, parameters, and a name: each is said to have more items than bytes.
        for contents in [
            &b"\x06\x05\xff\xff\xff\x7f\0"[..],
            b"\x01\x05\x01\x60\xff\xff\x03",
            b"\x07\x06\x01\xff\xff\xff\x7f\0",
        ] {
            let bytes = [b"\0asm\x01\0\0\0", contents].concat();
            let error = Module::read(&bytes).err().expect("it is not valid");
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
    }
}
