//! What a host must know of a module that its engine doesn't tell: whether a copy can be made, and which module it is.

use super::carried::is_keeper;
use super::protocol::RESERVED;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use wasmparser::{ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef};
use wasmtime::{Result, format_err};

/// The bytes that tell one module from another.
pub(super) type Fingerprint = [u8; 32];

pub(super) struct Shape {
    pub(super) fingerprint: Fingerprint,
    /// Why no copy can be made of an instance, if none can.
    uncopied: Option<String>,
}

/// What is read of a module.
#[derive(Default)]
struct Seen {
    /// How many functions and memories are imported, and how many memories there are.
    imported_functions: u32,
    memories: u32,
    exported_memories: BTreeSet<u32>,
    /// The functions that change a table, but for those that instrumenting has added.
    writers: BTreeSet<u32>,
    keeps_references: bool,
    /// The tables that keep them, where these are brought over.
    carried: BTreeSet<u32>,
}

impl Seen {
    fn of(wasm: &[u8]) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut function = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Memory(_) => seen.memories += 1,
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                                seen.imported_functions += 1;
                            }
                            _ => {}
                        }
                    }
                    function = seen.imported_functions;
                }
                Payload::MemorySection(section) => seen.memories += section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Memory {
                            seen.exported_memories.insert(export.index);
                        }
                        seen.keeps_references |= export.name == "wpk_fork_release";
                        if is_keeper(export.name) && export.kind == ExternalKind::Table {
                            seen.carried.insert(export.index);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()? {
                        let table = written_table(&operator?);
                        if table.is_some_and(|table| !seen.carried.contains(&table)) {
                            seen.writers.insert(function);
                        }
                    }
                    function += 1;
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        seen.forget_added(names)?;
                    }
                }
                _ => {}
            }
        }
        Ok(seen)
    }

    /// The tables of those are empty whenever a stack is away.
    fn forget_added(&mut self, names: wasmparser::NameSectionReader<'_>) -> Result<()> {
        for subsection in names {
            let Name::Function(functions) = subsection? else { continue };
            for naming in functions {
                let naming = naming?;
                if naming.name.starts_with(RESERVED) {
                    self.writers.remove(&naming.index);
                }
            }
        }
        Ok(())
    }
}

impl Shape {
    pub(super) fn of(wasm: &[u8]) -> Result<Shape> {
        let seen = Seen::of(wasm)?;
        let hidden = (0..seen.memories).find(|index| !seen.exported_memories.contains(index));
        let uncopied = if let Some(index) = hidden {
            Some(format!("memory {index} is not exported"))
        } else if let Some(function) = seen.writers.first() {
            Some(format!("function {function} changes a table"))
        } else {
            let stays = seen.keeps_references && seen.carried.is_empty();
            stays.then(|| {
                "it keeps references in its instance, and was instrumented to carry none over"
                    .to_owned()
            })
        };
        Ok(Shape { fingerprint: Sha256::digest(wasm).into(), uncopied })
    }

    /// # Errors
    /// Why no copy can be made of an instance.
    pub(super) fn may_be_copied(&self) -> Result<()> {
        match &self.uncopied {
            Some(why) => Err(format_err!("the program can't be copied: {why}")),
            None => Ok(()),
        }
    }
}

/// The table that an operator changes.
fn written_table(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::TableSet { table }
        | Operator::TableGrow { table }
        | Operator::TableFill { table }
        | Operator::TableCopy { dst_table: table, .. }
        | Operator::TableInit { table, .. } => Some(*table),
        _ => None,
    }
}
