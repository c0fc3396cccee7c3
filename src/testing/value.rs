//! Values that cross the boundary between host and module: shown bit by bit.

use wasmtime::Val;

/// Several values with their types and bits, so that two texts are equal only if the values are. References are
/// null or not; which they are, no host can tell from another run's.
pub(super) fn show_all(values: &[Val]) -> String {
    values.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// One value.
pub(super) fn show(value: &Val) -> String {
    let reference =
        |ty: &str, is_null: bool| format!("{ty} {}", if is_null { "null" } else { "not null" });
    match value {
        Val::I32(x) => format!("i32 {x}"),
        Val::I64(x) => format!("i64 {x}"),
        Val::F32(bits) => format!("f32 {} ({bits:#010x})", f32::from_bits(*bits)),
        Val::F64(bits) => format!("f64 {} ({bits:#018x})", f64::from_bits(*bits)),
        Val::V128(x) => format!("v128 {:#034x}", x.as_u128()),
        Val::FuncRef(x) => reference("funcref", x.is_none()),
        Val::ExternRef(x) => reference("externref", x.is_none()),
        Val::AnyRef(x) => reference("anyref", x.is_none()),
        Val::ExnRef(x) => reference("exnref", x.is_none()),
        Val::ContRef(x) => reference("contref", x.is_none()),
    }
}
