//! Which indirect calls can meet a function of another type, and which functions.
//!
//! Input: what was found by `shim`, and the module's names. Output: plain data, in which calls of one type through one table are a
//! *class*, for they meet the same functions. Classes, calls and slots are listed, in space that is linear
//! in them. The pairs of a class and a type that it can meet are made as they are read or written, one at a time,
//! for there may be as many as the product.

mod json;
mod text;

pub use json::Json;
pub use text::Text;

use crate::analyze::Placed;
use crate::error::{Error, Result};
use crate::index::{FuncIdx, TableIdx, TypeIdx};
use crate::limits::Limit;
use crate::read::lines::LineCursor;
use crate::read::{Module, demangled};
use crate::shim::{
    self, Certainty, Found, FoundCall, FoundClass, FoundSlots, FunctionsOfType, Pair,
};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use text::TypeNames;

/// The indirect calls of a module that can meet a function of another type.
#[derive(Clone, Debug)]
pub struct ShimReport {
    /// How many indirect calls there are.
    pub indirect_calls: usize,
    /// How many of them can meet a function that could be adapted.
    pub adaptable_calls: usize,
    /// Tables that the host can write to: what it writes is not in this report.
    pub host_visible_tables: Vec<u32>,
    /// The calls by the functions that make them; those with the most pairs come first.
    pub callers: Vec<Caller>,
    /// What calls of one type can meet through one table, in order of table and type.
    pub classes: Vec<CallClass>,
    /// The functions that the classes can meet, by table and type.
    pub slots: Vec<FunctionsInTable>,
    /// The types of calls and functions, as text.
    signatures: BTreeMap<u32, String>,
    found: Found,
}

/// A function with calls that can mismatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// Its index.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many pairs of a call of it and a slot mismatch and could be adapted.
    pub adaptable_pairs: usize,
    /// How many mismatch and could not.
    pub other_pairs: usize,
    /// The calls, in order.
    pub calls: Vec<MismatchingCall>,
}

/// A call that can mismatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MismatchingCall {
    /// Offset of the instruction in bytes from the start of the module.
    pub offset: u32,
    /// `path:line`, where debug information tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `definite`: its slot is known, and holds a function of another type. Else `possible`.
    pub certainty: &'static str,
    /// Position of its class in `classes`.
    pub class: usize,
    /// All values that its index can have, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    /// Position, among the class's `known`, of what it can meet there; anything that its class can meet without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<usize>,
    /// Whether it was chosen to be repaired.
    pub chosen: bool,
    /// What debug information says that it is likely to meet.
    #[serde(flatten, skip_serializing_if = "Disagreements::is_none")]
    pub disagreements: Disagreements,
}

/// Functions that a call is likely to meet though their type is another, for what debug information says of types. It ranks calls, and proves
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disagreements {
    /// 3: a static variable holds the function in a pointer that is declared as what the call's function calls by, and the call has its index
    /// from such a place; 2: one of these is known; 1: no pointer of the function's unit has its type, and one is as the call's function calls
    /// by, or the call is of another type than pointers at such a place are declared as, and one of these holds a function of its type; 0:
    /// nothing is known.
    pub likelihood: u8,
    /// How many functions there are of the greatest likelihood.
    pub likely: usize,
    /// The first of them.
    pub meets: Vec<Disagreement>,
}

impl Disagreements {
    /// Whether nothing is known.
    pub fn is_none(&self) -> bool {
        self.likelihood == 0
    }
}

/// A function that a call is likely to meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// Its index.
    pub function: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What the pointer is declared to point to, as its source has it.
    pub declared: String,
    /// The static variable that holds it: `types[2].repr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
}

/// What calls of one type can meet through one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallClass {
    /// The table.
    pub table: u32,
    /// The type that the calls ask for; [`ShimReport::signature`] is its text.
    pub r#type: u32,
    /// How many calls there are.
    pub calls: usize,
    /// The functions of other types that they can meet and that could be adapted.
    pub adaptable: Functions,
    /// Those that could not.
    pub others: Functions,
    /// The slots of calls that know theirs: for each the functions of other types, by their indices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Vec<u32>>,
}

/// How many functions there are, of how many types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Functions {
    /// How many types.
    pub types: usize,
    /// How many functions, each counted once.
    pub functions: usize,
}

/// Functions of one type that a class of calls doesn't accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meets {
    /// Their type: together with the class's table it finds them in `slots`.
    pub r#type: u32,
    /// How many calls can meet them.
    pub calls: usize,
    /// How many there are.
    pub functions: usize,
    /// What an adapter does, if one can be made.
    pub adaptation: Option<String>,
    /// Why none can be.
    pub reason: Option<String>,
}

/// A class of calls that meets functions of another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignaturePair {
    /// The table.
    pub table: u32,
    /// The type that the calls ask for, as text.
    pub site_type: String,
    /// The type of the functions, as text.
    pub callee_type: String,
    /// How many pairs of call and slot there are.
    pub pairs: usize,
    /// How many calls.
    pub calls: usize,
    /// How many functions.
    pub functions: usize,
    /// What an adapter does, if one can be made.
    pub adaptation: Option<String>,
    /// Why none can be.
    pub reason: Option<String>,
}

/// The largest pairs of a class and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargestPairs {
    /// These, the largest first.
    pub pairs: Vec<SignaturePair>,
    /// How many pairs there are.
    pub all: usize,
}

/// The functions of one type in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionsInTable {
    /// The table.
    pub table: u32,
    /// The functions' type; [`ShimReport::signature`] is its text.
    pub r#type: u32,
    /// The functions, in index order.
    pub functions: Vec<FunctionInTable>,
}

/// A function in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionInTable {
    /// Its index.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// `path:line`, where debug information tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The slots that it is in, as far as they are known.
    pub slots: Vec<u64>,
}

/// What is larger comes first: what can be adapted, then by pairs of call and slot, then in order.
type Rank = (bool, usize, Reverse<(usize, TypeIdx, bool)>);

impl ShimReport {
    pub(crate) fn new(module: &Module<'_>, found: Found) -> ShimReport {
        let builder = Builder { module, found: &found };
        ShimReport {
            indirect_calls: found.indirect_calls,
            adaptable_calls: found.adaptable_calls,
            host_visible_tables: found.host_visible_tables.iter().map(|table| table.0).collect(),
            callers: builder.callers(),
            classes: found.classes.iter().map(|class| builder.class(class)).collect(),
            slots: found
                .slots
                .iter()
                .map(|((table, ty), of)| builder.slots(*table, *ty, of))
                .collect(),
            signatures: builder.signatures(),
            found,
        }
    }

    /// A type of calls or functions as text; empty for any other.
    pub fn signature(&self, ty: u32) -> &str {
        self.signatures.get(&ty).map_or("", String::as_str)
    }

    /// What the calls of the class at a position in `classes` can meet and don't accept, by type.
    pub fn meets(&self, class: usize) -> impl Iterator<Item = Meets> {
        let class = self.found.classes.get(class).into_iter();
        class.flat_map(|class| {
            self.found.pairs(class).map(|pair| {
                let (adaptation, reason) = self.verdict(class, &pair);
                let Pair { ty, calls, functions, .. } = pair;
                Meets { r#type: ty.0, calls, functions, adaptation, reason }
            })
        })
    }

    /// The `top` pairs of a class and a type with the most calls and slots, those that can be adapted first. Takes
    /// memory for these alone, but time for all.
    ///
    /// # Errors
    /// [`Error::UnsupportedModule`] if there are more than can be compared in a while.
    pub fn largest_pairs(&self, top: usize) -> Result<LargestPairs> {
        let most = self.found.most_pairs() as u64;
        if Limit::Comparisons.is_exceeded_by(most) {
            return Err(Error::UnsupportedModule {
                what: Limit::Comparisons.exceeded(most),
                advice: "list all of them, as JSON".into(),
            });
        }
        let mut largest: BinaryHeap<Reverse<Ranked<'_>>> = BinaryHeap::new();
        let mut all = 0;
        for (position, class) in self.found.classes.iter().enumerate() {
            for pair in self.found.pairs(class) {
                all += 1;
                let order = Reverse((position, pair.ty, pair.variadic));
                let rank = (self.found.is_adaptable(class, &pair), pair.pairs, order);
                let has_room = largest.len() < top;
                let is_larger = largest.peek().is_some_and(|Reverse(least)| rank > least.rank);
                if has_room || is_larger {
                    largest.push(Reverse(Ranked { rank, pair }));
                }
                if largest.len() > top {
                    largest.pop();
                }
            }
        }
        let largest = largest.into_sorted_vec().into_iter();
        let pairs = largest.map(|Reverse(ranked)| self.signature_pair(&ranked)).collect();
        Ok(LargestPairs { pairs, all })
    }

    fn signature_pair(&self, Ranked { rank, pair }: &Ranked<'_>) -> SignaturePair {
        let (_, _, Reverse((position, ..))) = *rank;
        let class = &self.classes[position];
        let (adaptation, reason) = self.verdict(&self.found.classes[position], pair);
        SignaturePair {
            table: class.table,
            site_type: self.signature(class.r#type).into(),
            callee_type: self.signature(pair.ty.0).into(),
            pairs: pair.pairs,
            calls: pair.calls,
            functions: pair.functions,
            adaptation,
            reason,
        }
    }

    fn verdict(&self, class: &FoundClass, pair: &Pair<'_>) -> (Option<String>, Option<String>) {
        match self.found.verdict(class, pair) {
            Ok(adaptation) => (Some(adaptation.to_string()), None),
            Err(reason) => (None, Some(reason.to_string())),
        }
    }
}

/// A pair with its place among others.
struct Ranked<'f> {
    rank: Rank,
    pair: Pair<'f>,
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// Makes words of indices.
struct Builder<'a> {
    module: &'a Module<'a>,
    found: &'a Found,
}

impl Builder<'_> {
    fn callers(&self) -> Vec<Caller> {
        let mut lines = self.module.lines().map(LineCursor::new);
        let mut disagreements = self.found.disagreements.iter();
        let of_callers = self.found.calls.chunk_by(|a, b| a.caller == b.caller);
        let mut callers: Vec<Caller> = of_callers
            .map(|calls| Caller {
                index: calls[0].caller.0,
                name: self.name(calls[0].caller),
                adaptable_pairs: calls.iter().map(|call| call.counts.adaptable.slots).sum(),
                other_pairs: calls.iter().map(|call| call.counts.others.slots).sum(),
                calls: calls
                    .iter()
                    .zip(disagreements.by_ref())
                    .map(|(call, found)| self.call(call, found, lines.as_mut()))
                    .collect(),
            })
            .collect();
        callers.sort_by_key(|caller| {
            let rank = caller.calls.iter().map(MismatchingCall::rank).min();
            let pairs = (caller.adaptable_pairs, caller.other_pairs);
            (rank, Reverse(pairs), caller.index)
        });
        callers
    }

    fn class(&self, class: &FoundClass) -> CallClass {
        let known = class.known.iter();
        CallClass {
            table: class.table.0,
            r#type: class.ty.0,
            calls: class.calls(),
            adaptable: Functions {
                types: class.counts.adaptable.types,
                functions: class.counts.adaptable.functions,
            },
            others: Functions {
                types: class.counts.others.types,
                functions: class.counts.others.functions,
            },
            known: known.map(|slots| slots.functions.iter().map(|func| func.0).collect()).collect(),
        }
    }

    fn slots(&self, table: TableIdx, ty: TypeIdx, slots: &FoundSlots) -> FunctionsInTable {
        let FunctionsOfType { fixed, variadic } = &slots.functions;
        let placed = fixed.placed.iter().chain(&variadic.placed);
        let mut placed: Vec<Placed> = placed.copied().collect();
        placed.sort_unstable();
        let functions = placed.chunk_by(|a, b| a.func == b.func).map(|placed| {
            let func = placed[0].func;
            let slots = placed.iter().filter_map(|placed| placed.slot).collect();
            FunctionInTable {
                index: func.0,
                name: self.name(func),
                source: self.declared(func),
                slots,
            }
        });
        FunctionsInTable { table: table.0, r#type: ty.0, functions: functions.collect() }
    }

    fn signatures(&self) -> BTreeMap<u32, String> {
        let of_calls = self.found.classes.iter().map(|class| class.ty);
        let types: BTreeSet<_> =
            of_calls.chain(self.found.slots.keys().map(|(_, ty)| *ty)).collect();
        let names = TypeNames::new(self.module);
        types.into_iter().map(|ty| (ty.0, names.signature(ty))).collect()
    }

    fn call(
        &self,
        call: &FoundCall,
        found: &shim::Disagreements,
        lines: Option<&mut LineCursor<'_>>,
    ) -> MismatchingCall {
        let line = lines.and_then(|lines| lines.at(call.offset));
        let meets = found.named.iter().map(|met| Disagreement {
            function: met.func.0,
            name: self.name(met.func),
            declared: met.declared.clone(),
            held_by: met.held_by.clone(),
        });
        MismatchingCall {
            offset: call.offset,
            source: line.map(|line| format!("{}:{}", line.file, line.line)),
            certainty: match call.certainty {
                Certainty::Definite => DEFINITE,
                Certainty::Possible => "possible",
            },
            class: call.class,
            index: call.index.clone(),
            known: call.known,
            chosen: call.chosen,
            disagreements: Disagreements {
                likelihood: found.likelihood,
                likely: found.count,
                meets: meets.collect(),
            },
        }
    }

    /// From the name section, else from debug information; as its source spells it.
    fn name(&self, func: FuncIdx) -> Option<String> {
        let name = self.module.func_name(func)?;
        Some(demangled(&name).unwrap_or_else(|| name.into_owned()))
    }

    fn declared(&self, func: FuncIdx) -> Option<String> {
        let line = self.module.lines()?.subprogram(func)?.declared?;
        Some(format!("{}:{}", line.file, line.line))
    }
}

const DEFINITE: &str = "definite";

/// The rank of calls of which nothing is known but what their table holds.
const REST: u8 = 5;

impl MismatchingCall {
    /// How much there is to it, the most being 0: those that are sure to meet another type come first, then those of which debug
    /// information says so, the likeliest first, then those whose slots are known, then the rest.
    fn rank(&self) -> u8 {
        match (self.certainty, self.disagreements.likelihood, self.known) {
            (DEFINITE, ..) => 0,
            (_, likelihood @ 1.., _) => 4_u8.saturating_sub(likelihood),
            (_, 0, Some(_)) => 4,
            (_, 0, None) => REST,
        }
    }
}
