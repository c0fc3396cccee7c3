//! Values that nobody looks at, of types without null: what functions return that unwind. One function makes each, `() -> value`, so that
//! a type that many others hold is written down once.

use super::Runtime;
use crate::index::FuncIdx;
use crate::plan::{Plan, unpacked};
use crate::read::Module;
use std::collections::BTreeMap;
use wasm_encoder::{Function, HeapType, InstructionSink, ValType};
use wasmparser::types::CoreTypeId;
use wasmparser::{AbstractHeapType, CompositeInnerType, RefType};

/// The functions that make them, and those that are values themselves.
#[derive(Default)]
pub(in crate::rewrite) struct Dummies {
    makers: BTreeMap<RefType, FuncIdx>,
    funcs: BTreeMap<CoreTypeId, FuncIdx>,
}

impl Dummies {
    /// What makes a value of a type, if it has any.
    pub fn maker(&self, ty: RefType) -> Option<FuncIdx> {
        self.makers.get(&ty).copied()
    }

    /// The functions that are named by `ref.func`.
    pub fn named(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.funcs.values().map(|func| func.0)
    }
}

impl Runtime {
    /// A value of each of these types that nobody looks at.
    pub fn dummies(&self, types: &[wasmparser::ValType], sink: &mut InstructionSink<'_>) {
        for ty in types {
            if let wasmparser::ValType::Ref(ty) = ty
                && !ty.is_nullable()
            {
                match self.dummies.maker(*ty) {
                    Some(maker) => sink.call(maker.0),
                    // The unwind was undone before.
                    None => sink.unreachable(),
                };
                continue;
            }
            match self.types.val_type(*ty) {
                ValType::I32 => sink.i32_const(0),
                ValType::I64 => sink.i64_const(0),
                ValType::F32 => sink.f32_const(0f32.into()),
                ValType::F64 => sink.f64_const(0f64.into()),
                ValType::V128 => sink.v128_const(0),
                ValType::Ref(ty) => sink.ref_null(ty.heap_type),
            };
        }
    }

    /// Appends what makes the results of the functions of the plan.
    pub(super) fn append_dummies(&mut self, module: &Module<'_>, plan: &Plan) {
        for func in &plan.funcs {
            if !func.holds_unwinds {
                let results = module.func_type(func.func).results();
                results.iter().for_each(|ty| self.append_dummy(module, *ty));
            }
        }
    }

    fn append_dummy(&mut self, module: &Module<'_>, ty: wasmparser::ValType) {
        let wasmparser::ValType::Ref(ty) = ty else { return };
        if ty.is_nullable() || self.dummies.makers.contains_key(&ty) {
            return;
        }
        let mut body = Function::new([]);
        self.make(module, ty, &mut body);
        body.instructions().end();
        let (name, number) = ("dummy", self.dummies.makers.len());
        let results = vec![self.types.val_type(wasmparser::ValType::Ref(ty))];
        let maker = self.add_private(&format!("{name}{number}"), vec![], results, body);
        self.dummies.makers.insert(ty, maker);
    }

    /// Makes a value of a type that the plan has found to have any.
    fn make(&mut self, module: &Module<'_>, ty: RefType, body: &mut Function) {
        let id = match ty.heap_type() {
            wasmparser::HeapType::Abstract { ty: AbstractHeapType::Func, .. } => {
                body.instructions().ref_func(self.begin_resume.0);
                return;
            }
            wasmparser::HeapType::Abstract { ty: AbstractHeapType::Extern, .. } => {
                body.instructions().i32_const(0).ref_i31().extern_convert_any();
                return;
            }
            wasmparser::HeapType::Abstract { .. } => {
                body.instructions().i32_const(0).ref_i31();
                return;
            }
            wasmparser::HeapType::Concrete(index) | wasmparser::HeapType::Exact(index) => {
                module.type_id(index)
            }
        };
        let HeapType::Concrete(index) = self.types.heap_type(ty.heap_type()) else {
            unreachable!("concrete types have an index")
        };
        match &module.types()[id].composite_type.inner {
            CompositeInnerType::Func(_) => {
                let func = self.dummy_func(id, index);
                body.instructions().ref_func(func.0);
            }
            CompositeInnerType::Struct(ty) => {
                for field in &ty.fields {
                    let ty = unpacked(field.element_type);
                    self.append_dummy(module, ty);
                    self.dummies(&[ty], &mut body.instructions());
                }
                body.instructions().struct_new(index);
            }
            CompositeInnerType::Array(_) => _ = body.instructions().array_new_fixed(index, 0),
            CompositeInnerType::Cont(_) => _ = body.instructions().unreachable(),
        }
    }

    /// A function of this type that is never called.
    fn dummy_func(&mut self, id: CoreTypeId, ty: u32) -> FuncIdx {
        if let Some(func) = self.dummies.funcs.get(&id) {
            return *func;
        }
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        let name = self.abi.private_name(&format!("dummy_of_type{ty}"));
        let func = self.add_of_type(name, ty, body);
        self.dummies.funcs.insert(id, func);
        func
    }
}
