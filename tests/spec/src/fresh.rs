//! Which modules can be rewound in a fresh instance: those whose state is all in memories and in globals that the tool restores.
//!
//! A host can't copy the rest: slots of tables and references in globals mean things of the old instance, what was dropped can't be
//! asked for, and what others hold of an instance goes on to mean it.

use std::fmt;
use wasmparser::{ElementKind, GlobalType, Operator, Parser, Payload, TypeRef, ValType};

/// What a module is like for a host that wants to go on in a fresh instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// It can be.
    Can,
    /// Code changes tables, or drops segments.
    ChangesTables,
    /// Code drops data segments.
    DropsData,
    /// Code changes structs or arrays.
    ChangesObjects,
    /// A mutable global holds a reference.
    ReferenceInGlobal,
    /// It has a memory for several threads, of which there is one.
    SharesMemory,
    /// Instantiating it changes what it imports.
    ChangesImports,
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Freshness::Can => "in fresh instances, too",
            Freshness::ChangesTables => "not in fresh ones: tables change",
            Freshness::DropsData => "not in fresh ones: data is dropped",
            Freshness::ChangesObjects => "not in fresh ones: structs or arrays change",
            Freshness::ReferenceInGlobal => "not in fresh ones: a mutable global for references",
            Freshness::SharesMemory => "not in fresh ones: a shared memory",
            Freshness::ChangesImports => "not in fresh ones: a new one changes imports",
        })
    }
}

/// What of a module is imported.
#[derive(Default)]
struct Imported {
    tables: u32,
    memories: u32,
    mutable_globals: u32,
}

impl Freshness {
    pub fn of(bytes: &[u8]) -> wasmparser::Result<Freshness> {
        let mut found = Freshness::Can;
        let mut note = |why: Freshness| found = found.max(why);
        let mut imported = Imported::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Table(_) => imported.tables += 1,
                            TypeRef::Memory(ty) if ty.shared => note(Freshness::SharesMemory),
                            TypeRef::Memory(_) => imported.memories += 1,
                            TypeRef::Global(GlobalType { mutable: true, .. }) => {
                                imported.mutable_globals += 1;
                            }
                            _ => {}
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        if memory?.shared {
                            note(Freshness::SharesMemory);
                        }
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        let ty = global?.ty;
                        if ty.mutable && matches!(ty.content_type, ValType::Ref(_)) {
                            note(Freshness::ReferenceInGlobal);
                        }
                    }
                }
                Payload::StartSection { .. } => {
                    let Imported { tables, memories, mutable_globals } = imported;
                    if tables + memories + mutable_globals > 0 {
                        note(Freshness::ChangesImports);
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        let is_active = matches!(element?.kind, ElementKind::Active { .. });
                        if is_active && imported.tables > 0 {
                            note(Freshness::ChangesImports);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()? {
                        note(of_operator(&operator?));
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn of_operator(operator: &Operator<'_>) -> Freshness {
    match operator {
        Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. }
        | Operator::ElemDrop { .. } => Freshness::ChangesTables,
        Operator::DataDrop { .. } => Freshness::DropsData,
        Operator::StructSet { .. }
        | Operator::ArraySet { .. }
        | Operator::ArrayFill { .. }
        | Operator::ArrayCopy { .. }
        | Operator::ArrayInitData { .. }
        | Operator::ArrayInitElem { .. } => Freshness::ChangesObjects,
        _ => Freshness::Can,
    }
}
