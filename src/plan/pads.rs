//! Pads: handlers of all exceptions, with sites inside, that may throw on what they caught. C++ and Rust run destructors there.
//!
//! What a `catch_all` caught isn't on the operand stack, so nothing but `rethrow` can get at it. When an unwind leaves such a
//! handler, it is thrown once more inside a `try` that catches each tag which the module knows. So its *kind* and the values it
//! carries are found, and saved like any other locals; on a rewind they are thrown anew, and the handler catches that. On the
//! normal path nothing changes, and the exception keeps its identity.
//!
//! Before:
//!
//! ```wat
//! try …
//! catch_all
//!   call $destructor
//!   rethrow 0
//! end
//! ```
//!
//! After:
//!
//! ```wat
//! try …                         ;; a rewind throws here, by (call $throw (local.get $kind) (local.get $p))
//! catch_all
//!   loop $again
//!     block $leave (result i32)
//!       call $destructor
//!       i32.const 1  global.get $state  br_if $leave  drop
//!       rethrow …
//!     end
//!     local.tee $resume           ;; if there are several sites
//!     try (result i32)
//!       rethrow …
//!     catch $cpp   local.set $p   i32.const 1
//!     catch $lj    …
//!     catch_all    call $undo   br $again
//!     end
//!     local.set $kind  br $exit
//!   end
//! end
//! ```
//!
//! An exception with a tag that the module doesn't know is the host's. No other instance could throw it, so that unwind is
//! undone, from inside the handler: the call is made once more, in a state in which the frames that were saved go back, and
//! the entry fails.

use super::skeleton::{Handler, Skeleton};
use crate::index::{LocalIdx, TagIdx};
use crate::limits::Limit;
use crate::read::Module;
use crate::work;
use std::collections::BTreeMap;
use wasmparser::ValType;

/// The most tags that a pad tells apart, so that pads grow with the module's handlers but not with its tags too. With
/// more, exceptions of the others are treated like the host's.
const MOST_TAGS: usize = 64;

/// The ordinal of a pad within its function.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PadOrdinal(pub u32);

/// The exceptions that can be thrown anew: those whose tags the module knows, and which carry no references, unless these are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownTags {
    /// In index order. The kind of an exception is its tag's position here, counted from 1.
    pub tags: Vec<KnownTag>,
    /// The types of what a pad keeps of an exception: room for the values of each tag.
    pub values: Vec<ValType>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTag {
    /// The tag.
    pub tag: TagIdx,
    /// For each value that an exception carries its place among [`KnownTags::values`].
    pub places: Vec<u32>,
}

/// A handler of all exceptions that keeps what it caught over its sites.
#[derive(Debug, PartialEq, Eq)]
pub struct Pad {
    /// The temporary for the kind of the exception.
    pub kind: LocalIdx,
    /// The temporaries for [`KnownTags::values`].
    pub values: Vec<LocalIdx>,
    /// The ordinal of its first site, and how many sites are inside.
    pub first: u32,
    /// See `first`.
    pub sites: u32,
    /// Whether control can reach its end.
    pub falls_out: bool,
    /// Whether its `try` has results.
    pub has_results: bool,
}

/// Whether an exit can be found by a `br_table` over all sites of a pad, as functions apart do it.
pub(super) fn may_be_apart(skeleton: &Skeleton) -> bool {
    let handlers = skeleton.nodes.iter().flat_map(|node| &node.handlers);
    let sites = skeleton.needed.len() as u64;
    !Limit::BranchTargets.is_exceeded_by(sites) || !handlers.into_iter().any(Handler::is_pad)
}

impl Pad {
    /// Whether there are different ways to its sites, and from there, so that the ordinal is asked.
    pub fn has_several_sites(&self) -> bool {
        self.sites > 1
    }
}

impl KnownTags {
    /// Those of `module`; `keeps`: references are kept for a rewind like any other value, so that what carries them is known too.
    pub(super) fn of(module: &Module<'_>, keeps: bool) -> KnownTags {
        let may_be_kept = |ty: &ValType| match ty {
            ValType::Ref(ty) => keeps && ty.is_nullable(),
            _ => true,
        };
        let mut known = KnownTags::default();
        for (tag, description) in module.tags.iter_enumerated() {
            work::count(1);
            let payload = module.func_type_at(description.ty).params();
            if known.tags.len() < MOST_TAGS && payload.iter().all(may_be_kept) {
                known.add(tag, payload);
            }
        }
        known
    }

    /// Values of different tags share places of their type.
    fn add(&mut self, tag: TagIdx, payload: &[ValType]) {
        let mut of_type: BTreeMap<ValType, Vec<u32>> = BTreeMap::new();
        for (place, ty) in (0..).zip(&self.values) {
            work::count(1);
            of_type.entry(*ty).or_default().push(place);
        }
        of_type.values_mut().for_each(|places| places.reverse());
        let places = payload.iter().map(|ty| {
            of_type.get_mut(ty).and_then(Vec::pop).unwrap_or_else(|| {
                self.values.push(*ty);
                self.values.len() as u32 - 1
            })
        });
        let places = places.collect();
        self.tags.push(KnownTag { tag, places });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_different_tags_share_places_of_their_type() {
        use ValType::{F64, I32};
        let mut known = KnownTags::default();
        known.add(TagIdx(0), &[I32]);
        known.add(TagIdx(2), &[F64, I32, I32]);
        known.add(TagIdx(3), &[I32, F64]);
        assert_eq!(known.values, [I32, F64, I32]);
        let places: Vec<_> = known.tags.iter().map(|tag| &tag.places[..]).collect();
        assert_eq!(places, [&[0][..], &[1, 0, 2], &[0, 1]]);
    }
}
