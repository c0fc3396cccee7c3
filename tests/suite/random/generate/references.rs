//! References: where they come from, and what shows which ones they are.

use super::{Maker, structured};
use crate::random::program::{Kind, Node, TYPES, Type};

impl Maker<'_> {
    /// A type that an operand may have.
    pub(super) fn operand_type(&mut self) -> Type {
        match self.rng.chance(15) {
            true => *self.rng.pick(self.shape.references),
            false => *self.rng.pick(&TYPES),
        }
    }

    /// A node that leaves a reference.
    pub(super) fn reference(&mut self, ty: Type) -> Node {
        match self.rng.below(10) {
            0..=1 if ty == Type::Func => {
                let func = self.rng.below(self.shape.signatures.len());
                Node::op(format!("ref.func $f{func}"), Vec::new(), &[ty])
            }
            2 if ty == Type::Func => {
                let slot = self.rng.below(self.shape.signatures.len());
                let slot = self.slot(slot);
                Node::op("table.get 0", vec![slot], &[ty])
            }
            3 => self.structure(&[ty]),
            4 => {
                let args = vec![self.value(ty), self.value(ty), self.value(Type::I32)];
                Node::op(format!("select (result {})", ty.name()), args, &[ty])
            }
            5 => self.branch_with(ty),
            _ => match self.local(ty) {
                Some(local) => Node::op(format!("local.get {local}"), Vec::new(), &[ty]),
                None => Node::consts(&[ty]),
            },
        }
    }

    /// Whether a reference is null, or of a function of some type.
    pub(super) fn test(&mut self) -> Node {
        let ty = *self.rng.pick(self.shape.references);
        let reference = self.value(ty);
        let test = match ty {
            Type::Func if self.rng.chance(70) => {
                format!("ref.test (ref $sig{})", self.rng.below(self.shape.signatures.len()))
            }
            _ => "ref.is_null".into(),
        };
        Node::op(test, vec![reference], &[Type::I32])
    }

    /// Calls the function that a local refers to, or throws the exception.
    pub(super) fn use_reference(&mut self) -> Node {
        let ty = *self.rng.pick(self.shape.references);
        let Some(local) = self.local(ty) else {
            let value = self.value(ty);
            return self.consume(ty, vec![value], &[]);
        };
        let get = || Node::op(format!("local.get {local}"), Vec::new(), &[ty]);
        if ty == Type::Exn {
            if self.rng.chance(60) {
                let value = self.value(ty);
                return Node::op(format!("local.set {local}"), vec![value], &[]);
            }
            let null = Node::op("ref.is_null", vec![get()], &[Type::I32]);
            let some = Node::op("i32.eqz", vec![null], &[Type::I32]);
            let throw = Node::op("throw_ref", vec![get()], &[]);
            return structured("if", String::new(), vec![some], vec![vec![throw]], &[]);
        }
        let callee = self.rng.below(self.shape.signatures.len());
        let (params, results) = self.shape.signatures[callee].clone();
        let test = Node::op(format!("ref.test (ref $sig{callee})"), vec![get()], &[Type::I32]);
        let mut args = self.values(&params);
        // What the arguments do may have set it to another.
        let set = Node::op(format!("local.tee {local}"), vec![get()], &[ty]);
        args.push(Node::op(format!("ref.cast (ref null $sig{callee})"), vec![set], &[ty]));
        let call = Node::op(format!("call_ref $sig{callee}"), args, &results);
        let call = self.discard(call);
        structured("if", String::new(), vec![test], vec![vec![call]], &[])
    }

    /// A `try_table` whose handlers get the exception itself, which lives across what follows.
    pub(super) fn try_table_of_references(&mut self) -> Node {
        let (all, one) = (self.new_label(), self.new_label());
        let throw_one = Node::op("throw $e1", vec![self.value(Type::I32)], &[]);
        let throws =
            if self.rng.chance(50) { throw_one } else { Node::op("throw $e0", Vec::new(), &[]) };
        let (exn, both) = (&[Type::Exn], &[Type::I32, Type::Exn]);
        self.push_label(&all, exn, false);
        self.push_label(&one, both, false);
        let mut body = vec![self.statement(), self.guarded(throws), self.statement()];
        body.extend(self.values(both));
        self.labels.pop();
        let clauses = match self.rng.below(3) {
            0 => format!("(catch_ref $e1 {one})"),
            1 => format!("(catch_ref $e1 {one}) (catch_all_ref {all})"),
            _ => format!("(catch_ref $e0 {all}) (catch_ref $e1 {one})"),
        };
        let mut node = structured("try_table", String::new(), Vec::new(), vec![body], both);
        if let Kind::Structured { clauses: slot, .. } = &mut node.kind {
            *slot = clauses;
        }
        let inner = structured("block", one, Vec::new(), vec![vec![node]], both);
        let kept = self.consume(Type::Exn, vec![inner], &[Type::I32]);
        let used = self.consume(Type::I32, vec![kept], &[]);
        let mut handled = vec![used, self.statement()];
        handled.push(self.value(Type::Exn));
        self.labels.pop();
        let outer = structured("block", all, Vec::new(), vec![handled], exn);
        let kept = self.consume(Type::Exn, vec![outer], &[]);
        let block = vec![kept, self.statement()];
        structured("block", String::new(), Vec::new(), vec![block], &[])
    }
}
