//! A module in which imports became functions, against the one that imports them.
//!
//! Which index stands for which is worked out anew, from the imports alone: a function that is imported no more is the next of those in
//! front of the defined ones, and all others keep their order. Everything that names a function has to name the same one, and nothing else may
//! have changed. What the new functions do is checked when they have been written (`runtime`).

#[cfg(test)]
mod tests;

use super::debug;
use super::fault::{Fault, Place};
use crate::index::{FuncIdx, IndexType};
use crate::options::Operation;
use crate::read::{Located, Module};
use crate::work;
use rayon::prelude::*;
use std::collections::BTreeMap;
use wasmparser::{ConstExpr, ElementItems, ElementKind, ExternalKind, Operator};

/// Checks that `module` is `original` but for these functions, which that imports.
///
/// # Errors
/// The first difference.
pub fn check(
    original: &Module<'_>,
    module: &Module<'_>,
    operations: &BTreeMap<u32, Operation>,
) -> Result<(), Fault> {
    let numbers = Numbers::find(original, module, operations)?;
    let checker = Checker { original, module, numbers };
    checker.types()?;
    checker.imports()?;
    checker.entities()?;
    checker.segments()?;
    checker.exports()?;
    checker.customs()?;
    let defined: Vec<_> = original.defined_funcs().collect();
    let bodies = defined.into_par_iter().map(|func| checker.body(func));
    bodies.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?;
    debug::check(original, module)
}

/// For each function its number in the other module.
struct Numbers(Vec<u32>);

impl Numbers {
    fn find(
        original: &Module<'_>,
        module: &Module<'_>,
        operations: &BTreeMap<u32, Operation>,
    ) -> Result<Numbers, Fault> {
        if original.funcs.len() != module.funcs.len() {
            return Err(Fault::new("there are other functions"));
        }
        let is_gone = |func: FuncIdx| {
            let import = original.funcs[func].import();
            import.is_some_and(|import| import.module == "asyncify")
        };
        let imports = || original.funcs.indices().take(original.imported_funcs);
        let gone: Vec<_> = imports().filter(|func| is_gone(*func)).collect();
        let kept = (original.imported_funcs - gone.len()) as u32;
        let mut numbers: Vec<_> = (0..original.funcs.len() as u32).collect();
        let kept_imports = imports().filter(|func| !is_gone(*func));
        for (func, number) in kept_imports.zip(0..).chain(gone.iter().copied().zip(kept..)) {
            numbers[func.as_usize()] = number;
        }
        let named: Vec<_> = gone.iter().map(|func| numbers[func.as_usize()]).collect();
        if named != operations.keys().copied().collect::<Vec<_>>() {
            return Err(Fault::new("other imports became functions"));
        }
        for func in &gone {
            let name = original.funcs[*func].import().map_or("", |import| import.name);
            let does = match operations[&numbers[func.as_usize()]] {
                Operation::BeginUnwind => "start_unwind",
                Operation::EndUnwind => "stop_unwind",
                Operation::BeginRewind => "start_rewind",
                Operation::EndRewind => "stop_rewind",
                Operation::GetState => "get_state",
                Operation::BeginResume => "",
            };
            if name != does {
                return Err(Fault::new(format!("`{name}` became `{does}`")).in_func(*func));
            }
        }
        Ok(Numbers(numbers))
    }

    fn of(&self, func: u32) -> u32 {
        self.0.get(func as usize).copied().unwrap_or(func)
    }

    /// The operator with the numbers of the other module.
    fn renumbered<'a>(&self, operator: Operator<'a>) -> Operator<'a> {
        match operator {
            Operator::Call { function_index } => {
                Operator::Call { function_index: self.of(function_index) }
            }
            Operator::ReturnCall { function_index } => {
                Operator::ReturnCall { function_index: self.of(function_index) }
            }
            Operator::RefFunc { function_index } => {
                Operator::RefFunc { function_index: self.of(function_index) }
            }
            other => other,
        }
    }
}

struct Checker<'c, 'a> {
    original: &'c Module<'a>,
    module: &'c Module<'a>,
    numbers: Numbers,
}

fn require(holds: bool, what: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(what)) }
}

impl Checker<'_, '_> {
    fn types(&self) -> Result<(), Fault> {
        let types = |module: &Module<'_>| {
            let section = module.sections.iter().find(|section| section.id == 1);
            section.map(|section| module.bytes[section.contents.clone()].to_vec())
        };
        let number = |module: &Module<'_>| module.types().core_type_count_in_module();
        // Numbers may be spelled shorter.
        let same = types(self.original) == types(self.module)
            || number(self.original) == number(self.module)
                && printed_types(self.original) == printed_types(self.module);
        require(same, "the types differ")
    }

    fn imports(&self) -> Result<(), Fault> {
        for (func, old) in self.original.funcs.iter_enumerated() {
            work::count(1);
            let new = &self.module.funcs[FuncIdx(self.numbers.of(func.0))];
            let is_gone = old.import().is_some() && new.body.is_some();
            let same = old.ty == new.ty && (old.import() == new.import() || is_gone);
            if !same || old.body.is_some() != (new.body.is_some() && !is_gone) {
                return Err(Fault::new("a function is another").in_func(func));
            }
        }
        let gone = self.original.funcs.len() - self.original.defined_funcs().len();
        let gone = gone - self.module.imported_funcs;
        let kept = self.module.defined_funcs().len() - self.original.defined_funcs().len();
        require(gone == kept, "other functions are imported")
    }

    fn const_expr(&self, old: Option<&ConstExpr<'_>>, new: Option<&ConstExpr<'_>>) -> bool {
        match (old, new) {
            (None, None) => true,
            (Some(old), Some(new)) => {
                let old = old.get_operators_reader().into_iter();
                let old = old.map(|op| op.ok().map(|op| self.numbers.renumbered(op)));
                old.eq(new.get_operators_reader().into_iter().map(Result::ok))
            }
            _ => false,
        }
    }

    fn entities(&self) -> Result<(), Fault> {
        let Checker { original, module, .. } = self;
        let counts = |module: &Module<'_>| {
            [module.tables.len(), module.memories.len(), module.globals.len(), module.tags.len()]
        };
        require(counts(original) == counts(module), "there are other entities")?;
        for (old, new) in original.tables.iter().zip(module.tables.iter()) {
            let same = (old.ty, old.import) == (new.ty, new.import);
            let same = same && self.const_expr(old.init.as_ref(), new.init.as_ref());
            require(same, "a table differs")?;
        }
        for (old, new) in original.memories.iter().zip(module.memories.iter()) {
            require((old.ty, old.import) == (new.ty, new.import), "a memory differs")?;
        }
        for (old, new) in original.globals.iter().zip(module.globals.iter()) {
            let same = (old.ty, old.import) == (new.ty, new.import);
            let same = same && self.const_expr(old.init.as_ref(), new.init.as_ref());
            require(same, "a global differs")?;
        }
        for (old, new) in original.tags.iter().zip(module.tags.iter()) {
            require((old.ty, old.import) == (new.ty, new.import), "a tag differs")?;
        }
        let start = original.start.map(|func| self.numbers.of(func.0));
        require(start == module.start.map(|func| func.0), "the start function differs")
    }

    fn segments(&self) -> Result<(), Fault> {
        let Checker { original, module, .. } = self;
        let same_number = original.elements.len() == module.elements.len()
            && original.data.len() == module.data.len();
        require(same_number, "there are other segments")?;
        for (old, new) in original.elements.iter().zip(module.elements.iter()) {
            work::count(1);
            let same_place = match (&old.kind, &new.kind) {
                (ElementKind::Passive, ElementKind::Passive)
                | (ElementKind::Declared, ElementKind::Declared) => true,
                (
                    ElementKind::Active { table_index: old_table, offset_expr: old },
                    ElementKind::Active { table_index: new_table, offset_expr: new },
                ) => {
                    old_table.unwrap_or(0) == new_table.unwrap_or(0)
                        && self.const_expr(Some(old), Some(new))
                }
                _ => false,
            };
            require(
                same_place && self.items(&old.items, &new.items),
                "an element segment differs",
            )?;
        }
        for (old, new) in original.data.iter().zip(module.data.iter()) {
            use wasmparser::DataKind as Kind;
            let same_place = match (&old.kind, &new.kind) {
                (Kind::Passive, Kind::Passive) => true,
                (
                    Kind::Active { memory_index: old_memory, offset_expr: old },
                    Kind::Active { memory_index: new_memory, offset_expr: new },
                ) => old_memory == new_memory && self.const_expr(Some(old), Some(new)),
                _ => false,
            };
            require(same_place && old.data == new.data, "a data segment differs")?;
        }
        Ok(())
    }

    fn items(&self, old: &ElementItems<'_>, new: &ElementItems<'_>) -> bool {
        match (old, new) {
            (ElementItems::Functions(old), ElementItems::Functions(new)) => {
                let old = old.clone().into_iter().map(|func| Some(self.numbers.of(func.ok()?)));
                old.eq(new.clone().into_iter().map(Result::ok))
            }
            (ElementItems::Expressions(old_ty, old), ElementItems::Expressions(new_ty, new)) => {
                let mut pairs = old.clone().into_iter().zip(new.clone());
                old_ty == new_ty
                    && old.count() == new.count()
                    && pairs.all(|(old, new)| self.const_expr(old.ok().as_ref(), new.ok().as_ref()))
            }
            _ => false,
        }
    }

    fn exports(&self) -> Result<(), Fault> {
        let exports = self.original.exports.iter().map(|export| {
            let is_func = matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact);
            let index = if is_func { self.numbers.of(export.index) } else { export.index };
            (export.name, export.kind, index)
        });
        let others = self.module.exports.iter().map(|other| (other.name, other.kind, other.index));
        require(exports.eq(others), "the exports differ")
    }

    /// None may be added; those that speak of code are others. Of names only those of functions are compared.
    fn customs(&self) -> Result<(), Fault> {
        let speaks_of_code =
            |name: &str| name.starts_with(".debug_") || name.starts_with("metadata.code.");
        let mut olds = self.original.sections.iter().filter(|section| section.id == 0);
        for new in self.module.sections.iter().filter(|section| section.id == 0) {
            let same = |old: &&crate::read::Section<'_>| {
                old.name == new.name
                    && (new.name == "name"
                        || speaks_of_code(new.name)
                        || self.original.bytes[old.contents.clone()]
                            == self.module.bytes[new.contents.clone()])
            };
            require(olds.any(|old| same(&old)), "a custom section differs")?;
        }
        let has_names = self.module.custom_sections("name").next().is_some();
        for func in self.original.funcs.indices().filter(|_| has_names) {
            let new = FuncIdx(self.numbers.of(func.0));
            // What has no name is called as it is imported, and else as it is exported.
            let is_gone = self.original.is_import(func) && !self.module.is_import(new);
            let (old, new) = (self.original.names.func(func), self.module.names.func(new));
            if old != new && !is_gone {
                return Err(Fault::new("a function has another's name").in_func(func));
            }
        }
        Ok(())
    }

    fn body(&self, func: FuncIdx) -> Result<(), Fault> {
        let (original, module) = (self.original, self.module);
        let place = |old: Option<&Located<'_>>, new: Option<&Located<'_>>| Place {
            original: old.map(|located| located.start as usize),
            output: new.map(|located| located.start as usize),
            ..Place::default()
        };
        let differs = |what: &str, place| Err(Fault::new(what).in_func(func).at(place));
        if locals(original, func) != locals(module, func) {
            return differs("it has other locals", Place::default());
        }
        let (mut olds, mut news) = (original.operators(func)?, module.operators(func)?);
        loop {
            work::count(1);
            let (old, new) = (olds.next().transpose()?, news.next().transpose()?);
            let place = place(old.as_ref(), new.as_ref());
            let (Some(old), Some(new)) = (&old, &new) else {
                return match (old, new) {
                    (None, None) => Ok(()),
                    _ => differs("its instructions are others", place),
                };
            };
            if self.numbers.renumbered(old.operator.clone()) != new.operator {
                return differs("it differs by more than the numbers of functions", place);
            }
        }
    }
}

/// The declarations of locals.
fn locals(module: &Module<'_>, func: FuncIdx) -> Option<Vec<(u32, wasmparser::ValType)>> {
    let locals = module.body(func)?.get_locals_reader().ok()?;
    locals.into_iter().collect::<Result<_, _>>().ok()
}

fn printed_types(module: &Module<'_>) -> Vec<String> {
    let types = module.types();
    let all = 0..types.core_type_count_in_module();
    all.map(|ty| format!("{:?}", types[types.core_type_at_in_module(ty)])).collect()
}
