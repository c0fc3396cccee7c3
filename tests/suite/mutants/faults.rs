//! The faults: each changes one thing in a written module, and must change what it means.

use super::edit::{At, Body, Edit, Written, indexed, signed};
use std::collections::BTreeMap;
use wasmparser::{ExternalKind, Operator, Parser, Payload};

const DROP: u8 = 0x1a;
const NOP: u8 = 0x01;
const CALL: u8 = 0x10;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const I32_CONST: u8 = 0x41;
const I32_EQZ: u8 = 0x45;
const BR_IF: u8 = 0x0d;

/// What the mutants are made of.
pub struct Facts {
    /// How many functions the original has.
    pub originals: u32,
    /// How many locals each of its functions has.
    pub locals: BTreeMap<u32, u32>,
    /// The global that holds the state.
    pub state: u32,
    /// The helpers, by name.
    pub helpers: BTreeMap<&'static str, u32>,
    /// How many parameters each function has, and their and the results' types as text.
    pub params: BTreeMap<u32, (usize, String)>,
}

impl Facts {
    pub fn read(original: &[u8], output: &[u8]) -> Facts {
        let originals = Written::read(original).funcs;
        let module = Written::read(output);
        let mut exports = BTreeMap::new();
        let (mut types, mut of_funcs) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(output) {
            match payload.unwrap() {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        types.push(ty.ok());
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if let wasmparser::TypeRef::Func(ty) = import.unwrap().ty {
                            of_funcs.push(ty);
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    of_funcs.extend(section.into_iter().map(Result::unwrap));
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.unwrap();
                        if export.kind == ExternalKind::Func {
                            exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        let params = (0..).zip(&of_funcs).filter_map(|(func, ty)| {
            let ty = types.get(*ty as usize)?.as_ref()?;
            Some((func, (ty.params().len(), format!("{:?}{:?}", ty.params(), ty.results()))))
        });
        let getter = exports.get("wpk_fork_state").copied();
        let getter = module.bodies.iter().find(|body| Some(body.func) == getter);
        let state = getter.and_then(|body| match body.operators[0].operator {
            Operator::GlobalGet { global_index } => Some(global_index),
            _ => None,
        });
        // The protocol's six come first.
        let private = ["limit", "room", "seal", "probe", "pop"];
        let helpers = private.into_iter().zip(originals + 6..).collect();
        let counted = module.bodies.iter().map(|body| (body.func, 0));
        let mut locals: BTreeMap<u32, u32> = counted.collect();
        for (func, count) in locals_of(original) {
            locals.insert(func, count);
        }
        let state = state.unwrap_or(u32::MAX);
        Facts { originals, locals, state, helpers, params: params.collect() }
    }

    fn helper(&self, name: &str) -> Option<u32> {
        self.helpers.get(name).copied()
    }

    fn is_new(&self, func: u32) -> bool {
        func >= self.originals
    }
}

/// How many locals each function has, parameters included.
fn locals_of(wasm: &[u8]) -> BTreeMap<u32, u32> {
    let mut params: Vec<u32> = Vec::new();
    let (mut types, mut next, mut found) = (Vec::new(), 0, BTreeMap::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty.map_or(0, |ty| ty.params().len() as u32));
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let wasmparser::TypeRef::Func(_) = import.unwrap().ty {
                        next += 1;
                    }
                }
            }
            Payload::FunctionSection(section) => {
                let of = |ty: u32| types.get(ty as usize).copied().unwrap_or(0);
                params = section.into_iter().map(|ty| of(ty.unwrap())).collect();
            }
            Payload::CodeSectionEntry(body) => {
                let declared = body.get_locals_reader().unwrap().into_iter();
                let declared: u32 = declared.map(|run| run.unwrap().0).sum();
                let own = params.get(found.len()).copied().unwrap_or(0);
                found.insert(next, own + declared);
                next += 1;
            }
            _ => {}
        }
    }
    found
}

/// A fault: its name, the body that it is in, and the bytes that it changes.
pub type Fault<'b, 'a> = (&'static str, &'b Body<'a>, Vec<Edit>);

/// All faults in bodies.
pub fn in_bodies<'b, 'a>(
    module: &'b Written<'a>,
    facts: &Facts,
    rewritten: &[u32],
) -> Vec<Fault<'b, 'a>> {
    let mut faults = Vec::new();
    for body in &module.bodies {
        let is_original = !facts.is_new(body.func);
        if is_original && !rewritten.contains(&body.func) {
            continue;
        }
        for at in 0..body.operators.len() {
            let rest = &body.operators[at..];
            let mut add = |name, edits| faults.push((name, body, edits));
            if is_original {
                in_function(facts, body, rest, &mut add);
            }
            in_any(facts, body, rest, &mut add);
        }
    }
    faults
}

fn replaced(at: &At<'_>, bytes: Vec<u8>) -> Edit {
    (at.range.clone(), bytes)
}

fn is_state(facts: &Facts, at: &At<'_>) -> bool {
    matches!(at.operator, Operator::GlobalGet { global_index } if global_index == facts.state)
}

/// Faults of functions of the original.
fn in_function(
    facts: &Facts,
    body: &Body<'_>,
    rest: &[At<'_>],
    add: &mut impl FnMut(&'static str, Vec<Edit>),
) {
    use Operator as O;
    if let [ordinal, state, branch, drop, ..] = rest
        && let O::I32Const { value } = ordinal.operator
        && is_state(facts, state)
        && let O::BrIf { relative_depth } = branch.operator
        && drop.operator == O::Drop
    {
        add("a test is missing", vec![replaced(branch, vec![DROP])]);
        add(
            "a site has another's number",
            vec![replaced(ordinal, [vec![I32_CONST], signed(i64::from(value) + 1)].concat())],
        );
        add(
            "an exit is entered in the wrong place",
            vec![replaced(branch, indexed(BR_IF, relative_depth + 1))],
        );
        if relative_depth > 0 {
            add(
                "an exit is entered in the wrong place",
                vec![replaced(branch, indexed(BR_IF, relative_depth - 1))],
            );
        }
    }
    if let O::Call { function_index } = rest[0].operator
        && facts.params.get(&function_index).is_some_and(|(_, ty)| ty == "[][]")
        && !facts.is_new(function_index)
    {
        let twice = indexed(CALL, function_index).repeat(2);
        add("an instruction runs twice", vec![replaced(&rest[0], twice)]);
    }
    let store = |operator: &Operator<'_>| match operator {
        O::I32Store { memarg } | O::I64Store { memarg } => Some(memarg.offset),
        _ => None,
    };
    if store(&rest[0].operator).is_some() {
        add("an instruction is left out", vec![replaced(&rest[0], vec![DROP, DROP])]);
    }
    let own = facts.locals.get(&body.func).copied().unwrap_or(0);
    if let [first, second, ..] = rest
        && let (O::LocalSet { local_index: a }, O::LocalSet { local_index: b }) =
            (&first.operator, &second.operator)
        && a != b
        && *a >= own
        && *b >= own
    {
        add(
            "spills are in the wrong order",
            vec![replaced(first, indexed(LOCAL_SET, *b)), replaced(second, indexed(LOCAL_SET, *a))],
        );
    }
    if let [test, then, ..] = rest
        && is_state(facts, test)
        && matches!(then.operator, O::If { .. })
    {
        let end = test.range.end;
        add("the state is asked the wrong way round", vec![(end..end, vec![I32_EQZ])]);
    }
}

/// Faults of any rewritten body and of helpers.
fn in_any(
    facts: &Facts,
    body: &Body<'_>,
    rest: &[At<'_>],
    add: &mut impl FnMut(&'static str, Vec<Edit>),
) {
    use Operator as O;
    let called = |at: &At<'_>| match at.operator {
        O::Call { function_index } => Some(function_index),
        _ => None,
    };
    let private = |name| facts.helper(name);
    let first = called(&rest[0]);
    if first.is_some() && first == private("room") {
        add("no limit is checked", vec![replaced(&rest[0], vec![NOP])]);
    }
    if let [bytes, before, sites, pop, ..] = rest
        && called(pop).is_some()
        && called(pop) == private("pop")
    {
        let encode = |at: &At<'_>| match at.operator {
            O::I32Const { value } => [vec![I32_CONST], signed(value.into())].concat(),
            O::I64Const { value } => [vec![0x42], signed(value)].concat(),
            _ => Vec::new(),
        };
        let calls = indexed(CALL, called(pop).unwrap_or(0));
        let twice =
            [vec![DROP], encode(bytes), encode(before), encode(sites), calls.clone()].concat();
        let end = pop.range.end;
        add("a frame is taken twice", vec![(end..end, twice)]);
        if let O::I32Const { value } = before.operator {
            let other = [vec![I32_CONST], signed(i64::from(value) + 1)].concat();
            add("a frame is taken for another's", vec![replaced(before, other)]);
        }
        let wider = match bytes.operator {
            O::I32Const { value } => [vec![I32_CONST], signed(i64::from(value) + 4)].concat(),
            O::I64Const { value } => [vec![0x42], signed(value + 4)].concat(),
            _ => Vec::new(),
        };
        add("a frame is taken with another size", vec![replaced(bytes, wider)]);
    }
    if let [before, bytes, seal, ..] = rest
        && called(seal).is_some()
        && called(seal) == private("seal")
    {
        if let O::I32Const { value } = before.operator {
            let other = [vec![I32_CONST], signed(i64::from(value) + 1)].concat();
            add("a frame has another's number", vec![replaced(before, other)]);
        }
        let narrower = match bytes.operator {
            O::I32Const { value } => [vec![I32_CONST], signed(i64::from(value) - 4)].concat(),
            O::I64Const { value } => [vec![0x42], signed(value - 4)].concat(),
            _ => Vec::new(),
        };
        add("a frame is too small", vec![replaced(bytes, narrower)]);
    }
    saves(facts, rest, add);
    if let O::BrTable { targets } = &rest[0].operator
        && facts.is_new(body.func)
    {
        let mut depths: Vec<u32> = targets.targets().map(Result::unwrap).collect();
        depths.push(targets.default());
        let mut other = depths.clone();
        other.rotate_left(1);
        if other != depths {
            let mut bytes = indexed(0x0e, targets.len());
            other.iter().for_each(|depth| bytes.extend(super::edit::leb(*depth as usize)));
            add("another site's landing", vec![replaced(&rest[0], bytes)]);
        }
    }
    if let [O::I32Store { .. } | O::I64Store { .. } | O::F64Store { .. }, ..] =
        rest.iter().map(|at| &at.operator).take(1).collect::<Vec<_>>()[..]
        && facts.is_new(body.func)
    {
        add("a helper's store is left out", vec![replaced(&rest[0], vec![DROP, DROP])]);
    }
    if let O::GlobalSet { .. } = rest[0].operator
        && facts.is_new(body.func)
    {
        add("a global is forgotten", vec![replaced(&rest[0], vec![DROP])]);
    }
    if facts.is_new(body.func) {
        let other = match rest[0].operator {
            O::I32LtU => Some(0x4d),
            O::I32GtU => Some(0x4f),
            O::I32GeU => Some(0x4b),
            O::I64LtU => Some(0x58),
            _ => None,
        };
        if let Some(other) = other {
            add("a limit is off by one", vec![replaced(&rest[0], vec![other])]);
        }
    }
}

/// Faults where locals are saved: `i32.const offset, local.get…, call save`.
fn saves(facts: &Facts, rest: &[At<'_>], add: &mut impl FnMut(&'static str, Vec<Edit>)) {
    use Operator as O;
    let offset = match rest[0].operator {
        O::I32Const { value } => [vec![I32_CONST], signed(i64::from(value) + 4)].concat(),
        O::I64Const { value } => [vec![0x42], signed(value + 4)].concat(),
        _ => return,
    };
    let is_get = |at: &&At<'_>| matches!(at.operator, O::LocalGet { .. });
    let values: Vec<_> = rest[1..].iter().take_while(is_get).collect();
    let Some(O::Call { function_index }) = rest.get(1 + values.len()).map(|at| &at.operator) else {
        return;
    };
    let save = facts.params.get(function_index);
    let is_save =
        save.is_some_and(|(params, ty)| *params == 1 + values.len() && ty.ends_with("[]"));
    if values.is_empty() || !is_save || !facts.is_new(*function_index) {
        return;
    }
    let call = &rest[1 + values.len()];
    add("what is live is not saved", vec![replaced(call, vec![DROP; 1 + values.len()])]);
    add("a slot has another offset", vec![replaced(&rest[0], offset)]);
    let locals: Vec<u32> = values
        .iter()
        .filter_map(|at| match at.operator {
            O::LocalGet { local_index } => Some(local_index),
            _ => None,
        })
        .collect();
    for pair in 0..values.len().saturating_sub(1) {
        let (first, second) = (values[pair], values[pair + 1]);
        add(
            "two slots are swapped",
            vec![
                replaced(first, indexed(LOCAL_GET, locals[pair + 1])),
                replaced(second, indexed(LOCAL_GET, locals[pair])),
            ],
        );
        add("another value is saved", vec![replaced(first, indexed(LOCAL_GET, locals[pair + 1]))]);
    }
}
