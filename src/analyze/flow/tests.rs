//! What is kept and used again gives the answers of what is made anew: interned sets, an interpreter
//! that has other functions behind it, and the solver's worklist.

use super::body::Interpreter;
use super::solve::{Solution, Solver};
use super::value::{Known, MAX_CONSTANTS, Set, Symbol, Values};
use crate::analyze::Analysis;
use crate::analyze::constants::Constants;
use crate::analyze::memories::Memories;
use crate::index::FuncIdx;
use crate::options::{EntryPattern, Options};
use crate::read::Module;
use std::collections::{BTreeMap, BTreeSet};

fn subsets<T: Copy>(of: &[T]) -> Vec<Vec<T>> {
    let numbers = 0..1_usize << of.len();
    let has =
        |number: usize| move |(at, item): (usize, &T)| (number >> at & 1 == 1).then_some(*item);
    numbers.map(|number| of.iter().enumerate().filter_map(has(number)).collect()).collect()
}

fn result(func: u32) -> Symbol {
    Symbol::Result { func: FuncIdx(func), index: 0 }
}

/// Every pair of sets of three constants and two symbols.
#[test]
fn joins_of_interned_sets_are_unions() {
    let known = [Known::Int(0), Known::Func(FuncIdx(1)), Known::Null];
    let sets: Vec<Set> = subsets(&known)
        .into_iter()
        .flat_map(|constants| {
            let with = move |symbols| Set { constants: constants.clone(), symbols };
            subsets(&[result(0), result(1)]).into_iter().map(with)
        })
        .collect();
    let mut values = Values::default();
    for left in &sets {
        for right in &sets {
            let value_of = |values: &mut Values, set: &Set| {
                let symbols = set.symbols.iter().map(|symbol| values.symbol(*symbol));
                let symbols: Vec<_> = symbols.collect();
                let constants = values.any_of(set.constants.iter().copied());
                symbols.into_iter().fold(constants, |all, symbol| values.join(all, symbol))
            };
            let (a, b) = (value_of(&mut values, left), value_of(&mut values, right));
            assert_eq!(values.set(a), Some(left));
            let joined = values.join(a, b);
            assert_eq!(values.set(joined).cloned(), Some(left.both(right)));
            assert_eq!(a == b, left == right);
        }
    }
}

#[test]
fn sets_that_are_too_large_are_any() {
    let mut values = Values::default();
    let most = values.any_of((0..MAX_CONSTANTS as u64).map(Known::Int));
    assert!(most != Values::ANY);
    let more = values.constant(Known::Int(MAX_CONSTANTS as u64));
    assert!(values.join(most, more) == Values::ANY);
    assert!(values.join(Values::ANY, more) == Values::ANY);
}

/// The least solution by definition: everything is worked out again until nothing changes.
fn solve_slowly(definitions: &BTreeMap<Symbol, Option<Vec<Set>>>) -> BTreeMap<Symbol, Solution> {
    let mut solutions: BTreeMap<Symbol, Solution> =
        definitions.keys().map(|symbol| (*symbol, Some(Vec::new()))).collect();
    loop {
        let before = solutions.clone();
        for (symbol, definition) in definitions {
            let values = definition.as_ref().and_then(|sets| {
                let mut all = BTreeSet::new();
                for set in sets {
                    all.extend(set.constants.iter().copied());
                    for used in &set.symbols {
                        all.extend(before.get(used)?.clone()?);
                    }
                }
                Some(all.into_iter().collect())
            });
            solutions.insert(*symbol, values);
        }
        if solutions == before {
            return solutions;
        }
    }
}

/// Every system of three symbols, each of which is anything or the union of some of the three, of
/// one that is not defined, and of a constant of its own.
#[test]
fn the_worklist_finds_the_least_solution() {
    let symbols = [result(0), result(1), result(2), result(9)];
    let mut of_each: Vec<Option<Vec<Symbol>>> = subsets(&symbols).into_iter().map(Some).collect();
    of_each.push(None);
    for first in &of_each {
        for second in &of_each {
            for third in &of_each {
                let definitions: BTreeMap<Symbol, Option<Vec<Set>>> = (0..)
                    .zip([first, second, third])
                    .map(|(func, used)| {
                        let sets = used.as_ref().map(|used| {
                            let own = Set { constants: vec![Known::Int(func)], symbols: vec![] };
                            let each =
                                |symbol: &Symbol| Set { constants: vec![], symbols: vec![*symbol] };
                            std::iter::once(own).chain(used.iter().map(each)).collect()
                        });
                        (result(func as u32), sets)
                    })
                    .collect();
                let mut solver = Solver::default();
                for (symbol, definition) in &definitions {
                    solver.define(*symbol, definition.clone());
                }
                solver.run();
                let slowly = solve_slowly(&definitions);
                for symbol in &symbols {
                    let set = Set { constants: vec![], symbols: vec![*symbol] };
                    let expected = slowly.get(symbol).cloned().flatten();
                    assert_eq!(solver.resolve_operand(&set), expected, "{definitions:?}");
                }
            }
        }
    }
}

/// Functions with loops, locals and calls: nothing of one may be left when the next is looked at.
const BODIES: &str = r#"(module (import "k" "fork" (func)) (table $t 4 funcref) (memory 1)
    (elem declare func 0)
    (func (param i32) (result i32) (local i32)
        (loop (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if 0 (local.get 0)))
        (call_indirect (local.get 1)) (local.get 0))
    (func (param i64 i32) (result i32) (call_indirect (local.get 1))
        (call 1 (i32.and (local.get 1) (i32.const 3))))
    (func (result i32) (loop (result i32) (loop (br_if 1 (call 1 (i32.const 2)))) (i32.const 5)))
    (func (local i32) (if (local.get 0) (then (local.set 0 (i32.const 1))) (else (unreachable)))
        (table.set $t (local.get 0) (ref.func 0)) (drop (call 2 (i64.const 0) (local.get 0))))
    (func (param i32) (block (block (br_table 0 1 (local.get 0))) (local.set 0 (i32.const 7)))
        (drop (call 1 (local.get 0))) (table.fill $t (i32.const 0) (ref.null func) (local.get 0)))
    (func (local i32) (local.set 0 (i32.const 3)) (call_indirect (local.get 0))))"#;

#[test]
fn an_interpreter_is_as_good_as_new() {
    let bytes = wat::parse_str(BODIES).unwrap();
    let module = Module::read(&bytes).unwrap();
    let (constants, memories) = (Constants::new(&module), Memories::default());
    let new = || Interpreter::new(&module, &constants, &memories);
    let mut used = new();
    for first in module.defined_funcs() {
        for second in module.defined_funcs() {
            used.summarize(first);
            let summary = used.summarize(second);
            assert!(summary.is_some());
            assert_eq!(summary, new().summarize(second), "{second} after {first}");
        }
    }
}

/// Bodies are collected and interpreted by workers that keep their room; one alone does them all.
#[test]
fn the_number_of_workers_changes_nothing() {
    let options = Options { entries: vec![EntryPattern::exact("k", "fork")], ..Options::default() };
    let analyze = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let bytes = wat::parse_str(BODIES).unwrap();
            let module = Module::read(&bytes).unwrap();
            let analysis = Analysis::run(&module, &options).unwrap();
            (analysis.closure, analysis.sites)
        })
    };
    let alone = analyze(1);
    assert!((2..8).all(|threads| analyze(threads) == alone));
}
