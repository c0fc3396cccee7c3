//! That every stage takes time and memory in proportion to its input.
//!
//! A *family* is a function that makes a module of any size, which is large in one way: many sites in a function, many operands
//! below a site, and so on. Each stage is run on two modules of a family, the second of which is twice as large, and must take less
//! than three times as much for it: steps, which its loops [count](crate::work), and memory, in all and at once.
//!
//! A clock is not looked at, for a machine has other things to do; `scripts/bench` does that. So nothing is said of work that is
//! not counted: in the parser, its validator and the encoder. `SCALE=8` makes all modules eight times as large, as far as
//! engines accept that, and then a stage with too many such steps is seen by the naked eye.

mod bodies;
mod draft;
mod modules;

use crate::abi::Abi;
use crate::analyze::{self, Analysis};
use crate::options::{Assumption, EntryPattern, FuncPattern, Optimize, Options};
use crate::plan::{self, Plan};
use crate::read::Module;
use crate::{rewrite, verify, work};

/// Makes a module of a size.
type Family = fn(usize) -> Vec<u8>;

/// What takes less memory for the larger module, in bytes, is not compared; nor what takes fewer steps.
const LITTLE_MEMORY: u64 = 1 << 16;
const FEW_STEPS: usize = 1 << 12;

/// What a stage takes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    stage: &'static str,
    steps: usize,
    /// What is allocated in all, and at once, in bytes.
    bytes: u64,
    peak: u64,
}

/// Runs `work`; notes what it takes.
fn measure<T>(costs: &mut Vec<Cost>, stage: &'static str, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let mut steps = 0;
    let allocations = allocation_counter::measure(|| {
        let (taken, made) = work::of(work);
        (steps, result) = (taken, Some(made));
    });
    let (bytes, peak) = (allocations.bytes_total, allocations.bytes_max);
    costs.push(Cost { stage, steps, bytes, peak });
    result.expect("it ran")
}

/// What each stage takes for a module.
fn costs(wasm: &[u8], options: &Options) -> Vec<Cost> {
    let (mut costs, abi) = (Vec::new(), options.abi);
    let module = measure(&mut costs, "read", || Module::read(wasm)).unwrap();
    let analysis = measure(&mut costs, "analyze", || Analysis::run(&module, options)).unwrap();
    measure(&mut costs, "report", || {
        crate::report(&module, &analysis, options).map(|report| report.to_string())
    })
    .unwrap();
    measure(&mut costs, "refusals", || plan::refusals(&module, &analysis, options)).unwrap();
    measure(&mut costs, "advise", || analyze::supports(&module, options)).unwrap();
    let plan = measure(&mut costs, "plan", || Plan::make(&module, &analysis, options)).unwrap();
    measure(&mut costs, "dump", || plan::dump(&module, &plan));
    let written = measure(&mut costs, "rewrite", || rewrite::rewrite(&module, plan)).unwrap();
    let (wasm, resumes) = (&written.module.wasm, written.resume_module.as_deref());
    let verified =
        measure(&mut costs, "verify", || verify_module(&module, &analysis, abi, (wasm, resumes)));
    verified.unwrap();
    costs
}

/// What every output is checked for. A rewritten function is followed from each of its sites with all of its locals, which is not
/// linear in its size.
fn verify_module(
    module: &Module<'_>,
    analysis: &Analysis,
    abi: Abi,
    wasm: (&[u8], Option<&[u8]>),
) -> Result<verify::Verified, verify::Fault> {
    verify::verify(module, analysis, abi, wasm, verify::Extent::Module)
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
        // Its imports are exported, and there may be fewer exports than functions.
        resume_module: optimize == Optimize::Speed && scale() == 1,
        ..Options::default()
    }
}

/// How many times as large modules are to be.
fn scale() -> usize {
    std::env::var("SCALE").map_or(1, |scale| scale.parse().expect("SCALE is a number"))
}

/// Checks a family at `size` and twice that, with both forms of functions. `SCALE=8` makes all sizes eight times as large, but
/// so that even four times that is no more than `most`.
fn check(family: Family, size: usize, most: usize) {
    let size = (size * scale()).min(most / 4);
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
            ("steps", twice.steps > FEW_STEPS && twice.steps >= once.steps * 3),
            ("memory in all", twice.bytes > LITTLE_MEMORY && twice.bytes >= once.bytes * 3),
            ("memory at once", twice.peak > LITTLE_MEMORY && twice.peak >= once.peak * 3),
        ];
        for (what, _) in much.iter().filter(|(_, much)| *much) {
            grown.push((format!("{what} of {}", once.stage), format!("{once:?} and {twice:?}")));
        }
    }
    grown
}

/// Neither the plan nor a look at what would be refused does anything for a function that is too large.
#[test]
fn sites_that_are_too_many_for_a_body_are_refused_at_once() {
    let wasm = bodies::sites(IN_A_BODY);
    let options = options(Optimize::Balanced, &wasm);
    let module = Module::read(&wasm).unwrap();
    let analysis = Analysis::run(&module, &options).unwrap();
    let (steps, plan) = work::of(|| Plan::make(&module, &analysis, &options));
    assert!(plan.is_err() && steps < 100, "{steps}");
    let (steps, refusals) = work::of(|| plan::refusals(&module, &analysis, &options).unwrap());
    assert!(!refusals.is_empty() && steps < 100, "{steps}");
}

/// How many locals a function may have, with room for those that are added.
const LOCALS: usize = 49_900;
/// How many segments of a kind there may be.
const SEGMENTS: usize = 100_000;
/// How many types, functions, globals or tags there may be, with room for those that are added.
const ENTITIES: usize = 999_000;
/// How many functions may be imported or exported: each counts for two things, and for one more for each parameter and result.
const INTERFACE: usize = ENTITIES / 2;
/// How often some ten bytes fit into a body.
const IN_A_BODY: usize = 700_000;

/// One test for each family, with its size and how large it can be.
macro_rules! families {
    ($($family:path, $name:ident, $size:expr, $most:expr;)*) => {
        $(#[test]
        fn $name() {
            check($family, $size, $most);
        })*
    };
}

families! {
    bodies::sites, sites, 8_000, IN_A_BODY / 2;
    bodies::sites_in_blocks, sites_in_blocks, 4_000, IN_A_BODY / 3;
    bodies::sites_in_loops, sites_in_loops, 3_000, IN_A_BODY / 5;
    bodies::operands, operands_below_a_site, 8_000, LOCALS;
    bodies::results, results_below_sites, 4_000, LOCALS;
    bodies::dropped, dropped_below_sites, 4_000, LOCALS;
    bodies::references, references_below_sites, 4_000, LOCALS;
    bodies::locals, locals, 10_000, LOCALS;
    bodies::window_of_locals, locals_that_live_across_many_sites, 1_000, IN_A_BODY / 3;
    bodies::blocks, nested_blocks, 4_000, IN_A_BODY / 3;
    bodies::ifs, nested_ifs, 4_000, IN_A_BODY / 3;
    bodies::loops, nested_loops, 4_000, IN_A_BODY / 5;
    bodies::try_tables, nested_try_tables, 4_000, IN_A_BODY / 5;
    bodies::legacy_tries, nested_legacy_tries, 2_000, IN_A_BODY / 10;
    bodies::catches, catches_of_one_try_table, 2_500, 10_000;
    bodies::legacy_handlers, handlers_of_one_legacy_try, 2_000, IN_A_BODY / 10;
    bodies::pads, handlers_that_rethrow, 1_000, IN_A_BODY / 30;
    bodies::arms, arms_to_one_label, 40_000, IN_A_BODY;
    bodies::cases, arms_to_many_labels, 3_000, IN_A_BODY / 3;
    modules::chain, functions_in_a_chain, 8_000, ENTITIES;
    modules::one_table, functions_in_one_table, 8_000, ENTITIES;
    modules::many_segments, segments_with_a_slot_each, 8_000, SEGMENTS;
    modules::unused_slots, slots, 100_000, 10 * ENTITIES;
    modules::many_tables, tables, 2_000, SEGMENTS;
    modules::visible_tables, tables_that_the_host_sees, 1_000, SEGMENTS;
    modules::copied_tables, tables_that_are_copied, 2_000, SEGMENTS;
    modules::copied_types, types_in_tables_that_are_copied, 1_000, SEGMENTS;
    modules::call_refs, calls_by_reference, 8_000, ENTITIES;
    modules::many_types, types, 2_000, ENTITIES / 2;
    modules::subtypes, subtypes, 4_000, ENTITIES / 2;
    modules::globals, globals, 20_000, ENTITIES;
    modules::exports, exports, 20_000, INTERFACE;
    modules::imports, imports, 8_000, INTERFACE;
    modules::entries, entries, 4_000, INTERFACE / 2;
    modules::names, names, 8_000, ENTITIES;
    modules::data, data_segments, 20_000, SEGMENTS;
    modules::tags, tags, 20_000, ENTITIES;
    modules::guards, guards, 8_000, ENTITIES;
    modules::guards_in_one_function, guards_in_one_function, 8_000, IN_A_BODY;
    modules::tail_guards, guards_of_tail_calls_in_blocks, 4_000, IN_A_BODY / 3;
}
