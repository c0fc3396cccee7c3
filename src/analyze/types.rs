//! Function types by identity: which type indices mean the same type, and which type is a
//! supertype of which.
//!
//! Two type indices name the same type when their recursion groups are equal in structure ("Type
//! Equivalence", core specification), so an index alone says nothing. The validator has already
//! found the identities; here they become the least type index that names the type.

use crate::index::{FuncIdx, IndexType, IndexVec, TypeIdx};
use crate::read::Module;
use std::collections::HashMap;
use wasmparser::{HeapType, RefType, UnpackedIndex};

/// A type by identity: the least index that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TypeId(TypeIdx);

impl TypeId {
    /// The least type index that names the type.
    pub(super) fn first_index(self) -> TypeIdx {
        self.0
    }
}

/// What a reference type says about the functions it admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// Every function.
    Any,
    /// The functions of this type and its subtypes.
    Type(TypeId),
    /// No function.
    None,
}

/// The type identities of a module and their supertypes.
pub(super) struct TypeIds {
    ids: IndexVec<TypeIdx, TypeId>,
    supertypes: IndexVec<TypeIdx, Option<TypeId>>,
}

impl TypeIds {
    pub(super) fn new(module: &Module<'_>) -> TypeIds {
        let types = module.types();
        let count = types.core_type_count_in_module();
        let mut least = HashMap::new();
        let ids: IndexVec<_, _> = (0..count)
            .map(|index| {
                let id = types.core_type_at_in_module(index);
                *least.entry(id).or_insert(TypeId(TypeIdx(index)))
            })
            .collect();
        let supertypes = (0..count)
            .map(|index| {
                let supertype = types.supertype_of(types.core_type_at_in_module(index));
                supertype.and_then(|id| least.get(&id).copied())
            })
            .collect();
        TypeIds { ids, supertypes }
    }

    pub(super) fn id(&self, ty: TypeIdx) -> TypeId {
        self.ids[ty]
    }

    /// The least type index that names the type.
    pub(super) fn index(id: TypeId) -> TypeIdx {
        id.0
    }

    /// The identity of a function's type.
    pub(super) fn of_func(&self, module: &Module<'_>, func: FuncIdx) -> TypeId {
        self.id(module.funcs[func].ty)
    }

    pub(super) fn supertype(&self, ty: TypeId) -> Option<TypeId> {
        self.supertypes[ty.0]
    }

    /// The type itself, its supertype, and so on. The validator bounds the depth by 63.
    pub(super) fn chain(&self, ty: TypeId) -> impl Iterator<Item = TypeId> {
        std::iter::successors(Some(ty), |ty| self.supertype(*ty))
    }

    pub(super) fn is_subtype(&self, sub: TypeId, sup: TypeId) -> bool {
        self.chain(sub).any(|ty| ty == sup)
    }

    /// Which functions a reference of type `ty` can be.
    pub(super) fn bound(&self, ty: RefType) -> Bound {
        match ty.heap_type() {
            HeapType::Concrete(UnpackedIndex::Module(index))
            | HeapType::Exact(UnpackedIndex::Module(index)) => {
                Bound::Type(self.ids[TypeIdx::from_usize(index as usize)])
            }
            HeapType::Abstract { ty: wasmparser::AbstractHeapType::NoFunc, .. } => Bound::None,
            _ => Bound::Any,
        }
    }

    /// The functions that are of type `ty` and within `bound`: by single inheritance those of the
    /// more special of the two, or none.
    pub(super) fn meet(&self, bound: Bound, ty: TypeId) -> Option<TypeId> {
        match bound {
            Bound::Any => Some(ty),
            Bound::None => None,
            Bound::Type(other) if self.is_subtype(other, ty) => Some(other),
            Bound::Type(other) if self.is_subtype(ty, other) => Some(ty),
            Bound::Type(_) => None,
        }
    }
}
