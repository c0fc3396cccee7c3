//! Values: expressions of a given type, with calls in them.

use super::{Maker, constant};
use crate::random::program::{Kind, Node, Type};

impl Maker<'_> {
    pub(super) fn address(&mut self) -> Node {
        let value = self.value(Type::I32);
        self.at(Node::op("i32.and", vec![value, constant(0x3f8)], &[Type::I32]))
    }

    pub(super) fn call(&mut self, callee: usize) -> Node {
        let (params, results) = self.shape.signatures[callee].clone();
        let mut args = self.values(&params);
        if self.rng.chance(8) {
            let text = format!("ref.func $f{callee} call_ref $sig{callee}");
            return Node::op(text, args, &results);
        }
        if self.rng.chance(30) {
            args.push(self.slot(callee));
            return Node::op(format!("call_indirect (type $sig{callee})"), args, &results);
        }
        Node::op(format!("call $f{callee}"), args, &results)
    }

    /// The index of a table slot, sometimes loaded from memory where the callee may change it.
    pub(super) fn slot(&mut self, slot: usize) -> Node {
        if self.rng.chance(50) {
            return constant(slot as u32);
        }
        let (here, slot) = (self.at(constant(0)), constant(slot as u32));
        let write = Node::op("i32.store offset=2048", vec![here.clone(), slot], &[]);
        Node::op("i32.load offset=2048", vec![write, here], &[Type::I32])
    }

    /// Nodes that leave values of these types, in order.
    pub(super) fn values(&mut self, types: &[Type]) -> Vec<Node> {
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
    pub(super) fn value(&mut self, ty: Type) -> Node {
        self.budget -= 1;
        if self.budget <= 0 {
            return self.leaf(ty);
        }
        if ty.is_reference() {
            return self.reference(ty);
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
            _ if ty == Type::I32 => self.test(),
            _ => self.leaf(ty),
        }
    }

    pub(super) fn entry_call(&mut self) -> Node {
        let mut args = vec![self.value(Type::I32)];
        if self.rng.chance(20) {
            args.push(self.slot(self.shape.table.len() - 1));
            return Node::op("call_indirect (type $sig_fork)", args, &[Type::I32]);
        }
        Node::op("call $fork", args, &[Type::I32])
    }

    /// A call of a function whose first result has this type.
    pub(super) fn call_for(&mut self, ty: Type) -> Node {
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
    pub(super) fn branch_with(&mut self, ty: Type) -> Node {
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
    pub(super) fn polymorphic(&mut self, ty: Type) -> Node {
        let results = self.results.clone();
        let values = self.values(&results);
        Node::op("return", values, &[ty])
    }

    pub(super) fn leaf(&mut self, ty: Type) -> Node {
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

fn binary_ops(ty: Type) -> &'static [&'static str] {
    match ty {
        Type::I32 => {
            &["i32.add", "i32.sub", "i32.mul", "i32.xor", "i32.shl", "i32.lt_s", "i32.rotl"]
        }
        Type::I64 => &["i64.add", "i64.sub", "i64.mul", "i64.xor", "i64.shr_u", "i64.or"],
        Type::F32 => &["f32.add", "f32.sub", "f32.mul", "f32.min", "f32.copysign"],
        Type::F64 => &["f64.add", "f64.sub", "f64.mul", "f64.max", "f64.div"],
        Type::Func | Type::Exn => unreachable!("references are made in their own way"),
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
        Type::Func | Type::Exn => unreachable!("references are made in their own way"),
        Type::V128 => &[
            ("i32x4.splat", Type::I32),
            ("i64x2.splat", Type::I64),
            ("f32x4.splat", Type::F32),
            ("f64x2.splat", Type::F64),
            ("v128.not", Type::V128),
        ],
    }
}
