//! The locals of a body as it is written: their declarations, numbers and reads.

use super::body::Emitter;
use crate::index::LocalIdx;
use crate::plan::{BodyPlan, FuncPlan};
use crate::read::Module;
use wasm_encoder::{Encode, ValType};
use wasmparser::FunctionBody;

/// The locals of a body whose declarations are not the input's.
pub(super) struct Locals {
    /// For each local of the plan its number, and whether it is cast where it is read.
    places: Vec<(u32, bool)>,
}

impl Locals {
    /// Those of `body`, if they differ from the input's with temporaries and `$resume` behind.
    pub fn of(module: &Module<'_>, plan: &FuncPlan, body: &BodyPlan) -> Option<Locals> {
        let declared = body.declared.as_ref()?;
        let params = module.func_type(plan.func).params().len() as u32;
        let first = if is_resume(plan, body) { 0 } else { params };
        let count = plan.locals as usize + plan.temps.len() + 1;
        let mut places: Vec<_> = (0..first).map(|param| (param, false)).collect();
        places.resize(count, (u32::MAX, false));
        for (number, (local, _)) in (first..).zip(&declared.locals) {
            places[local.0 as usize].0 = number;
        }
        declared.casts.iter().for_each(|local| places[local.0 as usize].1 = true);
        Some(Locals { places })
    }
}

fn is_resume(plan: &FuncPlan, body: &BodyPlan) -> bool {
    plan.resume.as_ref().is_some_and(|resume| std::ptr::eq(resume, body))
}

impl Emitter<'_, '_> {
    /// The number of a local of the plan.
    pub(super) fn number(&self, local: LocalIdx) -> u32 {
        self.locals.as_ref().map_or(local.0, |locals| locals.places[local.0 as usize].0)
    }

    /// Reads a local.
    pub(super) fn get(&mut self, local: LocalIdx) {
        let number = self.number(local);
        self.sink().local_get(number);
        self.cast(local);
    }

    /// Sets a local.
    pub(super) fn set(&mut self, local: LocalIdx) {
        let number = self.number(local);
        self.sink().local_set(number);
    }

    /// Sets a local, and leaves the value.
    pub(super) fn tee(&mut self, local: LocalIdx) {
        let number = self.number(local);
        self.sink().local_tee(number);
        self.cast(local);
    }

    /// What was just read from `local` gets the type that the input gives it.
    fn cast(&mut self, local: LocalIdx) {
        if self.locals.as_ref().is_some_and(|locals| locals.places[local.0 as usize].1) {
            self.sink().ref_as_non_null();
        }
    }

    /// Writes the declarations.
    pub(super) fn declare(&mut self, body: &FunctionBody<'_>) -> wasmparser::Result<()> {
        let plan = self.body;
        if let Some(declared) = &plan.declared {
            let groups = self.grouped(declared.locals.iter().map(|(_, ty)| *ty));
            (groups.len() as u32).encode(&mut self.out);
            groups.iter().for_each(|group| encode_group(group, &mut self.out));
            return Ok(());
        }
        let reader = body.get_locals_reader()?;
        let (groups, start) = (reader.get_count(), reader.original_position());
        let end = body.get_operators_reader()?.original_position();
        let resume = plan.entry.is_some().then_some(wasmparser::ValType::I32);
        let added = self.grouped(self.plan.temps.iter().copied().chain(resume));
        (groups + added.len() as u32).encode(&mut self.out);
        self.copy(start as u32, end as u32);
        self.sink();
        added.iter().for_each(|group| encode_group(group, &mut self.out));
        Ok(())
    }

    /// Types as runs of equal ones.
    fn grouped(&self, types: impl Iterator<Item = wasmparser::ValType>) -> Vec<(u32, ValType)> {
        let mut groups: Vec<(u32, ValType)> = Vec::new();
        for ty in types.map(|ty| self.runtime.types.val_type(ty)) {
            match groups.last_mut() {
                Some((count, last)) if *last == ty => *count += 1,
                _ => groups.push((1, ty)),
            }
        }
        groups
    }
}

fn encode_group((count, ty): &(u32, ValType), out: &mut Vec<u8>) {
    count.encode(out);
    ty.encode(out);
}
