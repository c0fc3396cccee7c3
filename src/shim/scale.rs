//! Every pass in proportion to its input: twice the input takes less than three times the steps, and makes less
//! than three times the bytes; many times the input, less than twice as many times as much. Those are modules on which anything
//! quadratic takes minutes, be it counted or not.
//!
//! Not proved here: how long the report's text is.

use super::mismatch::{Mismatches, Targets};
use super::plan::Plan;
use super::select::{self, ChosenCall};
use super::{
    Found, Mechanism, ShimFunc, ShimOptions, SitePattern, bodies, check, funcs, tables, unwind,
};
use crate::analyze::Indirect;
use crate::emit::{Additions, Edited, NewTypes, assemble};
use crate::error::Result;
use crate::options::{FuncPattern, Options};
use crate::read::Module;
use crate::work;
use std::collections::BTreeSet;
use std::fmt::Write;

const BOTH: [Mechanism; 2] = [Mechanism::Table, Mechanism::RefTest];

/// What a pass took and made.
#[derive(Debug, PartialEq)]
struct Pass {
    name: &'static str,
    steps: usize,
    bytes: usize,
}

/// The passes over one module.
#[derive(Default)]
struct Passes(Vec<Pass>);

impl Passes {
    fn of<T>(
        &mut self,
        name: &'static str,
        pass: impl FnOnce() -> T,
        bytes: impl FnOnce(&T) -> usize,
    ) -> T {
        let (steps, made) = work::of(pass);
        self.0.push(Pass { name, steps, bytes: bytes(&made) });
        made
    }

    /// Runs all passes on this thread; what is refused ends them.
    fn run(&mut self, wasm: &[u8], options: &ShimOptions, mechanism: Mechanism) -> Result<()> {
        let module = &Module::read(wasm)?;
        let indirect = &Indirect::find(module)?;
        let variadic = &BTreeSet::new();
        let mismatches = self.of(
            "mismatch",
            || {
                let found = Mismatches::find(module, indirect, variadic, options.allow_bit_casts)?;
                let mut classes = found.classes().into_iter();
                classes.all(|class| found.counts(class, &Targets::Table).any());
                Ok(found)
            },
            |_| 0,
        );
        let mismatches = &mismatches?;
        self.of("find", || Found::new(mismatches, &BTreeSet::new()).unwrap(), found_bytes);
        let calls = self.of("select", || select::select(mismatches, options, mechanism), |_| 0)?;
        self.rewrite(mismatches, &calls, mechanism)
    }

    fn rewrite(
        &mut self,
        mismatches: &Mismatches<'_>,
        calls: &[ChosenCall<'_>],
        mechanism: Mechanism,
    ) -> Result<()> {
        let Mismatches { module, indirect, bit_casts, .. } = *mismatches;
        let plan = self.of("plan", || Plan::make(mismatches, calls, mechanism), plan_bytes)?;
        self.of("unwind", || unwind::check(mismatches, &plan, calls), |_| 0)?;
        let (types, mut additions) = (&mut NewTypes::new(module), Additions::default());
        let bodies = bodies::Bodies { module, plan: &plan, types, maps_offsets: true };
        let size = |bodies: &Result<Vec<(_, Edited)>>| {
            let bodies = bodies.as_ref().ok().into_iter().flatten();
            bodies.map(|(_, body)| body.bytes.len()).sum()
        };
        let bodies = self.of("bodies", || bodies.all(), size)?;
        self.of("tables", || tables::append(module, &plan, &mut additions), |_| 0)?;
        let funcs = funcs::Funcs { module, plan: &plan, types, tail_calls: false };
        self.of("adapt", || funcs.append(&mut additions), |()| 0);
        self.0.last_mut().unwrap().bytes =
            additions.bodies.iter().map(|body| body.bytes.len()).sum();
        additions.start = plan.funcs.get(&ShimFunc::Start).copied();
        additions.types(types);
        let wasm = assemble(module, &mut additions, bodies)?.wasm;
        let checked = || check::check(module, indirect, &plan, &wasm, bit_casts);
        self.of("check", checked, |_| wasm.len())
    }
}

fn found_bytes(found: &Found) -> usize {
    let known = found.classes.iter().flat_map(|class| &class.known);
    let placed = found.slots.values().map(|slots| slots.functions.fixed.placed.len());
    let listed = known.map(|slots| slots.functions.len()).chain(placed).sum::<usize>();
    found.calls.len() + found.classes.len() + listed
}

fn plan_bytes(plan: &Result<Plan>) -> usize {
    plan.as_ref().map_or(0, |plan| {
        let replaced: usize = plan.parallels.iter().map(|parallel| parallel.adapters.len()).sum();
        let tests: usize = plan.testers.iter().map(|tester| tester.types.len()).sum();
        plan.adapters.len() + replaced + tests + plan.writes.len() + plan.segments.len()
    })
}

/// The passes over a module, all on one thread.
fn passes(wasm: &[u8], options: &ShimOptions, mechanism: Mechanism) -> Vec<Pass> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let mut passes = Passes::default();
        passes.run(wasm, options, mechanism).unwrap();
        passes.0
    })
}

/// A module and what is asked of it.
type Case = (Vec<u8>, ShimOptions);

/// Twice the input takes less than three times the steps of each pass, and makes less than three times the bytes; and
/// `many` times the input less than twice as many times as much.
#[track_caller]
fn check_linear(make: impl Fn(usize, Mechanism) -> Case, size: usize, many: usize) {
    for mechanism in BOTH {
        let run = |size: usize| {
            let (wasm, options) = make(size, mechanism);
            passes(&wasm, &options, mechanism)
        };
        let once = run(size);
        assert_eq!(once.last().unwrap().name, "check");
        for (times, most) in [(2, 3), (many, 2 * many)] {
            for (once, more) in once.iter().zip(&run(times * size)) {
                // A pass that does next to nothing may do as little each time.
                let linear = |once: usize, more: usize| more < most * once + 100 * times;
                let right = linear(once.steps, more.steps) && linear(once.bytes, more.bytes);
                assert!(
                    right,
                    "{once:?} for {size}, {more:?} for {times} times that, {mechanism:?}"
                );
            }
        }
    }
}

fn parsed(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

fn all_sites() -> ShimOptions {
    ShimOptions { all_sites: true, ..ShimOptions::default() }
}

fn only(caller: &str) -> ShimOptions {
    let sites = vec![SitePattern::Caller(FuncPattern(caller.into()))];
    ShimOptions { sites, ..ShimOptions::default() }
}

fn repeat(count: usize, mut item: impl FnMut(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", item(number));
        text
    })
}

/// The `number`-th list of values, shorter ones first.
fn list(mut number: usize) -> Vec<&'static str> {
    let mut values = Vec::new();
    while number > 0 {
        number -= 1;
        values.push(["i32", "i64", "f32", "f64"][number % 4]);
        number /= 4;
    }
    values
}

/// As many types as functions in a table and calls through it: their pairs are the square. As many tables would be
/// refused, so with tables one call is chosen.
#[test]
fn types_of_functions_and_calls() {
    let make = |count: usize, mechanism| {
        let params = |i: usize| list(i + 1).join(" ");
        let types = repeat(count, |i| format!("(type $t{i} (func (param {})))", params(i)));
        let funcs = repeat(count, |i| format!("(func $f{i} (type $t{i}))"));
        let names = repeat(count, |i| format!("$f{i}"));
        let call = |i: usize| {
            let args: Vec<_> = list(i + 1).iter().map(|ty| format!("({ty}.const 0)")).collect();
            format!("(call_indirect (type $t{i}) {} (local.get 0))", args.concat())
        };
        let wat = format!(
            "(module {types} (table {count} funcref) (elem (i32.const 0) func {names}) {funcs}
            (func $one (param i32) {}) (func (param i32) {}))",
            call(3),
            repeat(count, call),
        );
        let all = mechanism == Mechanism::RefTest;
        (parsed(&wat), if all { all_sites() } else { only("one") })
    };
    check_linear(make, 1000, 8);
}

/// Calls of one type that meet functions of another, in a module with further `fields`.
fn calls_and_functions(count: usize, fields: &str, table: &str) -> String {
    let funcs = repeat(count, |i| format!("(func $f{i} (type $unary))"));
    let names = repeat(count, |i| format!("$f{i}"));
    let calls = repeat(count, |i| {
        format!(
            "(func $c{i} (param i32) (call_indirect $table (type $binary) (i32.const 0) (i32.const 0) (local.get 0)))"
        )
    });
    format!(
        "(module (type $binary (func (param i32 i32))) (type $unary (func (param i32)))
        {table} (elem (table $table) (i32.const 0) func {names}) {fields} {funcs} {calls})"
    )
}

#[test]
fn functions_of_one_type() {
    let make = |count: usize, _| {
        let table = format!("(table $table {count} funcref)");
        (parsed(&calls_and_functions(count, "", &table)), all_sites())
    };
    check_linear(make, 1000, 10);
}

/// The host may write to the table, and call further functions.
#[test]
fn tables_of_the_host() {
    let make = |count: usize, _| {
        let table = format!("(import \"e\" \"t\" (table $table {count} funcref))");
        (parsed(&calls_and_functions(count, "", &table)), all_sites())
    };
    check_linear(make, 1000, 10);
}

#[test]
fn patterns() {
    let make = |count: usize, _| {
        let table = format!("(table $table {count} funcref)");
        let wasm = parsed(&calls_and_functions(count, "", &table));
        let module = Module::read(&wasm).unwrap();
        let calls = Indirect::find(&module).unwrap().calls;
        let sites = calls.iter().flat_map(|call| {
            let name = module.names.func(call.caller).unwrap();
            [SitePattern::Offset(call.offset), SitePattern::Caller(FuncPattern(name.into()))]
        });
        let sites = sites.collect();
        (wasm.clone(), ShimOptions { sites, ..ShimOptions::default() })
    };
    check_linear(make, 1000, 10);
}

/// Each in a segment of its own.
#[test]
fn segments() {
    for table in ["(table $other 1 funcref) (table", "(import \"e\" \"t\" (table"] {
        let make = |count: usize, _| {
            let close = if table.starts_with("(import") { "))" } else { ")" };
            let table = format!("{table} $table {} funcref{close}", 2 * count);
            let segments = repeat(count, |i| {
                format!("(elem (table $table) (i32.const {}) func $f{i})", count + i)
            });
            (parsed(&calls_and_functions(count, &segments, &table)), all_sites())
        };
        check_linear(make, 500, 10);
    }
}

/// Every instruction that writes to tables, many times; with two parallels and a copy from another table.
#[test]
fn writes() {
    let make = |count: usize, _| {
        let writes = repeat(count, |i| {
            format!(
                "(func $w{i} (param i32)
                  (drop (call_indirect $table (type $third) (i32.const 0) (local.get 0)))
                  (table.set $table (local.get 0) (ref.func $f{i}))
                  (table.init $table $e (local.get 0) (i32.const 0) (i32.const 1))
                  (table.copy $table $source (local.get 0) (i32.const 0) (i32.const 1))
                  (table.fill $table (local.get 0) (ref.null func) (i32.const 1))
                  (drop (table.grow $table (ref.null func) (i32.const 1))))"
            )
        });
        let fields =
            format!("(type $third (func (param i32) (result i32))) (elem $e func $f0) {writes}");
        let table = format!("(table $source 5 funcref) (table $table {count} funcref)");
        (parsed(&calls_and_functions(count, &fields, &table)), all_sites())
    };
    check_linear(make, 300, 10);
}

/// A slot that many calls know to be theirs, and that many functions of many types are written to.
#[test]
fn known_slots() {
    let make = |count: usize, _| {
        let writes = repeat(count, |i| {
            format!(
                "(func $g{i} (param {}) (table.set $table (i32.const 0) (ref.func $g{i}))
                (call_indirect $table (type $binary) (i32.const 0) (i32.const 0) (i32.const 0)))",
                list(i).join(" ")
            )
        });
        let names = repeat(count, |i| format!("$g{i}"));
        let fields = format!("(elem declare func {names}) {writes}");
        let table = format!("(table $table {count} funcref)");
        (parsed(&calls_and_functions(count, &fields, &table)), ShimOptions::default())
    };
    check_linear(make, 400, 2);
}

/// Each with a call, of which one is chosen.
#[test]
fn tables_with_a_call() {
    let make = |count: usize, _| {
        let tables = repeat(count, |i| {
            format!(
                "(table $t{i} 1 funcref) (elem (table $t{i}) (i32.const 0) func $f{i})
                (func (param i32)
                  (call_indirect $t{i} (type $binary) (i32.const 0) (i32.const 0) (local.get 0)))"
            )
        });
        let table = format!("(table $table {count} funcref)");
        (parsed(&calls_and_functions(count, &tables, &table)), only("c0"))
    };
    check_linear(make, 500, 10);
}

/// Calls that were repaired by `ref.test` before, one within the other.
#[test]
fn repaired_calls_in_each_other() {
    let make = |count: usize, _| {
        let call = "i32.const 0 i32.const 0 local.get 0 call_indirect $table (type $binary)";
        let open = format!("local.get 0 table.get $table ref.test (ref $binary) if {call}\n");
        let body = format!("{} {}", open.repeat(count), "end\n".repeat(count));
        let fields = format!("(func (param i32) {body})");
        let table = format!("(table $table {count} funcref)");
        (parsed(&calls_and_functions(count, &fields, &table)), all_sites())
    };
    check_linear(make, 500, 10);
}

/// Calls that are prepared to unwind, for tests; and with tables those that are not, and meet no function that does.
#[test]
fn instrumented_modules() {
    let make = |count: usize, mechanism| {
        let import = "(import \"kernel\" \"kernel_fork\" (func $fork (result i32)))";
        let forks = "(memory (export \"m\") 1) (func $forks (export \"f\") (type $binary) (drop (call $fork)))";
        let prepared = match mechanism {
            Mechanism::Table => "",
            Mechanism::RefTest => "(elem (table $table) (i32.const 0) func $forks)",
        };
        let table = format!("{import} (table $table {count} funcref)");
        let wat = calls_and_functions(count, &format!("{forks} {prepared}"), &table);
        let wasm = crate::instrument(wat.as_bytes(), &Options::default()).unwrap().wasm;
        (wasm, all_sites())
    };
    check_linear(make, 300, 10);
}
