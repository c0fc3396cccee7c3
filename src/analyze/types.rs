//! Function types by identity: which type indices mean the same type, and which type is a
//! supertype of which.
//!
//! Two type indices name the same type when their recursion groups are equal in structure ("Type
//! Equivalence", core specification), so an index alone says nothing. The validator has already
//! found the identities; here they become the least type index that names the type.

use crate::index::{FuncIdx, IndexType, IndexVec, TypeIdx};
use crate::read::Module;
use crate::work;
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
    /// The types that are declared as direct subtypes of each.
    subtypes: IndexVec<TypeIdx, Vec<TypeId>>,
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
        let supertypes: IndexVec<TypeIdx, _> = (0..count)
            .map(|index| {
                let supertype = types.supertype_of(types.core_type_at_in_module(index));
                supertype.and_then(|id| least.get(&id).copied())
            })
            .collect();
        let mut subtypes = IndexVec::filled(Vec::new(), supertypes.len());
        for (index, supertype) in supertypes.iter_enumerated() {
            work::count(1);
            if let Some(TypeId(supertype)) = *supertype
                && ids[index] == TypeId(index)
            {
                subtypes[supertype].push(TypeId(index));
            }
        }
        TypeIds { ids, supertypes, subtypes }
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

    /// The types that name `ty` as their supertype.
    pub(super) fn subtypes(&self, ty: TypeId) -> &[TypeId] {
        &self.subtypes[ty.0]
    }

    /// Whether a call that asks for `ty` can have `func` for its target.
    ///
    /// What is imported as a function of some type may be one of a subtype ("Import Matching"), and
    /// a call checks what it is, not how it was declared.
    pub(super) fn callable_as(&self, module: &Module<'_>, func: FuncIdx, ty: TypeId) -> bool {
        let declared = self.of_func(module, func);
        self.is_subtype(declared, ty) || (module.is_import(func) && self.is_subtype(ty, declared))
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

#[cfg(test)]
mod tests {
    use super::{Bound, TypeId, TypeIds};
    use crate::index::TypeIdx;
    use crate::read::Module;

    /// Every forest of supertypes over five types (5! of them), with one that is named twice.
    #[test]
    fn what_is_kept_of_types_is_what_the_validator_says() {
        for number in 0..120 {
            let (mut rest, mut text) = (number, String::new());
            for ty in 0..5_usize {
                let choice = rest % (ty + 1);
                rest /= ty + 1;
                let supertype =
                    choice.checked_sub(1).map_or(String::new(), |sup| format!("$t{sup}"));
                text.push_str(&format!("(type $t{ty} (sub {supertype} (func)))"));
            }
            let bytes = wat::parse_str(format!("(module {text} (type (sub (func))))")).unwrap();
            let module = Module::read(&bytes).unwrap();
            check(&module);
        }
    }

    fn check(module: &Module<'_>) {
        let (types, ids) = (module.types(), TypeIds::new(module));
        let real = |index| types.core_type_at_in_module(index);
        let is_below = |sub, sup| {
            let chain = std::iter::successors(Some(real(sub)), |ty| types.supertype_of(*ty));
            chain.into_iter().any(|ty| ty == real(sup))
        };
        for a in 0..6 {
            for b in 0..6 {
                let (left, right) = (ids.id(TypeIdx(a)), ids.id(TypeIdx(b)));
                assert_eq!(left == right, real(a) == real(b));
                assert_eq!(ids.is_subtype(left, right), is_below(a, b));
                assert_eq!(all_below(&ids, right).contains(&left), is_below(a, b));
                let met = ids.meet(Bound::Type(left), right);
                for c in 0..6 {
                    let both = is_below(c, a) && is_below(c, b);
                    let third = ids.id(TypeIdx(c));
                    assert_eq!(met.is_some_and(|met| ids.is_subtype(third, met)), both);
                }
            }
        }
    }

    fn all_below(ids: &TypeIds, ty: TypeId) -> Vec<TypeId> {
        let below = ids.subtypes(ty).iter().flat_map(|ty| all_below(ids, *ty));
        std::iter::once(ty).chain(below).collect()
    }
}
