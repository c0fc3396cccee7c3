//! What instrumenting costs, function by function: sites, saved locals, frames and code.
//!
//! Every number is counted in what `instrument` would write; nothing is estimated.

use crate::emit::Emitted;
use crate::index::FuncIdx;
use crate::plan::Plan;
use crate::read::Module;
use crate::text::{count, escape};
use serde::Serialize;
use std::fmt;

/// What instrumenting a module costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All together.
    pub total: Total,
    /// How the figures of single functions are spread.
    pub spread: Spread,
    /// The functions that are rewritten, in index order; those without a frame of their own have no sites.
    pub functions: Vec<FunctionStats>,
    /// The functions that only get guards, in index order.
    pub guarded: Vec<Guarded>,
}

/// All functions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many functions are rewritten.
    pub functions: usize,
    /// How many sites these have.
    pub sites: u64,
    /// How many locals their frames hold, operands that are spilled into locals included.
    pub saved_locals: u64,
    /// How many of these are references.
    pub saved_references: u64,
    /// The sizes of their frames in bytes, one of each.
    pub frame_bytes: u64,
    /// By how many bytes their bodies grow.
    pub code_bytes_added: i64,
    /// How many functions only get guards.
    pub guarded_functions: usize,
    /// How many guards these have.
    pub guards: usize,
    /// By how many bytes their bodies grow.
    pub guard_bytes: i64,
    /// The size of the module in bytes.
    pub module_bytes_before: u64,
    /// Its size when it is instrumented: besides what functions grow by, it has new functions, their
    /// names and more, and lacks the custom sections that would be wrong.
    pub module_bytes_after: u64,
}

/// A function that gets frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionStats {
    /// Its index in the function index space.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many sites it has.
    pub sites: u64,
    /// How many locals its frame holds, operands that are spilled into locals included.
    pub saved_locals: u64,
    /// How many of these are references.
    pub saved_references: u64,
    /// The size of its frame in bytes.
    pub frame_bytes: u64,
    /// The size of its body in the input in bytes, without the size in front.
    pub code_bytes: u64,
    /// By how many bytes its body grows; it may also shrink, for unreachable code is left out.
    pub code_bytes_added: i64,
}

/// A function that only gets guards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guarded {
    /// Its index in the function index space.
    pub index: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many guards it gets.
    pub guards: usize,
    /// By how many bytes its body grows.
    pub guard_bytes: i64,
}

/// How the figures of the functions that get frames are spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Sites.
    pub sites: Distribution,
    /// Locals that frames hold.
    pub saved_locals: Distribution,
    /// Sizes of frames in bytes.
    pub frame_bytes: Distribution,
    /// Bytes by which bodies grow.
    pub code_bytes_added: Distribution,
}

/// How one figure is spread over functions. A percentile is the least figure that so many of a
/// hundred functions don't exceed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// The least.
    pub min: i64,
    /// The 50th percentile.
    pub median: i64,
    /// The 90th percentile.
    pub p90: i64,
    /// The 99th percentile.
    pub p99: i64,
    /// The largest.
    pub max: i64,
    /// How many functions have 0 or less, how many 1, how many 2 to 3, 4 to 7, and so on by powers of two.
    pub buckets: Vec<usize>,
}

/// The functions of the closure, as far as the plan tells.
fn planned(module: &Module<'_>, plan: &Plan) -> Vec<FunctionStats> {
    let without_frame = |func: FuncIdx| FunctionStats {
        index: func.0,
        name: name(module, func),
        sites: 0,
        saved_locals: 0,
        saved_references: 0,
        frame_bytes: 0,
        code_bytes: module.body(func).map_or(0, |body| body.as_bytes().len() as u64),
        code_bytes_added: 0,
    };
    let functions = plan.funcs.iter().map(|plan| FunctionStats {
        sites: u64::from(plan.sites),
        saved_locals: plan.frame.slots.len() as u64,
        saved_references: plan.frame.references().count() as u64,
        frame_bytes: u64::from(plan.frame.bytes),
        ..without_frame(plan.func)
    });
    let frameless = plan.tails.frameless.iter().map(|hands_on| without_frame(hands_on.func));
    let mut functions: Vec<_> = functions.chain(frameless).collect();
    functions.sort_by_key(|function| function.index);
    functions
}

fn guarded(module: &Module<'_>, plan: &Plan) -> Vec<Guarded> {
    let guarded = plan.guards.funcs.iter().map(|plan| Guarded {
        index: plan.func.0,
        name: name(module, plan.func),
        guards: plan.calls.len(),
        guard_bytes: 0,
    });
    guarded.collect()
}

fn name(module: &Module<'_>, func: FuncIdx) -> Option<String> {
    module.func_name(func).map(Into::into)
}

/// What the plan tells of the costs; the sizes are those of the output.
pub(crate) struct Planned {
    functions: Vec<FunctionStats>,
    guarded: Vec<Guarded>,
    module_bytes_before: usize,
}

impl Planned {
    pub(crate) fn new(module: &Module<'_>, plan: &Plan) -> Planned {
        Planned {
            functions: planned(module, plan),
            guarded: guarded(module, plan),
            module_bytes_before: module.bytes.len(),
        }
    }

    /// With the sizes of what was written by that plan.
    pub(crate) fn with_sizes(mut self, written: &Emitted) -> Stats {
        let added = |index: u32| {
            let place = written.added.binary_search_by_key(&index, |(func, _)| func.0);
            place.map_or(0, |place| written.added[place].1)
        };
        for function in &mut self.functions {
            function.code_bytes_added = added(function.index);
        }
        for function in &mut self.guarded {
            function.guard_bytes = added(function.index);
        }
        let module_bytes = [self.module_bytes_before, written.wasm.len()];
        Stats::new(self.functions, self.guarded, module_bytes)
    }
}

impl Stats {
    /// Of a module that is left as it is.
    pub(crate) fn untouched(module: &Module<'_>) -> Stats {
        Stats::new(Vec::new(), Vec::new(), [module.bytes.len(); 2])
    }

    fn new(
        functions: Vec<FunctionStats>,
        guarded: Vec<Guarded>,
        module_bytes: [usize; 2],
    ) -> Stats {
        let spreads = FIGURES.map(|(_, figure)| Distribution::of(&functions, figure));
        let [sites, saved_locals, frame_bytes, code_bytes_added] = spreads;
        Stats {
            total: Total {
                functions: functions.len(),
                sites: functions.iter().map(|function| function.sites).sum(),
                saved_locals: functions.iter().map(|function| function.saved_locals).sum(),
                saved_references: functions.iter().map(|function| function.saved_references).sum(),
                frame_bytes: functions.iter().map(|function| function.frame_bytes).sum(),
                code_bytes_added: functions.iter().map(|function| function.code_bytes_added).sum(),
                guarded_functions: guarded.len(),
                guards: guarded.iter().map(|function| function.guards).sum(),
                guard_bytes: guarded.iter().map(|function| function.guard_bytes).sum(),
                module_bytes_before: module_bytes[0] as u64,
                module_bytes_after: module_bytes[1] as u64,
            },
            spread: Spread { sites, saved_locals, frame_bytes, code_bytes_added },
            functions,
            guarded,
        }
    }

    /// The `count` functions whose bodies grow most, the largest growth first.
    pub fn largest(&self, count: usize) -> Vec<&FunctionStats> {
        let mut functions: Vec<_> = self.functions.iter().collect();
        functions.sort_by_key(|function| std::cmp::Reverse(function.code_bytes_added));
        functions.truncate(count);
        functions
    }

    /// The totals and, if there are functions, the spread and the `top` ones whose bodies grow most.
    pub fn text(&self, top: usize) -> String {
        if self.functions.is_empty() {
            return self.total.to_string();
        }
        format!("{}{}{}", self.total, self.spread, Largest(self.largest(top)))
    }
}

/// A figure of a function.
type Figure = fn(&FunctionStats) -> i64;

/// The figures that are spread out, with their headings.
const FIGURES: [(&str, Figure); 4] = [
    ("sites", |function| function.sites as i64),
    ("saved locals", |function| function.saved_locals as i64),
    ("frame bytes", |function| function.frame_bytes as i64),
    ("code bytes added", |function| function.code_bytes_added),
];

impl Distribution {
    /// The distribution of a figure; zeros if there are no functions.
    fn of(functions: &[FunctionStats], figure: Figure) -> Distribution {
        let mut figures: Vec<i64> = functions.iter().map(figure).collect();
        figures.sort_unstable();
        let Some(max) = figures.last().copied() else { return Distribution::default() };
        let percentile = |percent: usize| figures[(figures.len() * percent).div_ceil(100) - 1];
        let mut buckets = vec![0; bucket(max) + 1];
        figures.iter().for_each(|figure| buckets[bucket(*figure)] += 1);
        Distribution {
            min: figures[0],
            median: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            max,
            buckets,
        }
    }

    /// From the least figure to the largest.
    fn percentiles(&self) -> [i64; 5] {
        [self.min, self.median, self.p90, self.p99, self.max]
    }
}

/// Which bucket a figure is in: 0 or less, 1, 2 to 3, 4 to 7, and so on.
fn bucket(figure: i64) -> usize {
    (u64::BITS - figure.max(0).leading_zeros()) as usize
}

/// The figures of a bucket: `4-7`.
fn bucket_label(bucket: usize) -> String {
    match bucket {
        0 | 1 => bucket.to_string(),
        _ => format!("{}-{}", 1_u64 << (bucket - 1), (1_u64 << bucket) - 1),
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Total { functions, sites, saved_locals, frame_bytes, code_bytes_added, .. } = self;
        writeln!(
            f,
            "{functions} functions with {sites} sites, {saved_locals} saved locals, \
             {frame_bytes} frame bytes, {code_bytes_added} code bytes added"
        )?;
        if self.guarded_functions > 0 {
            let Total { guarded_functions, guards, guard_bytes, .. } = self;
            writeln!(
                f,
                "{} with {guards} guards, {guard_bytes} code bytes added",
                count(*guarded_functions, "more function")
            )?;
        }
        let (before, after) = (self.module_bytes_before, self.module_bytes_after);
        writeln!(f, "{before} bytes before, {after} bytes after")
    }
}

/// A row of the tables: a heading, then a cell for each figure.
fn write_row(f: &mut fmt::Formatter<'_>, heading: &str, cells: [String; 4]) -> fmt::Result {
    write!(f, "{heading:<15}")?;
    for ((title, _), cell) in FIGURES.iter().zip(cells) {
        write!(f, "  {cell:>width$}", width = title.len().max(7))?;
    }
    Ok(())
}

fn write_titles(f: &mut fmt::Formatter<'_>, heading: &str) -> fmt::Result {
    writeln!(f)?;
    write_row(f, heading, FIGURES.map(|(title, _)| title.to_owned()))
}

/// A table of the percentiles, then one of the buckets.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.sites, &self.saved_locals, &self.frame_bytes, &self.code_bytes_added];
        let rows = ["least", "median", "90th percentile", "99th percentile", "largest"];
        write_titles(f, "per function")?;
        writeln!(f)?;
        for (position, heading) in rows.iter().enumerate() {
            write_row(f, heading, all.map(|spread| spread.percentiles()[position].to_string()))?;
            writeln!(f)?;
        }
        write_titles(f, "functions with")?;
        writeln!(f)?;
        let buckets = all.iter().map(|spread| spread.buckets.len()).max().unwrap_or(0);
        for bucket in 0..buckets {
            let count = |spread: &Distribution| spread.buckets.get(bucket).copied().unwrap_or(0);
            write_row(f, &bucket_label(bucket), all.map(|spread| count(spread).to_string()))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A table of functions.
struct Largest<'s>(Vec<&'s FunctionStats>);

impl fmt::Display for Largest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_titles(f, "largest growth")?;
        writeln!(f, "  code bytes  name")?;
        for function in &self.0 {
            let figures = FIGURES.map(|(_, figure)| figure(function).to_string());
            write_row(f, &function.index.to_string(), figures)?;
            let name = escape(function.name.as_deref().unwrap_or_default());
            writeln!(f, "{}", format!("  {:10}  {name}", function.code_bytes).trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(figures: impl IntoIterator<Item = i64>) -> Distribution {
        let functions: Vec<_> = figures
            .into_iter()
            .map(|code_bytes_added| FunctionStats {
                index: 0,
                name: None,
                sites: 1,
                saved_locals: 0,
                saved_references: 0,
                frame_bytes: 4,
                code_bytes: 2,
                code_bytes_added,
            })
            .collect();
        Distribution::of(&functions, |function| function.code_bytes_added)
    }

    #[test]
    fn percentiles_are_figures_that_occur() {
        assert_eq!(distribution((1..=1000).rev()).percentiles(), [1, 500, 900, 990, 1000]);
        assert_eq!(distribution([7]).percentiles(), [7; 5]);
        assert_eq!(distribution([3, 9]).percentiles(), [3, 3, 9, 9, 9]);
        assert_eq!(distribution([]), Distribution::default());
    }

    #[test]
    fn buckets_are_powers_of_two() {
        assert_eq!(distribution([-5, 0, 1, 2, 3, 4, 7, 8]).buckets, [2, 1, 2, 2, 1]);
        let labels: Vec<_> = (0..5).map(bucket_label).collect();
        assert_eq!(labels, ["0", "1", "2-3", "4-7", "8-15"]);
        assert_eq!(bucket(i64::MAX), 63);
        assert_eq!(bucket_label(63), format!("{}-{}", 1_u64 << 62, i64::MAX));
    }
}
