//! Types that the input does not have: block types without parameters and helper signatures.

use crate::read::Module;
use crate::work;
use indexmap::IndexSet;
use std::collections::BTreeMap;
use wasm_encoder::{HeapType, RefType, ValType};
use wasmparser::types::CoreTypeId;

/// A function signature.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Signature {
    pub params: Vec<ValType>,
    pub results: Vec<ValType>,
}

/// The types appended to the type index space.
pub(crate) struct NewTypes {
    first: u32,
    signatures: IndexSet<Signature>,
    /// For each canonical type the first index that names it.
    by_id: BTreeMap<CoreTypeId, u32>,
}

impl NewTypes {
    pub fn new(module: &Module<'_>) -> NewTypes {
        let types = module.types();
        let first = types.core_type_count_in_module();
        let mut by_id = BTreeMap::new();
        for index in (0..first).rev() {
            work::count(1);
            by_id.insert(types.core_type_at_in_module(index), index);
        }
        NewTypes { first, signatures: IndexSet::new(), by_id }
    }

    /// The index of `signature`, appended unless it was before.
    pub fn add(&mut self, signature: Signature) -> u32 {
        self.first + self.signatures.insert_full(signature).0 as u32
    }

    /// The index of a signature that was added before.
    pub fn index(&self, signature: &Signature) -> Option<u32> {
        self.signatures.get_index_of(signature).map(|position| self.first + position as u32)
    }

    /// The appended signatures in index order.
    pub fn signatures(&self) -> impl ExactSizeIterator<Item = &Signature> {
        self.signatures.iter()
    }

    /// A type as the output spells it.
    pub fn val_type(&self, ty: wasmparser::ValType) -> ValType {
        match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            wasmparser::ValType::Ref(ty) => ValType::Ref(self.ref_type(ty)),
        }
    }

    /// The same for a type of references.
    pub fn ref_type(&self, ty: wasmparser::RefType) -> RefType {
        RefType { nullable: ty.is_nullable(), heap_type: self.heap_type(ty.heap_type()) }
    }

    /// The validator names concrete types by identity, the binary format by index.
    pub fn heap_type(&self, ty: wasmparser::HeapType) -> HeapType {
        use wasmparser::{HeapType as Parsed, UnpackedIndex};
        let index = |index: UnpackedIndex| match index {
            UnpackedIndex::Module(index) => index,
            UnpackedIndex::RecGroup(index) => index,
            UnpackedIndex::Id(id) => self.by_id.get(&id).copied().unwrap_or(u32::MAX),
        };
        match ty {
            Parsed::Concrete(ty) => HeapType::Concrete(index(ty)),
            Parsed::Exact(ty) => HeapType::Exact(index(ty)),
            Parsed::Abstract { shared, ty } => HeapType::Abstract { shared, ty: ty.into() },
        }
    }
}
