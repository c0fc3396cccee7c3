//! Puts an entry into a module: an import without parameters and results, called before every few operators. Its memories are
//! exported, for a host that copies them.

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, ImportSection, Instruction, Module,
    SectionId, TypeSection,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload, TypeRef};

/// The entry's module name, and its field name.
pub const ENTRY: (&str, &str) = ("spec", "enter");

/// What the exports of memories are called, before their indices.
pub const MEMORY: &str = "spec memory ";

/// Before how many operators there is one call.
const EVERY: usize = 4;

/// The module with an entry; nothing if there is no body that could call it.
pub fn inject(bytes: &[u8]) -> Result<Option<Vec<u8>>, reencode::Error> {
    let Counts { types, imported, memories, bodies } = Counts::of(bytes)?;
    if bodies == 0 {
        return Ok(None);
    }
    let mut module = Module::new();
    let mut injector = Injector {
        ty: types,
        imported,
        memories,
        operators: 0,
        has_type: false,
        has_import: false,
        has_exports: false,
    };
    injector.parse_core_module(&mut module, Parser::new(0), bytes)?;
    Ok(Some(module.finish()))
}

/// How many there are of what the entry's indices depend on.
#[derive(Default)]
struct Counts {
    types: u32,
    imported: u32,
    memories: u32,
    bodies: u32,
}

impl Counts {
    fn of(bytes: &[u8]) -> Result<Counts, reencode::Error> {
        let mut counts = Counts::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        counts.types += group?.types().len() as u32;
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => counts.imported += 1,
                            TypeRef::Memory(_) => counts.memories += 1,
                            _ => {}
                        }
                    }
                }
                Payload::MemorySection(section) => counts.memories += section.count(),
                Payload::CodeSectionStart { count, .. } => counts.bodies = count,
                _ => {}
            }
        }
        Ok(counts)
    }
}

struct Injector {
    /// The index of the entry's type.
    ty: u32,
    /// How many functions are imported before it: its own index.
    imported: u32,
    memories: u32,
    operators: usize,
    has_type: bool,
    has_import: bool,
    has_exports: bool,
}

impl Injector {
    fn add_type(&mut self, types: &mut TypeSection) {
        types.ty().function([], []);
        self.has_type = true;
    }

    fn add_import(&mut self, imports: &mut ImportSection) {
        imports.import(ENTRY.0, ENTRY.1, EntityType::Function(self.ty));
        self.has_import = true;
    }

    fn add_exports(&mut self, exports: &mut ExportSection) {
        for memory in 0..self.memories {
            exports.export(&format!("{MEMORY}{memory}"), ExportKind::Memory, memory);
        }
        self.has_exports = true;
    }
}

impl Reencode for Injector {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, reencode::Error> {
        Ok(if func < self.imported { func } else { func + 1 })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        reencode::utils::parse_type_section(self, types, section)?;
        self.add_type(types);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        reencode::utils::parse_import_section(self, imports, section)?;
        self.add_import(imports);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        reencode::utils::parse_export_section(self, exports, section)?;
        self.add_exports(exports);
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), reencode::Error> {
        if !self.has_type && before != Some(SectionId::Type) {
            let mut types = TypeSection::new();
            self.add_type(&mut types);
            module.section(&types);
        }
        if !self.has_import && !matches!(before, Some(SectionId::Type | SectionId::Import)) {
            let mut imports = ImportSection::new();
            self.add_import(&mut imports);
            module.section(&imports);
        }
        let is_behind = matches!(
            before,
            None | Some(
                SectionId::Start
                    | SectionId::Element
                    | SectionId::DataCount
                    | SectionId::Code
                    | SectionId::Data
            )
        );
        if !self.has_exports && self.memories > 0 && is_behind {
            let mut exports = ExportSection::new();
            self.add_exports(&mut exports);
            module.section(&exports);
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut func = self.new_function_with_parsed_locals(&body)?;
        for operator in body.get_operators_reader()? {
            let operator: Operator<'_> = operator?;
            if self.operators.is_multiple_of(EVERY) {
                func.instruction(&Instruction::Call(self.imported));
            }
            self.operators += 1;
            func.instruction(&self.instruction(operator)?);
        }
        code.function(&func);
        Ok(())
    }
}
