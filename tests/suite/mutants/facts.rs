//! What mutants are made of: which functions of an output are which.

use super::edit::Written;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef, ValType};

/// What is known of an output, beside its bodies. The names of helpers are believed: whoever makes faults may know where.
#[derive(Default)]
pub struct Facts {
    /// How many functions the original has.
    pub originals: u32,
    /// How many tags it has.
    pub original_tags: u32,
    /// How many parameters and locals each of its functions has.
    pub locals: BTreeMap<u32, u32>,
    /// The global that holds the state.
    pub state: u32,
    /// The parameters and results of each function.
    pub types: BTreeMap<u32, (Vec<ValType>, Vec<ValType>)>,
    /// The values that exceptions with each tag carry.
    pub tags: Vec<Vec<ValType>>,
    /// The names of the functions that were appended, without the prefix that all have.
    names: BTreeMap<u32, String>,
    /// The globals that were appended, by name.
    globals: BTreeMap<u32, String>,
    /// The tags that handlers name.
    caught_before: BTreeSet<u32>,
    /// The names of imports.
    imports: Vec<(String, String)>,
    /// The functions that are exported.
    exported: BTreeSet<u32>,
    /// The functions that are called or exported.
    called: BTreeSet<u32>,
    /// The functions that functions call first when they are rewound.
    pub resumes: BTreeSet<u32>,
}

impl Facts {
    pub fn read(original: &[u8], output: &[u8], module: &Written<'_>) -> Facts {
        let before = Written::read(original);
        let mut facts = Facts {
            originals: before.funcs,
            original_tags: tags_of(original),
            caught_before: before.bodies.iter().flat_map(caught_before).collect(),
            locals: locals_of(original),
            state: u32::MAX,
            ..Facts::default()
        };
        let (mut types, mut of_funcs, mut getter) = (Vec::new(), Vec::new(), None);
        let mut of_tags = Vec::new();
        for payload in Parser::new(0).parse_all(output) {
            match payload.unwrap() {
                Payload::TypeSection(section) => types = all_types(section),
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.unwrap();
                        facts.imports.push((import.module.to_owned(), import.name.to_owned()));
                        match import.ty {
                            TypeRef::Func(ty) => of_funcs.push(ty),
                            TypeRef::Tag(tag) => of_tags.push(tag.func_type_idx),
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    of_funcs.extend(section.into_iter().map(Result::unwrap));
                }
                Payload::TagSection(section) => {
                    of_tags.extend(section.into_iter().map(|tag| tag.unwrap().func_type_idx));
                }
                Payload::ExportSection(section) => {
                    let funcs = section.into_iter().map(Result::unwrap);
                    let funcs = funcs.filter(|export| export.kind == ExternalKind::Func);
                    for export in funcs {
                        facts.called.insert(export.index);
                        facts.exported.insert(export.index);
                        if export.name == "wpk_fork_state" {
                            getter = Some(export.index);
                        }
                    }
                }
                Payload::CustomSection(section) => facts.read_names(&section),
                _ => {}
            }
        }
        let of = |ty: &u32| types.get(*ty as usize).cloned().flatten();
        facts.types = (0..).zip(&of_funcs).filter_map(|(func, ty)| Some((func, of(ty)?))).collect();
        facts.tags = of_tags.iter().map(|ty| of(ty).map_or(vec![], |(params, _)| params)).collect();
        let getter = module.bodies.iter().find(|body| Some(body.func) == getter);
        if let Some(Operator::GlobalGet { global_index }) =
            getter.map(|body| &body.operators[0].operator)
        {
            facts.state = *global_index;
        }
        for at in module.bodies.iter().flat_map(|body| &body.operators) {
            if let Operator::Call { function_index } = at.operator {
                facts.called.insert(function_index);
            }
        }
        facts.resumes = module.bodies.iter().filter_map(|body| facts.resume_of(body)).collect();
        facts
    }

    fn read_names(&mut self, section: &wasmparser::CustomSectionReader<'_>) {
        let KnownCustom::Name(names) = section.as_known() else { return };
        for name in names {
            let (names, found) = match name {
                Ok(Name::Function(names)) => (names, &mut self.names),
                Ok(Name::Global(names)) => (names, &mut self.globals),
                _ => continue,
            };
            for naming in names.into_iter().map(Result::unwrap) {
                if let Some(name) = naming.name.strip_prefix("wpk_fork_") {
                    found.insert(naming.index, name.to_owned());
                }
            }
        }
    }

    /// Whether another module has the same imports, and functions and tags of the same types, by whatever indices: those of the original, and those
    /// that the host calls. What other types functions have that were appended shows nowhere, as long as the module is valid.
    pub fn is_typed_as(&self, other: &[u8]) -> bool {
        let other = Facts::read(other, other, &Written::read(other));
        let same = |(func, ty): (&u32, _)| {
            let is_seen = !self.is_new(*func) || self.exported.contains(func);
            !is_seen || other.types.get(func) == Some(ty)
        };
        self.imports == other.imports && self.tags == other.tags && self.types.iter().all(same)
    }

    /// Whether another module differs in imports alone that nobody but a site calls for, which is called again only when it is rewound to: its
    /// callee takes its frame, whatever the arguments are.
    pub fn is_called_alike(&self, other: &[u8], module: &Written<'_>) -> bool {
        let other = Facts::read(other, other, &Written::read(other));
        let changed = self.imports.iter().zip(&other.imports).zip(0..);
        let mut changed = changed.filter(|((a, b), _)| a != b).map(|(_, func)| func);
        changed.all(|func: u32| {
            !self.is_called(func) && module.bodies.iter().all(|body| self.is_unseen(func, body))
        })
    }

    /// Whether all that a body does with a function is to give its reference to the call of the first site, outside of all loops. Code in front of
    /// that never runs in a resume function.
    fn is_unseen(&self, func: u32, body: &super::edit::Body<'_>) -> bool {
        let is_it =
            |at: &super::edit::At<'_>| at.operator == Operator::RefFunc { function_index: func };
        let mut uses = body.operators.iter().enumerate().filter(|(_, at)| is_it(at));
        let Some((place, _)) = uses.next() else { return true };
        let is_loop = |at: &super::edit::At<'_>| matches!(at.operator, Operator::Loop { .. });
        let behind = body.operators[place..].iter().map(|at| &at.operator);
        let is_argument = |operator: &&Operator<'_>| {
            let is_const =
                matches!(operator, Operator::I32Const { .. } | Operator::I64Const { .. });
            is_const || matches!(operator, Operator::RefFunc { .. } | Operator::LocalGet { .. })
        };
        let behind: Vec<_> = behind.skip_while(is_argument).take(4).collect();
        let is_first = matches!(
            behind[..],
            [
                Operator::Call { .. },
                Operator::I32Const { value: 1 },
                Operator::GlobalGet { .. },
                Operator::BrIf { .. }
            ]
        );
        is_first && uses.next().is_none() && !body.operators[..place].iter().any(is_loop)
    }

    /// Whether a function was appended.
    pub fn is_new(&self, func: u32) -> bool {
        func >= self.originals
    }

    /// The name of a helper.
    pub fn helper(&self, func: u32) -> Option<&str> {
        self.names.get(&func).filter(|_| self.is_new(func)).map(String::as_str)
    }

    /// Whether a function is a helper whose name begins so.
    pub fn is_helper(&self, func: u32, prefix: &str) -> bool {
        self.helper(func).is_some_and(|name| name.starts_with(prefix))
    }

    /// Whether some handler catches exceptions with a tag, before one of all does.
    pub fn is_caught_before(&self, tag: u32) -> bool {
        self.caught_before.contains(&tag)
    }

    /// Whether anything calls a function.
    pub fn is_called(&self, func: u32) -> bool {
        self.called.contains(&func)
    }

    /// Whether all unwinds of a function are undone, whatever frame it has: no frame is written.
    pub fn holds_unwinds(&self, body: &super::edit::Body<'_>) -> bool {
        body.operators.iter().any(|at| match at.operator {
            Operator::GlobalSet { global_index } => {
                self.globals.get(&global_index).is_some_and(|name| name == "unsaved")
            }
            _ => false,
        })
    }

    /// The resume function of a function: `global.get $state  if  call $resume  return  end`.
    fn resume_of(&self, body: &super::edit::Body<'_>) -> Option<u32> {
        let [state, test, call, back, ..] = &body.operators[..] else { return None };
        let is_state = state.operator == Operator::GlobalGet { global_index: self.state };
        let tests = matches!(test.operator, Operator::If { .. });
        match call.operator {
            Operator::Call { function_index }
                if is_state && tests && back.operator == Operator::Return =>
            {
                Some(function_index)
            }
            _ => None,
        }
    }
}

/// How many tags a module has.
fn tags_of(wasm: &[u8]) -> u32 {
    let mut count = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        count += match payload.unwrap() {
            Payload::ImportSection(imports) => {
                let imports = imports.into_imports().map(|import| import.unwrap().ty);
                imports.filter(|ty| matches!(ty, TypeRef::Tag(_))).count() as u32
            }
            Payload::TagSection(section) => section.count(),
            _ => 0,
        };
    }
    count
}

/// The tags that a body's handlers name: those of all exceptions stand behind them.
pub fn caught_before(body: &super::edit::Body<'_>) -> Vec<u32> {
    let caught = body.operators.iter().filter_map(|at| match at.operator {
        Operator::Catch { tag_index } => Some(tag_index),
        _ => None,
    });
    caught.collect()
}

type Types = Vec<Option<(Vec<ValType>, Vec<ValType>)>>;

fn all_types(section: wasmparser::TypeSectionReader<'_>) -> Types {
    let mut types = Vec::new();
    for group in section {
        for ty in group.unwrap().into_types() {
            types.push(match &ty.composite_type.inner {
                wasmparser::CompositeInnerType::Func(ty) => {
                    Some((ty.params().to_vec(), ty.results().to_vec()))
                }
                _ => None,
            });
        }
    }
    types
}

/// How many parameters and locals each function has.
fn locals_of(wasm: &[u8]) -> BTreeMap<u32, u32> {
    let (mut params, mut types) = (Vec::new(), Vec::new());
    let (mut next, mut found) = (0, BTreeMap::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::TypeSection(section) => types = all_types(section),
            Payload::ImportSection(imports) => {
                let imports = imports.into_imports().map(|import| import.unwrap().ty);
                next += imports.filter(|ty| matches!(ty, TypeRef::Func(_))).count() as u32;
            }
            Payload::FunctionSection(section) => {
                let of =
                    |ty: u32| types[ty as usize].as_ref().map_or(0, |(params, _)| params.len());
                params = section.into_iter().map(|ty| of(ty.unwrap()) as u32).collect();
            }
            Payload::CodeSectionEntry(body) => {
                let declared = body.get_locals_reader().unwrap().into_iter();
                let declared: u32 = declared.map(|run| run.unwrap().0).sum();
                found.insert(next, params[found.len()] + declared);
                next += 1;
            }
            _ => {}
        }
    }
    found
}
