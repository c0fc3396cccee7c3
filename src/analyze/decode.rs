//! Decodes a body for a visitor that takes whole operators.
//!
//! Reading an [`Operator`] and matching on it costs twice what validation costs, since each one is
//! built in memory first. Here each kind of operator has its own copy of the visitor's code, in
//! which the match is already decided.

use crate::error::{Error, Result};
use crate::work;
use wasmparser::{
    FrameKind, FrameStack, FuncValidator, FunctionBody, Operator, ValidatorResources,
    VisitOperator, VisitSimdOperator,
};

/// Takes the operators of a body in order, each with its offset in bytes from the start of the
/// module.
pub(super) trait Visitor {
    /// Implementations should be `#[inline(always)]`, and short on the paths that matter.
    fn operator(&mut self, offset: u32, operator: &Operator<'_>);

    /// Any vector operator. None of them calls, branches or touches a reference.
    fn vector_operator(&mut self);

    /// Announces an operator that may write to a memory, which is shown itself next.
    fn memory_write(&mut self);
}

/// Shows `body` to `visitor`.
///
/// # Errors
/// Those of the parser, which a valid module has none of.
pub(super) fn decode(body: &FunctionBody<'_>, visitor: &mut impl Visitor) -> Result<()> {
    let broken = |e: wasmparser::Error| Error::misread(&e);
    let mut reader = body.get_operators_reader().map_err(broken)?;
    let mut adapter = OperatorAdapter { visitor, offset: 0 };
    while !reader.eof() {
        work::count(1);
        adapter.offset = reader.original_position() as u32;
        reader.visit_operator(&mut adapter).map_err(broken)?;
    }
    Ok(())
}

/// Whether an operator of this name may write to a memory. Names say it: a store, an atomic
/// read-modify-write, or anything on a whole range of a memory.
const fn writes_memory(operator: &str) -> bool {
    let name = operator.as_bytes();
    let harmless = contains(name, b"MemorySize") || contains(name, b"MemoryGrow");
    contains(name, b"Store") || contains(name, b"Rmw") || (contains(name, b"Memory") && !harmless)
}

const fn contains(name: &[u8], part: &[u8]) -> bool {
    let mut start = 0;
    while start + part.len() <= name.len() {
        let mut matched = 0;
        while matched < part.len() && name[start + matched] == part[matched] {
            matched += 1;
        }
        if matched == part.len() {
            return true;
        }
        start += 1;
    }
    false
}

/// Validates `body`, and shows it to `visitor` as far as it is valid.
///
/// # Errors
/// Those of the validator.
pub(super) fn validate(
    body: &FunctionBody<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
    visitor: &mut impl Visitor,
) -> wasmparser::Result<()> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    while !reader.eof() {
        work::count(1);
        let offset = reader.original_position();
        let adapter = OperatorAdapter { visitor, offset: offset as u32 };
        reader.visit_operator(&mut Validating { validator, offset, adapter })??;
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))
}

struct OperatorAdapter<'v, V> {
    visitor: &'v mut V,
    offset: u32,
}

macro_rules! forward_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) {
            if const { writes_memory(stringify!($op)) } {
                self.visitor.memory_write();
            }
            self.visitor.operator(self.offset, &Operator::$op $({ $($arg),* })?);
        }
    )*};
}

impl<'a, V: Visitor> VisitOperator<'a> for OperatorAdapter<'_, V> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(forward_operators);
}

macro_rules! forward_vector_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        fn $visit(&mut self $($(, _: $ty)*)?) {
            if const { writes_memory(stringify!($op)) } {
                self.visitor.memory_write();
            }
            self.visitor.vector_operator();
        }
    )*};
}

impl<'a, V: Visitor> VisitSimdOperator<'a> for OperatorAdapter<'_, V> {
    wasmparser::for_each_visit_simd_operator!(forward_vector_operators);
}

/// Shows each operator to the validator first.
struct Validating<'v, V> {
    validator: &'v mut FuncValidator<ValidatorResources>,
    offset: u64,
    adapter: OperatorAdapter<'v, V>,
}

macro_rules! validate_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> wasmparser::Result<()> {
            self.validator.visitor(self.offset).$visit($($($arg.clone()),*)?)?;
            self.adapter.$visit($($($arg),*)?);
            Ok(())
        }
    )*};
}

#[allow(clippy::clone_on_copy)]
impl<'a, V: Visitor> VisitOperator<'a> for Validating<'_, V> {
    type Output = wasmparser::Result<()>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(validate_operators);
}

macro_rules! validate_vector_operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> wasmparser::Result<()> {
            self.validator.simd_visitor(self.offset).$visit($($($arg),*)?)?;
            self.adapter.$visit($($($arg),*)?);
            Ok(())
        }
    )*};
}

impl<'a, V: Visitor> VisitSimdOperator<'a> for Validating<'_, V> {
    wasmparser::for_each_visit_simd_operator!(validate_vector_operators);
}

impl<V> FrameStack for Validating<'_, V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.get_control_frame(0).map(|frame| frame.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::writes_memory;
    use crate::analyze::facts::Facts;
    use crate::analyze::host;
    use crate::read::Module;

    macro_rules! operator_names {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {
            &[$((stringify!($op), &[$($(stringify!($arg)),*)?] as &[&str])),*]
        };
    }

    /// Every operator with a memory operand either writes or is a load, a wait, a notification, or
    /// about the size.
    #[test]
    fn each_operator_on_a_memory_is_known() {
        let plain: &[(&str, &[&str])] = wasmparser::for_each_visit_operator!(operator_names);
        let vector: &[(&str, &[&str])] = wasmparser::for_each_visit_simd_operator!(operator_names);
        let (mut writes, mut reads) = (0, 0);
        for (name, args) in plain.iter().chain(vector) {
            let on_memory = args.iter().any(|arg| arg.starts_with("mem") || arg.ends_with("_mem"));
            let reads_only = ["Load", "Wait", "Notify", "MemorySize", "MemoryGrow"];
            if writes_memory(name) {
                writes += 1;
            } else if on_memory {
                assert!(reads_only.iter().any(|part| name.contains(part)), "{name}");
                reads += 1;
            }
        }
        assert!(writes > 60 && reads > 30, "{writes} write, {reads} read");
    }

    #[test]
    fn a_module_writes_to_memory_or_does_not() {
        for (body, writes) in [
            ("(drop (i32.load (i32.const 0)))", false),
            ("(i64.store8 (i32.const 0) (i64.const 1))", true),
            ("unreachable (i64.store8 (i32.const 0) (i64.const 1))", true),
            ("(v128.store (i32.const 0) (v128.const i64x2 0 0))", true),
            ("(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))", true),
            ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 1))", true),
            ("(drop (memory.grow (i32.const 1)))", false),
        ] {
            let wasm = wat::parse_str(format!("(module (memory 1) (func {body}))")).unwrap();
            let module = Module::read(&wasm).unwrap();
            let facts = Facts::collect(&module, &host::visible_tables(&module)).unwrap();
            assert_eq!(facts.writes_memory, writes, "{body}");
        }
    }
}
