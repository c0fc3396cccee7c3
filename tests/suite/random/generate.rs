//! Makes random programs that end, and that call entries in every place that is legal.
//!
//! Every expression may hold calls, so that operands of all types lie below sites, blocks and
//! branches. Loops and functions take fuel; addresses are masked; traps and exceptions are rare.

use super::program::{Func, Kind, Node, Program, TYPES, Type};
use super::rng::Rng;

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
}

/// The program of a seed. Greater seeds are no greater programs.
pub fn program(seed: u64) -> Program {
    let count = 2 + Rng::new(!seed).below(4);
    program_of(seed, count)
}

/// The program of a seed with so many functions.
pub fn program_of(seed: u64, count: usize) -> Program {
    let mut rng = Rng::new(seed);
    let types = |rng: &mut Rng, most: usize| -> Vec<Type> {
        (0..rng.below(most + 1)).map(|_| *rng.pick(&TYPES)).collect()
    };
    let signatures: Vec<_> = (0..count).map(|_| (types(&mut rng, 3), types(&mut rng, 2))).collect();
    let mut table: Vec<_> = (0..count).map(|i| format!("$f{i}")).collect();
    table.push("$fork".into());
    let shape = Shape { signatures, globals: types(&mut rng, 4), table };
    let funcs = (0..count).map(|i| func(&shape, i, &mut rng)).collect();
    Program { funcs, globals: shape.globals, table: shape.table }
}

fn func(shape: &Shape, ordinal: usize, rng: &mut Rng) -> Func {
    let (params, results) = shape.signatures[ordinal].clone();
    let locals: Vec<_> = (0..1 + rng.below(6)).map(|_| *rng.pick(&TYPES)).collect();
    let budget = [6, 20, 40, 70][rng.below(4)];
    let mut maker = Maker {
        shape,
        locals: [params.clone(), locals.clone()].concat(),
        results: results.clone(),
        labels: Vec::new(),
        next_label: 0,
        budget,
        sites: rng.chance(85),
        exceptions: rng.chance(30),
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

    /// An instruction that leaves nothing.
    fn statement(&mut self) -> Node {
        self.budget -= 1;
        let ty = *self.rng.pick(&TYPES);
        match self.rng.below(20) {
            0..=3 => {
                let value = self.value(ty);
                self.consume(ty, vec![value], &[])
            }
            4..=5 => {
                let value = self.value(ty);
                Node::op(format!("call $log_{}", ty.name()), vec![value], &[])
            }
            6 => self.set_global(ty),
            7..=8 => {
                let args = vec![self.address(), self.value(ty)];
                Node::op(format!("{}.store offset=8", ty.name()), args, &[])
            }
            9..=10 => self.discard_call(),
            11 => self.pause(),
            12..=13 => self.structure(&[]),
            14..=15 => self.counted_loop(),
            16 => self.branch_if(),
            17 => self.switch(),
            18 if self.exceptions => self.try_table(),
            18 => self.guarded(Node::op("unreachable", Vec::new(), &[])),
            _ => self.early_exit(),
        }
    }

    fn set_global(&mut self, ty: Type) -> Node {
        let value = self.value(ty);
        match self.global(ty) {
            Some(global) => Node::op(format!("global.set $g{global}"), vec![value], &[]),
            None => Node::op("drop", vec![value], &[]),
        }
    }

    fn discard_call(&mut self) -> Node {
        let callee = self.rng.below(self.shape.signatures.len());
        let call = self.call(callee);
        self.discard(call)
    }

    fn discard(&mut self, mut node: Node) -> Node {
        while let Some((top, rest)) = node.results.clone().split_last() {
            node = self.consume(*top, vec![node], rest);
        }
        node
    }

    /// The entry with several parameters and results.
    fn pause(&mut self) -> Node {
        if !self.sites {
            return self.discard_call();
        }
        let args = vec![self.value(Type::I64), self.value(Type::F64)];
        let call = Node::op("call $pause", args, &[Type::F32, Type::I64]);
        self.discard(call)
    }

    /// `node` under a condition that is seldom true.
    fn guarded(&mut self, node: Node) -> Node {
        let value = self.value(Type::I32);
        let rest = Node::op("i32.and", vec![value, constant(15)], &[Type::I32]);
        let seldom = Node::op("i32.eq", vec![rest, constant(11)], &[Type::I32]);
        structured("if", String::new(), vec![seldom], vec![vec![node]], &[])
    }

    /// A return or a branch in an arm, and dead code after it.
    fn early_exit(&mut self) -> Node {
        let forward: Vec<_> = self.labels.iter().filter(|l| !l.is_loop).collect();
        let (text, types) = if forward.is_empty() || self.rng.chance(20) {
            ("return".into(), self.results.clone())
        } else {
            let label = forward[self.rng.below(forward.len())];
            (format!("br {}", label.name), label.types.clone())
        };
        let condition = self.value(Type::I32);
        let mut arm = self.values(&types);
        arm.push(Node::op(text, Vec::new(), &[]));
        if self.rng.chance(30) {
            arm.push(self.statement());
        }
        structured("if", String::new(), vec![condition], vec![arm], &[])
    }

    /// `br_if` to any label; the values it carries are used up after it.
    fn branch_if(&mut self) -> Node {
        if self.labels.is_empty() {
            return self.discard_call();
        }
        let label = &self.labels[self.rng.below(self.labels.len())];
        let (name, types, is_loop) = (label.name.clone(), label.types.clone(), label.is_loop);
        let mut args = self.values(&types);
        args.push(self.condition(is_loop));
        let branch = Node::op(format!("br_if {name}"), args, &types);
        self.discard(branch)
    }

    /// A condition; for a branch back it is true only if there is fuel.
    fn condition(&mut self, takes_fuel: bool) -> Node {
        let value = self.value(Type::I32);
        if takes_fuel {
            let odd = Node::op("i32.and", vec![value, constant(1)], &[Type::I32]);
            Node::op("i32.and", vec![odd, burn()], &[Type::I32])
        } else {
            value
        }
    }

    /// `br_table` out of nested blocks, with code in each of them.
    fn switch(&mut self) -> Node {
        let names: Vec<_> = (0..2 + self.rng.below(3)).map(|_| self.new_label()).collect();
        let index = self.value(Type::I32);
        let index = Node::op("i32.and", vec![index, constant(3)], &[Type::I32]);
        let jump = Node::op(format!("br_table {}", names.join(" ")), vec![index], &[]);
        let mut body = vec![jump];
        for (i, name) in names.iter().enumerate() {
            let block = structured("block", name.clone(), Vec::new(), vec![body], &[]);
            body = vec![block];
            for outer in &names[i + 1..] {
                self.push_label(outer, &[], false);
            }
            if self.budget > 0 {
                body.push(self.statement());
            }
            self.labels.truncate(self.labels.len() - (names.len() - i - 1));
        }
        structured("block", String::new(), Vec::new(), vec![body], &[])
    }

    fn new_label(&mut self) -> String {
        self.next_label += 1;
        format!("$l{}", self.next_label)
    }

    fn push_label(&mut self, name: &str, types: &[Type], is_loop: bool) {
        self.labels.push(Label { name: name.to_owned(), types: types.to_vec(), is_loop });
    }

    /// A loop with a parameter that goes around at most as often as there is fuel.
    fn counted_loop(&mut self) -> Node {
        let ty = *self.rng.pick(&TYPES);
        let name = self.new_label();
        let first = self.value(ty);
        self.push_label(&name, &[ty], true);
        let mut body = Vec::new();
        let kept = self.rng.chance(50);
        if !kept {
            body.push(self.consume(ty, Vec::new(), &[]));
        }
        for _ in 0..1 + self.rng.below(3) {
            body.push(self.statement());
        }
        if !kept {
            body.push(self.value(ty));
        }
        let condition = self.condition(true);
        body.push(Node::op(format!("br_if {name}"), vec![condition], &[]));
        self.labels.pop();
        let mut node = structured("loop", name, vec![first], vec![body], &[ty]);
        set_params(&mut node, &[ty]);
        self.discard(node)
    }

    /// A `try_table` whose handlers lead to blocks around it, and a body that may throw.
    fn try_table(&mut self) -> Node {
        let (all, one) = (self.new_label(), self.new_label());
        let throw_one = Node::op("throw $e1", vec![self.value(Type::I32)], &[]);
        let throws =
            if self.rng.chance(50) { throw_one } else { Node::op("throw $e0", Vec::new(), &[]) };
        self.push_label(&all, &[], false);
        self.push_label(&one, &[Type::I32], false);
        let mut body = vec![self.statement(), self.guarded(throws), self.statement()];
        body.push(self.value(Type::I32));
        self.labels.pop();
        let clauses = match self.rng.below(3) {
            0 => format!("(catch $e1 {one})"),
            1 => format!("(catch $e1 {one}) (catch_all {all})"),
            _ => format!("(catch $e0 {all}) (catch $e1 {one})"),
        };
        let i32 = &[Type::I32];
        let mut node = structured("try_table", String::new(), Vec::new(), vec![body], i32);
        if let Kind::Structured { clauses: slot, .. } = &mut node.kind {
            *slot = clauses;
        }
        let inner = structured("block", one, Vec::new(), vec![vec![node]], i32);
        let used = self.consume(Type::I32, vec![inner], &[]);
        self.labels.pop();
        structured("block", all, Vec::new(), vec![vec![used]], &[])
    }

    /// A block, `if` or loop with parameters and these results.
    fn structure(&mut self, results: &[Type]) -> Node {
        let params: Vec<_> = (0..self.rng.below(3)).map(|_| *self.rng.pick(&TYPES)).collect();
        let mut args = self.values(&params);
        let name = self.new_label();
        let opcode = *self.rng.pick(&["block", "block", "if"]);
        if opcode == "if" {
            args.push(self.value(Type::I32));
        }
        self.push_label(&name, results, false);
        let mut bodies = vec![self.body(&params, results)];
        if opcode == "if" && (params != results || self.rng.chance(60)) {
            bodies.push(self.body(&params, results));
        }
        self.labels.pop();
        let mut node = structured(opcode, name, args, bodies, results);
        set_params(&mut node, &params);
        node
    }

    fn address(&mut self) -> Node {
        let value = self.value(Type::I32);
        Node::op("i32.and", vec![value, constant(0x3f8)], &[Type::I32])
    }

    fn call(&mut self, callee: usize) -> Node {
        let (params, results) = self.shape.signatures[callee].clone();
        let mut args = self.values(&params);
        if self.rng.chance(30) {
            args.push(self.slot(callee));
            return Node::op(format!("call_indirect (type $sig{callee})"), args, &results);
        }
        Node::op(format!("call $f{callee}"), args, &results)
    }

    /// The index of a table slot, sometimes loaded from memory where the callee may change it.
    fn slot(&mut self, slot: usize) -> Node {
        if self.rng.chance(50) {
            return constant(slot as u32);
        }
        let write =
            Node::op("i32.store offset=2048", vec![constant(0), constant(slot as u32)], &[]);
        Node::op("i32.load offset=2048", vec![write, constant(0)], &[Type::I32])
    }

    /// Nodes that leave values of these types, in order.
    fn values(&mut self, types: &[Type]) -> Vec<Node> {
        if types.len() > 1 && self.budget > 0 && self.rng.chance(25) {
            let signatures = &self.shape.signatures;
            let fitting = (0..signatures.len()).find(|i| signatures[*i].1 == types);
            return match fitting {
                Some(callee) if self.rng.chance(50) => vec![self.call(callee)],
                _ => vec![self.structure(types)],
            };
        }
        types.iter().map(|ty| self.value(*ty)).collect()
    }

    /// A node that leaves one value.
    fn value(&mut self, ty: Type) -> Node {
        self.budget -= 1;
        if self.budget <= 0 {
            return self.leaf(ty);
        }
        match self.rng.below(100) {
            0..=19 => self.leaf(ty),
            20..=39 => {
                let op = *self.rng.pick(binary_ops(ty));
                let args = vec![self.value(ty), self.value(ty)];
                Node::op(op, args, &[ty])
            }
            40..=51 => {
                let (op, from) = *self.rng.pick(unary_ops(ty));
                let arg = self.value(from);
                Node::op(op, vec![arg], &[ty])
            }
            52..=56 => match self.local(ty) {
                Some(local) => {
                    let value = self.value(ty);
                    Node::op(format!("local.tee {local}"), vec![value], &[ty])
                }
                None => self.leaf(ty),
            },
            57..=61 => {
                let address = self.address();
                Node::op(format!("{}.load offset=8", ty.name()), vec![address], &[ty])
            }
            62..=73 if ty == Type::I32 && self.sites => self.entry_call(),
            62..=79 => self.call_for(ty),
            80..=89 => self.structure(&[ty]),
            90..=93 => {
                let args = vec![self.value(ty), self.value(ty), self.value(Type::I32)];
                Node::op(format!("select (result {})", ty.name()), args, &[ty])
            }
            94..=97 => self.branch_with(ty),
            98 => self.polymorphic(ty),
            _ => self.leaf(ty),
        }
    }

    fn entry_call(&mut self) -> Node {
        let mut args = vec![self.value(Type::I32)];
        if self.rng.chance(20) {
            args.push(self.slot(self.shape.table.len() - 1));
            return Node::op("call_indirect (type $sig_fork)", args, &[Type::I32]);
        }
        Node::op("call $fork", args, &[Type::I32])
    }

    /// A call of a function whose first result has this type.
    fn call_for(&mut self, ty: Type) -> Node {
        let signatures = &self.shape.signatures;
        let fitting: Vec<_> =
            (0..signatures.len()).filter(|i| signatures[*i].1.first() == Some(&ty)).collect();
        if fitting.is_empty() {
            return self.leaf(ty);
        }
        let callee = *self.rng.pick(&fitting);
        let mut call = self.call(callee);
        while call.results.len() > 1 {
            let (top, rest) =
                call.results.clone().split_last().map(|(t, r)| (*t, r.to_vec())).unwrap();
            call = self.consume(top, vec![call], &rest);
        }
        call
    }

    /// `br_if` that leaves its value on the operand stack if it doesn't branch.
    fn branch_with(&mut self, ty: Type) -> Node {
        let fitting: Vec<_> =
            (0..self.labels.len()).filter(|i| self.labels[*i].types == [ty]).collect();
        if fitting.is_empty() {
            return self.leaf(ty);
        }
        let label = &self.labels[*self.rng.pick(&fitting)];
        let (name, is_loop) = (label.name.clone(), label.is_loop);
        let args = vec![self.value(ty), self.condition(is_loop)];
        Node::op(format!("br_if {name}"), args, &[ty])
    }

    /// A return in the middle of an expression: what follows is typed by the polymorphic stack.
    fn polymorphic(&mut self, ty: Type) -> Node {
        let results = self.results.clone();
        let values = self.values(&results);
        Node::op("return", values, &[ty])
    }

    fn leaf(&mut self, ty: Type) -> Node {
        match (self.rng.below(4), self.local(ty), self.global(ty)) {
            (0 | 1, Some(local), _) => Node::op(format!("local.get {local}"), Vec::new(), &[ty]),
            (2, _, Some(global)) => Node::op(format!("global.get $g{global}"), Vec::new(), &[ty]),
            _ => {
                let value = self.rng.below(20) as u32;
                Node { args: Vec::new(), kind: Kind::Consts(vec![value]), results: vec![ty] }
            }
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

fn binary_ops(ty: Type) -> &'static [&'static str] {
    match ty {
        Type::I32 => {
            &["i32.add", "i32.sub", "i32.mul", "i32.xor", "i32.shl", "i32.lt_s", "i32.rotl"]
        }
        Type::I64 => &["i64.add", "i64.sub", "i64.mul", "i64.xor", "i64.shr_u", "i64.or"],
        Type::F32 => &["f32.add", "f32.sub", "f32.mul", "f32.min", "f32.copysign"],
        Type::F64 => &["f64.add", "f64.sub", "f64.mul", "f64.max", "f64.div"],
        Type::V128 => &["i32x4.add", "i8x16.sub", "v128.xor", "i16x8.mul", "f64x2.add"],
    }
}

fn unary_ops(ty: Type) -> &'static [(&'static str, Type)] {
    match ty {
        Type::I32 => &[
            ("i32.eqz", Type::I32),
            ("i32.extend8_s", Type::I32),
            ("i32.wrap_i64", Type::I64),
            ("i32.trunc_sat_f32_s", Type::F32),
            ("i32.trunc_f64_s", Type::F64),
            ("i32x4.extract_lane 2", Type::V128),
        ],
        Type::I64 => &[
            ("i64.extend_i32_s", Type::I32),
            ("i64.clz", Type::I64),
            ("i64.trunc_sat_f64_u", Type::F64),
            ("i64x2.extract_lane 1", Type::V128),
        ],
        Type::F32 => &[
            ("f32.convert_i32_u", Type::I32),
            ("f32.neg", Type::F32),
            ("f32.demote_f64", Type::F64),
            ("f32x4.extract_lane 3", Type::V128),
        ],
        Type::F64 => &[
            ("f64.convert_i64_s", Type::I64),
            ("f64.promote_f32", Type::F32),
            ("f64.abs", Type::F64),
        ],
        Type::V128 => &[
            ("i32x4.splat", Type::I32),
            ("i64x2.splat", Type::I64),
            ("f32x4.splat", Type::F32),
            ("f64x2.splat", Type::F64),
            ("v128.not", Type::V128),
        ],
    }
}
