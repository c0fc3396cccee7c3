//! Functions far larger than any fixture: the tool must take them, the engine must take the output,
//! the output must stay linear in the input, and it must still mean the same.

use crate::exec::differential;
use crate::exec::program::{Effort, Invoke, Spec};
use std::fmt::Write;
use wasm_fork::{EntryPattern, Optimize, Options};

const HEAD: &str = r#"
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $sum (export "sum") (mut i32) (i32.const 0))
  (func $add (param i32)
    (global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 31)) (local.get 0))))
"#;

/// A module whose export `run` has this body.
fn module(locals: &str, body: &str) -> Vec<u8> {
    let text = format!("{HEAD}(func $run (export \"run\") (param $x i32) {locals}\n{body}))");
    wat::parse_str(&text).expect("the text parses")
}

/// Both forms of functions: most of these modules are in place unless they are asked to be apart.
const WAYS: [Optimize; 2] = [Optimize::Size, Optimize::Speed];

fn instrument(wasm: &[u8], optimize: Optimize) -> Vec<u8> {
    let entry = EntryPattern::exact("env", "fork");
    let options = Options::default().entries([entry]).optimize(optimize);
    wasm_fork::instrument(wasm, &options).expect("it can be instrumented").wasm
}

fn check_runs(wasm: &[u8], buffer_pages: usize) {
    let spec = Spec {
        invokes: vec![Invoke { export: "run".into(), args: vec!["3".into()] }],
        buffer_bytes: buffer_pages * 65536,
        effort: Effort::Low,
        ..Spec::default()
    };
    for optimize in WAYS {
        let output = instrument(wasm, optimize);
        let frame_bytes = differential::check(wasm, &output, &spec).unwrap();
        assert!(frame_bytes.iter().all(|bytes| *bytes > 0));
    }
}

/// Twice the input may add at most twice the output, and a little.
fn check_linear(make: impl Fn(usize) -> Vec<u8>, size: usize) {
    for optimize in WAYS {
        let added = |size: usize| {
            let wasm = make(size);
            instrument(&wasm, optimize).len() - wasm.len()
        };
        let (once, twice) = (added(size), added(2 * size));
        assert!(
            twice < once * 5 / 2,
            "{once} bytes are added for size {size}, {twice} bytes for twice that, for {}",
            optimize.name()
        );
    }
}

fn repeat(count: usize, mut line: impl FnMut(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "{}", line(i));
        text
    })
}

fn sites(count: usize) -> String {
    repeat(count, |i| format!("(call $add (call $fork (i32.const {i})))"))
}

/// Many sites in one block inside another: the landings must not nest one in the other.
fn sites_in_nested_block(count: usize) -> Vec<u8> {
    module("", &format!("(block (block (call $add (local.get $x)) {}))", sites(count)))
}

#[test]
fn sites_1500_in_a_nested_block() {
    check_runs(&sites_in_nested_block(1500), 1);
    check_linear(sites_in_nested_block, 1500);
}

/// Many sites in one function, with a local that lives across all of them.
fn sites_in_function(count: usize) -> Vec<u8> {
    module("", &format!("{} (call $add (local.get $x))", sites(count)))
}

#[test]
fn sites_20000_in_a_function() {
    check_runs(&sites_in_function(20_000), 1);
    check_linear(sites_in_function, 10_000);
}

/// Sites in many small blocks side by side.
fn sites_in_sibling_blocks(count: usize) -> Vec<u8> {
    let block = |i| {
        format!(
            "(if (i32.ne (local.get $x) (i32.const {i})) (then (call $add (call $fork (i32.const {i})))))"
        )
    };
    module("", &repeat(count, block))
}

#[test]
fn sites_3000_in_sibling_blocks() {
    check_runs(&sites_in_sibling_blocks(3000), 1);
    check_linear(sites_in_sibling_blocks, 3000);
}

/// Blocks in each other, with a site in the middle and one after each end of the first few.
fn nested_blocks(count: usize) -> Vec<u8> {
    let ends = repeat(count, |i| if i < 50 { format!("{} end", sites(1)) } else { "end".into() });
    module("", &format!("{} {} {ends}", "block\n".repeat(count), sites(1)))
}

#[test]
fn blocks_10000_nested() {
    check_runs(&nested_blocks(10_000), 1);
    check_linear(nested_blocks, 3000);
}

/// A site after every end: at every level there is a landing beside the way down.
fn nested_blocks_with_sites(count: usize) -> Vec<u8> {
    let ends = repeat(count, |_| format!("{} end", sites(1)));
    module("", &format!("{} {ends}", "block\n".repeat(count)))
}

#[test]
fn blocks_1000_nested_with_a_site_each() {
    check_runs(&nested_blocks_with_sites(1000), 1);
    check_linear(nested_blocks_with_sites, 1000);
}

const TYPES: [&str; 4] = ["i32", "i64", "f32", "f64"];

/// Functions that call each other, with each kind of results: as many as resume functions are called by way of a forwarder for.
fn functions_of_each_type(count: usize) -> Vec<u8> {
    let kinds = [
        ("", "", "(i32.const 7)"),
        ("(result i32)", "(i32.const -3)", ""),
        ("(result i64)", "(i64.const -0x123456789)", "i32.wrap_i64"),
        ("(result f32)", "(f32.const -1.5)", "i32.reinterpret_f32"),
        ("(result f64)", "(f64.const 1e300)", "i64.reinterpret_f64 i32.wrap_i64"),
        ("(result i32 i64)", "(i32.const 5) (i64.const 6)", "i32.wrap_i64 i32.add"),
    ];
    let func = |i: usize| {
        let (results, values, _) = kinds[i % kinds.len()];
        let call = match i.checked_sub(1) {
            Some(inner) => {
                let to_i32 = kinds[inner % kinds.len()].2;
                format!(
                    "(call $f{inner} (i32.add (local.get 0) (i32.const {i}))) {to_i32} call $add"
                )
            }
            None => String::new(),
        };
        let site = "(call $add (call $fork (local.get 0)))";
        format!(
            "(func $f{i} (param i32) {results} {site} {call} (call $add (local.get 0)) {values})"
        )
    };
    let last = count - 1;
    let to_i32 = kinds[last % kinds.len()].2;
    let run = format!("(call $f{last} (local.get $x)) {to_i32} call $add");
    let text =
        format!("{HEAD}{}(func (export \"run\") (param $x i32) {run}))", repeat(count, func));
    wat::parse_str(&text).expect("the text parses")
}

#[test]
fn functions_of_each_type_100() {
    let wasm = functions_of_each_type(100);
    let text = wasmprinter::print_bytes(instrument(&wasm, Optimize::Speed)).unwrap();
    assert!(text.contains("call $wpk_fork_forward_0"), "it is about forwarders");
    check_runs(&wasm, 1);
}

/// Many locals that all live across a site.
fn many_locals(count: usize) -> Vec<u8> {
    let ty = |i: usize| TYPES[i % TYPES.len()];
    let locals = repeat(count, |i| format!("(local $l{i} {})", ty(i)));
    let set = repeat(count, |i| format!("(local.set $l{i} ({}.const {i}))", ty(i)));
    let get = repeat(count, |i| match ty(i) {
        "i32" => format!("(call $add (local.get $l{i}))"),
        "i64" => format!("(call $add (i32.wrap_i64 (local.get $l{i})))"),
        ty => format!("(call $add (i32.trunc_{ty}_s (local.get $l{i})))"),
    });
    module(&locals, &format!("{set} {} {get}", sites(2)))
}

#[test]
fn locals_5000_live_across_a_site() {
    check_runs(&many_locals(5000), 2);
    check_linear(many_locals, 2500);
}

/// As many as a function may have, nearly; the engine's stack has no room for them, so they are only written. `scripts/check/limits` runs them.
#[test]
fn locals_49900_live_across_a_site() {
    let wasm = many_locals(49_900);
    for optimize in Optimize::ALL {
        assert!(instrument(&wasm, optimize).len() > wasm.len());
    }
}

/// Locals that each live across half of the sites, for no two sites the same.
fn window_of_locals(count: usize) -> Vec<u8> {
    let locals = repeat(count + count / 2, |i| format!("(local $l{i} i32)"));
    let set = |i: usize| format!("(local.set $l{i} (i32.add (local.get $x) (i32.const {i})))");
    let first = repeat(count / 2, set);
    let step =
        |i: usize| format!("{} {} (call $add (local.get $l{i}))", set(i + count / 2), sites(1));
    module(&locals, &format!("{first} {}", repeat(count, step)))
}

#[test]
fn locals_400_live_across_half_of_the_sites() {
    check_runs(&window_of_locals(400), 1);
    check_linear(window_of_locals, 2000);
}

/// Many operands below a site.
fn many_operands(count: usize) -> Vec<u8> {
    let push = repeat(count, |i| format!("(i32.mul (local.get $x) (i32.const {i}))"));
    let fold = "i32.add\n".repeat(count - 1);
    module("", &format!("{push} {} {fold} call $add", sites(1)))
}

#[test]
fn operands_2000_below_a_site() {
    check_runs(&many_operands(2000), 1);
    check_linear(many_operands, 1000);
}

/// Results of sites, all on the operand stack until the last has come.
fn results_below_sites(count: usize) -> Vec<u8> {
    let fold = "i32.add\n".repeat(count - 1);
    module("", &format!("{} {fold} call $add", "(call $fork (local.get $x))".repeat(count)))
}

/// Wasmtime takes a minute for 1,000, since every value is live at every landing.
#[test]
fn results_1000_below_1000_sites() {
    check_runs(&results_below_sites(200), 1);
    check_linear(results_below_sites, 1000);
}

/// Copies of a local below sites, some of which lie in blocks; then each is used above a site.
fn copies_below_sites(count: usize) -> Vec<u8> {
    let push = repeat(count, |i| match i % 3 {
        0 => format!("local.get $x {}", sites(1)),
        1 => format!("local.get $x (block {})", sites(1)),
        _ => format!("(local.tee $y (i32.add (local.get $x) (i32.const {i}))) {}", sites(1)),
    });
    let fold = repeat(count - 1, |_| format!("{} i32.add", sites(1)));
    module("(local $y i32)", &format!("{push} {fold} call $add"))
}

#[test]
fn copies_600_below_sites() {
    check_runs(&copies_below_sites(200), 1);
    check_linear(copies_below_sites, 600);
}

/// Values that no one uses below sites, and some that are dropped by hand.
fn dropped_below_sites(count: usize) -> Vec<u8> {
    let push = repeat(count, |_| format!("(call $fork (local.get $x)) {}", sites(1)));
    let drops = repeat(count / 2, |_| format!("drop {}", sites(1)));
    module("", &format!("{push} {drops} return"))
}

#[test]
fn dropped_1000_below_sites() {
    check_runs(&dropped_below_sites(1000), 1);
    check_linear(dropped_below_sites, 1000);
}

/// Blocks in each other, each with one more value below it and a site behind it.
fn nested_blocks_on_operands(count: usize) -> Vec<u8> {
    let starts = "(call $fork (local.get $x)) (block (result i32)\n".repeat(count);
    let ends = repeat(count, |_| format!("{}) i32.add", sites(1)));
    module("", &format!("{starts} (i32.const 1) {ends} call $add"))
}

#[test]
fn blocks_1000_nested_on_operands() {
    check_runs(&nested_blocks_on_operands(200), 1);
    check_linear(nested_blocks_on_operands, 1000);
}

/// A module with `depth` constructs in each other, of 1,000 parameters each, around a site: the
/// type is most of it.
fn block_parameters(open: &str, depth: usize) -> Vec<u8> {
    let params = "i32 ".repeat(1000);
    let push = repeat(1000, |i| format!("i32.const {i}"));
    let fold = "i32.add\n".repeat(999);
    let starts = format!("{open} (param {params}) (result i32)\n").repeat(depth);
    let ends = "end\n".repeat(depth);
    module("", &format!("{push} {starts} {} {fold} {ends} call $add", sites(1)))
}

/// Parameters need no code where they stay on the operand stack, and no local longer than it takes
/// to move them: 300,000 at once would be refused.
#[test]
fn block_parameters_1000_times_300() {
    check_runs(&block_parameters("block", 300), 1);
    let added = |open: &str, depth: usize| {
        let wasm = block_parameters(open, depth);
        instrument(&wasm, Optimize::Speed).len() - wasm.len()
    };
    assert!(added("block", 300) < added("block", 1) + 300 * 8);
    // A loop and an arm take theirs from locals, each in its turn.
    check_runs(&block_parameters("loop", 100), 1);
    assert!(added("loop", 60) < added("loop", 20) * 4);
}

/// A branch table out of many blocks, with a site behind each.
fn many_cases(count: usize) -> Vec<u8> {
    let labels = repeat(count, |i| i.to_string());
    let cases = repeat(count, |i| {
        format!("end (call $add (call $fork (i32.const {i}))) (local.set $x (i32.const {i}))")
    });
    let blocks = "block\n".repeat(count);
    module("", &format!("{blocks} (br_table {labels} (local.get $x)) {cases}"))
}

#[test]
fn cases_1000_of_a_switch() {
    check_runs(&many_cases(1000), 1);
    check_linear(many_cases, 1000);
}

/// Functions that call each other in a chain, each through a pointer of one and the same type.
#[test]
fn functions_20000_of_one_signature() {
    let count = 20_000;
    let funcs = repeat(count, |i| {
        format!("(func $f{i} (type $t) (call_indirect (type $t) (local.get 0) (local.get 0)))")
    });
    let names = repeat(count, |i| format!("$f{i}"));
    let text = format!(
        "(module (type $t (func (param i32) (result i32)))
         (import \"env\" \"fork\" (func $fork (type $t)))
         (memory (export \"memory\") 1)
         (table funcref (elem $fork {names})) {funcs}
         (func (export \"run\") (param i32) (result i32)
           (call_indirect (type $t) (local.get 0) (i32.const 0))))"
    );
    let wasm = wat::parse_str(&text).expect("the text parses");
    assert_eq!(
        wasm_fork::analyze(
            &wasm,
            &Options::default().entries([EntryPattern::exact("env", "fork")])
        )
        .unwrap()
        .counts
        .local,
        count + 1
    );
    check_runs(&wasm, 1);
}

/// A deep stack: every frame is pushed, and popped again.
#[test]
fn frames_1000_on_the_stack() {
    let body = "
        (if (i32.eqz (local.get $x)) (then (drop (call $fork (i32.const 1))) (return)))
        (call $run (i32.sub (local.get $x) (i32.const 1)))
        (call $add (local.get $x))";
    let text = format!(
        "{HEAD}(func $run (param $x i32) {body})
         (func (export \"run\") (param $x i32)
           (call $run (i32.mul (local.get $x) (i32.const 333)))))"
    );
    check_runs(&wat::parse_str(&text).expect("the text parses"), 2);
}
