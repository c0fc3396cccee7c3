//! Statements: what leaves nothing on the operand stack, and structured instructions.

use super::{Label, Maker, burn, constant, set_params, structured};
use crate::random::program::{Kind, Node, TYPES, Type};

impl Maker<'_> {
    /// An instruction that leaves nothing.
    pub(super) fn statement(&mut self) -> Node {
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
            6 if self.rng.chance(70) => self.set_global(ty),
            6 => self.bulk_memory(),
            7..=8 => {
                let args = vec![self.address(), self.value(ty)];
                Node::op(format!("{}.store offset=8", ty.name()), args, &[])
            }
            9..=10 => self.discard_call(),
            11 => self.pause(),
            12..=13 => self.structure(&[]),
            14..=15 => self.counted_loop(),
            16 => self.branch_if(),
            17 if self.rng.chance(50) => self.use_reference(),
            17 => self.switch(),
            18 if self.exceptions && self.rng.chance(50) => self.try_table(),
            18 if self.exceptions && self.shape.references.contains(&Type::Exn) => {
                self.try_table_of_references()
            }
            18 => self.guarded(Node::op("unreachable", Vec::new(), &[])),
            _ if self.tail_calls && self.rng.chance(50) => self.tail_call(),
            _ => self.early_exit(),
        }
    }

    /// `memory.fill` or `memory.copy` of a few bytes.
    fn bulk_memory(&mut self) -> Node {
        let opcode = *self.rng.pick(&["memory.fill", "memory.copy"]);
        let length = self.value(Type::I32);
        let length = Node::op("i32.and", vec![length, constant(15)], &[Type::I32]);
        let value = match opcode {
            "memory.fill" => self.value(Type::I32),
            _ => self.address(),
        };
        let args = vec![self.address(), value, self.at(length)];
        Node::op(opcode, args, &[])
    }

    pub(super) fn set_global(&mut self, ty: Type) -> Node {
        let value = self.value(ty);
        match self.global(ty) {
            Some(global) => Node::op(format!("global.set $g{global}"), vec![value], &[]),
            None => Node::op("drop", vec![value], &[]),
        }
    }

    pub(super) fn discard_call(&mut self) -> Node {
        let callee = self.rng.below(self.shape.signatures.len());
        let call = self.call(callee);
        self.discard(call)
    }

    pub(super) fn discard(&mut self, mut node: Node) -> Node {
        while let Some((top, rest)) = node.results.clone().split_last() {
            node = self.consume(*top, vec![node], rest);
        }
        node
    }

    /// The entry with several parameters and results.
    pub(super) fn pause(&mut self) -> Node {
        if !self.sites {
            return self.discard_call();
        }
        let args = vec![self.value(Type::I64), self.value(Type::F64)];
        let call = Node::op("call $pause", args, &[Type::F32, Type::I64]);
        self.discard(call)
    }

    /// `node` under a condition that is seldom true.
    pub(super) fn guarded(&mut self, node: Node) -> Node {
        let value = self.value(Type::I32);
        let rest = Node::op("i32.and", vec![value, constant(15)], &[Type::I32]);
        let seldom = Node::op("i32.eq", vec![rest, constant(11)], &[Type::I32]);
        structured("if", String::new(), vec![seldom], vec![vec![node]], &[])
    }

    /// A tail call in an arm, of a function with the same results or of the entry.
    fn tail_call(&mut self) -> Node {
        let condition = self.value(Type::I32);
        let signatures = &self.shape.signatures;
        let fitting: Vec<_> =
            (0..signatures.len()).filter(|i| signatures[*i].1 == self.results).collect();
        let callee = fitting.get(self.rng.below(fitting.len().max(1))).copied();
        let mut arm = match callee {
            _ if self.results == [Type::I32] && self.rng.chance(30) => {
                vec![self.value(Type::I32), Node::op("return_call $fork", Vec::new(), &[])]
            }
            Some(callee) => self.tail_call_of(callee),
            None => return self.early_exit(),
        };
        if self.rng.chance(30) {
            arm.push(self.statement());
        }
        structured("if", String::new(), vec![condition], vec![arm], &[])
    }

    fn tail_call_of(&mut self, callee: usize) -> Vec<Node> {
        let params = self.shape.signatures[callee].0.clone();
        let mut nodes = self.values(&params);
        let call = match self.rng.below(4) {
            0 => format!("ref.func $f{callee} return_call_ref $sig{callee}"),
            1 => {
                nodes.push(self.slot(callee));
                format!("return_call_indirect (type $sig{callee})")
            }
            _ => format!("return_call $f{callee}"),
        };
        nodes.push(Node::op(call, Vec::new(), &[]));
        nodes
    }

    /// A return or a branch in an arm, and dead code after it.
    pub(super) fn early_exit(&mut self) -> Node {
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
    pub(super) fn branch_if(&mut self) -> Node {
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
    pub(super) fn condition(&mut self, takes_fuel: bool) -> Node {
        let value = self.value(Type::I32);
        if takes_fuel {
            let odd = Node::op("i32.and", vec![value, constant(1)], &[Type::I32]);
            Node::op("i32.and", vec![odd, burn()], &[Type::I32])
        } else {
            value
        }
    }

    /// `br_table` out of nested blocks, with code in each of them.
    pub(super) fn switch(&mut self) -> Node {
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

    pub(super) fn new_label(&mut self) -> String {
        self.next_label += 1;
        format!("$l{}", self.next_label)
    }

    pub(super) fn push_label(&mut self, name: &str, types: &[Type], is_loop: bool) {
        self.labels.push(Label { name: name.to_owned(), types: types.to_vec(), is_loop });
    }

    /// A loop with a parameter that goes around at most as often as there is fuel.
    pub(super) fn counted_loop(&mut self) -> Node {
        let ty = *self.rng.pick(&TYPES);
        let name = self.new_label();
        let first = self.value(ty);
        self.push_label(&name, &[ty], true);
        let mut body = Vec::new();
        let kept = self.rng.chance(50);
        if !kept {
            body.push(self.consume(ty, Vec::new(), &[]));
        }
        for _ in 0..=self.rng.below(3) {
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
    pub(super) fn try_table(&mut self) -> Node {
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
    pub(super) fn structure(&mut self, results: &[Type]) -> Node {
        let params: Vec<_> = (0..self.rng.below(3)).map(|_| self.operand_type()).collect();
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
}
