//! Small modules as plain data, and as bytes.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalType, ImportSection, InstructionSink, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

/// A function by number: the entry is 0, then come the functions of [`Shape::funcs`].
pub(super) type Func = u8;

pub(super) const ENTRY: Func = 0;

/// A function type; its number is its type index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    /// No parameter. The entry's type.
    Plain,
    /// One `i32`.
    Param,
}

/// An `i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Const(u8),
    /// The value of a global that only the host writes.
    Unknown,
    /// The function's parameter; only in a function that has one.
    Param,
}

/// What a function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Call {
        callee: Func,
        arg: Value,
    },
    /// `call_indirect`, with an unknown argument where the type wants one.
    Indirect {
        ty: Type,
        index: Value,
    },
    /// `table.set` of `ref.func`.
    Set {
        index: Value,
        value: Func,
    },
}

/// A function runs any of its actions, any number of times, in any order, and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) ty: Type,
    pub(super) exported: bool,
    pub(super) actions: Vec<Action>,
}

/// A module with one entry and one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analyze::tests) struct Shape {
    /// The defined functions: number 1 and on.
    pub(super) funcs: Vec<Body>,
    /// What the table holds at first.
    pub(super) slots: Vec<Option<Func>>,
    /// Whether the table is exported.
    pub(super) visible: bool,
}

impl Shape {
    pub(super) fn ty(&self, func: Func) -> Type {
        match func.checked_sub(1) {
            None => Type::Plain,
            Some(defined) => self.funcs[usize::from(defined)].ty,
        }
    }

    /// The functions whose reference an instruction makes.
    fn referred(&self) -> Vec<u32> {
        let actions = self.funcs.iter().flat_map(|body| &body.actions);
        let referred = actions.filter_map(|action| match action {
            Action::Set { value, .. } => Some(u32::from(*value)),
            _ => None,
        });
        referred.collect()
    }

    /// The module, in which all this is true.
    pub(in crate::analyze::tests) fn encode(&self) -> Vec<u8> {
        let mut module = Module::new();
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([ValType::I32], []);
        module.section(&types);

        let mut imports = ImportSection::new();
        imports.import("k", "fork", EntityType::Function(Type::Plain as u32));
        let unknown = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        imports.import("e", "unknown", unknown);
        module.section(&imports);

        let mut functions = FunctionSection::new();
        self.funcs.iter().for_each(|body| {
            functions.function(body.ty as u32);
        });
        module.section(&functions);

        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: self.slots.len() as u64,
            maximum: Some(self.slots.len() as u64),
            shared: false,
        });
        module.section(&tables);
        module.section(&self.exports());
        module.section(&self.elements());

        let mut code = CodeSection::new();
        self.funcs.iter().for_each(|body| {
            code.function(&body.encode(self));
        });
        module.section(&code);
        module.finish()
    }

    fn exports(&self) -> ExportSection {
        let mut exports = ExportSection::new();
        for (number, body) in (1..).zip(&self.funcs) {
            if body.exported {
                exports.export(&number.to_string(), ExportKind::Func, number);
            }
        }
        if self.visible {
            exports.export("table", ExportKind::Table, 0);
        }
        exports
    }

    fn elements(&self) -> ElementSection {
        let mut elements = ElementSection::new();
        for (offset, slot) in (0..).zip(&self.slots) {
            if let Some(func) = slot {
                let held = [u32::from(*func)];
                let offset = ConstExpr::i32_const(offset);
                elements.active(None, &offset, Elements::Functions(held[..].into()));
            }
        }
        elements.declared(Elements::Functions(self.referred().into()));
        elements
    }
}

impl Body {
    /// `loop (if unknown (action)) … (br_if 0 unknown) end`
    fn encode(&self, shape: &Shape) -> Function {
        let mut function = Function::new([]);
        let mut code = function.instructions();
        code.loop_(BlockType::Empty);
        for action in &self.actions {
            code.global_get(0).if_(BlockType::Empty);
            action.encode(shape, &mut code);
            code.end();
        }
        code.global_get(0).br_if(0).end().end();
        function
    }
}

impl Action {
    fn encode(self, shape: &Shape, code: &mut InstructionSink<'_>) {
        match self {
            Action::Call { callee, arg } => {
                if shape.ty(callee) == Type::Param {
                    arg.encode(code);
                }
                code.call(u32::from(callee));
            }
            Action::Indirect { ty, index } => {
                if ty == Type::Param {
                    Value::Unknown.encode(code);
                }
                index.encode(code);
                code.call_indirect(0, ty as u32);
            }
            Action::Set { index, value } => {
                index.encode(code);
                code.ref_func(u32::from(value)).table_set(0);
            }
        }
    }
}

impl Value {
    fn encode(self, code: &mut InstructionSink<'_>) {
        match self {
            Value::Const(value) => code.i32_const(i32::from(value)),
            Value::Unknown => code.global_get(0),
            Value::Param => code.local_get(0),
        };
    }
}
