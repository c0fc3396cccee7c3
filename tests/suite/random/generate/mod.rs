//! Makes random programs that end, and that call entries in every place that is legal.
//!
//! Every expression may hold calls, so that operands of all types lie below sites, blocks and
//! branches. Loops and functions take fuel; addresses are masked; traps and exceptions are rare. References of exceptions live
//! across sites in any program, those of functions in some.

mod references;
mod statements;
mod values;

use super::program::{Func, Kind, Node, Program, TYPES, Type};
use super::rng::Rng;

/// Those of exceptions can be made again in any instance.
const REFERENCES: &[Type] = &[Type::Exn, Type::Func];

/// A branch target.
struct Label {
    name: String,
    /// What a branch to it carries.
    types: Vec<Type>,
    /// A branch to a loop goes back, so it must take fuel.
    is_loop: bool,
}

/// What all functions of a program share.
struct Shape {
    signatures: Vec<(Vec<Type>, Vec<Type>)>,
    globals: Vec<Type>,
    /// `$f0`… then the entry; each function once, so a slot is a function's ordinal.
    table: Vec<String>,
    /// Whether the memory has 64-bit addresses.
    wide: bool,
    /// Whether functions tail-call each other.
    tail_calls: bool,
    /// The types of references.
    references: &'static [Type],
}

/// The program of a seed. Greater seeds are no greater programs.
pub fn program(seed: u64) -> Program {
    let count = 2 + Rng::new(!seed).below(4);
    program_of(seed, count)
}

/// The program of a seed with so many functions.
pub fn program_of(seed: u64, count: usize) -> Program {
    let (keeps_references, carries_references) = (seed % 10 == 3, seed % 10 == 8);
    let (wide, tail_calls) = (seed % 4 == 1, seed % 3 == 2);
    let traits = Traits { wide, tail_calls, keeps_references, carries_references };
    program_by(Rng::new(seed), count, traits)
}

/// What a program has that not all have.
#[derive(Clone, Copy, Default)]
pub struct Traits {
    /// A memory of 64-bit addresses.
    pub wide: bool,
    /// Tail calls.
    pub tail_calls: bool,
    /// References that only the same instance can keep.
    pub keeps_references: bool,
    /// References of functions, which the host carries over to others; none of exceptions, which no host can.
    pub carries_references: bool,
}

/// A program of so many functions, by what `rng` draws.
pub fn program_by(mut rng: Rng, count: usize, traits: Traits) -> Program {
    let Traits { wide, tail_calls, keeps_references, carries_references } = traits;
    let types = |rng: &mut Rng, most: usize| -> Vec<Type> {
        (0..rng.below(most + 1)).map(|_| *rng.pick(&TYPES)).collect()
    };
    let signatures: Vec<_> = (0..count).map(|_| (types(&mut rng, 3), types(&mut rng, 2))).collect();
    let mut table: Vec<_> = (0..count).map(|i| format!("$f{i}")).collect();
    table.push("$fork".into());
    let globals = types(&mut rng, 4);
    let references = match (keeps_references, carries_references) {
        (true, _) => REFERENCES,
        (false, true) => &REFERENCES[1..],
        (false, false) => &REFERENCES[..1],
    };
    let shape = Shape { signatures, globals, table, wide, tail_calls, references };
    let funcs = (0..count).map(|i| func(&shape, i, &mut rng)).collect();
    let Shape { globals, table, wide, .. } = shape;
    Program { funcs, globals, table, wide, keeps_references, carries_references }
}

fn func(shape: &Shape, ordinal: usize, rng: &mut Rng) -> Func {
    let (params, results) = shape.signatures[ordinal].clone();
    let mut locals: Vec<_> = (0..=rng.below(6)).map(|_| *rng.pick(&TYPES)).collect();
    for _ in 0..rng.below(3) {
        locals.push(*rng.pick(shape.references));
    }
    let budget = [6, 20, 40, 70][rng.below(4)];
    let mut maker = Maker {
        shape,
        locals: [params.clone(), locals.clone()].concat(),
        results: results.clone(),
        labels: Vec::new(),
        next_label: 0,
        budget,
        sites: rng.chance(92),
        exceptions: rng.chance(40),
        tail_calls: shape.tail_calls,
        rng,
    };
    let mut body = vec![maker.return_without_fuel()];
    body.extend(maker.body(&[], &results));
    Func { params, results, locals, body }
}

struct Maker<'a> {
    shape: &'a Shape,
    rng: &'a mut Rng,
    locals: Vec<Type>,
    results: Vec<Type>,
    labels: Vec<Label>,
    next_label: usize,
    /// How many more nodes there should be, roughly.
    budget: i32,
    /// Whether the function calls entries itself.
    sites: bool,
    exceptions: bool,
    tail_calls: bool,
}

impl Maker<'_> {
    fn return_without_fuel(&mut self) -> Node {
        let values = Node::consts(&self.results);
        let exit = Node::op("return", vec![values], &[]);
        let condition = Node::op("i32.eqz", vec![burn()], &[Type::I32]);
        structured("if", String::new(), vec![condition], vec![vec![exit]], &[])
    }

    /// A body that begins with `params` on the operand stack and ends with `results`.
    fn body(&mut self, params: &[Type], results: &[Type]) -> Vec<Node> {
        let mut body = Vec::new();
        let keep = params.is_empty() || self.rng.chance(50);
        if !keep {
            for ty in params.iter().rev() {
                body.push(self.consume(*ty, Vec::new(), &[]));
            }
        }
        for _ in 0..self.rng.below(4) {
            if self.budget > 0 {
                body.push(self.statement());
            }
        }
        body.extend(self.values(results));
        if keep && !params.is_empty() {
            // Only a branch drops the parameters that lie below the results.
            body.push(self.leave(results));
        }
        body
    }

    /// A branch to the innermost label with these types, or a trap if there is none.
    fn leave(&mut self, types: &[Type]) -> Node {
        let label = self.labels.iter().rev().find(|l| !l.is_loop && l.types == types);
        match label {
            Some(label) => Node::op(format!("br {}", label.name), Vec::new(), &[]),
            None => Node::op("unreachable", Vec::new(), &[]),
        }
    }

    /// Takes the topmost of the values that `args` leave; `rest` are the ones below.
    fn consume(&mut self, ty: Type, args: Vec<Node>, rest: &[Type]) -> Node {
        let text = match self.local(ty) {
            Some(local) if self.rng.chance(75) => format!("local.set {local}"),
            _ => "drop".into(),
        };
        Node::op(text, args, rest)
    }

    fn local(&mut self, ty: Type) -> Option<usize> {
        let fitting: Vec<_> = (0..self.locals.len()).filter(|i| self.locals[*i] == ty).collect();
        (!fitting.is_empty()).then(|| *self.rng.pick(&fitting))
    }

    fn global(&mut self, ty: Type) -> Option<usize> {
        let globals = &self.shape.globals;
        let fitting: Vec<_> = (0..globals.len()).filter(|i| globals[*i] == ty).collect();
        (!fitting.is_empty()).then(|| *self.rng.pick(&fitting))
    }
}

impl Maker<'_> {
    /// An i32 as an address of the memory, or the size of a part of it.
    fn at(&self, value: Node) -> Node {
        match self.shape.wide {
            true => Node::op("i64.extend_i32_u", vec![value], &[Type::I64]),
            false => value,
        }
    }
}

fn constant(value: u32) -> Node {
    Node { args: Vec::new(), kind: Kind::Consts(vec![value]), results: vec![Type::I32] }
}

fn burn() -> Node {
    Node::op("call $burn", Vec::new(), &[Type::I32])
}

fn structured(
    opcode: &'static str,
    label: String,
    args: Vec<Node>,
    bodies: Vec<Vec<Node>>,
    results: &[Type],
) -> Node {
    let kind =
        Kind::Structured { opcode, label, params: Vec::new(), clauses: String::new(), bodies };
    Node { args, kind, results: results.to_vec() }
}

fn set_params(node: &mut Node, types: &[Type]) {
    if let Kind::Structured { params, .. } = &mut node.kind {
        *params = types.to_vec();
    }
}
