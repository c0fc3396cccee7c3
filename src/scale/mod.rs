//! That every stage takes memory in proportion to its input.
//!
//! A *family* is a function that makes a module of any size, which is large in one way: many sites in a function, many operands
//! below a site, and so on. Each stage is run on two modules of a family, the second of which is twice as large, and must take less
//! than three times the memory for it: in all, which is what its steps put down, and at once.
//!
//! Time is not looked at, for a machine has other things to do; `scripts/bench` does that. `SCALE=8` makes all modules eight times as
//! large, and then a stage with too many steps is seen by the naked eye.

mod bodies;
mod draft;
mod modules;

use crate::analyze::Analysis;
use crate::options::{Assumption, EntryPattern, FuncPattern, Optimize, Options};
use crate::plan::{self, Plan};
use crate::read::Module;
use crate::{rewrite, verify};

/// Makes a module of a size.
type Family = fn(usize) -> Vec<u8>;

/// What takes less memory for the larger module, in bytes, is not compared.
const SMALL: u64 = 1 << 16;

/// What a stage takes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    stage: &'static str,
    /// What is allocated in all, and at once, in bytes.
    bytes: u64,
    peak: u64,
}

/// Runs `work`; notes what it takes.
fn measure<T>(costs: &mut Vec<Cost>, stage: &'static str, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let allocations = allocation_counter::measure(|| result = Some(work()));
    let (bytes, peak) = (allocations.bytes_total, allocations.bytes_max);
    costs.push(Cost { stage, bytes, peak });
    result.expect("it ran")
}

/// What each stage takes for a module.
fn costs(wasm: &[u8], options: &Options) -> Vec<Cost> {
    let (mut costs, abi) = (Vec::new(), options.abi);
    let module = measure(&mut costs, "read", || Module::read(wasm)).unwrap();
    let analysis = measure(&mut costs, "analyze", || Analysis::run(&module, options)).unwrap();
    measure(&mut costs, "report", || {
        crate::report(&module, &analysis, abi).map(|report| report.to_string())
    })
    .unwrap();
    measure(&mut costs, "refusals", || plan::refusals(&module, &analysis, options)).unwrap();
    let plan = measure(&mut costs, "plan", || Plan::make(&module, &analysis, options)).unwrap();
    measure(&mut costs, "dump", || plan::dump(&module, &plan));
    let written = measure(&mut costs, "rewrite", || rewrite::rewrite(&module, plan)).unwrap();
    let verified =
        measure(&mut costs, "verify", || verify::verify(&module, &analysis, abi, &written.wasm));
    verified.unwrap();
    costs
}

/// For a module with a function that is named so, an assumption.
const ASSUMED: &str = "assumed";

fn options(optimize: Optimize, wasm: &[u8]) -> Options {
    let is_assumed = wasm.windows(ASSUMED.len()).any(|bytes| bytes == ASSUMED.as_bytes());
    let assumption = || Assumption::NoFork(FuncPattern(ASSUMED.into()));
    Options {
        entries: vec![EntryPattern::parse("env.fork*").unwrap()],
        assumptions: is_assumed.then(assumption).into_iter().collect(),
        optimize,
        ..Options::default()
    }
}

/// Checks a family at `size` and twice that, with both forms of functions. `SCALE=8` makes all sizes eight times as large.
fn check(family: Family, size: usize) {
    let scale = std::env::var("SCALE").map_or(1, |scale| scale.parse().expect("SCALE is a number"));
    let size = size * scale;
    for optimize in [Optimize::Size, Optimize::Speed] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| check_growth(family, size, optimize));
    }
}

fn check_growth(family: Family, size: usize, optimize: Optimize) {
    let (small, large) = (family(size), family(2 * size));
    let options = options(optimize, &small);
    let (once, twice) = (costs(&small, &options), costs(&large, &options));
    let mut grown = growth(&once, &twice);
    if grown.is_empty() {
        return;
    }
    // A vector that grows takes twice the room at some size, but not at twice that size again.
    let four_times = growth(&twice, &costs(&family(4 * size), &options));
    grown.retain(|grown| four_times.iter().any(|again| again.0 == grown.0));
    let grown: Vec<_> = grown.into_iter().map(|(what, costs)| format!("{what}: {costs}")).collect();
    assert!(grown.is_empty(), "with {}: {}", optimize.name(), grown.join("\n"));
}

/// Where the larger module takes three times what the smaller one does: what of which stage, and both costs.
fn growth(once: &[Cost], twice: &[Cost]) -> Vec<(String, String)> {
    let mut grown = Vec::new();
    for (once, twice) in once.iter().zip(twice) {
        let much = [
            ("memory in all", twice.bytes > SMALL && twice.bytes >= once.bytes * 3),
            ("memory at once", twice.peak > SMALL && twice.peak >= once.peak * 3),
        ];
        for (what, _) in much.iter().filter(|(_, much)| *much) {
            grown.push((format!("{what} of {}", once.stage), format!("{once:?} and {twice:?}")));
        }
    }
    grown
}

/// One test for each family.
macro_rules! families {
    ($($family:path, $name:ident, $size:expr;)*) => {
        $(#[test]
        fn $name() {
            check($family, $size);
        })*
    };
}

families! {
    bodies::sites, sites, 8_000;
    bodies::sites_in_blocks, sites_in_blocks, 4_000;
    bodies::sites_in_loops, sites_in_loops, 3_000;
    bodies::operands, operands_below_a_site, 8_000;
    bodies::results, results_below_sites, 4_000;
    bodies::dropped, dropped_below_sites, 4_000;
    bodies::references, references_below_sites, 4_000;
    bodies::locals, locals, 10_000;
    bodies::window_of_locals, locals_that_live_across_many_sites, 2_000;
    bodies::blocks, nested_blocks, 4_000;
    bodies::ifs, nested_ifs, 4_000;
    bodies::loops, nested_loops, 4_000;
    bodies::try_tables, nested_try_tables, 4_000;
    bodies::legacy_tries, nested_legacy_tries, 2_000;
    bodies::catches, catches_of_one_try_table, 4_000;
    bodies::legacy_handlers, handlers_of_one_legacy_try, 2_000;
    bodies::arms, arms_to_one_label, 40_000;
    bodies::cases, arms_to_many_labels, 3_000;
    modules::chain, functions_in_a_chain, 8_000;
    modules::one_table, functions_in_one_table, 8_000;
    modules::many_segments, segments_with_a_slot_each, 8_000;
    modules::unused_slots, slots, 100_000;
    modules::many_tables, tables, 2_000;
    modules::copied_tables, tables_that_are_copied, 2_000;
    modules::call_refs, calls_by_reference, 8_000;
    modules::many_types, types, 8_000;
    modules::subtypes, subtypes, 4_000;
    modules::globals, globals, 20_000;
    modules::exports, exports, 20_000;
    modules::imports, imports, 8_000;
    modules::entries, entries, 4_000;
    modules::names, names, 8_000;
    modules::data, data_segments, 20_000;
    modules::tags, tags, 20_000;
    modules::guards, guards, 8_000;
    modules::guards_in_one_function, guards_in_one_function, 8_000;
    modules::tail_guards, guards_of_tail_calls_in_blocks, 4_000;
}
