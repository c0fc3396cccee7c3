//! LiveCode is the validator's notion: compared at every operator of random modules.

use crate::analyze::facts::LiveCode;
use crate::read::Module;
use proptest::prelude::*;
use wasmparser::{
    FuncValidator, FuncValidatorAllocations, Operator, ValidatorResources, WasmModuleResources,
};

/// Whether the validator considers no open frame unreachable.
fn live<T: WasmModuleResources>(validator: &FuncValidator<T>) -> bool {
    (0..validator.control_stack_height() as usize)
        .filter_map(|depth| validator.get_control_frame(depth))
        .all(|frame| !frame.unreachable)
}

/// Compares all bodies of `module` and counts the dead operators.
fn compare(module: &Module<'_>) -> usize {
    let mut dead = 0;
    for func in module.defined_funcs() {
        let body = module.body(func).unwrap();
        let mut validator: FuncValidator<ValidatorResources> =
            module.validator(func, FuncValidatorAllocations::default());
        for local in body.get_locals_reader().unwrap() {
            let (count, ty) = local.unwrap();
            validator.define_locals(1, count, ty).unwrap();
        }
        let mut liveness = LiveCode::default();
        let operators = body.get_operators_reader().unwrap();
        for operator in operators.into_iter_with_offsets() {
            let (operator, offset) = operator.unwrap();
            let before = live(&validator);
            validator.op(offset, &operator).unwrap();
            // What closes a frame counts as part of what follows it.
            let closes = matches!(
                operator,
                Operator::End
                    | Operator::Else
                    | Operator::Delegate { .. }
                    | Operator::Catch { .. }
                    | Operator::CatchAll
            );
            let expected = if closes { live(&validator) } else { before };
            assert_eq!(liveness.step(&operator), expected, "{operator:?} in {func}");
            dead += usize::from(!expected);
        }
    }
    dead
}

#[test]
fn legacy_handlers() {
    let wat = "(module (tag $t) (func
        try unreachable try nop catch $t nop end
        catch $t return nop
        catch_all block br 0 if nop else nop end loop end end
          try unreachable delegate 0 nop rethrow 0 nop
        end nop))";
    let dead = super::with_module(wat, compare);
    assert_eq!(dead, 14);
}

/// Random code without operands, as text.
fn code() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "nop ",
        "nop ",
        "unreachable ",
        "return ",
        "br 0 ",
        "i32.const 0 br_if 0 ",
        "i32.const 0 br_table 0 0 ",
        "throw $t ",
        "return_call 0 ",
        "i32.const 0 return_call_indirect ",
    ]);
    let list = |item: BoxedStrategy<String>| {
        prop::collection::vec(item, 0..4).prop_map(|items| items.concat())
    };
    leaf.prop_map(str::to_owned).prop_recursive(6, 40, 4, move |inner| {
        let list = list(inner.boxed()).boxed();
        prop_oneof![
            list.clone().prop_map(|a| format!("block {a}end ")),
            list.clone().prop_map(|a| format!("loop {a}end ")),
            list.clone().prop_map(|a| format!("i32.const 0 if {a}end ")),
            (list.clone(), list.clone())
                .prop_map(|(a, b)| format!("i32.const 0 if {a}else {b}end ")),
            (list.clone(), list.clone(), list.clone())
                .prop_map(|(a, b, c)| format!("try {a}catch $t {b}catch_all {c}end ")),
            (list.clone(), list.clone())
                .prop_map(|(a, b)| format!("try {a}catch_all {b}rethrow 0 end ")),
            list.clone().prop_map(|a| format!("try {a}delegate 0 ")),
            list.prop_map(|a| format!("try_table (catch_all 0) {a}end ")),
        ]
    })
}

proptest! {
    #[test]
    fn random_code(code in prop::collection::vec(code(), 1..6)) {
        let code = code.concat();
        let wat = format!("(module (tag $t) (table 1 funcref) (func {code}))");
        super::with_module(&wat, compare);
    }
}
