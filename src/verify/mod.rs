//! **verify**: never trusts the emitter.
//!
//! Input: the original [`Module`], its [`Analysis`], and the bytes that were written, with those of the resume module, if there is one.
//! Output: what was found, [`Verified`], or the [`Fault`] that keeps them from being handed out. Everything is read again from the
//! bytes; no plan, layout, number or name is believed.
//!
//! | checked | where |
//! |---|---|
//! | every section is the original's, byte for byte, or begins with it where items may be appended | `sections`, `customs`, `names` |
//! | debug information says of each function what the original's says | `debug` |
//! | what is appended can't be seen but by the protocol's exports, and by the resume module | `added`, `carried` |
//! | where imports became functions, only indices changed, as is said in `driven`; and these functions are the protocol's | `driven`, `runtime` |
//! | the resume module belongs to the output, and defines resume functions alone | `resume_module` |
//! | a function in which nothing may unwind is a copy, or differs by its guards alone | here, `guards` |
//! | what the host calls, and the helpers that frames are written and read by, are as specified | `runtime` |
//! | each rewritten function does what its original does: normally, unwinding and rewinding | `simulate` and below it |
//!
//! Which calls may unwind is the analysis's business, whose certificate is checked when it is made.
//!
//! What is proved of a function, why that is enough, and what is assumed, is said in the guide, in [`crate::guide::verify`]. A function
//! that isn't understood is not accepted: it is named among [`Verified::unchecked`].
//!
//! ```text
//! simulate    fixpoint over pairs of positions         state        what is known at one, and joins
//! step        one operator, in the normal state        activation   where one function is, what it holds
//! in_step     many, where both are the same            brief        operators in a few bytes
//! unwind      from a call to the frame                 values       names for values
//! rewind      from the frame to the call               body, frame  operators and labels; cells
//! tails       to another function's frame              pair         bodies of the resume module
//! fault       what is wrong, and where                 streams      the instructions around
//! live        what may be forgotten                        again        what a rewind may run again
//! ```

mod activation;
mod added;
mod again;
mod body;
mod brief;
mod carried;
mod customs;
mod debug;
mod driven;
mod fault;
mod forwarders;
mod frame;
mod guards;
mod in_step;
mod live;
mod names;
mod pair;
mod resume_module;
mod rewind;
mod runtime;
mod sections;
mod simulate;
mod state;
mod step;
mod streams;
mod tails;
mod unwind;
mod values;

use crate::abi::Abi;
use crate::analyze::Analysis;
use crate::error::Error;
use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
pub use driven::check as check_driven;
pub use fault::Fault;
use fault::Place;
use guards::Guards;
use pair::Pair;
use rayon::prelude::*;
use runtime::Runtime;
use simulate::{Checked, Modules, Room};
use std::collections::{BTreeMap, BTreeSet};
use tails::Tails;

/// What was found out of an output.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// What it has more than the original, section by section, and how many items.
    pub added: Vec<(&'static str, u32)>,
    /// The custom sections that it has not, since they speak of code that moved.
    pub left_out: Vec<String>,
    /// How many functions are copies, byte for byte.
    pub copied: usize,
    /// How many differ by their guards alone.
    pub guarded: usize,
    /// How many rewritten functions do what their originals do.
    pub proved: usize,
    /// Rewritten functions of which nothing is known, with the reason, in index order.
    pub unchecked: Vec<(FuncIdx, String)>,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All but rewritten functions: nothing is said of them.
    Module,
    /// Everything.
    Functions,
}

/// Checks `wasm`, which was made from `module`, and the resume module that belongs to it, if there is one.
///
/// # Errors
/// The first fault, and which functions have others.
pub fn verify(
    module: &Module<'_>,
    analysis: &Analysis,
    abi: Abi,
    (wasm, resume_module): (&[u8], Option<&[u8]>),
    extent: Extent,
) -> Result<Verified, Fault> {
    let output = Module::read(wasm)
        .map_err(|error| Fault::new(format!("the output is refused: {error}")))?;
    let resumes = resume_module.map(|resumes| resume_module::check(&output, resumes));
    let resumes = resumes.transpose()?;
    if !analysis.may_unwind() {
        let same = module.bytes == wasm;
        let copied = module.funcs.len() - module.imported_funcs;
        let verified = Verified { copied, ..Verified::default() };
        return if same {
            Ok(verified)
        } else {
            Err(Fault::new("nothing unwinds, yet it changed"))
        };
    }
    let mut verified = Verified::default();
    whole_module(module, analysis, &output, abi, &mut verified)
        .and_then(|()| functions(module, analysis, abi, &output, &mut verified))
        .map_err(|fault| shown(fault, &[], module, &output, None))?;
    if extent == Extent::Functions {
        debug::check(module, &output)?;
        rewritten(module, analysis, abi, (&output, resumes), &mut verified)?;
    }
    Ok(verified)
}

/// Everything but the bodies.
fn whole_module(
    module: &Module<'_>,
    analysis: &Analysis,
    output: &Module<'_>,
    abi: Abi,
    verified: &mut Verified,
) -> Result<(), Fault> {
    let added = sections::check(module, output)?;
    verified.added = added.iter().map(|added| (added.section, added.items)).collect();
    let customs = customs::check(module, output)?;
    let known = [("name", customs.names), ("producer", customs.producers)];
    verified.added.extend(known.into_iter().filter(|(_, items)| *items > 0));
    verified.left_out = customs.left_out;
    added::check(module, output, (abi, &analysis.operations))?;
    added::speaks(output, abi)
}

/// The functions in which nothing may unwind.
fn functions(
    module: &Module<'_>,
    analysis: &Analysis,
    abi: Abi,
    output: &Module<'_>,
    verified: &mut Verified,
) -> Result<(), Fault> {
    let checker = Guards::find(module, abi, output)?;
    for (index, func) in module.funcs.iter_enumerated() {
        work::count(1);
        let Some(copy) = output.funcs.get(index) else {
            return Err(Fault::new("functions are missing"));
        };
        let (Some(body), Some(copied)) = (&func.body, &copy.body) else { continue };
        let guards = analysis.guards.get(&index);
        if analysis.operations.contains_key(&index) {
            // What it is like is a matter of the protocol.
        } else if let Some(guards) = guards {
            checker.check(index, guards)?;
            verified.guarded += 1;
        } else if analysis.sites[index].is_empty() {
            same_body(module, output, index, (body.start, copied.start))?;
            verified.copied += 1;
        }
    }
    Ok(())
}

/// The functions in which something may unwind.
fn rewritten<'a>(
    module: &Module<'a>,
    analysis: &Analysis,
    abi: Abi,
    (output, resumes): (&Module<'a>, Option<Module<'a>>),
    verified: &mut Verified,
) -> Result<(), Fault> {
    let funcs = module.defined_funcs().filter(|func| !analysis.sites[*func].is_empty());
    let funcs: Vec<_> = funcs.collect();
    let runtime = Runtime::find(module, output, (abi, &analysis.operations))?;
    let pair = resumes.map(|resumes| Pair::find(output, resumes)).transpose()?;
    let tails = Tails::find(module, analysis)?;
    let (original, pair) = (module, pair.as_ref());
    let modules = Modules { original, output, runtime: &runtime, pair, tails: &tails };
    let check = |room: &mut Room<'a>, func: &FuncIdx| {
        let checked = simulate::check(&modules, (*func, &analysis.sites[*func]), room);
        (*func, checked)
    };
    let checked: Vec<_> = funcs.par_iter().map_init(Room::default, check).collect();
    let (mut proved, mut faults) = (Vec::new(), Vec::new());
    for (func, checked) in checked {
        match checked {
            Ok(checked) => proved.push((func, checked)),
            Err(fault) => match fault.gap() {
                Some(gap) => verified.unchecked.push((func, gap.to_owned())),
                None => faults.push(fault.in_func(func)),
            },
        }
    }
    if let Some(first) = faults.first().cloned() {
        let resumes = pair.map(Pair::module);
        return Err(shown(first, &faults[1..], module, output, resumes));
    }
    verified.proved = proved.len();
    belong_to_one(&proved)
}

/// A function's fault with the instructions around it, and the other functions that have one.
fn shown(
    fault: Fault,
    others: &[Fault],
    module: &Module<'_>,
    output: &Module<'_>,
    resumes: Option<&Module<'_>>,
) -> Fault {
    let place = fault.place();
    let mut lines = Vec::new();
    let mut show = |title: &str, file: Option<&Module<'_>>, offset: Option<usize>| {
        if let Some((file, offset)) = file.zip(offset) {
            let instructions = streams::around(file, offset);
            lines.extend(instructions.first().map(|_| title.to_owned()));
            lines.extend(instructions);
        }
    };
    show("in the original:", Some(module), place.original);
    let file = if place.is_elsewhere { resumes } else { Some(output) };
    show("in what was written:", file, place.output);
    let others: Vec<_> =
        others.iter().filter_map(Fault::func).map(|func| func.to_string()).collect();
    if !others.is_empty() {
        lines.push(format!("functions with faults besides: {}", others.join(", ")));
    }
    let name = fault
        .func()
        .and_then(|func| Some(module.funcs.get(func).and(module.func_name(func))?.into_owned()));
    fault.with(name, lines)
}

/// No two functions have a resume function together. Whose a frame is says its mark, by the function's index.
fn belong_to_one(proved: &[(FuncIdx, Checked)]) -> Result<(), Fault> {
    let mut resumes = BTreeSet::new();
    let mut all = proved.iter().filter_map(|(func, checked)| Some((*func, checked.resume?)));
    if let Some((func, _)) = all.find(|(_, resume)| !resumes.insert(*resume)) {
        return Err(Fault::new("its resume function is another's").in_func(func));
    }
    let resumes: BTreeMap<_, _> =
        proved.iter().map(|(func, checked)| (*func, checked.resume)).collect();
    for (func, checked) in proved {
        let mut goes_on = checked.goes_on.iter();
        let is_right = |(owner, entered): &&(FuncIdx, FuncIdx)| {
            resumes.get(owner).is_none_or(|resume| resume.unwrap_or(*owner) == *entered)
        };
        if let Some((owner, _)) = goes_on.find(|pair| !is_right(pair)) {
            let what = format!("for a frame of function {owner} another is entered");
            return Err(Fault::new(what).in_func(*func));
        }
    }
    Ok(())
}

/// A function in which nothing may have changed.
fn same_body(
    module: &Module<'_>,
    output: &Module<'_>,
    func: FuncIdx,
    (before, after): (usize, usize),
) -> Result<(), Fault> {
    let body = |module: &Module<'_>| module.funcs[func].body.clone().unwrap_or_default();
    let (old, new) = (&module.bytes[body(module)], &output.bytes[body(output)]);
    if old == new {
        return Ok(());
    }
    let at = old.iter().zip(new).position(|(old, new)| old != new);
    let at = at.unwrap_or(old.len().min(new.len()));
    let (original, output) = (Some(before + at), Some(after + at));
    let place = Place { original, output, ..Place::default() };
    Err(Fault::new("no call in it may unwind, yet it changed").in_func(func).at(place))
}

fn internal(what: &str) -> Error {
    Error::Internal(what.into())
}
