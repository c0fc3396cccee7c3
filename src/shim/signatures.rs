//! Which of many function types adapt to that of a call, found without looking at each of them.
//!
//! Input: the types of functions, with how many functions have each. Output: for a call's type, the types
//! that [`adapt`] has an adaptation of, or how many there are.
//!
//! Types with the same results stand in a tree, in which a node is reached by parameters:
//!
//! ```text
//!   ()  ──i32──►  (i32)  ──i32──►  (i32, i32)  ──f64──►  (i32, i32, f64)
//!                   └─────f64──►  (i32, f64)
//! ```
//!
//! A call that passes `(i32, i32)` adapts to the types that end on its way, for which an argument is
//! dropped, and to all behind the end of its way, for which arguments are missing. How many these are is
//! counted once for each node. So a question takes as many steps as the call has arguments, for each list of
//! results. Where numbers may change their types, or references differ in whether they can be null, ways
//! fork, and a question may take as many steps as the tree has nodes.

use super::adapt::{fits, has_zero, may_return_struct, taken_as};
use crate::index::TypeIdx;
use crate::read::Module;
use crate::work;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::iter::once;
use std::ops::{Add, AddAssign, Sub};
use wasmparser::{FuncType, ValType};

/// How many function types, functions of these, and slots with these functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count {
    pub(crate) types: usize,
    pub(crate) functions: usize,
    pub(crate) slots: usize,
}

impl Add for Count {
    type Output = Count;
    fn add(self, more: Count) -> Count {
        Count {
            types: self.types + more.types,
            functions: self.functions + more.functions,
            slots: self.slots + more.slots,
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, more: Count) {
        *self = *self + more;
    }
}

impl Sub for Count {
    type Output = Count;
    fn sub(self, less: Count) -> Count {
        Count {
            types: self.types - less.types,
            functions: self.functions - less.functions,
            slots: self.slots - less.slots,
        }
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Count>>(counts: I) -> Count {
        counts.fold(Count::default(), Add::add)
    }
}

/// Function types, as a tree for each list of results.
pub(super) struct Signatures<'m> {
    module: &'m Module<'m>,
    bit_casts: bool,
    trees: IndexMap<&'m [ValType], Tree>,
    /// Whether a type has references for parameters: ways may fork.
    has_references: bool,
    types: usize,
}

/// The types with one list of results, by their parameters.
struct Tree {
    nodes: Vec<Node>,
    /// The node behind each, by the parameter that leads there.
    next: HashMap<(u32, ValType), u32>,
}

struct Node {
    /// The parameter that leads here; of no meaning for the root.
    param: ValType,
    parent: u32,
    /// The nodes right behind, as a list.
    first_child: Option<u32>,
    next_sibling: Option<u32>,
    /// The types that end here: several if they differ in something else than parameters and results.
    types: Vec<TypeIdx>,
    /// How many end here.
    here: Count,
    /// How many end here, or behind further parameters that may be missing.
    below: Count,
}

/// Which types of a node adapt to a call.
#[derive(Clone, Copy)]
enum TypesAt {
    /// Those that end there.
    Node,
    /// Those that end there, or behind further parameters that may be missing.
    Subtree,
}

const ROOT: u32 = 0;

impl<'m> Signatures<'m> {
    /// Of `types`, each of which comes once.
    pub(super) fn new(
        module: &'m Module<'m>,
        bit_casts: bool,
        types: impl IntoIterator<Item = (TypeIdx, Count)>,
    ) -> Signatures<'m> {
        let mut signatures = Signatures {
            module,
            bit_casts,
            trees: IndexMap::new(),
            has_references: false,
            types: 0,
        };
        for (ty, count) in types {
            let of = module.func_type_at(ty);
            signatures.types += 1;
            signatures.has_references |=
                of.params().iter().any(|param| matches!(param, ValType::Ref(_)));
            let tree = signatures.trees.entry(of.results()).or_insert_with(Tree::new);
            tree.add(of.params(), ty, count);
        }
        signatures.trees.values_mut().for_each(Tree::finish);
        signatures
    }

    /// A bound for the steps of one question, but for the length of the call's type.
    pub(super) fn steps_of_a_question(&self) -> usize {
        if self.bit_casts || self.has_references { self.types } else { self.trees.len() }
    }

    /// How many types adapt to calls of type `call`.
    pub(super) fn count(&self, call: TypeIdx) -> Count {
        let call = self.module.func_type_at(call);
        let mut count = Count::default();
        self.visit(call, |tree, node, types| {
            let node = &tree.nodes[node as usize];
            count += match types {
                TypesAt::Node => node.here,
                TypesAt::Subtree => node.below,
            };
        });
        count - self.struct_returns(call)
    }

    /// The types that adapt to calls of type `call`, in index order.
    pub(super) fn adaptable(&self, call: TypeIdx) -> Vec<TypeIdx> {
        let call = self.module.func_type_at(call);
        let mut found = Vec::new();
        self.visit(call, |tree, node, types| match types {
            TypesAt::Node => found.extend_from_slice(&tree.nodes[node as usize].types),
            TypesAt::Subtree => tree.types_below(node, &mut found),
        });
        found.retain(|of| !may_return_struct(call, self.module.func_type_at(*of)));
        found.sort_unstable();
        found
    }

    /// Calls `found` with each node that has types with the right parameters and results.
    fn visit(&self, call: &FuncType, mut found: impl FnMut(&Tree, u32, TypesAt)) {
        for (results, tree) in &self.trees {
            work::count(1);
            if fits(results, call.results(), self.bit_casts) {
                tree.visit(call.params(), self.bit_casts, |node, types| found(tree, node, types));
            }
        }
    }

    /// How many types would adapt if they could not return a structure.
    fn struct_returns(&self, call: &FuncType) -> Count {
        let none: &[ValType] = &[];
        let Some(tree) = self.trees.get(none) else { return Count::default() };
        let pointers = [ValType::I32, ValType::I64].into_iter();
        let of = pointers
            .filter_map(|pointer| tree.exact(once(pointer).chain(call.params().iter().copied())));
        let nodes = of.map(|node| &tree.nodes[node as usize]);
        let left_out = nodes.filter(|node| {
            node.types.first().is_some_and(|ty| {
                let callee = self.module.func_type_at(*ty);
                may_return_struct(call, callee)
                    && fits(call.params(), callee.params(), self.bit_casts)
                    && fits(callee.results(), call.results(), self.bit_casts)
            })
        });
        left_out.map(|node| node.here).sum()
    }
}

impl Tree {
    fn new() -> Tree {
        Tree { nodes: vec![Node::new(ValType::I32, ROOT)], next: HashMap::new() }
    }

    fn add(&mut self, params: &[ValType], ty: TypeIdx, count: Count) {
        work::count(params.len());
        let mut node = ROOT;
        for param in params {
            let new = self.nodes.len() as u32;
            let next = *self.next.entry((node, *param)).or_insert(new);
            if next == new {
                let next_sibling = self.nodes[node as usize].first_child.replace(new);
                self.nodes.push(Node { next_sibling, ..Node::new(*param, node) });
            }
            node = next;
        }
        let node = &mut self.nodes[node as usize];
        node.types.push(ty);
        node.here += count;
    }

    /// Once all types are in it.
    fn finish(&mut self) {
        // Each node comes after the one that it is behind.
        for position in (0..self.nodes.len()).rev() {
            work::count(1);
            let node = &mut self.nodes[position];
            node.below += node.here;
            let (below, parent, missing) = (node.below, node.parent, has_zero(node.param));
            if position != ROOT as usize && missing {
                self.nodes[parent as usize].below += below;
            }
        }
    }

    /// The node that is reached by these parameters.
    fn exact(&self, params: impl Iterator<Item = ValType>) -> Option<u32> {
        let mut node = ROOT;
        for param in params {
            work::count(1);
            node = *self.next.get(&(node, param))?;
        }
        Some(node)
    }

    /// Follows the arguments of a call, and calls `found` with each node that has types for it.
    fn visit(&self, args: &[ValType], bit_casts: bool, mut found: impl FnMut(u32, TypesAt)) {
        let mut open = vec![(ROOT, args)];
        while let Some((node, args)) = open.pop() {
            work::count(1);
            let [arg, rest @ ..] = args else {
                found(node, TypesAt::Subtree);
                continue;
            };
            found(node, TypesAt::Node);
            let params = taken_as(*arg, bit_casts);
            let next = params.filter_map(|param| self.next.get(&(node, param)));
            open.extend(next.map(|next| (*next, rest)));
        }
    }

    /// Adds the types that end at a node, or behind it after parameters that may be missing.
    fn types_below(&self, node: u32, found: &mut Vec<TypeIdx>) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            work::count(1);
            let node = &self.nodes[node as usize];
            found.extend_from_slice(&node.types);
            let mut child = node.first_child;
            while let Some(position) = child {
                let node = &self.nodes[position as usize];
                // A node without types behind it is not entered: so the steps are those of what is found.
                if has_zero(node.param) && node.below.types > 0 {
                    open.push(position);
                }
                child = node.next_sibling;
            }
        }
    }
}

impl Node {
    fn new(param: ValType, parent: u32) -> Node {
        Node {
            param,
            parent,
            first_child: None,
            next_sibling: None,
            types: Vec::new(),
            here: Count::default(),
            below: Count::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::adapt::adapt;
    use super::*;

    const VALUES: [&str; 6] = ["i32", "i64", "f32", "f64", "(ref $t)", "(ref null $t)"];

    /// All lists of at most two values.
    fn lists() -> Vec<String> {
        let ones = VALUES.iter().map(|value| (*value).to_owned());
        let twos = VALUES.iter().flat_map(|a| VALUES.iter().map(move |b| format!("{a} {b}")));
        once(String::new()).chain(ones).chain(twos).collect()
    }

    /// A module with one type for each pair of lists and of further parameters; some of them twice.
    fn module() -> Vec<u8> {
        let mut text = String::from("(module (type $t (struct))");
        for params in lists() {
            for results in ["", "i32", "i64", "f64 i32", "(ref null $t)", "(ref $t)"] {
                for more in ["", "i32", "i32 (ref $t)"] {
                    text += &format!("(type (func (param {params} {more}) (result {results})))");
                }
            }
        }
        text += "(type (sub (func (param i32)))) (type (sub (func (param i32 i64) (result i32))))";
        wat::parse_str(text + ")").unwrap()
    }

    /// For every pair of types: what is counted and listed is what `adapt` says.
    #[test]
    fn what_is_counted_and_listed_is_what_adapts() {
        let bytes = module();
        let module = Module::read(&bytes).unwrap();
        let types = 1..module.types().core_type_count_in_module();
        // A different weight for each, so that the sum tells which are in it.
        let weight =
            |ty: u32| Count { types: 1, functions: ty as usize, slots: (ty * ty) as usize };
        for bit_casts in [false, true] {
            let all = types.clone().map(|ty| (TypeIdx(ty), weight(ty)));
            let signatures = Signatures::new(&module, bit_casts, all);
            for call in types.clone().map(TypeIdx) {
                let adapts = |of: &u32| {
                    let callee = module.func_type_at(TypeIdx(*of));
                    adapt(module.func_type_at(call), callee, bit_casts).is_ok()
                };
                let expected: Vec<u32> = types.clone().filter(adapts).collect();
                let found: Vec<u32> = signatures.adaptable(call).iter().map(|ty| ty.0).collect();
                assert_eq!(found, expected, "{call} {:?}", module.func_type_at(call));
                let sum: Count = expected.iter().map(|ty| weight(*ty)).sum();
                assert_eq!(signatures.count(call), sum);
            }
        }
    }
}
