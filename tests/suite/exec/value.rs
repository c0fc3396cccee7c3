//! Values that cross the boundary between host and module: printed bit by bit, made on demand.

use wasmtime::{AsContext, AsContextMut, ExternRef, Result, V128, Val, ValType};

/// The value's type and its bits, so that two texts are equal only if the values are.
pub fn show(value: &Val) -> String {
    match value {
        Val::I32(x) => format!("i32 {x}"),
        Val::I64(x) => format!("i64 {x}"),
        Val::F32(bits) => format!("f32 {} ({bits:#010x})", f32::from_bits(*bits)),
        Val::F64(bits) => format!("f64 {} ({bits:#018x})", f64::from_bits(*bits)),
        Val::V128(x) => format!("v128 {:#034x}", x.as_u128()),
        Val::FuncRef(x) => format!("funcref {}", nullness(x.is_none())),
        Val::ExternRef(x) => format!("externref {}", nullness(x.is_none())),
        Val::AnyRef(x) => format!("anyref {}", nullness(x.is_none())),
        Val::ExnRef(x) => format!("exnref {}", nullness(x.is_none())),
        Val::ContRef(x) => format!("contref {}", nullness(x.is_none())),
    }
}

fn nullness(null: bool) -> &'static str {
    if null { "null" } else { "not null" }
}

/// Several values as a host sees them, separated by commas: what the host gave as an `externref` by its number.
pub fn show_all_in(store: impl AsContext, values: &[Val]) -> Result<String> {
    let show = |value: &Val| match value {
        Val::ExternRef(Some(reference)) => {
            let data = reference.data(store.as_context())?;
            let number = data.and_then(|data| data.downcast_ref::<i64>());
            Ok(number.map_or_else(|| show(value), |number| format!("externref {number}")))
        }
        value => Ok(show(value)),
    };
    Ok(values.iter().map(show).collect::<Result<Vec<_>>>()?.join(", "))
}

/// As [`of_int`], but an `externref` is one of the host's, with this number.
pub fn of_host(mut store: impl AsContextMut, ty: &ValType, x: i64) -> Result<Val> {
    match ty {
        ValType::Ref(ty) if matches!(ty.heap_type(), wasmtime::HeapType::Extern) => {
            Ok(Val::ExternRef(Some(ExternRef::new(store.as_context_mut(), x)?)))
        }
        ty => Ok(of_int(ty, x)),
    }
}

/// Several values, separated by commas.
pub fn show_all(values: &[Val]) -> String {
    values.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// The value of type `ty` that is made of the integer `x`; references are null.
pub fn of_int(ty: &ValType, x: i64) -> Val {
    match ty {
        ValType::I32 => Val::I32(x as i32),
        ValType::I64 => Val::I64(x),
        ValType::F32 => Val::F32((x as f32).to_bits()),
        ValType::F64 => Val::F64((x as f64).to_bits()),
        ValType::V128 => Val::V128(V128::from((x as u128) << 64 | 0x0102_0304)),
        ValType::Ref(ty) => Val::null_ref(ty.heap_type()),
    }
}

/// A value that no program computes, for where the ABI says that any value will do.
pub fn garbage(ty: &ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(0x6ba_5ba6),
        ValType::I64 => Val::I64(0x006b_a5ba_66ba_5ba6),
        ValType::F32 => Val::F32(0x6ba_5ba6),
        ValType::F64 => Val::F64(0x006b_a5ba_66ba_5ba6),
        ValType::V128 => Val::V128(V128::from(0x006b_a5ba_66ba_5ba6)),
        ValType::Ref(ty) => Val::null_ref(ty.heap_type()),
    }
}

/// Reads `7`, `-1`, `1.5` or `0x…` as a value of type `ty`.
pub fn parse(ty: &ValType, text: &str) -> std::result::Result<Val, String> {
    let bad = || format!("`{text}` is not a value of type {ty}");
    match ty {
        ValType::F32 => Ok(Val::F32(text.parse::<f32>().map_err(|_| bad())?.to_bits())),
        ValType::F64 => Ok(Val::F64(text.parse::<f64>().map_err(|_| bad())?.to_bits())),
        _ => Ok(of_int(ty, text.parse().map_err(|_| bad())?)),
    }
}
