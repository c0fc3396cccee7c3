//! A `name` section against the original's: what the original calls by a name is called so still, and nothing else of it is.
//!
//! | part | may differ by |
//! |---|---|
//! | functions, tables, globals | names of what was appended, behind the others; the part may be added for them |
//! | locals | names of locals of appended functions, behind the others |
//! | labels | being missing, of a function whose body changed |
//! | any other | nothing |
//!
//! To a section that is not well-formed nothing may be added: it is the same, byte for byte.

use crate::index::FuncIdx;
use crate::read::Module;
use crate::work;
use wasmparser::{BinaryReader, IndirectNameMap, NameMap};

const FUNCTIONS: u8 = 1;
const LOCALS: u8 = 2;
const LABELS: u8 = 3;
const TABLES: u8 = 5;
const GLOBALS: u8 = 7;

/// A part of a section.
struct Part<'a> {
    id: u8,
    contents: &'a [u8],
}

/// Names by index, in the order in which they stand there.
type Named<'a> = Vec<(u32, &'a str)>;

/// How many names `new` has besides those of `old`; `None` if it doesn't keep these.
pub(super) fn added(
    module: &Module<'_>,
    output: &Module<'_>,
    old: &[u8],
    new: &[u8],
) -> Option<u32> {
    if !is_well_formed(module, old) {
        return (old == new).then_some(0);
    }
    let mut added = 0;
    let mut rest = parts(new)?.into_iter();
    for old in parts(old)? {
        loop {
            let part = rest.next()?;
            if let Some(more) = kept(module, output, &old, &part) {
                added += more;
                break;
            }
            added += all_new(module, &part)?;
        }
    }
    rest.try_fold(added, |added, part| Some(added + all_new(module, &part)?))
}

/// Whether a section is one that can be held against another: its parts are in order, and so are the names in them, of what is there.
/// What else stands in one is any tool's guess. Where a module has several, none is.
fn is_well_formed(module: &Module<'_>, bytes: &[u8]) -> bool {
    let Some(parts) = parts(bytes) else { return false };
    if module.custom_sections("name").nth(1).is_some() {
        return false;
    }
    let reads = |part: &Part<'_>| {
        let count = match part.id {
            FUNCTIONS => module.funcs.len(),
            TABLES => module.tables.len(),
            GLOBALS => module.globals.len(),
            LABELS | LOCALS => {
                return labels(part.contents).is_some_and(|of_funcs| {
                    let is_there = |(func, _): &(u32, _)| (*func as usize) < module.funcs.len();
                    of_funcs.iter().all(is_there) && of_funcs.is_sorted_by(|(a, _), (b, _)| a < b)
                });
            }
            _ => return true,
        };
        named(part.contents).is_some_and(|named| {
            let is_there = named.iter().all(|(index, _)| (*index as usize) < count);
            is_there && named.is_sorted_by(|(a, _), (b, _)| a < b)
        })
    };
    parts.is_sorted_by(|a, b| a.id < b.id) && parts.iter().all(reads)
}

/// How many names a part has more than the original's; `None` if it is another.
fn kept(module: &Module<'_>, output: &Module<'_>, old: &Part<'_>, new: &Part<'_>) -> Option<u32> {
    if old.id != new.id {
        return None;
    }
    if old.contents == new.contents {
        return Some(0);
    }
    match old.id {
        FUNCTIONS | TABLES | GLOBALS => {
            let (old, mut all) = (named(old.contents)?, named(new.contents)?);
            let more = all.split_off(old.len().min(all.len()));
            (all == old && are_new(module, new.id, &more)).then_some(more.len() as u32)
        }
        LOCALS => {
            let (old, mut all) = (labels(old.contents)?, labels(new.contents)?);
            let more = all.split_off(old.len().min(all.len()));
            let are_new = more.iter().all(|(func, _)| *func as usize >= module.funcs.len());
            let count: usize = more.iter().map(|(_, names)| names.len()).sum();
            (all == old && are_new).then_some(count as u32)
        }
        LABELS => {
            let (old, new) = (labels(old.contents)?, labels(new.contents)?);
            let mut kept = new.into_iter().peekable();
            let may_go = |func: u32| body_changed(module, output, FuncIdx(func));
            let all = old.into_iter().all(|(func, names)| {
                let same = kept.next_if(|(kept, others)| *kept == func && *others == names);
                same.is_some() || may_go(func)
            });
            (all && kept.next().is_none()).then_some(0)
        }
        _ => None,
    }
}

/// How many names a part has that the original has none of; `None` if it speaks of what the original has.
fn all_new(module: &Module<'_>, part: &Part<'_>) -> Option<u32> {
    let named = named(part.contents).filter(|_| part.id != LABELS)?;
    are_new(module, part.id, &named).then_some(named.len() as u32)
}

/// Whether these are names of what was appended.
fn are_new(module: &Module<'_>, id: u8, named: &Named<'_>) -> bool {
    let first = match id {
        FUNCTIONS => module.funcs.len(),
        TABLES => module.tables.len(),
        GLOBALS => module.globals.len(),
        _ => return false,
    };
    named.iter().all(|(index, _)| *index as usize >= first)
}

fn body_changed(module: &Module<'_>, output: &Module<'_>, func: FuncIdx) -> bool {
    let body = |module: &Module<'_>| module.funcs.get(func)?.body.clone();
    let (old, new) = (body(module), body(output));
    old.map(|body| &module.bytes[body]) != new.map(|body| &output.bytes[body])
}

/// The parts of a section; `None` if they can't be read.
fn parts(mut bytes: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        work::count(1);
        let mut reader = BinaryReader::new(bytes, 0);
        let id = reader.read_u8().ok()?;
        let size = reader.read_var_u32().ok()? as usize;
        let start = reader.original_position() as usize;
        let (part, rest) = bytes.split_at_checked(start.checked_add(size)?)?;
        found.push(Part { id, contents: &part[start..] });
        bytes = rest;
    }
    Some(found)
}

fn named(bytes: &[u8]) -> Option<Named<'_>> {
    read(NameMap::new(BinaryReader::new(bytes, 0)).ok()?)
}

fn read(names: NameMap<'_>) -> Option<Named<'_>> {
    let named = names.into_iter().map(|naming| {
        work::count(1);
        naming.ok().map(|naming| (naming.index, naming.name))
    });
    named.collect()
}

fn labels(bytes: &[u8]) -> Option<Vec<(u32, Named<'_>)>> {
    let labels = IndirectNameMap::new(BinaryReader::new(bytes, 0)).ok()?;
    let labels = labels.map(|naming| {
        let naming = naming.ok()?;
        Some((naming.index, read(naming.names)?))
    });
    labels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with one part of so many names, from an index on.
    fn section(id: u8, names: &[(u8, &str)]) -> Vec<u8> {
        let mut contents = vec![names.len() as u8];
        for (index, name) in names {
            contents.extend([*index, name.len() as u8]);
            contents.extend(name.bytes());
        }
        [vec![id, contents.len() as u8], contents].concat()
    }

    #[test]
    fn names_of_the_original_are_kept_and_others_are_of_what_is_new() {
        let wasm = wat::parse_str("(module (func) (func (nop)))").unwrap();
        let more = wat::parse_str("(module (func) (func (nop) (nop)) (func))").unwrap();
        let (module, output) = (Module::read(&wasm).unwrap(), Module::read(&more).unwrap());
        let added = |old: &[u8], new: &[u8]| added(&module, &output, old, new);
        let one = section(FUNCTIONS, &[(0, "f")]);
        assert_eq!(added(&one, &section(FUNCTIONS, &[(0, "f"), (2, "new")])), Some(1));
        assert_eq!(added(&one, &section(FUNCTIONS, &[(0, "f"), (1, "old")])), None);
        assert_eq!(added(&one, &section(FUNCTIONS, &[(0, "g"), (2, "new")])), None);
        assert_eq!(added(&one, &section(FUNCTIONS, &[(2, "new")])), None);
        assert_eq!(added(&one, &[]), None);
        let both = [one.clone(), section(GLOBALS, &[(0, "state")])].concat();
        assert_eq!(added(&one, &both), Some(1));
        let wasm = wat::parse_str("(module (global i32 (i32.const 0)) (func))").unwrap();
        let named = Module::read(&wasm).unwrap();
        assert_eq!(super::added(&named, &named, &both, &one), None, "a part is missing");
        // The second function's body is another.
        let of = |func: u8| vec![LABELS, 6, 1, func, 1, 0, 1, b'l'];
        let none = [LABELS, 1, 0];
        assert_eq!((added(&of(0), &none), added(&of(1), &none)), (None, Some(0)));
        assert_eq!(added(&none, &of(1)), None);
    }
}
