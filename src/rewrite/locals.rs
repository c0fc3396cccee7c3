//! The numbers of a body's locals, where they are not the plan's.

use crate::index::LocalIdx;
use crate::plan::{BodyPlan, FuncPlan};
use crate::read::Module;
use crate::work;

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
        let first = if plan.is_resume(body) { 0 } else { params };
        let count = plan.locals as usize + plan.temps.len() + 1;
        let mut places: Vec<_> = (0..first).map(|param| (param, false)).collect();
        places.resize(count, (u32::MAX, false));
        for (number, (local, _)) in (first..).zip(&declared.locals) {
            work::count(1);
            places[local.0 as usize].0 = number;
        }
        declared.casts.iter().for_each(|local| places[local.0 as usize].1 = true);
        Some(Locals { places })
    }

    /// The number of a local of the plan.
    pub fn number(&self, local: LocalIdx) -> u32 {
        self.places[local.0 as usize].0
    }

    /// For each local of the plan its number; `u32::MAX` for one that is not declared.
    pub fn numbers(&self) -> Vec<u32> {
        self.places.iter().map(|(number, _)| *number).collect()
    }

    /// Whether what is read from it gets the type that the input gives it by a cast.
    pub fn is_cast(&self, local: LocalIdx) -> bool {
        self.places[local.0 as usize].1
    }
}

impl FuncPlan {
    /// Whether `body` is that of the resume function.
    pub(super) fn is_resume(&self, body: &BodyPlan) -> bool {
        self.resume.as_deref().is_some_and(|resume| std::ptr::eq(resume, body))
    }
}
