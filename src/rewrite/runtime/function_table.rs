//! Tables of functions, of a size that doesn't change, filled by a segment.

use crate::emit::Additions;
use crate::index::FuncIdx;
use wasm_encoder::{ConstExpr, ElementSection, Elements, Encode, RefType, SectionId, TableType};

/// Appends the table with this index, which has `functions` from its first slot to its last.
pub(super) fn append(additions: &mut Additions, table: u32, functions: &[FuncIdx]) {
    let slots = functions.len() as u64;
    let ty = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: slots,
        maximum: Some(slots),
        shared: false,
    };
    additions.item(SectionId::Table, |out| ty.encode(out));
    let functions: Vec<_> = functions.iter().map(|func| func.0).collect();
    let mut section = ElementSection::new();
    // An index spells the table out, which not all engines know where there is only one.
    let index = (table > 0).then_some(table);
    section.active(index, &ConstExpr::i32_const(0), Elements::Functions(functions.into()));
    additions.section(&section);
}
