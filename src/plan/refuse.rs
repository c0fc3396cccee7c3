//! What is refused by name before any planning: see the chapter on limits in the guide.

use super::skeleton::Skeleton;
use crate::analyze::{Guard, Site};
use crate::error::{Error, Result};
use crate::index::{FuncIdx, LocalIdx};
use crate::read::Module;
use wasmparser::{Operator, ValType};

/// Whether there is no value of the type that could stand in for another.
pub(super) fn is_non_nullable(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if !ty.is_nullable())
}

/// Whether the function has a parameter that nothing can stand in for.
pub(super) fn has_no_dummy(module: &Module<'_>, func: FuncIdx) -> bool {
    module.func_type(func).params().iter().copied().any(is_non_nullable)
}

/// Refuses functions whose calls can't be resumed.
pub(super) fn function(module: &Module<'_>, func: FuncIdx, sites: &[Site]) -> Result<()> {
    if let Some(site) = sites.iter().find(|site| site.tail) {
        return Err(Error::Unsupported {
            what: "a tail call (`return_call`) that may reach an entry".into(),
            location: module.location(func, site.offset as usize),
            advice: "build without tail calls".into(),
        });
    }
    if module.func_type(func).results().iter().copied().any(is_non_nullable) {
        return Err(Error::Unsupported {
            what: "a result of a non-nullable reference type in a function that may unwind".into(),
            location: module.location(func, sites[0].offset as usize),
            advice: "return a nullable reference".into(),
        });
    }
    Ok(())
}

/// Refuses guarded tail calls inside a `try`: as calls they would throw into it.
pub(super) fn tail_guards(module: &Module<'_>, func: FuncIdx, guards: &[Guard]) -> Result<()> {
    let body = module.body(func).filter(|_| guards.iter().any(|guard| guard.tail));
    let Some(body) = body else {
        return Ok(());
    };
    let misread = |error| Error::misread(&error);
    let mut tails = guards.iter().filter(|guard| guard.tail).peekable();
    // For each open construct whether it is a `try`.
    let mut constructs = Vec::new();
    for item in body.get_operators_reader().map_err(misread)?.into_iter_with_offsets() {
        let (operator, offset) = item.map_err(misread)?;
        let offset = offset as u32;
        if tails.next_if(|guard| guard.offset == offset).is_some() && constructs.contains(&true) {
            return Err(Error::Unsupported {
                what: "a tail call inside a `try` that an assumption would have guarded".into(),
                location: module.location(func, offset as usize),
                advice: "assume nothing of this function, or the same of what it calls".into(),
            });
        }
        match operator {
            Operator::Try { .. } | Operator::TryTable { .. } => constructs.push(true),
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                constructs.push(false);
            }
            Operator::End | Operator::Delegate { .. } => _ = constructs.pop(),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses declared locals that would be read before they are set.
pub(super) fn locals(module: &Module<'_>, func: FuncIdx, skeleton: &Skeleton) -> Result<()> {
    let params = module.func_type(func).params().len();
    match skeleton.locals[params..].iter().copied().position(is_non_nullable) {
        None => Ok(()),
        Some(position) => {
            let local = LocalIdx((params + position) as u32);
            Err(reference(
                module,
                func,
                &format!("local {local}, a non-nullable reference,"),
                skeleton.needed[0].0,
            ))
        }
    }
}

/// The error for a reference that would have to be kept in memory.
pub(super) fn reference(module: &Module<'_>, func: FuncIdx, what: &str, offset: u32) -> Error {
    Error::Unsupported {
        what: format!("{what} live across a call that may reach an entry"),
        location: module.location(func, offset as usize),
        advice: "references can't be saved in memory; keep an index into a table instead".into(),
    }
}
